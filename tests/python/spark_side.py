"""Spark under test: runs lowered views in batch and as a stream, and compares values by their type."""

import collections
import datetime
import decimal
import math
import os
import shutil
import struct

os.environ["TZ"] = "UTC"

from pyspark.sql import SparkSession  # noqa: E402

UTC = datetime.timezone.utc
# How far floating point may be apart where it is rounded elsewhere: some units of the last digit.
NEAR = 1e-12
TYPES = {
    "BOOLEAN": "BOOLEAN", "SMALLINT": "SMALLINT", "INTEGER": "INT", "BIGINT": "BIGINT", "TEXT": "STRING",
    "DOUBLE PRECISION": "DOUBLE", "DATE": "DATE", "TIMESTAMPTZ": "TIMESTAMP",
}


def typed(value, ty):
    """A value of ours, as JSON has it, in Python's type for a Spark type."""
    if value is None:
        return None
    if ty in ("SMALLINT", "INT", "BIGINT"):
        return int(value)
    if ty == "FLOAT":
        return struct.unpack("f", struct.pack("f", float(value)))[0]
    if ty == "DOUBLE":
        return float(value)
    if ty.startswith("DECIMAL"):
        return decimal.Decimal(value)
    if ty == "TIMESTAMP":
        moment = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
        return moment.astimezone(UTC).replace(tzinfo=None)
    if ty == "DATE":
        return datetime.date.fromisoformat(value)
    return value


def spark_type(ty):
    ty = ty.replace(" NOT NULL", "")
    return TYPES.get(ty) or ty.replace("NUMERIC", "DECIMAL")


def same(one, other, rounds):
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return one == other or (rounds and math.isclose(one, other, rel_tol=NEAR, abs_tol=1e-300))
    # JSON has no infinity and no NaN.
    if one is None and isinstance(other, float) and not math.isfinite(other):
        return True
    return type(one) is type(other) and one == other


def same_rows(one, other, rounds):
    return len(one) == len(other) and all(same(a, b, rounds) for a, b in zip(one, other))


def sorted_rows(rows):
    return sorted(rows, key=lambda row: [(value is not None, str(value) if not isinstance(value, (int, float)) else f"{value:+.9e}") for value in row])


class Spark:
    """A session of Spark on this machine."""

    def __init__(self, settings, folder):
        self.folder = folder
        builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        builder = builder.config("spark.sql.shuffle.partitions", "2").config("spark.driver.memory", "1g")
        builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
        for way in ("Read", "Write"):
            builder = builder.config(f"spark.sql.parquet.datetimeRebaseModeIn{way}", "CORRECTED")
        for name, value in settings.items():
            builder = builder.config(name, value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("OFF")
        self.inputs = {}
        # What the last query kept as state when it ended.
        self.state_rows = 0

    def stop(self):
        self.session.stop()

    def declare(self, name, columns, rows):
        """Keeps rows, as JSON has them, as what views read."""
        ddl = ", ".join(f"`{column}` {spark_type(ty)}" for column, ty in columns.items())
        types = [spark_type(ty) for ty in columns.values()]
        made = [
            [typed(row.get(column), ty) for column, ty in zip(columns, types)] + [offset % 4, offset // 4]
            for offset, row in enumerate(rows)
        ]
        frame = self.session.createDataFrame(made, f"{ddl}, `_partition` INT, `_offset` BIGINT")
        path = str(self.folder / name)
        # Two files, so that a stream has more than one micro-batch.
        half = len(made) // 2
        frame.sparkSession.createDataFrame(made[:half], frame.schema).coalesce(1).write.mode("overwrite").parquet(path)
        frame.sparkSession.createDataFrame(made[half:], frame.schema).coalesce(1).write.mode("append").parquet(path)
        self.inputs[name] = (path, frame.schema)
        self.session.read.parquet(path).cache().createOrReplaceTempView("input")

    def use(self, view, names):
        """Lets a view read in batch what was declared under these names, in the order of its inputs."""
        for read, name in zip(view["inputs"], names, strict=True):
            self.session.read.parquet(self.inputs[name][0]).createOrReplaceTempView(read["relation"])

    def column_differs(self, view, ty, found, fails, rounds):
        """How column y differs by row from `found`; rows in `fails` have to fail here too."""
        question = f"SELECT id, y FROM ({view['spark_sql']})"
        where = f" WHERE id IN ({', '.join(map(str, found))})" if found else ""
        if fails and found:
            # Before anything is computed: a filter above could be done behind.
            self.session.sql(f"SELECT * FROM input{where}").createOrReplaceTempView("some")
            question = question.replace("`input`", "`some`")
        if found:
            try:
                frame = self.session.sql(question)
                if frame.schema["y"].dataType != self.session.sql(f"SELECT CAST(NULL AS {ty})").schema[0].dataType:
                    return f"its type is {frame.schema['y'].dataType}, not {ty}"
                rows = {row[0]: row[1] for row in frame.collect()}
            except Exception as error:
                return f"fails where we do not: {str(error).splitlines()[0][:300]}"
            wrong = [
                (row, typed(value, ty), rows.get(row)) for row, value in found.items()
                if not same(typed(value, ty), rows.get(row), rounds)
            ]
            if wrong:
                return f"{len(wrong)} rows (row, ours, Spark's): {wrong[:4]}"
        for row in fails[:3]:
            self.session.sql(f"SELECT * FROM input WHERE id = {row}").createOrReplaceTempView("some")
            try:
                got = self.session.sql(f"SELECT id, y FROM ({view['spark_sql'].replace('`input`', '`some`')})").collect()
            except Exception:
                continue
            return f"row {row} fails with us, Spark has {got[0][1]!r}"
        return None

    def rows_differ(self, view, expected, way):
        """How the live rows of a lowered view differ from ours."""
        return self.difference(view, expected, self.live(view, way, ["facts"]))

    def live(self, view, way, names):
        """The rows of a lowered view over what was declared that are there, by column."""
        self.use(view, names)
        rows = self.stream(view, names) if way == "stream" else self.session.sql(view["spark_sql"]).collect()
        names = [column["name"] for column in view["columns"]]
        rows = [dict(zip(names, row)) for row in rows]
        return [row for row in rows if row.get("_live", True)]

    def difference(self, view, expected, found):
        shown = [column for column in view["columns"] if not column["hidden"]]
        theirs = sorted_rows([[row[column["name"]] for column in shown] for row in found])
        mine = sorted_rows([[typed(row[column["name"]], column["type"]) for column in shown] for row in expected])
        rounds = any("last digits of floating point" in difference for difference in view["differs"])
        wrong = [pair for pair in zip(mine, theirs) if not same_rows(*pair, rounds)]
        if len(mine) != len(theirs) or wrong:
            return f"{len(mine)} rows are ours, {len(theirs)} Spark's; first (ours, Spark's): {wrong[:2]}"
        return None if mine else "there is nothing to compare"

    def stream(self, view, names):
        """The last row of each key of a Structured Streaming query over what was declared."""
        for read, name in zip(view["inputs"], names, strict=True):
            path, schema = self.inputs[name]
            reader = self.session.readStream.schema(schema).option("maxFilesPerTrigger", 1).parquet(path)
            watermark = read["watermark"]
            if watermark:
                reader = reader.withWatermark(watermark["column"], f"{watermark['delay_us']} microseconds")
            reader.createOrReplaceTempView(read["relation"])
        checkpoint = self.folder / "checkpoint"
        shutil.rmtree(checkpoint, ignore_errors=True)
        writer = self.session.sql(view["spark_sql"]).writeStream.format("memory").queryName("answer")
        writer = writer.outputMode(view["output_mode"]).option("checkpointLocation", str(checkpoint))
        query = writer.trigger(availableNow=True).start()
        query.awaitTermination()
        if query.exception():
            raise SystemExit(f"{view['view']} failed as a stream: {query.exception()}")
        progress = query.lastProgress or {"stateOperators": []}
        self.state_rows = sum(state["numRowsTotal"] for state in progress["stateOperators"])
        rows = self.session.table("answer").collect()
        names = [column["name"] for column in view["columns"]]
        kept = collections.OrderedDict()
        for row in rows:
            key = tuple(row[names.index(column)] for column in view["key"])
            version = row[names.index("_version")] if "_version" in names else 0
            if key not in kept or version >= kept[key][0]:
                kept[key] = (version, row)
        return [row for _, row in kept.values()]
