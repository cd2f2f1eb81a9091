"""Checks of the fields of input formats, before any file is read.

Every check raises InputError with the field and what to write.
"""

from __future__ import annotations

from mrmesos.api.formats import (
    ArrowInput,
    AvroInput,
    CsvInput,
    FixedWidthInput,
    InputFormat,
    JsonLinesInput,
    KeyValueTextInput,
    OrcInput,
    ParquetInput,
    TextInput,
    WholeFileInput,
    is_separator,
)
from mrmesos.io.compression.first_bytes import CODECS
from mrmesos.io.fs.filesystem import InputError

_BYTES_MAX = 1 << 30
DELIMITER_MAX = 1 << 16
_OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "in", "not in")


def check_text(fmt: TextInput) -> None:
    """Raises InputError."""
    _check_lines(fmt, fmt.encoding, fmt.errors)
    _check_longest(fmt, fmt.max_line_bytes)
    _check_compression(fmt, fmt.compression)
    if not isinstance(fmt.delimiter, bytes) or len(fmt.delimiter) > DELIMITER_MAX:
        raise InputError(
            f"TextInput(delimiter={fmt.delimiter!r:.80}): write at most {DELIMITER_MAX} bytes, "
            'such as b"\\n\\n"'
        )
    if fmt.blocks and fmt.delimiter:
        raise InputError(
            f"TextInput(blocks=True, delimiter={fmt.delimiter!r:.80}): blocks consist of lines; "
            "leave out one of them"
        )


def check_key_values(fmt: KeyValueTextInput) -> None:
    """Raises InputError."""
    _check_lines(fmt, fmt.encoding, fmt.errors)
    _check_character(fmt, "separator", fmt.separator)
    _check_longest(fmt, fmt.max_line_bytes)
    _check_compression(fmt, fmt.compression)


def check_json_lines(fmt: JsonLinesInput) -> None:
    """Raises InputError."""
    check_partitioning(fmt)
    _check_on_error(fmt, fmt.on_error)
    _check_longest(fmt, fmt.max_line_bytes)
    _check_compression(fmt, fmt.compression)
    _check_parsed(fmt, fmt.encoding)


def check_csv(fmt: CsvInput) -> None:
    """Raises InputError."""
    check_partitioning(fmt)
    _check_character(fmt, "separator", fmt.separator)
    if fmt.quote:
        _check_character(fmt, "quote", fmt.quote)
    for field, sign in (("escape", fmt.escape), ("comment", fmt.comment)):
        if sign:
            _check_character(fmt, field, sign)
    signs = [each for each in (fmt.separator, fmt.quote, fmt.escape, fmt.comment) if each]
    if len(set(signs)) < len(signs):
        raise InputError(
            f"CsvInput: separator, quote, escape and comment must differ, but are {signs!r}"
        )
    if fmt.short_rows not in ("fail", "null"):
        raise InputError(f"CsvInput(short_rows={fmt.short_rows!r}): write 'fail' or 'null'")
    if fmt.missing_columns not in ("fail", "null"):
        raise InputError(
            f"CsvInput(missing_columns={fmt.missing_columns!r}): write 'fail' or 'null'"
        )
    if not fmt.header and not fmt.names:
        raise InputError("CsvInput(header=False): set the names of the columns with names=")
    if len(set(fmt.names)) != len(fmt.names):
        raise InputError(f"CsvInput(names={fmt.names!r}): a name appears twice")
    _check_on_error(fmt, fmt.on_error)
    _check_longest(fmt, fmt.max_line_bytes)
    _check_compression(fmt, fmt.compression)
    _check_parsed(fmt, fmt.encoding)


def newlines_in_fields(fmt: CsvInput) -> bool:
    """Whether a field may contain a newline. Then no map can find a row in the middle of a file."""
    return bool((fmt.quote or fmt.escape) and fmt.newlines_in_fields)


def check_fixed_width(fmt: FixedWidthInput) -> None:
    """Raises InputError."""
    _check_number(fmt, "record_bytes", fmt.record_bytes, 1, _BYTES_MAX)
    _check_number(fmt, "key_bytes", fmt.key_bytes, 0, fmt.record_bytes)
    _check_on_error(fmt, fmt.on_error)
    _check_compression(fmt, fmt.compression)


def check_whole_files(fmt: WholeFileInput) -> None:
    """Raises InputError."""
    _check_number(fmt, "max_bytes", fmt.max_bytes, 1, _BYTES_MAX)
    _check_encoding(fmt, fmt.encoding)
    _check_compression(fmt, fmt.compression)


def check_partitioning(
    fmt: JsonLinesInput | CsvInput | ParquetInput | ArrowInput | OrcInput | AvroInput,
) -> None:
    """Raises InputError."""
    if fmt.partitioning not in ("hive", None):
        raise InputError(f"{_name(fmt)}(partitioning={fmt.partitioning!r}): write 'hive' or None")


def check_parquet(fmt: ParquetInput) -> None:
    """Raises InputError."""
    check_partitioning(fmt)
    for each in fmt.filters:
        if len(each) != 3 or each[1] not in _OPERATORS:
            raise InputError(
                f"ParquetInput(filters=...): {each!r:.80} is not (column, operator, value) "
                f"with one of the operators {' '.join(_OPERATORS)}"
            )


def _check_on_error(fmt: InputFormat, on_error: str) -> None:
    if on_error not in ("fail", "skip"):
        raise InputError(f"{_name(fmt)}(on_error={on_error!r}): write 'fail' or 'skip'")


def _check_longest(fmt: InputFormat, longest: int) -> None:
    _check_number(fmt, "max_line_bytes", longest, 1, _BYTES_MAX)


def _check_compression(fmt: InputFormat, compression: str) -> None:
    if compression not in ("", "none", *CODECS):
        known = ", ".join(("none", *CODECS))
        raise InputError(f"{_name(fmt)}(compression={compression!r}): write one of {known}")


def _check_lines(fmt: InputFormat, encoding: str, errors: str) -> None:
    if errors not in ("replace", "strict"):
        raise InputError(f"{_name(fmt)}(errors={errors!r}): write 'replace' or 'strict'")
    _check_encoding(fmt, encoding)


def _check_parsed(fmt: InputFormat, encoding: str) -> None:
    if not encoding:
        raise InputError(f"{_name(fmt)}(encoding=''): name the encoding of the text")
    _check_encoding(fmt, encoding)


def _check_encoding(fmt: InputFormat, encoding: str) -> None:
    try:
        "aZ09".encode(encoding or "utf-8")
    except (LookupError, UnicodeError):
        raise InputError(
            f"{_name(fmt)}(encoding={encoding!r}): Python does not know this encoding"
        ) from None


def _check_character(fmt: InputFormat, field: str, text: str) -> None:
    if not is_separator(text):
        raise InputError(f"{_name(fmt)}({field}={text!r}): write one ASCII character")


def _check_number(fmt: InputFormat, field: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise InputError(f"{_name(fmt)}({field}={number}): write {least} to {most}")


def _name(fmt: InputFormat) -> str:
    return type(fmt).__name__
