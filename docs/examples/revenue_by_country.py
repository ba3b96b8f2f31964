#!/usr/bin/env python3
"""Works with the data of a cluster in PySpark, with nothing of Mainstem installed.

Usage: revenue_by_country.py --spark sc://127.0.0.1:15002 --history FOLDER/PREFIX/history
                             --keyspace mainstem [--analytics analytics]

It is about the application of apps/retail:

1. reads the rows of view `revenue_by_country` from its table in Cassandra, by Spark's connector;
2. reads all purchases from their history, a Delta table;
3. computes the view again in one batch, and compares: rows that history does not have yet are in the
   stream's topic for some seconds, so it tries again until both are equal;
4. writes what it found, the share of each country, into a Cassandra table of its own.

A view's table is NAME_ID: each version of a view has its own. Never write into a table of Mainstem:
rows there come from Kafka. Insert into your tables by SQL, or keep your own tables, as here.

Needs Spark 3.5 with the packages of `deploy/compose.yaml`, and `pip install 'pyspark[connect]==3.5.7'`.
"""

import argparse
import sys
import time

from pyspark.sql import SparkSession, functions as f

# How long history may take to have all rows.
PATIENCE_SECONDS = 120


def newest(names, view):
    """Of all versions of an object the newest, by the number at the end of its name."""
    found = [name for name in names if name.rpartition("_")[0] == view or name.rpartition("-")[0] == view]
    if not found:
        raise SystemExit(f"there is no {view} among {sorted(names)}")
    return max(found, key=lambda name: int(name.replace("-", "_").rpartition("_")[2]))


def view_rows(spark, keyspace):
    tables = [row.tableName for row in spark.sql(f"SHOW TABLES IN cassandra.`{keyspace}`").collect()]
    table = newest(tables, "revenue_by_country")
    # The connector reads a NUMERIC with 18 digits behind the point: the view's has three.
    return spark.sql(
        f"SELECT country, orders, customers, CAST(revenue AS DECIMAL(33,3)) AS revenue "
        f"FROM cassandra.`{keyspace}`.`{table}`"
    )


def recomputed(spark, history):
    purchases = spark.read.format("delta").load(history)
    return purchases.groupBy("country").agg(
        f.countDistinct("invoice_no").alias("orders"),
        f.countDistinct("customer_id").alias("customers"),
        f.sum(f.col("quantity") * f.col("unit_price")).cast("decimal(33,3)").alias("revenue"),
    )


def differing(spark, options):
    """Rows of one side that the other does not have: a row per country, so both fit in memory."""
    columns = ["country", "orders", "customers", "revenue"]
    sides = view_rows(spark, options.keyspace), recomputed(spark, options.history)
    ours, batch = [{tuple(row) for row in side.select(columns).collect()} for side in sides]
    return sorted(ours ^ batch, key=str)


def write_back(spark, options):
    shares = view_rows(spark, options.keyspace).selectExpr(
        "country", "revenue", "CAST(revenue / sum(revenue) OVER () AS DOUBLE) AS share"
    )
    spark.sql(
        f"CREATE DATABASE IF NOT EXISTS cassandra.`{options.analytics}` "
        "WITH DBPROPERTIES (class='SimpleStrategy', replication_factor='1')"
    )
    target = f"cassandra.`{options.analytics}`.`revenue_share`"
    spark.sql(
        f"CREATE TABLE IF NOT EXISTS {target} (country STRING, revenue DECIMAL(38,18), share DOUBLE) "
        "USING cassandra PARTITIONED BY (country)"
    )
    shares.selectExpr("country", "CAST(revenue AS DECIMAL(38,18)) AS revenue", "share").writeTo(target).append()
    return spark.table(target).count()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spark", default="sc://127.0.0.1:15002", help="its Connect door")
    parser.add_argument("--history", required=True, help="the folder of the stream's Delta table")
    parser.add_argument("--keyspace", default="mainstem", help="of the cluster, in Cassandra")
    parser.add_argument("--analytics", default="analytics", help="a keyspace of your own")
    options = parser.parse_args()
    spark = SparkSession.builder.remote(options.spark).getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    until = time.monotonic() + PATIENCE_SECONDS
    while rows := differing(spark, options):
        if time.monotonic() > until:
            print(f"{len(rows)} rows differ, such as {rows[0]}")
            sys.exit(1)
        time.sleep(2)
    count = view_rows(spark, options.keyspace).count()
    print(f"{count} rows of the view are those of a batch over history")
    print(f"{write_back(spark, options)} rows in {options.analytics}.revenue_share")


if __name__ == "__main__":
    main()
