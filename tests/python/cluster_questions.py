#!/usr/bin/env python3
"""Asks one server of one machine and one on Kafka, Spark and Cassandra the same questions.

Usage: cluster_questions.py --mainstem target/debug/mainstem [--config deploy/local-cluster.toml]
                            [--file rows.csv] [--streams-only]

Both have apps/retail and the same rows. Every question of retail_questions.py is asked of both, and
some more whose forms Spark has otherwise; answers are compared value by value. Then VERIFY VIEW has
to find nothing that differs. The cluster has topics, a keyspace and a session of its own. Needs the
engines of `cargo xtask cluster up` and a program with the feature `cluster`. Exit code 1 names each
question whose answers differ.
"""

import argparse
import pathlib
import sys
import tempfile
import time

from cluster_server import ClusterServer, own_config
from mainstem_server import REPOSITORY, Server, spell
from retail_asked import QUESTIONS, VIEWS

# Forms that are spelled otherwise on Spark, or that become joins there.
FORMS = [
    "SELECT country FROM purchases WHERE quantity > (SELECT avg(quantity) FROM purchases) GROUP BY country ORDER BY 1",
    "SELECT DISTINCT country FROM purchases WHERE customer_id NOT IN (SELECT customer_id FROM purchases WHERE quantity < 0 AND customer_id IS NOT NULL) ORDER BY 1",
    "SELECT count(*) FROM purchases p WHERE EXISTS (SELECT 1 FROM purchases r WHERE r.customer_id = p.customer_id AND r.quantity < 0)",
    "SELECT country, stock_code, n FROM (SELECT country, stock_code, sum(quantity) AS n, row_number() OVER (PARTITION BY country ORDER BY sum(quantity) DESC, stock_code) AS place FROM purchases GROUP BY country, stock_code) AS ranked WHERE place <= 2 ORDER BY 1, 3 DESC, 2",
    "SELECT country, avg(unit_price), min(invoice_no), max(description), count(*) FILTER (WHERE quantity < 0) FROM purchases GROUP BY country ORDER BY 1",
    "SELECT country FROM purchases UNION SELECT upper(country) FROM purchases ORDER BY 1",
    "SELECT stock_code FROM purchases WHERE quantity > 100 EXCEPT SELECT stock_code FROM purchases WHERE quantity < 0 ORDER BY 1",
    "SELECT stock_code FROM purchases WHERE quantity > 100 INTERSECT SELECT stock_code FROM purchases WHERE quantity < 0 ORDER BY 1",
    "SELECT p.country, r.orders, count(*) FROM purchases p JOIN revenue_by_country r ON r.country = p.country GROUP BY 1, 2 ORDER BY 1",
    "SELECT invoice_no, description, unit_price FROM purchases ORDER BY unit_price DESC, invoice_no, description, quantity LIMIT 7 OFFSET 3",
    "SELECT invoice_date::DATE AS day, count(*), sum(quantity) FROM purchases GROUP BY 1 ORDER BY 1 LIMIT 9",
    "SELECT country, customer_id IS NULL AS nobody, sum(quantity) FROM purchases GROUP BY 1, 2 ORDER BY 1, 2",
    "WITH months AS (SELECT date_trunc('month', invoice_date) AS month, sum(quantity * unit_price) AS revenue FROM purchases GROUP BY 1) SELECT month, revenue, sum(revenue) OVER (ORDER BY month) AS so_far FROM months ORDER BY 1",
    "SELECT * FROM (VALUES ('France', 1), ('Nowhere', 2)) AS v(land, n) LEFT JOIN revenue_by_country ON country = land ORDER BY n",
    "SELECT count(*) FROM purchases WHERE false",
    "SHOW COLUMNS FROM purchases",
]
# How long views may take to follow.
PATIENCE_SECONDS = 240


def spelled(rows):
    return [[spell(value) for value in row] for row in rows]


def answer(server, question):
    try:
        return spelled(server.ask(question))
    except SystemExit as error:
        return [[str(error)]]


def followed(server, question, expected):
    """The answer, once it is as expected; the last one if it never is."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = answer(server, question)
        if found == expected or time.monotonic() > until:
            return found
        time.sleep(2)


def compare(one, many, questions, ask):
    wrong = 0
    for question in questions:
        expected = answer(one, question)
        begun = time.monotonic()
        found = ask(many, question, expected)
        took = time.monotonic() - begun
        if found != expected:
            wrong += 1
            print(f"DIFFERS: {question}\n  one machine   {expected[:4]}\n  many machines {found[:4]}", flush=True)
        else:
            print(f"equal, {len(found)} rows, {took:.1f} s: {question[:90]}", flush=True)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mainstem", required=True, help="the program, with the feature cluster")
    parser.add_argument("--config", default=str(REPOSITORY / "deploy/local-cluster.toml"))
    parser.add_argument("--file", default=str(REPOSITORY / "apps/retail/sample.csv"))
    parser.add_argument("--streams-only", action="store_true", help="leave views out")
    options = parser.parse_args()
    program = str(pathlib.Path(options.mainstem).resolve())
    with tempfile.TemporaryDirectory(prefix="mainstem-cluster-") as folder:
        one = Server(program, str(pathlib.Path(folder) / "one"))
        many = ClusterServer(program, str(pathlib.Path(folder) / "many"), own_config(options.config, folder))
        try:
            for server in (one, many):
                server.run("apply", "apps/retail", "--yes")
                server.run("load", options.file, "--stream", "purchases")
            forms = FORMS
            if options.streams_only:
                forms = [text for text in forms if "revenue_by" not in text]
            wrong = compare(one, many, QUESTIONS, lambda server, text, _: answer(server, text))
            if not options.streams_only:
                wrong += compare(one, many, VIEWS, followed)
            wrong += compare(one, many, forms, lambda server, text, _: answer(server, text))
            if not options.streams_only:
                for view in ("revenue_by_country", "revenue_by_hour"):
                    lines = answer(many, f"VERIFY VIEW {view}")
                    if lines:
                        wrong += 1
                        print(f"DIFFERS: VERIFY VIEW {view}: {lines[:4]}")
        finally:
            one.stop()
            many.stop()
    print("all answers are equal" if not wrong else f"{wrong} answers differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
