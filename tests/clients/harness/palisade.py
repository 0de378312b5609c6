"""Palisade itself: one process from one generated configuration, and what it says of itself."""

import http.client
import json
import os
import re
import signal
from pathlib import Path

import yaml

from .process import Child, answers, clean_environment, free_port, settled, wait_until

ADMIN_TOKEN, METRICS_TOKEN = "admin-token-of-the-tests", "metrics-token-of-the-tests"
METRIC = re.compile(r"^([a-z_]+)(?:\{(.*)\})? ([^ ]+)$")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def binary() -> Path:
    """`PALISADE_BIN`, or what `cargo build` leaves."""
    if chosen := os.environ.get("PALISADE_BIN"):
        return Path(chosen)
    root = Path(__file__).resolve().parents[3]
    return Path(os.environ.get("CARGO_TARGET_DIR") or root / "target") / "debug" / "palisade"


class Plain(yaml.SafeDumper):
    """YAML without anchors and aliases, which the configuration does not take."""

    def ignore_aliases(self, _) -> bool:
        return True


class Palisade(Child):
    """`palisade run`. Listeners that the configuration has get free ports; `ready` says which probe to wait for."""

    def __init__(self, name: str, config: dict, directory: Path, ready: str = "/readyz", **environment: str):
        self.config = config
        self.directory = directory
        for listener in ("ingress", "egress"):
            if listener in config:
                config[listener]["listen"] = f"127.0.0.1:{free_port()}"
        (directory / f"{name}.admin").write_text(ADMIN_TOKEN + "\n")
        (directory / f"{name}.metrics").write_text(METRICS_TOKEN + "\n")
        config["admin"] = {"listen": f"127.0.0.1:{free_port()}", "token": {"file": f"{name}.admin"}, "metrics_token": {"file": f"{name}.metrics"}}
        config["probes"] = {"listen": f"127.0.0.1:{free_port()}"}
        self.file = directory / f"{name}.yaml"
        self.write()
        super().__init__(name, [binary(), "run", "--config", self.file], directory, clean_environment(**environment))
        self.wait_ready(lambda: answers(self.port("probes"), ready))

    def write(self):
        """Writes `config` in place of what there was."""
        new = self.file.with_suffix(".new")
        new.write_text(yaml.dump(self.config, Dumper=Plain, sort_keys=False))
        new.replace(self.file)

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    def reloads(self, result: str) -> float:
        return self.metric("palisade_config_reloads_total", result=result)

    def reload(self, result: str = "applied"):
        """Has `config` taken over, or not: waits for the result."""
        before = self.reloads(result)
        self.write()
        self.hang_up()
        wait_until(lambda: self.reloads(result) > before, 15, f"a configuration is {result}")

    def records(self, event: str) -> list[dict]:
        """What the audit log, a file, has of an event."""
        lines = Path(self.config["telemetry"]["audit"]["path"]).read_text().splitlines(keepends=True)
        return [record for record in (json.loads(line) for line in lines if line.endswith("\n")) if record["event"] == event]

    def port(self, listener: str) -> int:
        return int(self.config[listener]["listen"].rsplit(":", 1)[1])

    @property
    def url(self) -> str:
        """Where an application points its SDK."""
        return f"http://127.0.0.1:{self.port('egress')}"

    def admin(self, path: str, method: str = "GET", token: str | None = ADMIN_TOKEN) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port("admin"), timeout=10)
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def metrics_text(self) -> str:
        status, body = self.admin("/metrics", token=METRICS_TOKEN)
        assert status == 200, body
        return body.decode()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all series of a metric that have these labels."""
        total = 0.0
        for line in self.metrics_text().splitlines():
            if (found := METRIC.match(line)) and found[1] == name:
                have = dict(LABEL.findall(found[2] or ""))
                if all(have.get(k) == v for k, v in labels.items()):
                    total += float(found[3])
        return total

    def log(self) -> list[dict]:
        """The access log so far. What is on standard output and is no JSON object is an error; a line being written is left out."""
        lines = [json.loads(line) for line in self.stdout.read_text().splitlines(keepends=True) if line.endswith("\n")]
        assert all(isinstance(line, dict) for line in lines)
        return [line for line in lines if line.get("log") == "access"]

    def logged(self, request_ids) -> dict[str, dict]:
        """The access log's lines of these requests, by id, as soon as all are there: they come a moment after the answers."""
        wanted = set(request_ids)

        def lines() -> dict[str, dict]:
            found = {line["request_id"]: line for line in self.log() if line["request_id"] in wanted}
            return found if found.keys() == wanted else {}

        return wait_until(lines, 5, f"the access log has {len(wanted)} requests")

    def said(self, words: str, after: int = 0) -> str:
        """The first line of the diagnostics with these words, as soon as it is there; `after` leaves out as many characters."""
        def found() -> str | None:
            lines = self.stderr.read_text()[after:].splitlines(keepends=True)
            return next((line for line in lines if words in line and line.endswith("\n")), None)

        return wait_until(found, 5, f"the diagnostics say {words!r}")

    def everything_written(self) -> str:
        """Log, diagnostics and metrics together: the places where a secret could have been left."""
        settled(0.1)
        return self.stdout.read_text() + self.stderr.read_text() + self.metrics_text()

    def memory(self, field: str = "VmRSS") -> int:
        """Resident bytes: now (`VmRSS`) or at most since `forget_peak` (`VmHWM`)."""
        found = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        return int(found[1]) * 1024

    def forget_peak(self):
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")
