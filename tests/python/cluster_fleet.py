#!/usr/bin/env python3
"""Feeds apps/fleet with the same made-up day on one machine and on Kafka, Spark and Cassandra, and
compares every row of its views.

Usage: cluster_fleet.py --mainstem target/debug/mainstem [--config deploy/local-cluster.toml]
                        [--readings 20000] [--seed 1]

Vehicles change their owners and models between two loads, some are not known at first and some are
removed. Readings come out of order, within the bound that the application declares: what is later
than it is dropped at other moments beyond one machine, and told so. Needs the engines of `cargo xtask
cluster up` and a program with the feature `cluster`. Exit code 1 names each view that differs.
"""

import argparse
import pathlib
import sys
import tempfile
import time

from cluster_server import ClusterServer, own_config
from fleet_views import DELAY, VIEWS, Day
from mainstem_server import REPOSITORY, Server, spell

# How long views may take to follow.
PATIENCE_SECONDS = 240


class OrderlyDay(Day):
    """A day on which nothing is later than the bound."""

    def late_seconds(self):
        return min(self.random.expovariate(0.5), DELAY.total_seconds() - 1)


def rows(server, question):
    return [[spell(value) for value in row] for row in server.ask(question)]


def compare(one, many, view, question):
    expected = rows(one, question)
    until = time.monotonic() + PATIENCE_SECONDS
    found = rows(many, question)
    while found != expected and time.monotonic() < until:
        time.sleep(2)
        found = rows(many, question)
    if found == expected:
        print(f"equal, {len(found)} rows: {view}", flush=True)
        return True
    print(f"DIFFERS: {view}: {len(expected)} rows on one machine, {len(found)} on many")
    for left, right in [pair for pair in zip(expected, found) if pair[0] != pair[1]][:5]:
        print(f"  one machine   {left}\n  many machines {right}")
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mainstem", required=True, help="the program, with the feature cluster")
    parser.add_argument("--config", default=str(REPOSITORY / "deploy/local-cluster.toml"))
    parser.add_argument("--readings", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    program = str(pathlib.Path(options.mainstem).resolve())
    day = OrderlyDay(options.readings, options.seed)
    with tempfile.TemporaryDirectory(prefix="mainstem-fleet-") as folder:
        one = Server(program, str(pathlib.Path(folder) / "one"))
        many = ClusterServer(program, str(pathlib.Path(folder) / "many"), own_config(options.config, folder))
        try:
            for server in (one, many):
                day.feed(server, folder)
            late = one.ask("SELECT count(*) FROM minute_by_vehicle_late")
            if late != [["0"]]:
                raise SystemExit(f"{late} readings came too late on one machine")
            equal = [compare(one, many, view, question) for view, question in VIEWS.items()]
        finally:
            one.stop()
            many.stop()
    print("all rows are equal" if all(equal) else f"{equal.count(False)} views differ")
    sys.exit(0 if all(equal) else 1)


if __name__ == "__main__":
    main()
