"""The views of whole applications, on Spark and on one machine, over the same rows."""

import datetime
import json
import random
import re

from mainstem_server import checked
from spark_side import typed

UTC = datetime.timezone.utc
BEGIN = datetime.datetime(2026, 3, 1, 8, tzinfo=UTC)
# How often a view is asked at most until it has followed.
PATIENCE = 500
# What reads which stream, looks up which table by which columns, and how long its windows stay open.
VIEWS = {
    "apps/retail": {
        "revenue_by_country": ("purchases", None, None),
        "revenue_by_hour": ("purchases", None, datetime.timedelta(hours=1)),
    },
    "apps/fleet": {
        "minute_by_vehicle": ("readings", "vehicles", datetime.timedelta(seconds=10)),
        "trips_by_owner": ("trips", "vehicles", None),
        "shop_by_country": ("shop_orders", None, None),
    },
    "crates/mainstem/tests/operators/windows": {
        "hops": ("clicks", None, datetime.timedelta(seconds=10)),
        "visits": ("clicks", None, datetime.timedelta(seconds=10)),
        "now_by_hop": ("clicks", None, None),
    },
}
TIMES = {"purchases": "invoice_date", "readings": "at", "trips": "ended_at", "shop_orders": "ordered_at", "clicks": "at"}


def text(seconds):
    return (BEGIN + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def streams(chance):
    """Rows in the order of their event times, so that none is late."""
    vehicle = lambda: f"vehicle-{chance.randrange(25):02}"  # the last five are in no table
    countries = ["Norway", "France", "São Tomé", "Côte d'Ivoire"]
    seconds = lambda count, span: sorted(round(chance.uniform(0, span), 6) for _ in range(count))
    return {
        "purchases": [
            {"invoice_no": f"{'C' if chance.random() < 0.1 else ''}{chance.randrange(400)}", "stock_code": "s",
             "quantity": chance.randrange(-9, 50), "invoice_date": text(at), "unit_price": f"{chance.uniform(0, 99):.3f}",
             "customer_id": None if chance.random() < 0.2 else f"c{chance.randrange(200)}", "country": chance.choice(countries)}
            for at in seconds(2_000, 200_000)
        ],
        "readings": [
            {"vehicle_id": vehicle(), "at": text(at), "lat": 1.5, "lon": 2.5, "speed_kmh": round(chance.uniform(0, 130), 1),
             "battery_percent": 50.0, "celsius": None if chance.random() < 0.2 else round(chance.uniform(-20, 60), 2), "odometer_km": 7.0}
            for at in seconds(3_000, 1_800)
        ],
        "trips": [
            {"trip_id": f"t{number}", "vehicle_id": vehicle(), "started_at": text(at - 60), "ended_at": text(at),
             "distance_km": f"{chance.uniform(0, 400):.3f}", "energy_kwh": "1.000", "harsh_brakes": chance.randrange(9)}
            for number, at in enumerate(seconds(600, 1_800))
        ],
        "shop_orders": [
            {"order_id": f"o{number}", "owner_id": "p", "vehicle_id": None, "item": "mat", "quantity": chance.randrange(1, 9),
             "unit_price": f"{chance.uniform(1, 900):.2f}", "country": chance.choice(countries), "ordered_at": text(at)}
            for number, at in enumerate(seconds(600, 1_800))
        ],
        # Some of them just the gap of a session behind another one.
        "clicks": [
            {"user_id": f"u{chance.randrange(40)}", "amount": chance.randrange(-9, 50), "at": text(round(at / 15) * 15)}
            for at in seconds(1_500, 7_200)
        ],
    }


def joined(view, rows, table, time):
    """What a worker hands on: a row with what was looked up; the bounds of its window are its time."""
    columns = dict(re.findall(r"`(\w+)` ([A-Z]+(?:\(\d+,\d+\))?)", view["inputs"][0]["columns"]))
    made = []
    for row in rows:
        found = {} if table is None else table.get(row["vehicle_id"])
        if found is None:
            continue
        known = {**found, **row, "window_start": row[time], "window_end": row[time]}
        made.append({column: known.get(column, known.get(column.rsplit("_", 1)[0])) for column in columns})
    return columns, made


def compare(server, spark, program, folder):
    rows = streams(random.Random(7))
    table = {
        f"vehicle-{number:02}": {"vehicle_id": f"vehicle-{number:02}", "model": ["kestrel", "heron"][number % 2], "owner_id": f"p{number % 7}"}
        for number in range(20)
    }
    wrong = 0
    for app, views in VIEWS.items():
        lowered, _ = checked(program, app)
        if set(lowered) != set(views):
            raise SystemExit(f"{app} has other views than are compared here: {sorted(lowered)}")
        server.run("apply", app, "--yes")
        if app == "apps/fleet":
            values = ", ".join(f"('{v['vehicle_id']}', '{v['model']}', '{v['owner_id']}')" for v in table.values())
            server.run("sql", f"INSERT INTO vehicles VALUES {values}")
        for stream in {stream for stream, _, _ in views.values()}:
            path = folder / f"{stream}.ndjson"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows[stream]))
            server.run("load", str(path), "--stream", stream)
        for name, (stream, looks_up, delay) in views.items():
            view = lowered[name]
            columns, made = joined(view, rows[stream], table if looks_up else None, TIMES[stream])
            spark.declare(name, columns, made)
            for way in ("batch", "stream"):
                wrong += differs(server, spark, (view, way, name), delay and typed(rows[stream][-1][TIMES[stream]], "TIMESTAMP") - delay)
    return wrong


def differs(server, spark, case, closed):
    """Windows that are open are hidden by doors at scale, and not there on one machine."""
    view, way, name = case
    found = spark.live(view, way, [name])
    if closed:
        found = [row for row in found if row["window_end"] <= closed]
    for _ in range(PATIENCE):
        shown = ", ".join(column["name"] for column in view["columns"] if not column["hidden"])
        difference = spark.difference(view, server.rows(f"SELECT {shown} FROM {name}"), found)
        if not difference:
            print(f"{name} in {way}: {len(found)} rows are equal")
            return 0
    print(f"DIFFERS in {way}: {name}\n  as {view['spark_sql']}\n  {difference}")
    return 1
