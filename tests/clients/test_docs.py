"""The documentation is true where it can be compared with the source, and its commands do what it says."""

import contextlib
import os
import re
import shutil
from pathlib import Path

import pytest

from harness import documents
from harness.stage import Stage

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


ALERTS = {name.lower(): name for name in re.findall(r"alert: (Palisade\w+)", (ROOT / "charts" / "palisade" / "files" / "rules.yaml").read_text())}
METRICS = set(re.findall(r"^\| `(palisade_\w+)` \| ", README, re.MULTILINE))


@pytest.mark.parametrize("page", documents.PAGES, ids=documents.name)
def test_links_lead_somewhere(page):
    for target, anchor in documents.links(page):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{page}: {target}"
        assert not anchor or anchor in documents.anchors(file), f"{page}: {target}#{anchor}"


@pytest.mark.parametrize("page", documents.PAGES, ids=documents.name)
def test_tests_and_files_that_are_named_are_there(page):
    for path, _, test in re.findall(r"`((?:tests|src|charts|config|examples|image|benches)/[\w./-]+)(::(\w+))?`", documents.prose(page)):
        assert (ROOT / path).exists(), path
        assert not test or f"\ndef {test}(" in (ROOT / path).read_text(), f"{path}::{test}"


@pytest.mark.parametrize("page", [page for page in documents.PAGES if page.name != "CHANGELOG.md"], ids=documents.name)
def test_alerts_and_metrics_that_are_named_are_there(page):
    text = documents.prose(page)
    assert set(re.findall(r"\bPalisade[A-Z]\w+", text)) <= set(ALERTS.values())
    assert set(re.findall(r"(?<![/\w.:])palisade_[a-z_]+(?![\w*./:])", text)) <= METRICS


def test_reasons_in_the_table_of_failures_are_there():
    page = (ROOT / "config" / "guide" / "operations.md").read_text()
    known = set(re.findall(r"^\| `([a-z-]+)` \| \d{3} \| ", README, re.MULTILINE))
    table = page.split("\n## Failure modes\n")[1].split("\n## ")[0]
    callers = [row.split(" | ")[1] for row in table.splitlines() if row.startswith("| ") and " | " in row]
    named = {reason for cell in callers for reason in re.findall(r"`([a-z]+(?:-[a-z]+)+)`", cell)} - {"on_failure"}
    # What is seen in a handshake has reasons of its own.
    assert len(named) >= 20 and named - {"revocation-unknown"} <= known


# What a block of commands may need that is not at hand where the tests run.
NEEDS = {"aws", "cargo", "cluster", "docker"}
BLOCKS = documents.commands()
OFFLINE = [block for block in BLOCKS if not block.is_marked]
# What pages promise of a command, by a text that is in its block alone. Commands have to end well in any case.
PROMISES = {
    "cargo run --release -- dev\n": ["palisade dev: ready"],
    "acme https://localhost:18443/replay; ": ['"stored": "acme/hello.txt"', "tenant-mismatch", "aws-denied", "passport-unknown", r"palisade_refusals_total\{listener=\"egress\",reason=\"aws-denied\",tenant=\"acme\"\} \d"],
    "palisade run   --config palisade.yaml": ["palisade.yaml: ok", "without-files|not looked for", '"message":"serving"', '"message":"stopped"'],
    "/tenants/acme/evict": [r'\{"evicted":\d+\}'],
    "AWS_SESSION_TOKEN=$PROOF aws s3 ls": ["welcome.txt"],
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": ["welcome.txt"],
    '-H "Host: s3.eu-west-1.amazonaws.com"': ["<Key>acme/welcome.txt</Key>"],
    "jq -rR 'fromjson?": [r"^ +\d+ egress\taws-denied\tacme\tAWS answered 403 Forbidden$"],
    "palisade audit verify": ["signed up to record", "nothing was changed, removed or cut off"],
    "palisade doctor --config palisade.yaml --tenant acme    ": [r"(?s)0 failures.*STS gives acme a session.*0 failures"],
    "palisade guard report": [r"# guard\.s3\ts3\tListObjectsV2\tacme\t\d+", r"buckets: \[\"?palisade-demo\"?\], prefix: \"\{tenant.id\}/\""],
    "palisade explain": ["(?s)result: allowed.*result: allowed.*result: allowed"],
    "palisade iam --config palisade.yaml --what trust,data": ['"AssumeTenantRoles"', "arn:aws:iam::111122223333:role/tenant-data"],
    "palisade health ": ["^ready$", '"name":"base_identity","ok":true', '"tenant":"acme"', r"\[redacted\]", "palisade_requests_total"],
    "awk '{ bytes": [r"^\d+ lines, \d+(\.\d+)? bytes each$"],
    "palisade drain": ["^drained$"],
    "palisade schema > schema.json": [r"^palisade \d+\.\d+\.\d+ ", "palisade.yaml: ok"],
    "palisade check --strict": ["somebody has to decide on these", '"AssumeTenantRoles"'],
    "palisade check --without-files --config examples/ecs/palisade.yaml": ["examples/ecs/palisade.yaml: ok"],
}


def test_every_command_is_run_or_marked():
    """A block of `sh` is run below, unless a comment directly before it says why not:

    * `<!-- run by: tests/clients/test_x.py::test_y -->`: that test does what it says, with what it needs;
    * `<!-- needs: cluster -->`: a Kubernetes cluster; `docker`: a docker engine; `aws`: an account; `cargo`: compiling, for minutes.
    """
    for page in documents.PAGES:
        for line, language, _, before in documents.fences(page):
            assert language not in documents.SHELLS, f"{page}:{line}: call it sh"
            assert language == "sh" or not documents.MARK.match(before), f"{page}:{line}: no commands follow the comment"
        assert page.read_text().count("<!-- needs") + page.read_text().count("<!-- run by") == sum(block.is_marked for block in BLOCKS if block.page == documents.name(page)), page
    for block in BLOCKS:
        assert not block.needs or block.needs in NEEDS, block
        if block.run_by:
            path, test = block.run_by.split("::")
            assert f"\ndef {test}(" in (ROOT / path).read_text(), f"{block}: there is no {block.run_by}"
        first = {line.split()[0] for line in block.text.splitlines() if line and not line.startswith((" ", "#"))}
        assert block.is_marked or not first & {"docker", "helm", "kubectl", "make"}, block


def test_every_promise_is_of_one_block():
    for text in PROMISES:
        assert len([block for block in OFFLINE if text in block.text]) == 1, text


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with contextlib.closing(Stage(tmp_path_factory.mktemp("stage"))) as made:
        yield made


@pytest.mark.parametrize("block", OFFLINE, ids=str)
def test_commands_do_what_their_page_says(stage, block):
    tools = {tool for tool in ("aws", "curl", "jq", "openssl") if re.search(rf"(?<![\w./-]){tool} ", block.text)}
    if missing := sorted(tool for tool in tools if not shutil.which(tool, path=stage.environment["PATH"])):
        assert not os.environ.get("CI"), f"{missing} are not here"
        pytest.skip(f"the commands need {missing}, which are not here")
    done = stage.run(block)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for expected in (pattern for text, patterns in PROMISES.items() if text in block.text for pattern in patterns):
        assert re.search(expected, said, re.MULTILINE), f"{expected}\nis not in\n{said}"


def test_the_stack_takes_the_parameters_that_the_readme_gives():
    commands = [block.text for block in BLOCKS if "examples/ecs/cloudformation.yaml" in block.text]
    assert len(commands) == 2 and all("--stack-name orders" in command for command in commands)
    parameters = re.search(r"^Parameters:\n(.*?)^\w", (ROOT / "examples" / "ecs" / "cloudformation.yaml").read_text(), re.MULTILINE | re.DOTALL)[1]
    wanted = {name for name, rest in re.findall(r"^  (\w+):(.*(?:\n    .*)*)", parameters, re.MULTILINE) if "Default:" not in rest}
    for command in commands:
        assert set(re.findall(r"\b(\w+)=\S", command.split("--parameter-overrides")[1])) == wanted


def test_images_that_are_named_have_the_version_of_palisade():
    (version,) = re.findall(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    header = (ROOT / "Dockerfile").read_text().split("\nARG ")[0]
    assert set(re.findall(r"docker build .*--build-arg VERSION=(\S+)", header)) == {version} and f"--tag palisade:{version} " in header
    for file in [ROOT / "Dockerfile", *documents.PAGES, *(ROOT / "examples").rglob("*.yaml")]:
        assert set(re.findall(r"\bpalisade:(\d+\.\d+\.\d+)", file.read_text())) <= {version}, file


def test_charts_are_installed_as_their_page_has_it():
    """The chart's own page is held to what helm takes (`chart/test_documented.py`)."""
    known = (ROOT / "charts" / "palisade" / "README.md").read_text()
    lines = [line for block in BLOCKS for line in block.text.splitlines() if line.startswith("helm upgrade")]
    assert len(lines) >= 4 and all(line in known for line in lines)
