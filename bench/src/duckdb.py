"""Times queries in DuckDB on the live Parquet files of a Delta table.

Reads {"table", "name", "queries", "repeats", "threads"} as JSON from stdin; writes
{"version", "answers", "seconds"} with one entry per query, the seconds of each repeat.
"""

import glob
import json
import os
import sys
import time
import urllib.parse

import duckdb

job = json.load(sys.stdin)
live = {}
for entry in sorted(glob.glob(os.path.join(job["table"], "_delta_log", "*.json"))):
    with open(entry) as lines:
        for line in lines:
            action = json.loads(line)
            if "add" in action:
                live[action["add"]["path"]] = True
            if "remove" in action:
                live.pop(action["remove"]["path"], None)
files = [os.path.join(job["table"], urllib.parse.unquote(path)) for path in live]

connection = duckdb.connect()
connection.execute(f"SET threads = {job['threads']}")
connection.execute("SET TimeZone = 'UTC'")
names = ", ".join("'" + name.replace("'", "''") + "'" for name in files)
connection.execute(f"CREATE VIEW {job['name']} AS SELECT * FROM read_parquet([{names}])")
answers, seconds = [], []
for query in job["queries"]:
    answers.append(connection.execute(query).fetchall())
    times = []
    for _ in range(job["repeats"]):
        begin = time.perf_counter()
        connection.execute(query).fetchall()
        times.append(time.perf_counter() - begin)
    seconds.append(times)
result = {"version": duckdb.__version__, "files": len(files), "answers": answers, "seconds": seconds}
json.dump(result, sys.stdout, default=str)
