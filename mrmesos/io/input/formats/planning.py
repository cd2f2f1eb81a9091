"""What a JobTracker has to know of formats: whether they can be read or written with, and cut."""

from __future__ import annotations

from mrmesos.api.formats import (
    ArrowOutput,
    CsvInput,
    CsvOutput,
    FixedWidthInput,
    InputFormat,
    KeyValueTextInput,
    OrcOutput,
    OutputFormat,
    ParquetInput,
    ParquetOutput,
    TextInput,
    WholeFileInput,
)
from mrmesos.io.fs.filesystem import SUFFIXES, InputError, OutputError

_BYTES_MAX = 1 << 30
_WHOLE_FILE_CODECS = ("none", *SUFFIXES)
_CODECS: dict[type, tuple[str, ...]] = {
    ArrowOutput: ("none", "lz4", "zstd"),
    ParquetOutput: ("none", "snappy", "gzip", "brotli", "lz4", "zstd"),
    OrcOutput: ("none", "snappy", "gzip", "lz4", "zstd"),
}
_OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "in", "not in")


def splits_files(fmt: InputFormat) -> bool:
    """Whether a file of this format may be cut anywhere and be read by several maps."""
    match fmt:
        case CsvInput():
            return not (fmt.quote and fmt.newlines_in_fields)
        case WholeFileInput():
            return False
    return True


def in_container(fmt: InputFormat) -> bool:
    """Whether files are their own containers: never compressed as a whole, read by large units."""
    return fmt.__struct_config__.tag in ("parquet", "arrow", "orc")


def check_input(fmt: InputFormat) -> None:
    """Raise InputError, naming the field, where a format cannot be read with."""
    match fmt:
        case TextInput():
            _check_text(fmt, fmt.encoding, fmt.errors)
        case KeyValueTextInput():
            _check_text(fmt, fmt.encoding, fmt.errors)
            _check_character(fmt, "separator", fmt.separator)
        case CsvInput():
            _check_character(fmt, "separator", fmt.separator)
            if fmt.quote:
                _check_character(fmt, "quote", fmt.quote)
            if not fmt.header and not fmt.names:
                raise InputError("CsvInput(header=False): give the names of the columns as names=")
            if len(set(fmt.names)) != len(fmt.names):
                raise InputError(f"CsvInput(names={fmt.names!r}): a name comes twice")
        case FixedWidthInput():
            _check_number(fmt, "record_bytes", fmt.record_bytes, 1, _BYTES_MAX)
            _check_number(fmt, "key_bytes", fmt.key_bytes, 0, fmt.record_bytes)
        case WholeFileInput():
            _check_number(fmt, "max_bytes", fmt.max_bytes, 1, _BYTES_MAX)
            _check_encoding(fmt, fmt.encoding)
        case ParquetInput():
            for each in fmt.filters:
                if len(each) != 3 or each[1] not in _OPERATORS:
                    raise InputError(
                        f"ParquetInput(filters=...): {each!r:.80} is not (column, operator, value) "
                        f"with an operator of {' '.join(_OPERATORS)}"
                    )
    on_error = getattr(fmt, "on_error", "fail")
    if on_error not in ("fail", "skip"):
        raise InputError(f"{_name(fmt)}(on_error={on_error!r}): write 'fail' or 'skip'")
    longest = getattr(fmt, "max_line_bytes", 1)
    _check_number(fmt, "max_line_bytes", longest, 1, _BYTES_MAX)


def check_output(fmt: OutputFormat) -> None:
    """Raise OutputError, naming the field, where a format cannot be written with."""
    known = _CODECS.get(type(fmt), _WHOLE_FILE_CODECS)
    if fmt.compression not in known:
        raise OutputError(
            f"{_name(fmt)}(compression={fmt.compression!r}): write one of {', '.join(known)}"
        )
    if isinstance(fmt, CsvOutput):
        _check_character(fmt, "separator", fmt.separator, OutputError)


def _check_text(fmt: InputFormat, encoding: str, errors: str) -> None:
    if errors not in ("replace", "strict"):
        raise InputError(f"{_name(fmt)}(errors={errors!r}): write 'replace' or 'strict'")
    if not encoding:
        return
    _check_encoding(fmt, encoding)
    # After any byte order mark.
    if not "\r\n\taZ09".encode(encoding).endswith(b"\r\n\taZ09"):
        raise InputError(
            f"{_name(fmt)}(encoding={encoding!r}): lines can be told apart only in encodings that "
            "contain ASCII; convert the files to UTF-8"
        )


def _check_encoding(fmt: InputFormat, encoding: str) -> None:
    try:
        "aZ09".encode(encoding or "utf-8")
    except (LookupError, UnicodeError):
        raise InputError(f"{_name(fmt)}(encoding={encoding!r}): Python knows no such") from None


def _check_character(
    fmt: InputFormat | OutputFormat,
    field: str,
    text: str,
    error: type[InputError] | type[OutputError] = InputError,
) -> None:
    if len(text) != 1 or not text.isascii() or text in "\r\n":
        raise error(f"{_name(fmt)}({field}={text!r}): write one ASCII character")


def _check_number(fmt: InputFormat, field: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise InputError(f"{_name(fmt)}({field}={number}): write {least} to {most}")


def _name(fmt: InputFormat | OutputFormat) -> str:
    return type(fmt).__name__
