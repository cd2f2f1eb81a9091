"""The reader of each input format."""

from __future__ import annotations

from collections.abc import Iterator

from mrmesos.api.formats import (
    ArrowInput,
    CsvInput,
    FixedWidthInput,
    InputFormat,
    JsonLinesInput,
    KeyValueTextInput,
    OrcInput,
    ParquetInput,
    TextInput,
    WholeFileInput,
)
from mrmesos.api.split import Split
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.input.formats.text import read_text


def read_split(
    split: Split, fmt: InputFormat, *, batch_bytes: int = 1 << 20, records: bool = True
) -> Iterator[InputBatch]:
    """The records of the split in order, a batch at a time; of `batch_bytes`, where these count.

    `records` is for mappers that see one record at a time: batches may then hold several small
    files, and values that no column holds. Raises InputError naming the file and what to do.
    """
    # Imported as they are used: a map of text lines need not load Parquet and ORC.
    match fmt:
        case TextInput():
            return read_text(split, fmt, batch_bytes=batch_bytes, share=records)
        case KeyValueTextInput():
            from mrmesos.io.input.formats.keyvalue import read_key_values

            return read_key_values(split, fmt, batch_bytes=batch_bytes)
        case JsonLinesInput():
            from mrmesos.io.input.formats.jsonl import read_json_lines

            return read_json_lines(split, fmt, batch_bytes=batch_bytes, records=records)
        case CsvInput():
            from mrmesos.io.input.formats.delimited import read_csv

            return read_csv(split, fmt, batch_bytes=batch_bytes)
        case ParquetInput() | ArrowInput() | OrcInput():
            from mrmesos.io.input.formats.tables import for_records

            tables = _read_tables(split, fmt)
            return for_records(tables) if records else tables
        case FixedWidthInput():
            from mrmesos.io.input.formats.fixed import read_fixed_width

            return read_fixed_width(split, fmt, batch_bytes=batch_bytes)
        case WholeFileInput():
            from mrmesos.io.input.formats.fixed import read_whole_files

            return read_whole_files(split, fmt)


def _read_tables(split: Split, fmt: ParquetInput | ArrowInput | OrcInput) -> Iterator[InputBatch]:
    from mrmesos.io.input.formats.tables import read_arrow, read_orc

    match fmt:
        case ParquetInput():
            from mrmesos.io.input.formats.parquet import read_parquet

            return read_parquet(split, fmt)
        case ArrowInput():
            return read_arrow(split, fmt)
        case OrcInput():
            return read_orc(split, fmt)
