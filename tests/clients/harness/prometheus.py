"""A real Prometheus that scrapes Palisade every second, with the rules of the chart, and what dashboards ask of it."""

import json
import os
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml

from .palisade import METRICS_TOKEN, Palisade
from .process import Child, answers, clean_environment, free_port

FILES = Path(__file__).resolve().parents[3] / "charts" / "palisade" / "files"
RULES = FILES / "rules.yaml"
DASHBOARDS = {path.stem.removeprefix("dashboard-"): json.loads(path.read_text()) for path in sorted(FILES.glob("dashboard-*.json"))}
# What PromQL itself has to say.
WORDS = {"and", "or", "unless", "by", "on", "without", "ignoring", "group_left", "group_right", "offset", "bool", "inf", "nan"}


def tool(name: str) -> str:
    """`make promtool` gets it; CI has to have it."""
    executable = shutil.which(name)
    if not executable and not os.environ.get("CI"):
        pytest.skip(f"{name} is not there: `make promtool` gets it from Debian's package")
    assert executable, f"{name} is missing: `make promtool`"
    return executable


def names(expression: str) -> set[str]:
    """The metrics, recorded ones too, that an expression of PromQL asks for."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    found = re.findall(r"(?<![\w.$])([A-Za-z_:][\w:]*)(?!\w)(\s*\()?", bare)
    return {name for name, call in found if not call and name.lower() not in WORDS}


def rules() -> list[dict]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels(dashboard: dict) -> list[dict]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def substituted(expression: str, window: str = "10s", **chosen: str) -> str:
    """What Grafana sends: values of variables as regular expressions, and a window for rates that fits the scrapes."""
    expression = expression.replace("$__rate_interval", window)
    expression = re.sub(r"\$(\w+)", lambda found: chosen.get(found[1], ".*"), expression)
    assert "$" not in expression, expression
    return expression


class Prometheus(Child):
    """Scrapes `targets`; rules are evaluated every second too."""

    def __init__(self, directory: Path, targets: list[Palisade]):
        self.port = free_port()
        (directory / "metrics.token").write_text(METRICS_TOKEN)
        addresses = [f"127.0.0.1:{target.port('admin')}" for target in targets]
        job = {"job_name": "palisade", "authorization": {"credentials_file": "metrics.token"}, "static_configs": [{"targets": addresses}]}
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}, "rule_files": [str(RULES)], "scrape_configs": [job]}
        (directory / "prometheus.yaml").write_text(yaml.safe_dump(config))
        super().__init__("prometheus", [tool("prometheus"), f"--config.file={directory / 'prometheus.yaml'}", f"--storage.tsdb.path={directory / 'tsdb'}",
                                        f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"], directory, clean_environment())
        self.wait_ready(lambda: answers(self.port, "/-/ready"))

    def api(self, path: str, **parameters: str):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from None

    def query(self, expression: str) -> list[dict]:
        """The series that an expression has now. A result that is not a number, as of 0 / 0, is none."""
        return [series for series in self.api("query", query=expression)["result"] if series["value"][1] != "NaN"]

    def names(self) -> set[str]:
        return set(self.api("label/__name__/values"))
