#!/usr/bin/env python3
"""Follows feeds over WebSocket with the `websockets` library, which knows nothing of us.

Usage: feed_sockets.py --mainstem target/debug/mainstem

A stream is followed across restarts of the server, from the last id each time: every row once, in
order, also while a client reads slowly. A table is followed to where it stands. Server-sent events of
the same rows have the same ids and data. What is refused, and how a feed ends, is what the guide
docs/guides/feeds.md says. Exit code 1 names what differs.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import urllib.request

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from mainstem_server import Server

APP = """
CREATE STREAM numbers (n BIGINT NOT NULL, filler TEXT);
CREATE TABLE shops (shop TEXT PRIMARY KEY, town TEXT);
CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n, sum(n) AS total FROM numbers EMIT ON UPDATE;
"""
ROWS, ROUNDS = 20_000, 4
# How long the last of something is waited for.
PATIENCE_S = 60


class Bed:
    """A server with the application, and its address."""

    def __init__(self, program, folder):
        self.folder = pathlib.Path(folder)
        (self.folder / "app").mkdir()
        (self.folder / "app/app.sql").write_text(APP)
        self.server = Server(program, str(self.folder / "data"))
        self.server.run("apply", str(self.folder / "app"), "--yes")

    def key(self):
        return (self.folder / "data/admin.key").read_text().strip()

    def url(self):
        return (self.folder / "data/endpoint").read_text().strip()

    def restart(self):
        self.server.stop()
        self.server.start()

    def send(self, numbers, filler="x"):
        body = "".join(json.dumps({"n": n, "filler": filler}) + "\n" for n in numbers).encode()
        headers = {"Authorization": f"Bearer {self.key()}", "Content-Type": "application/x-ndjson"}
        request = urllib.request.Request(f"{self.url()}/v1/streams/numbers/events", body, headers)
        urllib.request.urlopen(request, timeout=PATIENCE_S).read()

    def follow(self, path, **options):
        address = self.url().replace("http", "ws", 1) + path
        if "subprotocols" not in options:
            options["additional_headers"] = {"Authorization": f"Bearer {self.key()}"}
        return connect(address, max_size=None, **options)

    def events(self, path, count):
        """The first events of a feed as server-sent events: their ids and data."""
        headers = {"Authorization": f"Bearer {self.key()}"}
        request = urllib.request.Request(self.url() + path, headers=headers)
        found, event = [], {}
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            for line in answer:
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if field == "data":
                    event["data"] = json.loads(value)
                elif field == "id":
                    event["id"] = value
                elif not field:
                    if "data" in event:
                        found.append(event)
                    event = {}
                    if len(found) == count:
                        return found


def messages(feed):
    while True:
        message = json.loads(feed.recv(timeout=PATIENCE_S))
        if "event" in message:
            raise SystemExit(f"a feed ended: {message}")
        yield message


def check(what, found, expected):
    if found != expected:
        raise SystemExit(f"{what}: found {found}, expected {expected}")
    print(f"{what}: as expected")


def across_restarts(bed):
    """Every row once, in order, although the server is restarted and the client goes away."""
    place, seen = "earliest", []
    for round in range(ROUNDS):
        first = round * ROWS
        bed.send(range(first, first + ROWS))
        if round == 1:
            bed.server.flush()
        # It goes away in the middle, and rows behind the last id come again.
        held = []
        with bed.follow(f"/v1/streams/numbers/changes?from={place}") as feed:
            for message in messages(feed):
                if "data" in message:
                    held.append(message["data"]["n"])
                if "id" in message:
                    place = message["id"]
                    seen.extend(held)
                    held = []
                if len(seen) + len(held) >= first + ROWS // 2:
                    break
        bed.restart()
        with bed.follow(f"/v1/streams/numbers/changes?from={place}") as feed:
            for message in messages(feed):
                if "data" in message:
                    seen.append(message["data"]["n"])
                if "id" in message:
                    place = message["id"]
                if len(seen) >= first + ROWS:
                    break
    is_right = seen == list(range(ROUNDS * ROWS))
    check(f"{ROUNDS * ROWS} rows across {ROUNDS} restarts", is_right, True)


def both_forms(bed):
    path = "/v1/streams/numbers/changes?from=earliest"
    with bed.follow(path) as feed:
        told = (message for message in messages(feed) if "data" in message)
        found = [next(told) for _ in range(1_000)]
    check("1000 events in both forms", found, bed.events(path, 1_000))


def slowly(bed):
    """A client that reads slowly gets all, and the server keeps nothing for it."""
    bed.send(range(2_000), filler="y" * 4_000)
    last = ROUNDS * ROWS
    with bed.follow("/v1/streams/numbers/changes?from=earliest", max_queue=1) as feed:
        told = (message["data"] for message in messages(feed) if "data" in message)
        seen = [next(told) for _ in range(last + 2_000)]
    numbers = [row["n"] for row in seen[last:]]
    check("8 MB to a client that holds one message", numbers, list(range(2_000)))


def by_key(bed):
    bed.server.run("sql", "INSERT INTO shops VALUES ('a', 'Ulm'), ('b', 'Bonn')")
    with bed.follow("/v1/tables/shops/changes?from=earliest") as feed:
        told = messages(feed)
        rows = [next(told)["data"]["after"] for _ in range(2)]
        check("rows of a table", [row["town"] for row in rows], ["Ulm", "Bonn"])
        place = next(told)["id"]
    bed.server.run("sql", "DELETE FROM shops WHERE shop = 'a'")
    bed.restart()
    with bed.follow(f"/v1/tables/shops/changes?from={place}") as feed:
        told = (message["data"] for message in messages(feed) if "data" in message)
        # Rows that were told before may come once more, the same or newer.
        gone = next(row for row in told if row["op"] == "delete")
        check("a change across a restart", gone, {"op": "delete", "key": {"shop": "a"}})


def refusals(bed):
    for path, expected in [
        ("/v1/streams/nothing/changes", 404),
        ("/v1/streams/numbers/changes?from=yesterday", 400),
    ]:
        try:
            bed.follow(path).close()
            raise SystemExit(f"{path} was not refused")
        except InvalidStatus as refused:
            check(path, refused.response.status_code, expected)
    path = "/v1/streams/numbers/changes"
    protocols = ["mainstem.feed", f"mainstem.key.{bed.key()}"]
    with bed.follow(path, subprotocols=protocols) as feed:
        check("a browser's protocol", feed.subprotocol, "mainstem.feed")
        feed.ping().wait(PATIENCE_S)
        feed.send("SELECT 1")
        check("a feed that is spoken to", ended(feed), (1003, "HTTP-024"))
    with bed.follow(path) as feed:
        bed.server.stop()
        check("a server that stops", ended(feed)[0], 1001)


def ended(feed):
    try:
        while True:
            feed.recv(timeout=PATIENCE_S)
    except ConnectionClosed as closed:
        return closed.rcvd.code, closed.rcvd.reason.split(":")[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mainstem", required=True)
    program = str(pathlib.Path(parser.parse_args().mainstem).resolve())
    with tempfile.TemporaryDirectory() as folder:
        bed = Bed(program, folder)
        try:
            for proof in (across_restarts, both_forms, slowly, by_key, refusals):
                proof(bed)
        finally:
            bed.server.process.kill()


if __name__ == "__main__":
    sys.exit(main())
