"""Rendering the chart, and finding one's way in what comes of it."""

import json
import subprocess
from pathlib import Path

import yaml

from harness.palisade import binary
from harness.process import clean_environment

from . import promises, validity

CHART = Path(__file__).resolve().parents[3] / "charts" / "palisade"
EXAMPLES = sorted(p.stem for p in (CHART / "examples").glob("*.yaml"))
BESIDE = ["service", "worker"]
FOLDER = "/etc/palisade"
# A configuration that is somebody else's, of which the chart gets an outline.
OUTLINE = {"config": {"admin": {"listen": "0.0.0.0:8190"}, "egress": {"region": "eu-west-1"}, "server": {"drain": "30s"}}, "files": None,
           "tenants": None, "tenantsConfigMap": None}


def example(name: str) -> dict:
    return yaml.safe_load((CHART / "examples" / f"{name}.yaml").read_text())


def merge(values: dict, *changes: dict) -> dict:
    """Mappings are merged, everything else is replaced, and None takes a key away."""
    merged = dict(values)
    for change in changes:
        for key, value in change.items():
            both = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = merge(merged[key], value) if both else value
    return {key: value for key, value in merged.items() if value is not None}


def run(argv: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, env=clean_environment(), stdin=subprocess.DEVNULL)


class Chart:
    """Renders a chart with an example's values and changes to them."""

    def __init__(self, helm, directory: Path, path: Path = CHART):
        self.helm, self.directory, self.path = helm, directory, path

    def template(self, name: str, *changes: dict, values: dict | None = None, kubernetes: str = validity.VERSIONS[-1]) -> subprocess.CompletedProcess:
        file = self.directory / "values.yaml"
        file.write_text(yaml.safe_dump(merge(example(name), *changes) if values is None else values, sort_keys=False))
        return self.helm("template", "shop", self.path, "--namespace", "store", "--kube-version", kubernetes, "-f", file)

    def render(self, name: str, *changes: dict, values: dict | None = None) -> "Release":
        """What it says: every document valid in each version of Kubernetes, and every pod with what is promised of all."""
        done = self.template(name, *changes, values=values)
        assert done.returncode == 0, done.stderr
        release = Release([document for document in yaml.load_all(done.stdout, Once) if document], done.stdout)
        for document in release.documents:
            validity.validate(document)
        for pod in release.pods:
            promises.restricted(pod)
            promises.secrets_are_kept(pod)
            promises.ends_in_time(pod)
        return release

    def refused(self, name: str, *changes: dict) -> str:
        done = self.template(name, *changes)
        assert done.returncode != 0, "it was rendered all the same"
        return done.stderr


class Once(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML in which a key that is there twice is an error, as it is for Kubernetes."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key is there twice: {sorted(map(str, keys))}"
        return super().construct_mapping(node, deep)


class Release:
    def __init__(self, documents: list[dict], text: str = ""):
        self.documents, self.text = documents, text

    def all(self, kind: str) -> list[dict]:
        return [document for document in self.documents if document["kind"] == kind]

    def one(self, kind: str) -> dict:
        (document,) = self.all(kind)
        return document

    @property
    def owners(self) -> list[dict]:
        return [document for document in self.documents if "template" in document.get("spec", {})]

    @property
    def pods(self) -> list[dict]:
        return [owner["spec"]["template"]["spec"] for owner in self.owners]

    @property
    def template(self) -> dict:
        (owner,) = self.owners
        return owner["spec"]["template"]

    @property
    def pod(self) -> dict:
        return self.template["spec"]

    @property
    def palisade(self) -> dict:
        (container,) = [c for c in self.pod.get("initContainers", []) + self.pod["containers"] if c["name"] == "palisade"]
        return container

    @property
    def application(self) -> dict:
        (container,) = [container for container in self.pod["containers"] if container["name"] != "palisade"]
        return container

    @property
    def env(self) -> dict:
        """Of the application."""
        return {variable["name"]: variable.get("value") for variable in self.application["env"]}

    @property
    def ports(self) -> dict:
        return {port["name"]: port["containerPort"] for port in self.palisade["ports"]}

    @property
    def sources(self) -> list[dict]:
        (volume,) = [volume for volume in self.pod["volumes"] if volume["name"] == "palisade"]
        return volume["projected"]["sources"]

    @property
    def config(self) -> dict:
        return yaml.safe_load(self.data("shop-palisade")["palisade.yaml"])

    def data(self, name: str) -> dict:
        (found,) = [document["data"] for document in self.all("ConfigMap") if document["metadata"]["name"] == name]
        return found

    def mount(self, directory: Path, outside: dict[str, dict[str, str]]):
        """Puts into `directory` what the kubelet would put into the volume. `outside`: what is not the chart's, by name."""
        written = set()
        for source in self.sources:
            ((kind, entry),) = source.items()
            if kind == "serviceAccountToken":
                files = {entry["path"]: "a.b.c"}
            else:
                held = outside[entry["name"]] if entry["name"] in outside else self.data(entry["name"])
                files = {item["path"]: held[item["key"]] for item in entry["items"]} if "items" in entry else held
            for path, content in files.items():
                assert path not in written, f"{path} is there twice"
                written.add(path)
                (directory / path).parent.mkdir(parents=True, exist_ok=True)
                (directory / path).write_text(content)

    def command(self, argv: list[str], directory: Path) -> list[str]:
        """A command of Palisade's container, for this machine."""
        assert argv[0] == "/usr/local/bin/palisade"
        return [str(binary()), *(argument.replace(FOLDER, str(directory)) for argument in argv[1:])]

    def check(self, directory: Path, *options: str) -> subprocess.CompletedProcess:
        """`palisade check` of what the container would run with."""
        argv = self.command(self.palisade["command"] + self.palisade["args"], directory)
        assert argv[1] == "run"
        return run([argv[0], "check", *argv[2:], *options])


def schema() -> dict:
    return json.loads((CHART / "values.schema.json").read_text())
