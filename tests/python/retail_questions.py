#!/usr/bin/env python3
"""Asks a mainstem server and DuckDB the same questions about the same file, and compares answers.

Usage: retail_questions.py --mainstem target/debug/mainstem [--file online-retail.csv.gz]

The file is the whole Online Retail data set if it is there (../shared/data beside the repository,
or MAINSTEM_TEST_DATA), else the day that is kept in apps/retail; the output says which. Every
question is asked three times: while the rows are in the log, after they were archived, and after a
restart. Views are asked the same, until they have followed. Exit code 1 names each question whose
answers differ.
"""

import argparse
import os
import pathlib
import sys
import tempfile

import duckdb
from mainstem_server import REPOSITORY, Server, spell
from retail_asked import QUESTIONS, VIEWS

REAL = "online-retail/online-retail.csv.gz"

# The same views in DuckDB.
VIEWS_OF_DUCKDB = [
    """CREATE VIEW revenue_by_country AS SELECT country, count(DISTINCT invoice_no) AS orders,
         count(DISTINCT customer_id) AS customers, sum(quantity * unit_price) AS revenue
       FROM purchases GROUP BY country""",
    """CREATE VIEW revenue_by_hour AS SELECT date_trunc('hour', invoice_date) AS window_start,
         date_trunc('hour', invoice_date) + INTERVAL '1 hour' AS window_end,
         count(DISTINCT invoice_no) AS orders, sum(quantity * unit_price) AS revenue
       FROM purchases GROUP BY ALL""",
]
# How often a view is asked at most until it has followed; each takes some hundredths of a second.
PATIENCE = 1_000

# Of the whole file; DuckDB is not needed to know these.
KNOWN = [
    ("SELECT count(*) FROM purchases", [["541909"]]),
    ("SELECT count(DISTINCT invoice_no) FROM purchases", [["25900"]]),
    ("SELECT count(DISTINCT customer_id) FROM purchases", [["4372"]]),
    ("SELECT count(*) FROM revenue_by_country", [["38"]]),
]


def data_file():
    folder = os.environ.get("MAINSTEM_TEST_DATA", REPOSITORY.parent / "shared" / "data")
    real = pathlib.Path(folder) / REAL
    if real.exists():
        return real
    print(f"SKIPPED: the whole file is not at {real}; one day of it is used instead")
    return REPOSITORY / "apps" / "retail" / "sample.csv"


def oracle(path):
    """DuckDB over the same file, with the same types."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        """CREATE TABLE purchases AS SELECT
             column0 AS invoice_no, column1 AS stock_code, column2 AS description,
             column3 AS quantity, column4 AS invoice_date, column5 AS unit_price,
             column6 AS customer_id, column7 AS country
           FROM read_csv(?, header = false, skip = 1, quote = '"', escape = '"', strict_mode = false,
             columns = {'column0': 'VARCHAR', 'column1': 'VARCHAR', 'column2': 'VARCHAR',
               'column3': 'INTEGER', 'column4': 'TIMESTAMPTZ', 'column5': 'DECIMAL(12,3)',
               'column6': 'VARCHAR', 'column7': 'VARCHAR'})""",
        [str(path)],
    )
    for view in VIEWS_OF_DUCKDB:
        connection.execute(view)
    return connection


def compare(server, connection, when):
    wrong = 0
    questions = QUESTIONS + VIEWS
    for question in questions:
        # As texts: the package wants another one for times with a zone.
        texts = connection.execute(f"SELECT COLUMNS(*)::VARCHAR FROM ({question})").fetchall()
        expected = [[spell(value) for value in row] for row in texts]
        for _ in range(PATIENCE if question in VIEWS else 1):
            found = [[spell(value) for value in row] for row in server.ask(question)]
            if found == expected:
                break
        if found != expected:
            wrong += 1
            print(f"DIFFERS {when}: {question}\n  duckdb   {expected[:5]}\n  mainstem {found[:5]}")
    print(f"{when}: {len(questions) - wrong} of {len(questions)} answers are equal")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mainstem", required=True, help="the program")
    parser.add_argument("--file", type=pathlib.Path, help="another file of the same columns")
    options = parser.parse_args()
    path = options.file or data_file()
    program = str(pathlib.Path(options.mainstem).resolve())
    with tempfile.TemporaryDirectory(prefix="mainstem-retail-") as folder:
        server = Server(program, str(pathlib.Path(folder) / "data"))
        try:
            server.run("apply", "apps/retail", "--yes")
            server.run("load", str(path), "--stream", "purchases")
            connection = oracle(path)
            wrong = compare(server, connection, "in the log")
            server.flush()
            wrong += compare(server, connection, "in history")
            server.stop()
            server.start()
            wrong += compare(server, connection, "after a restart")
            if path.name == "online-retail.csv.gz":
                for question, expected in KNOWN:
                    found = server.ask(question)
                    if found != expected:
                        wrong += 1
                        print(f"DIFFERS: {question}\n  known {expected}\n  found {found}")
        finally:
            server.stop()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
