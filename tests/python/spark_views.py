#!/usr/bin/env python3
"""Runs what views are lowered to on Apache Spark, and compares every value with our own answer.

Usage: spark_views.py --mainstem target/debug/mainstem [--rows 150] [--views 40] [--seed 1]

Every function of docs/reference/functions.md with a Spark spelling is called over edge and random
values; then random views, and the views of whole applications, are run by Spark in batch and as a
stream. Numbers are equal to the last digit, but where `mainstem check` says of a view that
floating point is rounded elsewhere. Needs Java and the package pyspark. Exit code 1 names what
differs.
"""

import argparse
import json
import pathlib
import random
import re
import sys
import tempfile

import spark_apps
import spark_cases
from mainstem_server import REPOSITORY, Server, checked
from spark_side import Spark

ROUNDS = "last digits of floating point"


def lowered(program, folder, statements):
    """What `check` makes of an application of these statements, by view; and Spark's settings."""
    folder.mkdir(exist_ok=True)
    (folder / "app.sql").write_text(";\n".join(statements) + ";\n")
    return checked(program, folder)


def stream():
    columns = ", ".join(f"{name} {ty}" for name, ty in spark_cases.COLUMNS.items())
    return f"CREATE STREAM facts ({columns}, WATERMARK FOR at AS at - INTERVAL '10 seconds')"


def spelled(section=0):
    """Functions with a Spark spelling, from the reference: scalar ones, or aggregates."""
    page = (REPOSITORY / "docs/reference/functions.md").read_text()
    part = re.split("## (?:Aggregates|Window functions)", page)[section]
    rows = [re.split(r"(?<!\\)\|", line) for line in part.splitlines() if line.startswith("| `")]
    return {re.match(r"\W*(\w+)", row[1]).group(1) for row in rows if row[5].strip()}


def values(server, expression, ids):
    """Our value of an expression by row; rows for which it fails are left out."""
    if not ids:
        return {}
    some = f"id BETWEEN {ids[0]} AND {ids[-1]}"
    # Guarded: rows that the condition leaves out may be computed all the same.
    question = f"SELECT id, CASE WHEN {some} THEN {expression} END AS y FROM facts WHERE {some}"
    try:
        return {int(row["id"]): row["y"] for row in server.rows(question)}
    except SystemExit as error:
        if "VIEW" in str(error) or "SQL-023" in str(error) or "SQL-022" in str(error):
            raise
        if len(ids) == 1:
            return {}
    half = len(ids) // 2
    return {**values(server, expression, ids[:half]), **values(server, expression, ids[half:])}


def functions(server, spark, program, folder, ids):
    """Compares every call of spark_cases; gives how many differ."""
    calls = [(name, call) for name, calls in spark_cases.CASES.items() for call in calls]
    statements = [stream()] + [
        f"CREATE MATERIALIZED VIEW v{number} AS SELECT id AS id, {call} AS y FROM facts"
        for number, (_, call) in enumerate(calls)
    ]
    views, _ = lowered(program, folder, statements)
    wrong, compared, refused = 0, set(), []
    for number, (name, call) in enumerate(calls):
        view = views[f"v{number}"]
        if "refused" in view:
            refused.append((call, view["refused"]["detail"]))
            continue
        compared.add(name)
        found = values(server, call, ids)
        ty = next(column["type"] for column in view["columns"] if column["name"] == "y")
        fails = [row for row in ids if row not in found]
        difference = spark.column_differs(view, ty, found, fails, any(ROUNDS in d for d in view["differs"]))
        if difference:
            wrong += 1
            print(f"DIFFERS {call}\n  as {view['spark_sql']}\n  {difference}", flush=True)
    for call, why in refused:
        print(f"refused: {call}: {why}")
    for name in sorted(spelled() - compared):
        wrong += 1
        print(f"NOT COMPARED: \"{name}\" has a Spark spelling, and no call of it in spark_cases.py is lowered")
    print(f"{len(calls) - len(refused)} calls compared, {len(refused)} refused, {wrong} wrong")
    return wrong


AGGREGATES = ["count(*)", "count(i4)", "count(DISTINCT t)", "count(DISTINCT i8)", "sum(i4)", "sum(i2)", "sum(n)", "sum(n * m)",
              "avg(n)", "avg(m)", "avg(i4)", "avg(f8) FILTER (WHERE abs(f8) < 1000000)", "min(t)", "max(t)", "min(ts)", "max(d)", "min(n)", "max(f8)", "min(b)",
              "count(*) FILTER (WHERE i4 > 0)", "sum(i2) FILTER (WHERE b)", "max(length(t)) FILTER (WHERE n > 0)",
              "stddev(i4)", "var_pop(i2)", "bool_and(i4 > 0)", "bool_or(t IS NULL)", "min_by(t, i8)", "max_by(i4, d)",
              "max_by(t, i4) FILTER (WHERE i8 > 0)", "first_value(t ORDER BY id)", "last_value(i4 ORDER BY id)",
              "last_value(n ORDER BY id) FILTER (WHERE b)", "first_value(d ORDER BY id DESC)", "every(i2 > -5)",
              "bool_or(b) FILTER (WHERE i4 > 0)", "bool_and(b)", "stddev_pop(m)", "stddev_samp(n)", "var(i4) FILTER (WHERE i4 < 1000)",
              "var_samp(f8) FILTER (WHERE abs(f8) < 1000000)", "variance(i2)", "count(DISTINCT u) FILTER (WHERE i4 > 0)",
              "count(DISTINCT d)", "count(DISTINCT n)", "min_by(n, ts)", "min_by(i8, t) FILTER (WHERE b)", "min(i8)", "mean(i8)",
              "histogram(i4, -100, 100, 4)", "histogram(f8, -1.5, 1000, 7) FILTER (WHERE b)", "histogram(n, 0, 0.3, 3)"]
# What one machine computes and Spark would compute otherwise, by the name that has to be in the refusal.
REFUSED = {
    "approx_distinct(t)": "approx_distinct", "approx_count_distinct(i8)": "approx_distinct",
    "approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY f8)": "approx_percentile_cont", "approx_median(i4)": "approx_percentile_cont",
    "histogram(i4, 0, 10, 101)": "histogram", "max_by(i4, d, 3)": "max_by", "min_by(t, i8, 2)": "min_by",
}
# How many of them one view has.
TOGETHER = 4
KEYS = ["k", "CASE WHEN b THEN 'yes' ELSE 'no' END", "coalesce(i4 % 3, 9)", "coalesce(left(t, 1), '-')", "coalesce(date_trunc('hour', at), at)"]
FILTERS = ["i4 > 0", "b", "t IS NOT NULL", "n BETWEEN -100 AND 100", "u < 'b'", "f8 * 2 > i2"]
HAVING = ["count(*) > 3", "max(i4) > 100", "min(t) IS NOT NULL", "sum(n) > 0"]


def random_views(count, seed):
    chance = random.Random(seed)
    for number in range(count):
        keys = chance.sample(KEYS, chance.randrange(1, 3))
        calls = chance.sample(AGGREGATES, chance.randrange(1, 5))
        columns = [f"{text} AS c{at}" for at, text in enumerate(keys + calls)]
        where = f" WHERE {' AND '.join(chance.sample(FILTERS, chance.randrange(1, 3)))}" if chance.random() < 0.5 else ""
        having = f" HAVING {chance.choice(HAVING)}" if chance.random() < 0.4 else ""
        yield f"w{number}", f"SELECT {', '.join(columns)} FROM facts{where} GROUP BY {', '.join(keys)}{having}"


def every_aggregate():
    """Each aggregate in one view at least, of the rows of a key."""
    for begin in range(0, len(AGGREGATES), TOGETHER):
        calls = AGGREGATES[begin:begin + TOGETHER]
        columns = ", ".join(f"{call} AS c{at}" for at, call in enumerate(calls))
        yield f"a{begin}", f"SELECT k, {columns} FROM facts GROUP BY k"


def refusals(program, folder):
    """What is approximate, and what Spark has no rows for, is refused by its name."""
    statements = [stream()] + [
        f"CREATE MATERIALIZED VIEW r{number} AS SELECT k, {call} AS y FROM facts GROUP BY k EMIT ON UPDATE"
        for number, call in enumerate(REFUSED)
    ]
    views, _ = lowered(program, folder, statements)
    wrong = 0
    for number, (call, name) in enumerate(REFUSED.items()):
        said = json.dumps(views[f"r{number}"].get("refused"))
        if f'"{name} of' not in said.lower():
            wrong += 1
            print(f"NOT REFUSED BY NAME: {call}: {said}")
    compared = {call.split("(")[0] for call in AGGREGATES}
    for name in sorted(compared ^ spelled(1)):
        wrong += 1
        print(f"\"{name}\" is compared here, or has a Spark spelling in the reference, and not both")
    print(f"{len(REFUSED)} aggregates refused by name, {wrong} wrong")
    return wrong


def grouped(server, spark, program, folder, options):
    queries = {**dict(every_aggregate()), **dict(random_views(options.views, options.seed))}
    statements = [stream()] + [
        f"CREATE MATERIALIZED VIEW {name} WITH (distinct_max = 1000) AS {query} EMIT ON UPDATE" for name, query in queries.items()
    ]
    views, _ = lowered(program, folder, statements)
    wrong = 0
    for number, (name, query) in enumerate(queries.items()):
        view = views[name]
        if "refused" in view:
            raise SystemExit(f"{query} is refused: {view['refused']}")
        expected = server.rows(query)
        # Every aggregate and one random view in ten as a stream too: each starts a query with state.
        is_stream = name.startswith("a") or number % 10 == 0
        for way in ("batch", "stream") if is_stream else ("batch",):
            difference = spark.rows_differ(view, expected, way)
            if difference:
                wrong += 1
                print(f"DIFFERS in {way}: {query}\n  as {view['spark_sql']}\n  {difference}", flush=True)
    print(f"{len(queries)} views compared, {wrong} wrong")
    return wrong + refusals(program, folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mainstem", required=True, help="the program")
    parser.add_argument("--rows", type=int, default=150)
    parser.add_argument("--views", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=["functions", "views", "apps"])
    options = parser.parse_args()
    program = str(pathlib.Path(options.mainstem).resolve())
    with tempfile.TemporaryDirectory(prefix="mainstem-spark-") as name:
        folder = pathlib.Path(name)
        app = folder / "facts"
        _, settings = lowered(program, app, [stream()])
        rows = spark_cases.rows(options.rows, options.seed)
        server = Server(program, str(folder / "data"))
        spark = Spark(settings, folder / "spark")
        wrong = 0
        try:
            (folder / "facts.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
            server.run("apply", str(app), "--yes")
            server.run("load", str(folder / "facts.ndjson"), "--stream", "facts")
            loaded = [int(row["id"]) for row in server.rows("SELECT id FROM facts ORDER BY id")]
            if loaded != list(range(options.rows)):
                raise SystemExit(f"{options.rows} rows were loaded, {len(loaded)} are there")
            spark.declare("facts", spark_cases.COLUMNS, rows)
            if options.only in (None, "functions"):
                wrong += functions(server, spark, program, app, loaded)
            if options.only in (None, "views"):
                wrong += grouped(server, spark, program, app, options)
            if options.only in (None, "apps"):
                wrong += spark_apps.compare(server, spark, program, folder)
        finally:
            server.stop()
            spark.stop()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
