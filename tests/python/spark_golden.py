#!/usr/bin/env python3
"""Runs the views of every application with golden tests on Apache Spark, and compares their rows with ours.

Usage: spark_golden.py --mainstem target/debug/mainstem [--only pairs] [--list]

Each view is either lowered, and has in batch (and as a stream, where streams are put together) the rows
that one machine has of the events of its `.flow` files, or is refused by its code. Which is which
stands in golden_at_scale.txt: what has changed is named, and --list prints it anew. Views with a worker
before them are compared by spark_apps.py. Needs Java and the package pyspark. Exit code 1 names what
differs.
"""

import argparse
import datetime
import json
import pathlib
import random
import re
import sys
import tempfile

import spark_apps
from mainstem_server import REPOSITORY, Server, checked
from spark_side import UTC, Spark, typed

TABLE = pathlib.Path(__file__).with_name("golden_at_scale.txt")
PLACES = ["crates/mainstem/tests/operators/*", "apps/*"]
# How long after the last event each stream has one more, which closes every window before it.
LATER = datetime.timedelta(days=2)
# How often a view is asked at most until it has followed.
PATIENCE = 60
# Events beside those of the files, where a few do not try what there is to try.
MORE = {"pairs": lambda chance: {"orders": orders(chance), "payments": payments(chance)}}
BEGIN = datetime.datetime(2026, 3, 1, 12, tzinfo=UTC)


def orders(chance):
    return [
        {"order_id": f"r{chance.randrange(60)}", "customer": chance.choice([None, "ada", "bo", "cy"]),
         "total": f"{chance.randrange(900)}.50", "at": moment(chance)}
        for _ in range(200)
    ]


def payments(chance):
    return [
        {"payment_id": f"p{chance.randrange(300)}", "order_id": None if chance.random() < 0.1 else f"r{chance.randrange(90)}",
         "amount": f"{chance.randrange(-50, 900)}.25", "paid": moment(chance)}
        for _ in range(300)
    ]


def moment(chance):
    """Many of them lie just at the ends of an interval of minutes from one another, or beyond by the least."""
    least = datetime.timedelta(microseconds=chance.choice([-1, 0, 0, 0, 1]))
    return (BEGIN + datetime.timedelta(minutes=chance.randrange(60 * 8)) + least).isoformat()


def applications():
    folders = [folder for place in PLACES for folder in sorted(REPOSITORY.glob(place))]
    return {str(folder.relative_to(REPOSITORY)): folder for folder in folders if list(folder.glob("tests/*.flow"))}


def events(folder):
    """All that is sent in an application's tests, by stream."""
    sent = {}
    for path in sorted(folder.glob("tests/*.flow")):
        stream = None
        for line in path.read_text().splitlines():
            if found := re.match(r"send (\w+)", line):
                stream = found.group(1)
            elif stream and line.startswith("{"):
                sent.setdefault(stream, []).append(json.loads(line))
            elif not line.startswith("{"):
                stream = None
    return sent


def times(folder):
    """The column with event time of each stream."""
    text = "\n".join(path.read_text() for path in sorted(folder.glob("*.sql")))
    declared = re.findall(r"CREATE STREAM (\w+) \((.*?)\n\)", text, re.DOTALL)
    marks = {stream: re.search(r"WATERMARK FOR (\w+)", columns) for stream, columns in declared}
    return {stream: mark.group(1) for stream, mark in marks.items() if mark}


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def in_order(rows, time, end):
    """Rows that are not late, and one at the end."""
    rows = sorted(rows, key=lambda row: instant(row[time]))
    return rows + [{**rows[-1], time: end.isoformat()}]


def before(rows, limit):
    """Rows of which nothing is behind the last event but for those that close windows."""
    is_late = lambda value: isinstance(value, datetime.datetime) and value > limit
    return [row for row in rows if not any(is_late(value) for value in row.values())]


def load(server, folder, app, scratch):
    """Sends all events, in order; gives the moment behind which there are none but the closing ones."""
    sent, marks = events(folder), times(folder)
    chance = random.Random(11)
    more = MORE.get(folder.name, lambda _: {})(chance)
    sent = {stream: rows + more.get(stream, []) for stream, rows in sent.items()}
    greatest = max((instant(row[marks[stream]]) for stream in sent if stream in marks for row in sent[stream]), default=BEGIN)
    server.run("apply", app, "--yes")
    for stream, rows in sent.items():
        if stream in marks:
            rows = in_order(rows, marks[stream], greatest + LATER)
        path = scratch / f"{stream}.ndjson"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        server.run("load", str(path), "--stream", stream)
    return (greatest + LATER / 2).astimezone(UTC).replace(tzinfo=None), marks


def follow(server, views):
    """Waits until every view has what was sent: views read each other."""
    position = json.loads(server.run("status", "--json"))["position"]
    for view in views:
        server.run("sql", "--wait", position, "--timeout", "100", f"SELECT 1 FROM {view} LIMIT 1")


def declare(spark, server, read, context):
    """Lets Spark have what a view reads as we have it. The event time of a view is that of its rows there: one more
    moves it on, as the last one of each stream does."""
    limit, marks = context
    columns = dict(re.findall(r"`(\w+)` ([A-Z]+(?:\(\d+,\d+\))?)", read["columns"]))
    rows = server.rows(f"SELECT {', '.join(columns)} FROM {read['object']}")
    time = (read["watermark"] or {}).get("column") or marks.get(read["object"])
    if time in columns:
        rows.sort(key=lambda row: instant(row[time]))
        if read["object"] not in marks:
            rows = in_order(rows, time, (limit + LATER / 2).replace(tzinfo=UTC))
    name = f"{read['object']}-{read['relation']}"
    spark.declare(name, columns, rows)
    return name


def differs(server, spark, view, context):
    limit, marks, way = context
    names = [declare(spark, server, read, (limit, marks)) for read in view["inputs"]]
    found = before(spark.live(view, way, names), limit)
    # Of pairs nothing waits any more but the closing rows.
    if way == "stream" and " JOIN " in view["spark_sql"] and spark.state_rows > len(view["inputs"]):
        print(f"KEEPS {spark.state_rows} rows as state: {view['view']}", flush=True)
        return 1
    shown = [column["name"] for column in view["columns"] if not column["hidden"]]
    types = {column["name"]: column["type"] for column in view["columns"]}
    for _ in range(PATIENCE):
        rows = server.rows(f"SELECT {', '.join(shown)} FROM {view['view']}")
        value = lambda row: {name: typed(row[name], types[name]) for name in shown}
        rows = [row for row in rows if before([value(row)], limit)]
        difference = spark.difference(view, rows, found)
        if not difference:
            print(f"  {view['view']} in {way}: {len(found)} rows are equal", flush=True)
            return 0
    print(f"DIFFERS in {way}: {view['view']}\n  as {view['spark_sql']}\n  {difference}", flush=True)
    return 1


def compare(program, spark, app, views):
    """The lowered views of an application; gives how many differ."""
    lowered = [view for view in views.values() if "refused" not in view and not view["worker"]]
    # The tables of applications need more than events: those are compared elsewhere.
    if not lowered or app in spark_apps.VIEWS:
        return 0
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="mainstem-golden-") as name:
        scratch = pathlib.Path(name)
        server = Server(program, str(scratch / "data"))
        try:
            limit, marks = load(server, REPOSITORY / app, app, scratch)
            follow(server, views)
            for view in lowered:
                ways = ("batch", "stream") if len(view["inputs"]) > 1 else ("batch",)
                wrong += sum(differs(server, spark, view, (limit, marks, way)) for way in ways)
        finally:
            server.stop()
    return wrong


def verdict(app, view):
    if "refused" in view:
        return view["refused"]["code"]
    if app in spark_apps.VIEWS:
        if view["view"] not in spark_apps.VIEWS[app]:
            raise SystemExit(f"{app} has a view that spark_apps.py does not compare: {view['view']}")
        return "same rows (spark_apps.py)"
    if view["worker"]:
        raise SystemExit(f"view {view['view']} of {app} looks a table up, and nothing compares it")
    ways = "in batch and as a stream" if len(view["inputs"]) > 1 else "in batch"
    return f"same rows {ways}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mainstem", required=True, help="the program")
    parser.add_argument("--only", help="the folder of one application")
    parser.add_argument("--list", action="store_true", help="write the table instead of comparing")
    options = parser.parse_args()
    program = str(pathlib.Path(options.mainstem).resolve())
    views, settings = {}, {}
    for app, folder in applications().items():
        views[app], settings = checked(program, folder)
    lines = [f"{app} {name}: {verdict(app, view)}" for app, found in views.items() for name, view in found.items()]
    table = "".join(f"{line}\n" for line in lines)
    print(table, end="")
    if options.list:
        TABLE.write_text(table)
        return
    wrong = 0
    known = TABLE.read_text().splitlines()
    for line in sorted(set(known) ^ set(lines)):
        wrong += 1
        print(f"{'IS NO MORE' if line in known else 'IS NEW'}, in {TABLE.name}: {line}")
    with tempfile.TemporaryDirectory(prefix="mainstem-spark-") as name:
        spark = Spark(settings, pathlib.Path(name))
        try:
            for app, found in views.items():
                if options.only in (None, pathlib.Path(app).name):
                    wrong += compare(program, spark, app, found)
        finally:
            spark.stop()
    print(f"{len(lines)} views of {len(views)} applications, {wrong} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
