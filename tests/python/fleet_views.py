#!/usr/bin/env python3
"""Feeds apps/fleet with a made-up day and compares every row of its views with DuckDB's answer.

Usage: fleet_views.py --mainstem target/debug/mainstem [--readings 100000] [--seed 1]

Vehicles change their owners and models between two loads, some are not known at first and some
are removed, readings come out of order and some of them too late. Views are compared while the
rows are in the log, after they were archived, and after a restart. Which readings were too late
follows from the order in which they were taken (_seq), and is computed here once more. Exit code
1 names each view that differs.
"""

import argparse
import csv
import datetime
import pathlib
import random
import sys
import tempfile

from mainstem_server import Server, spell

BEGIN = datetime.datetime(2026, 3, 1, 8, tzinfo=datetime.timezone.utc)
VEHICLES, OWNERS = 300, 90
# What a watermark is behind the newest time, as apps/fleet declares it.
DELAY = datetime.timedelta(seconds=10)
MINUTE = datetime.timedelta(minutes=1)
# How often a view is asked at most until it has followed; each takes some hundredths of a second.
PATIENCE = 1_000

VIEWS = {
    "minute_by_vehicle": "SELECT window_start, window_end, vehicle_id, model, readings, mean_celsius, "
    "max_celsius, mean_kmh, fast FROM minute_by_vehicle ORDER BY 1, 3, 4",
    "trips_by_owner": "SELECT owner_id, trips, km, harsh_brakes FROM trips_by_owner ORDER BY 1",
    "shop_by_country": "SELECT country, orders, revenue FROM shop_by_country ORDER BY 1",
}
# The same in DuckDB: a lookup is a join with what was known while a row's part was loaded.
VIEWS_OF_DUCKDB = [
    """CREATE VIEW minute_by_vehicle AS
       SELECT time_bucket(INTERVAL '1 minute', "at") AS window_start,
         time_bucket(INTERVAL '1 minute', "at") + INTERVAL '1 minute' AS window_end,
         r.vehicle_id, v.model, count(*) AS readings, avg(celsius) AS mean_celsius,
         max(celsius) AS max_celsius, avg(speed_kmh) AS mean_kmh,
         count(*) FILTER (WHERE speed_kmh > 100) AS fast
       FROM readings r JOIN vehicles v ON v.vehicle_id = r.vehicle_id AND v.part = r.part
       WHERE NOT is_late
         AND time_bucket(INTERVAL '1 minute', "at") + INTERVAL '1 minute'
           <= (SELECT max("at") - INTERVAL '10 seconds' FROM readings)
       GROUP BY ALL""",
    """CREATE VIEW trips_by_owner AS
       SELECT v.owner_id, count(*) AS trips, sum(distance_km) AS km,
         sum(harsh_brakes) AS harsh_brakes
       FROM trips t JOIN vehicles v ON v.vehicle_id = t.vehicle_id AND v.part = t.part
       GROUP BY v.owner_id""",
    """CREATE VIEW shop_by_country AS
       SELECT country, count(*) AS orders, sum(quantity * unit_price) AS revenue
       FROM shop_orders GROUP BY country""",
]
COLUMNS = {
    "readings": {
        "vehicle_id": "VARCHAR", "at": "TIMESTAMPTZ", "lat": "DOUBLE", "lon": "DOUBLE",
        "speed_kmh": "DOUBLE", "battery_percent": "DOUBLE", "celsius": "DOUBLE",
        "odometer_km": "DOUBLE",
    },
    "trips": {
        "trip_id": "VARCHAR", "vehicle_id": "VARCHAR", "started_at": "TIMESTAMPTZ",
        "ended_at": "TIMESTAMPTZ", "distance_km": "DECIMAL(9,3)", "energy_kwh": "DECIMAL(9,3)",
        "harsh_brakes": "INTEGER",
    },
    "shop_orders": {
        "order_id": "VARCHAR", "owner_id": "VARCHAR", "vehicle_id": "VARCHAR", "item": "VARCHAR",
        "quantity": "INTEGER", "unit_price": "DECIMAL(10,2)", "country": "VARCHAR",
        "ordered_at": "TIMESTAMPTZ",
    },
}


def text_of(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Day:
    """Everything that happens, in two parts, from a seed."""

    def __init__(self, readings, seed):
        self.random = random.Random(seed)
        # Vehicles of the last tenth are not known in the first part.
        known = range(VEHICLES - VEHICLES // 10)
        self.vehicles = [{self.name(n): self.about() for n in known}]
        changed = dict(self.vehicles[0])
        for number in range(VEHICLES):
            if number >= len(known) or self.random.random() < 0.3:
                changed[self.name(number)] = self.about()
            elif self.random.random() < 0.05:
                del changed[self.name(number)]
        self.vehicles.append(changed)
        half = readings // 2
        self.parts = [
            {
                "readings": [self.reading(part, n, half) for n in range(half)],
                "trips": [self.trip(part, n) for n in range(readings // 20)],
                "shop_orders": [self.order(part, n) for n in range(readings // 20)],
            }
            for part in range(2)
        ]

    @staticmethod
    def name(number):
        return f"vehicle-{number:03}"

    def about(self):
        model = self.random.choice(["kestrel", "heron", "finch", "osprey"])
        return model, f"owner-{self.random.randrange(OWNERS):02}"

    def vehicle(self):
        # A few readings are of vehicles that nobody knows.
        return self.name(self.random.randrange(VEHICLES + 3))

    def late_seconds(self):
        seconds = self.random.expovariate(0.5)
        return seconds + self.random.uniform(0, 1_200) if self.random.random() < 0.01 else seconds

    def reading(self, part, number, count):
        """A part is twenty minutes; most readings are seconds out of order, some minutes late."""
        seconds = 1_200 * (part + number / count) - self.late_seconds()
        # Of a vehicle no two at one time: the number is in the microseconds.
        at = BEGIN + datetime.timedelta(seconds=round(seconds, 1), microseconds=number % 100_000)
        value = self.random.uniform
        silent = self.random.random() < 0.2
        return [
            self.vehicle(), text_of(at), f"{value(-60, 60):.6f}", f"{value(-180, 180):.6f}",
            f"{value(0, 130):.1f}", f"{value(0, 100):.1f}", "" if silent else f"{value(-20, 60):.2f}",
            f"{value(0, 300_000):.1f}",
        ]

    def trip(self, part, number):
        started = BEGIN + datetime.timedelta(seconds=1_200 * part + self.random.uniform(0, 900))
        ended = started + datetime.timedelta(seconds=self.random.uniform(60, 300))
        return [
            f"trip-{part}-{number}", self.vehicle(), text_of(started), text_of(ended),
            f"{self.random.uniform(0.1, 400):.3f}", f"{self.random.uniform(0.1, 80):.3f}",
            self.random.randrange(9),
        ]

    def order(self, part, number):
        at = BEGIN + datetime.timedelta(seconds=1_200 * part + self.random.uniform(0, 1_200))
        vehicle = self.vehicle() if self.random.random() < 0.5 else ""
        country = self.random.choice(["Norway", "France", "Germany", "São Tomé", "Côte d'Ivoire"])
        return [
            f"order-{part}-{number}", f"owner-{self.random.randrange(OWNERS):02}", vehicle,
            self.random.choice(["mat", "wiper", 'rack, "large"']), self.random.randrange(1, 9),
            f"{self.random.uniform(1, 900):.2f}", country, text_of(at),
        ]

    def statements(self, part):
        """What brings the table of vehicles from the part before to this one."""
        before, after = self.vehicles[part - 1] if part else {}, self.vehicles[part]
        gone = [f"'{name}'" for name in before if name not in after]
        rows = [
            f"('{name}', '{model}', '{owner}')"
            for name, (model, owner) in after.items()
            if before.get(name) != (model, owner)
        ]
        upsert = "ON CONFLICT (vehicle_id) DO UPDATE SET model = excluded.model, owner_id = excluded.owner_id"
        yield f"INSERT INTO vehicles VALUES {', '.join(rows)} {upsert}"
        if gone:
            yield f"DELETE FROM vehicles WHERE vehicle_id IN ({', '.join(gone)})"

    def files(self, folder, part):
        for stream, rows in self.parts[part].items():
            path = pathlib.Path(folder) / f"{stream}-{part}.csv"
            with path.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(COLUMNS[stream])
                writer.writerows(rows)
            yield stream, path

    def feed(self, server, folder):
        """Declares the application and sends everything, in order."""
        server.run("apply", "apps/fleet", "--yes")
        for part in range(2):
            for statement in self.statements(part):
                server.run("sql", statement)
            for stream, path in self.files(folder, part):
                server.run("load", str(path), "--stream", stream)


def late_readings(server):
    """Vehicle and time of the readings whose minute was over when they came, by their order."""
    rows = server.ask("SELECT vehicle_id, at, _seq FROM readings ORDER BY _seq")
    rows = [(vehicle, datetime.datetime.fromisoformat(at), seq) for vehicle, at, seq in rows]
    late, newest, place = set(), BEGIN - datetime.timedelta(days=1), 0
    while place < len(rows):
        end = place
        while end < len(rows) and rows[end][2] == rows[place][2]:
            vehicle, at, _ = rows[end]
            over = BEGIN + ((at - BEGIN) // MINUTE + 1) * MINUTE
            if over <= newest - DELAY:
                late.add((vehicle, spell(text_of(at))))
            end += 1
        newest = max([newest] + [at for _, at, _ in rows[place:end]])
        place = end
    return late


def oracle(day, folder, late):
    # Others who want such a day have no need of it.
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for stream, columns in COLUMNS.items():
        names = ", ".join(f'"{name}"' for name in columns)
        types = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        connection.execute(f"CREATE TABLE {stream} ({types}, part INTEGER)")
        for part in range(2):
            path = str(pathlib.Path(folder) / f"{stream}-{part}.csv")
            connection.execute(
                f"INSERT INTO {stream} SELECT {names}, {part} FROM read_csv(?, header = true, quote = '\"', "
                f"escape = '\"', columns = {columns})",
                [path],
            )
    connection.execute("CREATE TABLE vehicles (part INTEGER, vehicle_id VARCHAR, model VARCHAR, owner_id VARCHAR)")
    rows = [[part, name, *about] for part in range(2) for name, about in day.vehicles[part].items()]
    connection.executemany("INSERT INTO vehicles VALUES (?, ?, ?, ?)", rows)
    connection.execute('CREATE TABLE late (vehicle_id VARCHAR, "at" TIMESTAMPTZ)')
    connection.executemany("INSERT INTO late VALUES (?, ?)", [list(row) for row in late] or [[None, None]])
    connection.execute("ALTER TABLE readings ADD COLUMN is_late BOOLEAN DEFAULT false")
    connection.execute(
        """UPDATE readings SET is_late = true FROM late
           WHERE late."at" = readings."at" AND late.vehicle_id = readings.vehicle_id"""
    )
    for view in VIEWS_OF_DUCKDB:
        connection.execute(view)
    return connection


def compare(server, connection, when):
    wrong = 0
    for view, question in VIEWS.items():
        # As texts: the package wants another one for times with a zone.
        texts = connection.execute(f"SELECT COLUMNS(*)::VARCHAR FROM ({question})").fetchall()
        expected = [[spell(value) for value in row] for row in texts]
        for _ in range(PATIENCE):
            found = [[spell(value) for value in row] for row in server.ask(question)]
            if found == expected:
                break
        print(f"{when}: {view}, {len(expected)} rows")
        if found != expected:
            wrong += 1
            differ = [pair for pair in zip(expected, found) if pair[0] != pair[1]][:5]
            print(f"DIFFERS {when}: {view}: {len(expected)} rows expected, {len(found)} found")
            for theirs, ours in differ:
                print(f"  duckdb   {theirs}\n  mainstem {ours}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mainstem", required=True, help="the program")
    parser.add_argument("--readings", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    program = str(pathlib.Path(options.mainstem).resolve())
    day = Day(options.readings, options.seed)
    with tempfile.TemporaryDirectory(prefix="mainstem-fleet-") as folder:
        server = Server(program, str(pathlib.Path(folder) / "data"))
        try:
            day.feed(server, folder)
            late = late_readings(server)
            counted = server.ask("SELECT count(*) FROM readings")
            if counted != [[str(options.readings // 2 * 2)]] or not late:
                raise SystemExit(f"{counted} readings were taken, {len(late)} of them too late")
            print(f"{options.readings} readings, {len(late)} of them too late")
            connection = oracle(day, folder, late)
            wrong = compare(server, connection, "in the log")
            server.flush()
            wrong += compare(server, connection, "in history")
            server.stop()
            server.start()
            wrong += compare(server, connection, "after a restart")
        finally:
            server.stop()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
