"""Alerting rules: sound, tested one by one, explained, and about reasons and metrics that there are."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from harness.prometheus import RULES, rules, tool

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "tests" / "prometheus").glob("*.yaml"))
ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
GUIDE = ROOT / "config" / "guide" / "alerts.md"
SOURCE = (ROOT / "src" / "reject.rs").read_text()
REASONS = set(re.findall(r'^\s+[A-Z]\w+ = "([a-z-]+)", [A-Z_]+, ', SOURCE, re.MULTILINE))


def run(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([tool("promtool"), *map(str, arguments)], capture_output=True, text=True, timeout=120, cwd=ROOT)


def test_promtool_finds_nothing_wrong():
    done = run("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0 and "FAILED" not in done.stdout + done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should(file):
    done = run("test", "rules", file)
    assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr


def expectations() -> dict[str, set[str]]:
    """For each alert, in what it is expected to be seen: `fires`, and `rests` in the same test at another time."""
    seen: dict[str, set[str]] = {name: set() for name in ALERTS}
    for file in UNITS:
        for test in yaml.safe_load(file.read_text())["tests"]:
            looks = test["promql_expr_test"] if "promql_expr_test" in test else []
            firing = [set(re.findall(r'alertname="(\w+)"', str(look["exp_samples"]) + (look["expr"] if look["exp_samples"] else ""))) for look in looks]
            for name in set().union(*firing):
                seen[name].add("fires")
                if any(name not in expected for expected in firing):
                    seen[name].add("rests")
            for exact in test.get("alert_rule_test", []):
                seen[exact["alertname"]].add("fires")
    return seen


def test_every_alert_is_tested_to_fire_and_not_to():
    assert {name: kinds for name, kinds in expectations().items() if kinds != {"fires", "rests"}} == {}


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_what_whoever_is_woken_needs(name):
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert {"summary", "description", "runbook_url"} == set(alert["annotations"])
    assert alert["annotations"]["runbook_url"] == f"config/guide/alerts.md#{name.lower()}"


def test_the_guide_has_a_section_for_each_alert_and_no_other():
    text = GUIDE.read_text()
    chapter = text.split("\n## The alerts\n")[1].split("\n## ")[0]
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", chapter, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(ALERTS)
    for name, section in sections.items():
        assert section.startswith(f"\n*{ALERTS[name]['labels']['severity']}.* "), name
        for part in ("**Means**", "**Callers**", "**Look at**", "**Do**"):
            assert section.count(part) == 1, f"{name}: {part}"


def test_reasons_are_those_of_the_source():
    """A reason that is misspelt, or has another name since, would never be counted."""
    asked = [re.findall(r'reason!?=~?"([^"]+)"', rule["expr"]) for rule in rules() if "handshake" not in rule["expr"]]
    named = {reason for patterns in asked for pattern in patterns for reason in pattern.split("|")}
    assert named <= REASONS and len(named) > 30, named - REASONS
    mentioned = set(re.findall(r"`(?!palisade-)([a-z]+(?:-[a-z]+)+)`", GUIDE.read_text()))
    assert mentioned <= REASONS | {"client-alert", "no-certificate"}, mentioned - REASONS
