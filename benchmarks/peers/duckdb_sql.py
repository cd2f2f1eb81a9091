"""DuckDB with two threads, from text file to text file in one statement."""

import sys
from pathlib import Path

import duckdb

# The separator is a byte that occurs in no data, so that a line is one column.
LINES = """read_csv($source, columns = {{'line': 'VARCHAR'}}, delim = '\x01', header = false,
    quote = '', escape = '', auto_detect = false, max_line_size = 10000000)"""
WORDS = """
    SELECT word, count(*) AS n
    FROM (SELECT unnest(string_split({text}, ' ')) AS word FROM {lines})
    WHERE word <> '' GROUP BY word"""
WORDCOUNT = WORDS.format(text="line", lines=LINES)
# This is cheaper than to split by a regular expression.
WORDCOUNT_TABS = WORDS.format(text="replace(line, '\t', ' ')", lines=LINES)
SORT = f"SELECT line FROM {LINES} ORDER BY line"
GROUPSUM = """
    SELECT key, sum(n)::BIGINT AS n
    FROM read_csv($source, columns = {{'key': 'VARCHAR', 'n': 'BIGINT'}}, delim = '\t',
        header = false, quote = '', escape = '', auto_detect = false)
    GROUP BY key"""
STATEMENTS = {
    "wordcount": WORDCOUNT,
    "wordcount-tabs": WORDCOUNT_TABS,
    "sort": SORT,
    "groupsum": GROUPSUM,
}


def main() -> None:
    operation, source, target = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    target.mkdir()
    query = STATEMENTS[operation].format().replace("$source", quoted(source))
    separator = "\x01" if operation == "sort" else "\t"
    with duckdb.connect() as db:
        db.execute("SET threads = 2")
        db.execute(f"SET temp_directory = {quoted(str(target / '_spill'))}")
        db.execute(f"SET preserve_insertion_order = {str(operation == 'sort').lower()}")
        db.execute(
            f"COPY ({query}) TO {quoted(str(target / 'part-0'))} "
            f"(FORMAT csv, HEADER false, DELIMITER '{separator}', QUOTE '', ESCAPE '')"
        )


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    main()
