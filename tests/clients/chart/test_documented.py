"""That the chart's README says what is so: every value, and examples that render."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from harness import documents
from harness.process import clean_environment

from .render import CHART, EXAMPLES, FOLDER, Chart, Once, Release, example, merge, run, schema
from .validity import VERSIONS

README = CHART / "README.md"
HEAD = "| Key | Type | Default | Description |\n| --- | --- | --- | --- |\n"
TYPES = {str: "string", bool: "bool", int: "int", dict: "object", list: "list", type(None): "int"}


def chapter(heading: str) -> str:
    return README.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]


def documented(node: yaml.MappingNode, lines: list[str], prefix: str = ""):
    """Key, value and comment of every value that has a comment of helm-docs' kind (`# -- what it is`, `# @default -- in words`) above it."""
    for key, value in node.value:
        above = []
        for line in reversed(lines[:key.start_mark.line]):
            if not (comment := re.match(r" *# ?(.*)", line)):
                break
            above.insert(0, comment[1])
            if comment[1].startswith("--"):
                break
        path = prefix + key.value
        if above and above[0].startswith("-- "):
            default = [line.removeprefix("@default -- ") for line in above if line.startswith("@default -- ")]
            text = " ".join(line for line in above if not line.startswith("@default"))
            yield path, value, text.removeprefix("-- "), default[0] if default else None
        elif isinstance(value, yaml.MappingNode) and value.value:
            yield from documented(value, lines, f"{path}.")
        else:
            raise AssertionError(f"values.yaml says nothing of {path}: write `# -- what it is` above it")


def table() -> str:
    text = (CHART / "values.yaml").read_text()
    rows = ""
    for path, node, comment, default in documented(yaml.compose(text), text.splitlines()):
        value = yaml.constructor.SafeConstructor().construct_document(node)
        shown = default or f"`{json.dumps(value, separators=(',', ':'), ensure_ascii=False)}`"
        assert "|" not in comment + shown, path
        rows += f"| `{path}` | {TYPES[type(value)]} | {shown} | {comment} |\n"
    return HEAD + rows


def test_the_table_of_values_is_that_of_the_chart():
    """`PALISADE_BLESS=1` writes it anew from the comments in values.yaml."""
    said, wanted = chapter("Values"), table()
    if os.environ.get("PALISADE_BLESS"):
        README.write_text(README.read_text().replace(said[said.index("| Key"):], wanted))
        said = chapter("Values")
    assert said[said.index("| Key"):] == wanted


def test_the_schema_knows_the_values_and_no_others():
    def compare(values: dict, shape: dict, path: str):
        known = schema()["definitions"][shape["$ref"].rsplit("/", 1)[1]] if "$ref" in shape else shape
        if known.get("additionalProperties", True) is not False or "properties" not in known:
            return
        extra = {"": {"global"}, "startupProbe": None, "livenessProbe": None, "readinessProbe": None, "tls.certManager.issuerRef": None}
        if extra.get(path, set()) is not None:
            assert set(known["properties"]) - extra.get(path, set()) == set(values), path
        for key, value in values.items():
            if isinstance(value, dict):
                compare(value, known["properties"][key], f"{path}.{key}".lstrip("."))

    compare(yaml.safe_load((CHART / "values.yaml").read_text()), schema(), "")


def test_the_chart_has_the_version_of_palisade():
    (version,) = re.findall(r'^version = "(.*)"$', (CHART.parents[1] / "Cargo.toml").read_text(), re.MULTILINE)
    assert str(yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]) == version


def test_the_versions_of_kubernetes_are_those_that_are_tried():
    assert f"of Kubernetes {', '.join(VERSIONS[:-1])} and {VERSIONS[-1]}" in README.read_text()
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"] == f">={VERSIONS[0]}.0-0"


def blocks(text: str, kind: str = "yaml") -> list[tuple[str, str]]:
    """Blocks of code, each with what its first line says that it is."""
    found = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    return [(block.splitlines()[0].removeprefix("# ").split(";")[0], block) for block in found]


ADDED = [(title.removeprefix("with examples/").removesuffix(".yaml"), block) for title, block in blocks(README.read_text()) if title.startswith("with ")]


def test_every_example_of_the_readme_is_tried():
    titles = [title for title, _ in blocks(README.read_text()) if not title.startswith("with ")]
    assert titles == ["values.yaml", "templates/job.yaml"], "test_another_chart_can_put_it_into_its_own_pod has these two"
    assert len(ADDED) >= 5 and {name for name, _ in ADDED} <= set(EXAMPLES)


@pytest.mark.parametrize("name, block", ADDED, ids=[f"{name}-{number}" for number, (name, _) in enumerate(ADDED)])
def test_examples_of_the_readme_render(chart, outside, tmp_path, name, block):
    change = yaml.load(block, Once)
    release = chart.render(name, values=merge(example(name), change))
    if not change.get("configFrom"):
        keys = {"context.pem": "x"}
        release.mount(tmp_path, outside | {"orders-keys": keys, "orders-metrics": outside["orders-palisade"], "shop-palisade-tls": outside["orders-tls"]})
        done = release.check(tmp_path, "--without-files")
        assert done.returncode == 0, done.stdout + done.stderr


def test_commands_of_the_readme_work(helm):
    lines = [line for _, block in blocks(README.read_text(), "sh") for line in block.replace("\\\n", "").splitlines()]
    commands = [shlex.split(line) for line in lines if line.startswith("helm ")]
    assert len(commands) >= 2
    for _, _, _, release, _, *options in commands:
        options = [CHART.parents[1] / option if option.startswith("charts/") else option for option in options]
        done = helm("template", release, CHART, *[option for option in options if option != "--create-namespace"])
        assert done.returncode == 0, done.stderr


SECRETS = [block for block in documents.commands() if "kubectl" in block.text and "create secret" in block.text]


def test_pages_that_make_secrets_are_known():
    assert [block.page for block in SECRETS] == ["README.md", "charts/palisade/README.md", "charts/palisade/README.md"]


@pytest.mark.parametrize("block", SECRETS, ids=str)
@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not here")
def test_secrets_that_pages_make_are_what_the_chart_mounts(helm, kubectl, authority, tmp_path, block):
    """Each `kubectl` line of a page as it is, without a cluster: the Secret is written out. The `helm` line behind it says who mounts it."""
    lines = block.text.splitlines()
    (command,) = [shlex.split(line) for line in lines if line.startswith("helm ")]
    shutil.copy(authority.certificate, tmp_path / "tls.crt")
    shutil.copy(authority.key, tmp_path / "tls.key")
    environment = clean_environment(KUBECONFIG=str(tmp_path / "none"))
    environment["PATH"] = f"{Path(kubectl).parent}:{environment['PATH']}"
    made = {}
    for line in [line for line in lines if line.startswith("kubectl ")]:
        done = subprocess.run(["sh", "-euc", f"{line} --dry-run=client --output yaml"], capture_output=True, text=True, timeout=60, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
        secret = yaml.safe_load(done.stdout)
        assert secret["kind"] == "Secret" and all(secret["data"].values())
        made[secret["metadata"].get("namespace"), secret["metadata"]["name"]] = secret
    namespace = next((option.removeprefix("--namespace=") for option in command if option.startswith("--namespace=")), None)
    options = [CHART.parents[1] / option if option.startswith("charts/") else option for option in command[5:]]
    done = helm("template", command[3], CHART, *options)
    assert done.returncode == 0, done.stderr
    release = Release([document for document in yaml.load_all(done.stdout, Once) if document])
    mounted = {}
    for source in [source["secret"] for source in release.sources if "secret" in source]:
        mounted.setdefault((namespace, source["name"]), set()).update(item["key"] for item in source["items"])
    for key, secret in made.items():
        assert secret["data"].keys() == mounted.pop(key, None), key
        assert ("tls.crt" in secret["data"]) == (secret.get("type") == "kubernetes.io/tls")
    # The chart's page says in words that a certificate is expected, and cert-manager writes that of a gateway.
    assert all(keys == {"tls.crt", "tls.key"} for keys in mounted.values()) and (not mounted or block.page != "README.md")


def test_another_chart_can_put_it_into_its_own_pod(helm, outside, tmp_path):
    """The one in the README."""
    texts = dict(blocks(chapter("In a chart of your own")))
    parent = tmp_path / "parent"
    shutil.copytree(CHART, parent / "charts" / "palisade")
    (parent / "templates").mkdir()
    (parent / "templates" / "job.yaml").write_text(texts["templates/job.yaml"])
    dependency = {"name": "palisade", "version": yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}))
    (parent / "values.yaml").write_text(texts["values.yaml"])
    values = {key: value for key, value in example("worker").items() if key != "application"}
    chart = Chart(helm, tmp_path, parent)
    release = chart.render("", values={"palisade": values})
    assert {document["kind"] for document in release.documents} == {"ConfigMap", "Job", "NetworkPolicy"}
    assert release.env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:8180"
    assert release.pod["automountServiceAccountToken"] is False and "volumeMounts" not in release.application
    metadata = release.template["metadata"]
    assert release.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= metadata["labels"].items()
    assert metadata["annotations"]["eks.amazonaws.com/skip-containers"] == "report"
    assert release.pod["terminationGracePeriodSeconds"] == 75
    release.mount(tmp_path / "mounted", outside)
    assert run(release.command(["/usr/local/bin/palisade", "check", "--config", FOLDER + "/palisade.yaml"], tmp_path / "mounted")).returncode == 0
    values["tokens"] = {"secretName": ""}
    done = chart.template("", values={"palisade": values})
    assert done.returncode != 0 and "tokens.secretName" in done.stderr


def test_the_notes_fit_what_was_installed(helm):
    def notes(name: str, *arguments: str) -> str:
        done = helm("install", "shop", CHART, "--dry-run=client", "--namespace", "store", "-f", CHART / "examples" / f"{name}.yaml", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.split("NOTES:")[1]

    service, worker, gateway = notes("service"), notes("worker", "--set", "networkPolicy.enabled=false"), notes("gateway")
    assert "https://shop-palisade.store.svc:443" in service and "Callers" not in worker
    assert "system:serviceaccount:store:shop-palisade" in service
    assert "A passport works in the pod" in service and "A passport works" not in worker + gateway
    assert "blocks instance metadata" in service and "networkPolicy is off" in worker
    assert "AWS_ENDPOINT_URL=https://palisade.data.svc:8180" in gateway and "outside the security claim" in gateway
