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

REAL = "online-retail/online-retail.csv.gz"

# Both sides understand every one of these as written.
QUESTIONS = [
    "SELECT count(*) FROM purchases",
    "SELECT count(DISTINCT invoice_no), count(DISTINCT customer_id), count(DISTINCT stock_code) FROM purchases",
    "SELECT country, sum(quantity * unit_price) AS revenue FROM purchases GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5",
    "SELECT country, count(*) AS n FROM purchases GROUP BY 1 ORDER BY 2 DESC, 1",
    "SELECT count(*) FROM purchases WHERE customer_id IS NULL",
    "SELECT count(*), sum(quantity) FROM purchases WHERE invoice_no LIKE 'C%'",
    "SELECT min(invoice_date), max(invoice_date) FROM purchases",
    "SELECT min(unit_price), max(unit_price), min(quantity), max(quantity) FROM purchases",
    "SELECT stock_code, sum(quantity) AS pieces FROM purchases GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20",
    "SELECT customer_id, sum(quantity * unit_price) AS spent FROM purchases WHERE customer_id IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
    "SELECT date_trunc('month', invoice_date) AS month, count(*) AS n, sum(quantity * unit_price) AS revenue FROM purchases GROUP BY 1 ORDER BY 1",
    "SELECT date_part('hour', invoice_date) AS hour, count(DISTINCT invoice_no) AS invoices FROM purchases GROUP BY 1 ORDER BY 1",
    "SELECT description, count(*) AS n FROM purchases WHERE description IS NOT NULL GROUP BY 1 HAVING count(*) > 20 ORDER BY 2 DESC, 1 LIMIT 15",
    "SELECT count(*) FROM purchases WHERE description LIKE '%\"%'",
    "SELECT count(*) FROM purchases WHERE description LIKE '%,%'",
    "SELECT sum(quantity * unit_price) FROM purchases WHERE unit_price > 0 AND quantity > 0",
    "SELECT country, count(DISTINCT customer_id) AS customers FROM purchases GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
    "SELECT count(*) FROM (SELECT invoice_no FROM purchases GROUP BY invoice_no HAVING sum(quantity) < 0) AS returned",
    "SELECT invoice_no, sum(quantity * unit_price) AS total FROM purchases GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
    "SELECT count(*) FROM purchases WHERE invoice_date >= TIMESTAMPTZ '2010-12-01 12:00:00+00' AND invoice_date < TIMESTAMPTZ '2010-12-01 14:00:00+00'",
    "SELECT upper(country) AS land, length(country) AS letters FROM purchases GROUP BY country ORDER BY 1",
    "SELECT CASE WHEN quantity < 0 THEN 'back' WHEN quantity < 10 THEN 'few' ELSE 'many' END AS size, count(*) AS n FROM purchases GROUP BY 1 ORDER BY 1",
    "SELECT a.country, a.n FROM (SELECT country, count(*) AS n FROM purchases GROUP BY country) AS a JOIN (SELECT country, max(unit_price) AS top FROM purchases GROUP BY country) AS b ON a.country = b.country WHERE b.top > 100 ORDER BY 1",
    "SELECT country, n, rank() OVER (ORDER BY n DESC) AS place FROM (SELECT country, count(*) AS n FROM purchases GROUP BY country) AS counts ORDER BY 3, 1 LIMIT 10",
    "SELECT sum(copies - 1) FROM (SELECT count(*) AS copies FROM purchases GROUP BY invoice_no, stock_code, description, quantity, invoice_date, unit_price, customer_id, country HAVING count(*) > 1) AS equal_rows",
]

# Of what the views of the application hold. Windows close an hour after what is newest.
VIEWS = [
    "SELECT count(*), sum(orders), sum(customers), sum(revenue) FROM revenue_by_country",
    "SELECT country, orders, customers, revenue FROM revenue_by_country ORDER BY country",
    "SELECT window_start, window_end, orders, revenue FROM revenue_by_hour "
    "WHERE window_end <= (SELECT max(invoice_date) - INTERVAL '2 hours' FROM purchases) ORDER BY 1",
]
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
