"""The view of the bench in Spark SQL, as one would write it by hand: from a topic into a topic.

Reads a job as JSON from standard input and prints the query's batches as JSON.
"""

import datetime
import json
import sys
import time
import tomllib

from pyspark.sql import SparkSession
from pyspark.sql.functions import expr

ROW = "device_id STRING, at TIMESTAMP, celsius DOUBLE, speed DOUBLE, odometer BIGINT, state STRING"
TOTALS = ["count(*) AS n", "avg(celsius) AS mean", "max(odometer) AS odometer"]
PATIENCE_SECONDS = 900

job = json.load(sys.stdin)
cluster = tomllib.loads(job["settings"])["cluster"]
brokers = ",".join(cluster["kafka"])
spark = SparkSession.builder.remote(cluster["spark"]).getOrCreate()
# As many as a query of ours has, unless the settings say otherwise.
spark.conf.set("spark.sql.shuffle.partitions", str(cluster.get("state_partitions", 8)))
spark.conf.set("spark.sql.session.timeZone", "UTC")
records = (
    spark.readStream.format("kafka")
    .option("kafka.bootstrap.servers", brokers)
    .option("subscribePattern", f"{cluster['topic_prefix']}-.*-readings")
    .option("startingOffsets", "earliest")
    .option("maxOffsetsPerTrigger", str(job["per_batch"]))
    .load()
)
rows = records.selectExpr(f"from_json(CAST(value AS STRING), '{ROW}') AS reading").selectExpr("reading.*")
there = (
    spark.read.format("kafka")
    .option("kafka.bootstrap.servers", brokers)
    .option("subscribePattern", f"{cluster['topic_prefix']}-.*-by_hand")
    .load()
)
topic = there.select("topic").first()["topic"]
# Spark Connect takes no SQL text over a stream from Python: the same as a call.
query = (
    rows.groupBy("device_id")
    .agg(*[expr(text) for text in TOTALS])
    .selectExpr("device_id AS key", "to_json(struct(*)) AS value")
    .writeStream.format("kafka")
    .option("kafka.bootstrap.servers", brokers)
    .option("topic", topic)
    .option("checkpointLocation", f"{cluster['folder']}/by-hand-{job['name']}")
    .outputMode("update")
    .start()
)
try:
    until = time.monotonic() + PATIENCE_SECONDS
    batches = {}
    while sum(batch["rows"] for batch in batches.values()) < job["rows"]:
        if time.monotonic() > until or not query.isActive:
            raise SystemExit(f"the query did not read everything: {query.exception()}")
        for batch in query.recentProgress:
            began = datetime.datetime.fromisoformat(batch["timestamp"].replace("Z", "+00:00"))
            ended = began.timestamp() + batch["durationMs"]["triggerExecution"] / 1000
            read = sum(source["numInputRows"] for source in batch["sources"])
            if read:
                batches[batch["batchId"]] = {"rows": read, "ended": ended}
        time.sleep(0.2)
finally:
    query.stop()
print(json.dumps([batches[number] for number in sorted(batches)]))
