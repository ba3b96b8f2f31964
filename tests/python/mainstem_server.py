"""A mainstem server under test, and one spelling for the values that it and DuckDB answer with."""

import csv
import datetime
import decimal
import io
import json
import pathlib
import re
import signal
import subprocess
import urllib.request

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d")


class Server:
    """A mainstem server on its own data folder."""

    def __init__(self, program, data):
        self.program, self.data = program, data
        self.start()

    def start(self):
        command = [self.program, "serve", "--data", self.data, "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if line.startswith("next,"):
                return
        raise SystemExit(f"the server did not start: exit code {self.process.wait()}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)

    def run(self, *arguments):
        command = [self.program, *arguments, "--data", self.data]
        done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
        return done.stdout

    def flush(self):
        """Has everything archived, over HTTP: there is no command for it."""
        folder = pathlib.Path(self.data)
        url = (folder / "endpoint").read_text().strip() + "/v1/flush"
        key = (folder / "admin.key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(url, b"{}", headers), timeout=120).read()

    def ask(self, question):
        rows = list(csv.reader(io.StringIO(self.run("sql", "--format", "csv", question))))
        return rows[1:]

    def rows(self, question):
        """The answer's rows by the names of their columns."""
        document = json.loads(self.run("sql", "--format", "json", question))
        names = [column["name"] if isinstance(column, dict) else column for column in document["columns"]]
        return [dict(zip(names, row)) if isinstance(row, list) else row for row in document["rows"]]


def checked(program, folder):
    """What `check` says of the views of an application beyond one machine, by name; and Spark's settings."""
    command = [program, "check", str(folder), "--engine", "cluster", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    if not done.stdout:
        raise SystemExit(f"check of {folder} failed:\n{done.stderr}")
    document = json.loads(done.stdout)
    return {view["view"]: view for view in document["views"]}, document["settings"]


def spell(text):
    """One spelling for equal values: numbers without trailing zeroes, times in UTC."""
    if text is None:
        return ""
    if TIME.match(text):
        time = datetime.datetime.fromisoformat(text).astimezone(datetime.timezone.utc)
        return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    try:
        number = decimal.Decimal(text)
    except decimal.InvalidOperation:
        return text
    return format(number.quantize(decimal.Decimal("0.000001")).normalize(), "f")
