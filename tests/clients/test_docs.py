"""The README is true where it can be compared with the source."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
STATUS = {"BAD_REQUEST": 400, "UNAUTHORIZED": 401, "FORBIDDEN": 403, "NOT_FOUND": 404, "METHOD_NOT_ALLOWED": 405, "REQUEST_TIMEOUT": 408,
          "PAYLOAD_TOO_LARGE": 413, "URI_TOO_LONG": 414, "EXPECTATION_FAILED": 417, "TOO_MANY_REQUESTS": 429,
          "REQUEST_HEADER_FIELDS_TOO_LARGE": 431, "INTERNAL_SERVER_ERROR": 500, "NOT_IMPLEMENTED": 501, "BAD_GATEWAY": 502,
          "SERVICE_UNAVAILABLE": 503, "GATEWAY_TIMEOUT": 504}


def test_the_table_of_reasons_is_that_of_the_source():
    source = re.findall(r'^\s+[A-Z]\w+ = "([a-z-]+)", ([A-Z_]+), ', (ROOT / "src" / "reject.rs").read_text(), re.MULTILINE)
    documented = re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \| ", README, re.MULTILINE)
    assert documented == [(name, str(STATUS[status])) for name, status in source]


def test_the_table_of_metrics_is_that_of_the_source():
    source = (ROOT / "src" / "telemetry" / "metrics.rs").read_text().split("#[cfg(test)]")[0]
    made = re.findall(r'new\s*\.\w+\(\s*"(palisade_\w+)",\s*"[^"]*",?\s*(?:&\[([^\]]*)\])?', source)
    assert len(made) == len(set(re.findall(r'"(palisade_\w+)"', source))), "the pattern no longer fits src/telemetry/metrics.rs"
    documented = re.findall(r"^\| `(palisade_\w+)` \| (.*?) \| ", README, re.MULTILINE)
    assert documented == sorted((name, ", ".join(f"`{label}`" for label in re.findall(r"\w+", labels))) for name, labels in made)


def test_the_metrics_of_the_process_are_those_of_the_source():
    source = (ROOT / "src" / "telemetry" / "process.rs").read_text().split("#[cfg(test)]")[0]
    made = re.findall(r'::new\("(process_\w+)"', source)
    assert len(made) == 5 and set(re.findall(r"`(process_\w+)`", README)) == set(made)


def test_the_table_of_the_access_log_is_that_of_the_source():
    source = (ROOT / "src" / "telemetry" / "access_log.rs").read_text().split("pub struct Line<'a> {")[1].split("\n}")[0]
    fields = re.findall(r"^(    #\[serde\(skip_serializing_if.*\)\]\n)?    pub (\w+):", source, re.MULTILINE)
    assert len(fields) == len(re.findall(r"^    pub ", source, re.MULTILINE)), "the pattern no longer fits src/telemetry/access_log.rs"
    page = (ROOT / "config" / "guide" / "access-log.md").read_text()
    documented = re.findall(r"^\| `(\w+)` \| (yes)? ?\| ", page, re.MULTILINE)
    assert documented == [(name, "" if skipped else "yes") for skipped, name in fields]


PAGES = ["README.md", "examples/README.md", "examples/compose/README.md", "examples/ecs/README.md", "examples/COMPATIBILITY.md", "tests/aws/README.md", "bench/README.md", "charts/palisade/README.md", "CHANGELOG.md", "config/README.md",
         *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "config" / "guide").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    file = ROOT / page
    for link in re.findall(r"\]\(([^)#]+)\)", file.read_text()):
        assert link.startswith("https://") or (file.parent / link).exists(), f"{page}: {link}"
