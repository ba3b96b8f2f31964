"""A node of Mainstem on Kafka, Spark and Cassandra, with topics, a keyspace and a session of its own."""

import json
import pathlib
import subprocess
import tomllib
import uuid

from mainstem_server import Server


class ClusterServer(Server):
    """A node on the engines, with topics and a keyspace of its own."""

    def __init__(self, program, data, config):
        self.config = config
        super().__init__(program, data)

    def start(self):
        command = [self.program, "serve", "--engine", "cluster", "--config", self.config,
                   "--data", self.data, "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if line.startswith("next,"):
                return
        raise SystemExit(f"the node did not start: exit code {self.process.wait()}")


def own_config(shared, folder):
    """The engines of the shared settings under names that nobody else uses."""
    settings = tomllib.loads(pathlib.Path(shared).read_text())["cluster"]
    name = f"ask{uuid.uuid4().hex[:10]}"
    settings.update(topic_prefix=name, keyspace=name)
    settings["folder"] = f"{settings['folder']}/{name}"
    path = pathlib.Path(folder) / "cluster.toml"
    # JSON's texts, numbers and lists are TOML's.
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    # A small machine that others use, too, may take its time.
    path.write_text("[sql]\nquery_time_max = \"300 s\"\n[cluster]\n" + "\n".join(lines) + "\n")
    return str(path)
