"""Reads rows of a view with Apache Cassandra's own Python driver, and compares with what was written.

The Rust test `rows_for_other_drivers_are_left` (crates/cluster, feature `engines`) writes a table
with a column of every type and leaves `rows.json` in `target/tmp/cassandra`: the node, the table, its
columns with their types, and the rows as JSON.

Usage: cql_drivers.py --rows target/tmp/cassandra/rows.json
"""

import argparse
import base64
import datetime
import decimal
import json
import math
import pathlib
import struct
import sys
import uuid

from cassandra.cluster import Cluster

UTC = datetime.timezone.utc


def micros(text):
    """RFC 3339 as microseconds since 1970, also where Python's own years end."""
    day, time = text.removesuffix("Z").split("T")
    seconds, _, fraction = time.partition(".")
    at = datetime.datetime.fromisoformat(f"{day}T{seconds}").replace(tzinfo=UTC)
    since = at - datetime.datetime(1970, 1, 1, tzinfo=UTC)
    whole = since.days * 86_400 + since.seconds
    return whole * 1_000_000 + int(fraction.ljust(6, "0") or 0)


def expected(kind, value):
    """A value of the view as CQL has it."""
    if value is None:
        return None
    if kind.endswith("[]") or kind.startswith("ROW"):
        return value
    if kind.startswith("NUMERIC"):
        return decimal.Decimal(value)
    if kind == "REAL":
        return struct.unpack("f", struct.pack("f", float(value)))[0]
    convert = {
        "SMALLINT": int,
        "INTEGER": int,
        "BIGINT": int,
        "DOUBLE PRECISION": float,
        "BYTEA": base64.b64decode,
        "UUID": uuid.UUID,
        "TIMESTAMPTZ": micros,
    }.get(kind, lambda same: same)
    return convert(value)


def found(kind, value, is_bound):
    """A value of the driver, as it is compared."""
    if value is None:
        return None
    if kind.endswith("[]") or kind.startswith("ROW") or kind == "JSON":
        return json.loads(value)
    if kind in ("REAL", "DOUBLE PRECISION") and not math.isfinite(value):
        # JSON has no such numbers.
        return None
    if kind == "DATE":
        return str(value)
    if kind == "TIMESTAMPTZ" and is_bound:
        since = value.replace(tzinfo=UTC) - datetime.datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return value


def check(left):
    """Mistakes, as lines."""
    host, port = left["node"].rsplit(":", 1)
    cluster = Cluster([host], port=int(port), connect_timeout=20)
    session = cluster.connect(left["keyspace"])
    mistakes = []
    key = [column["name"] for column in left["columns"] if column["key"]]
    where = " AND ".join(f'"{name}" = ?' for name in key)
    one = session.prepare(f'SELECT * FROM "{left["table"]}" WHERE {where}')
    for row in left["rows"]:
        values = []
        for column in left["columns"]:
            if column["key"]:
                value = expected(column["type"], row[column["name"]])
                if column["bound"]:
                    value = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=value)
                values.append(value)
        read = session.execute(one, values).one()
        if read is None:
            mistakes.append(f"no row {row}")
            continue
        for column in left["columns"]:
            name, kind = column["name"], column["type"]
            wanted = expected(kind, row[name])
            there = found(kind, getattr(read, name), column["bound"])
            # Told apart: 0.0 and -0.0, 1 and True.
            if repr(there) != repr(wanted) and not same_number(there, wanted):
                mistakes.append(f"{name} ({kind}): expected {wanted!r}, found {there!r}")
    everything = session.execute(f'SELECT count(*) AS n FROM "{left["table"]}"').one().n
    if everything != len(left["rows"]):
        mistakes.append(f"expected {len(left['rows'])} rows, found {everything}")
    cluster.shutdown()
    return mistakes


def same_number(one, other):
    """Decimals are the same whatever their trailing zeros."""
    return isinstance(one, decimal.Decimal) and one == other


def main():
    """Compares, and fails if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", required=True, type=pathlib.Path)
    left = json.loads(parser.parse_args().rows.read_text())
    mistakes = check(left)
    for mistake in mistakes:
        print(f"FAILED {mistake}")
    if mistakes:
        sys.exit(1)
    print(f"the Python driver reads {len(left['rows'])} rows of {left['table']} as they were written")


if __name__ == "__main__":
    main()
