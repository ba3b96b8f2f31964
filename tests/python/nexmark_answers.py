#!/usr/bin/env python3
"""Feeds bench/apps/nexmark with the generator's events and compares every row of its views with DuckDB's.

Usage: nexmark_answers.py --mainstem target/debug/mainstem --bench target/debug/mainstem-bench
           [--rows 30000]

All queries run in one application. The server is restarted in the middle, so state comes back from its
checkpoint. Views are compared while rows are in the log, after they were archived and after another
restart; then `VERIFY VIEW` compares them with their own SELECT. Exit code 1 names each view that differs.
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

import duckdb
from mainstem_server import REPOSITORY, Server, spell
from nexmark_asked import ANSWERS, COLUMNS

# Events of one request of each stream: far less than the four seconds that a row may be behind.
CHUNK = 200
PER_SECOND = 500
SIDE_INPUT, INSERTED = 10_000, 1_000


def events(bench, rows):
    """(stream, line) of each event, in the order of event time."""
    command = [bench, "events", "--rows", str(rows), "--per-second", str(PER_SECOND)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split(" ", 1) for line in printed.splitlines()]


def post(server, path, body, kind):
    folder = pathlib.Path(server.data)
    url = (folder / "endpoint").read_text().strip() + path
    key = (folder / "admin.key").read_text().strip()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": kind, "Accept": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=120) as answer:
        return json.load(answer)


def send(server, sent):
    """Sends events; the position of the last."""
    position = None
    for first in range(0, len(sent), CHUNK):
        bodies = collections.defaultdict(list)
        for stream, line in sent[first : first + CHUNK]:
            bodies[stream].append(line)
        for stream, lines in bodies.items():
            body = "\n".join(lines).encode()
            answer = post(server, f"/v1/streams/{stream}/events", body, "application/x-ndjson")
            if answer["accepted"] != len(lines):
                raise SystemExit(f"of {len(lines)} rows {answer['accepted']} were accepted")
            position = answer["position"]
    return position


def register(server):
    for first in range(0, SIDE_INPUT, INSERTED):
        values = ", ".join(f"({key}, 'side-{key}')" for key in range(first, first + INSERTED))
        server.run("sql", f"INSERT INTO side_input VALUES {values}")


def oracle(sent):
    """DuckDB over the same events."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    with tempfile.TemporaryDirectory(prefix="mainstem-nexmark-") as folder:
        for name in ("person", "auction", "bid"):
            file = pathlib.Path(folder) / name
            lines = [(n, line) for n, (stream, line) in enumerate(sent) if stream == name]
            file.write_text("".join(f'{{"n":{n},{line[1:]}\n' for n, line in lines))
            times = [time for time in ("date_time", "expires") if time == "date_time" or name == "auction"]
            casts = ", ".join(f"{time}::TIMESTAMPTZ AS {time}" for time in times)
            connection.execute(
                f"CREATE TABLE {name} AS SELECT * REPLACE ({casts}) "
                f"FROM read_json('{file}', format = 'newline_delimited')"
            )
    return connection


def compare(server, connection, when):
    wrong = 0
    for view, question in ANSWERS.items():
        texts = connection.execute(f"SELECT COLUMNS(*)::VARCHAR FROM ({question})").fetchall()
        expected = sorted([spell(value) for value in row] for row in texts)
        found = sorted([spell(value) for value in row] for row in server.ask(f"SELECT {COLUMNS[view]} FROM {view}"))
        if not expected:
            wrong += 1
            print(f"EMPTY {when}: {view} has no rows in DuckDB, so nothing was compared")
        if found != expected:
            wrong += 1
            ours = [row for row in found if row not in expected][:3] if len(found) < 5_000 else found[:1]
            theirs = [row for row in expected if row not in found][:3] if len(found) < 5_000 else expected[:1]
            print(f"DIFFERS {when}: {view}: duckdb {len(expected)} rows, mainstem {len(found)}")
            print(f"  only duckdb   {theirs}\n  only mainstem {ours}")
        elif when == "in the log":
            print(f"{view}: {len(found)} rows")
    print(f"{when}: {len(ANSWERS) - wrong} of {len(ANSWERS)} views are equal")
    return wrong


def verify(server):
    """Every view against its own SELECT: each row of an answer is a difference."""
    wrong, verified, cannot = 0, 0, []
    for (view, *_rest) in server.ask("SHOW VIEWS"):
        command = [server.program, "sql", f"VERIFY VIEW {view}", "--format", "csv", "--data", server.data]
        done = subprocess.run(command, capture_output=True, text=True)
        differences = done.stdout.splitlines()[1:]
        if done.returncode == 0 and not differences:
            verified += 1
        elif "VIEW-014" in done.stderr:
            cannot.append(view)
        else:
            wrong += 1
            print(f"VERIFY VIEW {view}: {done.stderr}{differences[:3]}")
    print(f"VERIFY VIEW: {verified} views have the rows of their SELECT; cannot be verified: {', '.join(cannot)}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mainstem", required=True, help="the program")
    parser.add_argument("--bench", required=True, help="the program that measures: it has the generator")
    parser.add_argument("--rows", type=int, default=30_000, help="events of all streams together")
    options = parser.parse_args()
    program, bench = (str(pathlib.Path(path).resolve()) for path in (options.mainstem, options.bench))
    sent = events(bench, options.rows)
    connection = oracle(sent)
    with tempfile.TemporaryDirectory(prefix="mainstem-nexmark-") as folder:
        server = Server(program, str(pathlib.Path(folder) / "data"))
        try:
            server.run("apply", str(REPOSITORY / "bench/apps/nexmark"), "--yes")
            register(server)
            send(server, sent[: len(sent) // 2])
            server.stop()
            server.start()
            position = send(server, sent[len(sent) // 2 :])
            for view in ANSWERS:
                question = json.dumps({"query": f"SELECT 1 FROM {view} LIMIT 1", "timeout_ms": 100_000}).encode()
                post(server, f"/v1/sql?wait={position}", question, "application/json")
            wrong = compare(server, connection, "in the log")
            server.flush()
            wrong += compare(server, connection, "in history")
            server.stop()
            server.start()
            wrong += compare(server, connection, "after a restart")
            wrong += verify(server)
        finally:
            server.stop()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
