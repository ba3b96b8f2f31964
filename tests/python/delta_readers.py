"""Asks delta-rs and DuckDB about tables that history wrote, and compares with the right answers.

The Rust test `tables_for_other_programs_are_written` leaves tables and `questions.json` in
`target/tmp/delta`. DuckDB reads the Parquet files that delta-rs lists; its own Delta extension
would have to be downloaded.

Usage: delta_readers.py --tables target/tmp/delta
"""

import argparse
import json
import pathlib
import sys

import duckdb
from deltalake import DeltaTable, QueryBuilder


def ask_delta_rs(table, sql):
    """The first row of an answer, by delta-rs's own query engine."""
    answer = QueryBuilder().register("t", table).execute(sql).read_all()
    return [answer.column(i).to_pylist()[0] for i in range(answer.num_columns)]


def duckdb_view(table):
    """The table's files as a DuckDB view with the names that the Delta schema gives them."""
    names = []
    for field in json.loads(table.schema().to_json())["fields"]:
        physical = field["metadata"].get("delta.columnMapping.physicalName", field["name"])
        names.append(f'"{physical}" AS "{field["name"]}"')
    files = ", ".join(f"'{uri}'" for uri in table.file_uris())
    connection = duckdb.connect()
    connection.execute(
        f"CREATE VIEW t AS SELECT {', '.join(names)} FROM read_parquet("
        f"[{files}], union_by_name = true, hive_partitioning = true)"
    )
    return connection


def check(expected):
    """Mistakes of one table, as lines."""
    folder = expected["folder"]
    table = DeltaTable(folder)
    mistakes = []

    def compare(who, what, answer, right):
        if answer != right:
            mistakes.append(f"{folder}: {who}: {what}: expected {right}, found {answer}")

    compare("delta-rs", "version", table.version(), expected["version"])
    listed = sum(table.get_add_actions(flatten=True).column("num_records").to_pylist())
    compare("delta-rs", "rows by its statistics", listed, expected["rows"])
    connection = duckdb_view(table)
    for question in expected["questions"]:
        sql, right = question["sql"], question["answer"]
        compare("delta-rs", sql, ask_delta_rs(table, sql), right)
        compare("DuckDB", sql, list(connection.execute(sql).fetchone()), right)
    if expected["mapped"]:
        try:
            table.to_pyarrow_table()
            mistakes.append(f"{folder}: pyarrow does not know renamed columns and did not refuse")
        except Exception as refusal:  # its class differs between versions
            if "columnMapping" not in str(refusal):
                mistakes.append(f"{folder}: pyarrow: {refusal}")
    else:
        compare("pyarrow", "rows", table.to_pyarrow_table().num_rows, expected["rows"])
    return mistakes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=pathlib.Path, required=True)
    tables = json.loads((parser.parse_args().tables / "questions.json").read_text())["tables"]
    mistakes = [mistake for table in tables for mistake in check(table)]
    print("\n".join(mistakes) or f"delta-rs and DuckDB agree with us on {len(tables)} tables")
    sys.exit(1 if mistakes else 0)


if __name__ == "__main__":
    main()
