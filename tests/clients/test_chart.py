"""The chart: what Kubernetes would be given, that it is valid, and that Palisade runs with it."""

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from harness.palisade import binary
from harness.process import Child, answers, clean_environment, free_port

CHART = Path(__file__).resolve().parents[2] / "charts" / "palisade"
EXAMPLES = sorted(p.stem for p in (CHART / "examples").glob("*.yaml"))
KUBERNETES = "1.33"
FOLDER = "/etc/palisade"
METADATA = {"169.254.169.254/32", "fd00:ec2::254/128"}
CREDENTIALS = re.compile("AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|PROFILE|ROLE_ARN|WEB_IDENTITY_TOKEN_FILE|CONTAINER_.*)")


@pytest.fixture(scope="session")
def helm(directory):
    """`make helm` gets it; CI has to have it."""
    executable = shutil.which("helm")
    if not executable and not os.environ.get("CI"):
        pytest.skip("helm is not there: `make helm` gets it")
    assert executable, "helm is missing: `make helm`"
    home = {f"HELM_{kind}_HOME": str(directory / "helm") for kind in ("CACHE", "CONFIG", "DATA")}

    def run(*arguments) -> subprocess.CompletedProcess:
        return subprocess.run([executable, *map(str, arguments)], capture_output=True, text=True, timeout=60, env=clean_environment(**home))

    return run


@pytest.fixture
def chart(helm, tmp_path):
    return Chart(helm, tmp_path)


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


class Chart:
    """Renders a chart with an example's values and changes to them."""

    def __init__(self, helm, directory: Path, path: Path = CHART):
        self.helm, self.directory, self.path = helm, directory, path

    def template(self, name: str, *changes: dict, values: dict | None = None) -> subprocess.CompletedProcess:
        file = self.directory / "values.yaml"
        file.write_text(yaml.safe_dump(merge(example(name), *changes) if values is None else values, sort_keys=False))
        return self.helm("template", "shop", self.path, "--namespace", "store", "--kube-version", KUBERNETES, "-f", file)

    def render(self, name: str, *changes: dict, values: dict | None = None) -> "Release":
        """What it says, each document valid for Kubernetes, without a field that Kubernetes does not know."""
        done = self.template(name, *changes, values=values)
        assert done.returncode == 0, done.stderr
        documents = [document for document in yaml.safe_load_all(done.stdout) if document]
        for document in documents:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
        return Release(documents)

    def refused(self, name: str, *changes: dict) -> str:
        done = self.template(name, *changes)
        assert done.returncode != 0, "it was rendered all the same"
        return done.stderr


class Release:
    def __init__(self, documents: list[dict]):
        self.documents = documents

    def all(self, kind: str) -> list[dict]:
        return [document for document in self.documents if document["kind"] == kind]

    def one(self, kind: str) -> dict:
        (document,) = self.all(kind)
        return document

    @property
    def template(self) -> dict:
        (owner,) = [document for document in self.documents if document["kind"] in ("Deployment", "Job")]
        return owner["spec"]["template"]

    @property
    def pod(self) -> dict:
        return self.template["spec"]

    @property
    def palisade(self) -> dict:
        (container,) = self.pod["initContainers"]
        return container

    @property
    def application(self) -> dict:
        (container,) = self.pod["containers"]
        return container

    @property
    def env(self) -> dict:
        """Of the application."""
        return {variable["name"]: variable.get("value") for variable in self.application["env"]}

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


@pytest.fixture
def outside(authority) -> dict:
    """The objects that the examples expect to find."""
    tokens = {"admin-token": "admin\n", "metrics-token": "metrics\n"}
    tls = {"tls.crt": authority.certificate.read_text(), "tls.key": authority.key.read_text()}
    return {"orders-palisade": tokens, "thumbnails-palisade": tokens, "orders-tls": tls, "tenants": {"tenants.yaml": "tenants: {acme: {}}\n"}}


def run(argv: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, env=clean_environment(), stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("name", EXAMPLES)
def test_lint(helm, name):
    done = helm("lint", "--strict", CHART, "-f", CHART / "examples" / f"{name}.yaml")
    assert done.returncode == 0 and "WARNING" not in done.stdout, done.stdout + done.stderr


VARIATIONS = {
    "as it is": {},
    "digest": {"image": {"repository": "registry.test/palisade", "digest": "sha256:" + "0" * 64}},
    "scheduling": {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "a", "operator": "Exists"}], "priorityClassName": "high",
                   "affinity": {"nodeAffinity": {}}, "imagePullSecrets": [{"name": "pull"}],
                   "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]},
    "optional objects": {"podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"}, "networkPolicy": {"blocked": ["169.254.0.0/16"], "ports": [9090]},
                         "serviceAccount": {"annotations": {"team": "x"}}, "service": {"type": "LoadBalancer", "annotations": {"a": "b"}}},
    "nothing optional": {"podDisruptionBudget": {"enabled": False}, "networkPolicy": {"enabled": False}, "serviceAccount": {"create": False},
                         "service": {"enabled": False}, "deployment": {"replicas": None}},
    "pod": {"podLabels": {"a": "b"}, "podAnnotations": {"c": "d"}, "volumes": [{"name": "tmp", "emptyDir": {}}], "env": [{"name": "A", "value": "b"}],
            "application": {"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}], "env": [{"name": "A", "value": "b"}]}},
}


@pytest.mark.parametrize("variation", VARIATIONS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_valid_for_kubernetes_and_for_palisade(chart, outside, tmp_path, name, variation):
    release = chart.render(name, VARIATIONS[variation])
    release.mount(tmp_path, outside)
    palisade = release.palisade
    argv = release.command(palisade["command"] + palisade["args"], tmp_path)
    assert argv[1] == "run"
    done = run([argv[0], "check", *argv[2:]])
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("tenants: 3" if name == "service" else "tenants: 1") in done.stdout


def test_values_arrive_where_they_belong(chart):
    release = chart.render("service", *VARIATIONS.values(), {"deployment": {"replicas": 0}, "service": {"enabled": True, "port": 8443}})
    assert release.palisade["image"] == "registry.test/palisade@sha256:" + "0" * 64
    assert release.pod["priorityClassName"] == "high" and release.pod["nodeSelector"] == {"disk": "ssd"}
    assert release.one("Deployment")["spec"]["replicas"] == 0
    assert release.one("Service")["spec"]["ports"][0]["port"] == 8443
    assert release.env["A"] == "b" and release.palisade["env"] == [{"name": "A", "value": "b"}]
    assert not release.all("ServiceAccount") and release.pod["serviceAccountName"] == "default"
    assert "replicas" not in chart.render("service", {"deployment": {"replicas": None}}).one("Deployment")["spec"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_configuration_arrives_as_it_was_given(chart, name):
    odd = {"server": {"connections": 1000000, "uri_bytes": "64KiB"}, "limits": {"default": {"requests_per_second": 0.5}}}
    text = "  leading, \ttab, trailing \n\n{{ .Values }} ${x} \u00e4\n\n"
    values = merge(example(name), {"config": odd, "files": {"odd.txt": text}})
    release = chart.render(name, values=values)
    assert release.config == values["config"]
    data = release.data("shop-palisade")
    assert "connections: 1000000\n" in data["palisade.yaml"], "Helm's numbers are floating-point ones"
    assert {file: content for file, content in data.items() if file != "palisade.yaml"} == values["files"]
    if records := example(name).get("tenants"):
        assert yaml.safe_load(release.data("shop-palisade-tenants")["tenants.yaml"]) == {"tenants": records}


@pytest.mark.parametrize("name, file", [("service", "session-policy.json"), ("worker", "jwks.json")])
def test_the_files_of_the_examples_are_the_documented_ones(name, file):
    assert example(name)["files"][file] == (CHART.parents[1] / "config" / file).read_text()


def test_null_is_the_same_as_leaving_out(chart):
    """As it is for Palisade."""
    values = example("worker")
    values["config"] |= {"ingress": None, "server": None, "probes": None}
    values["config"]["credentials"]["source"] = {"web_identity": None, "default_chain": {}}
    release = chart.render("worker", values=values)
    assert release.pod["terminationGracePeriodSeconds"] == 40 and not release.all("Service")
    assert not [source for source in release.sources if "serviceAccountToken" in source]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_application_has_no_credentials_and_palisade_has(chart, name):
    release = chart.render(name)
    application, palisade, pod = release.application, release.palisade, release.pod
    assert pod["automountServiceAccountToken"] is False and release.one("ServiceAccount")["automountServiceAccountToken"] is False
    assert "volumeMounts" not in application and "envFrom" not in application
    assert not [variable for variable in release.env if CREDENTIALS.match(variable)]
    assert release.env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:8180" and release.env["AWS_REGION"] == "eu-west-1"
    assert release.env["AWS_EC2_METADATA_DISABLED"] == "true"
    assert palisade["volumeMounts"] == [{"name": "palisade", "mountPath": FOLDER, "readOnly": True}]
    assert [volume["name"] for volume in pod["volumes"]] == ["palisade"]
    (token,) = [source["serviceAccountToken"] for source in release.sources if "serviceAccountToken" in source]
    assert token == {"audience": "sts.amazonaws.com", "expirationSeconds": 3600, "path": "secrets/token"}
    # What shares more than the network would reach into Palisade's container; EKS's web-hook would give a token to both.
    assert pod["shareProcessNamespace"] is False and not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert release.template["metadata"]["annotations"]["eks.amazonaws.com/skip-containers"] == application["name"]
    assert not release.one("ServiceAccount")["metadata"].get("annotations")


def test_a_token_is_mounted_only_where_it_is_used(chart):
    release = chart.render("service", {"config": {"credentials": {"source": {"web_identity": None, "default_chain": {}}}}})
    assert not [source for source in release.sources if "serviceAccountToken" in source]
    assert chart.render("service", {"skipContainers": ["a", "b"]}).template["metadata"]["annotations"]["eks.amazonaws.com/skip-containers"] == "a,b"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_pod_is_restricted(chart, name):
    """The Pod Security Standard `restricted`, and a read-only root for Palisade."""
    release = chart.render(name)
    assert release.pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    for container in (release.application, release.palisade):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and context["capabilities"] == {"drop": ["ALL"]}
        assert not context.get("privileged") and context.get("runAsNonRoot", True)
        assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]
    assert release.palisade["securityContext"]["readOnlyRootFilesystem"] is True
    assert release.palisade["securityContext"]["runAsUser"] >= 10000


def test_a_native_sidecar(chart):
    palisade = chart.render("service").palisade
    assert palisade["restartPolicy"] == "Always"
    assert {port["name"]: port["containerPort"] for port in palisade["ports"]} == {"ingress": 8443, "probes": 8191, "admin": 8190}
    assert palisade["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "probes"}
    assert palisade["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "probes"}
    worker = chart.render("worker").palisade
    assert {port["name"] for port in worker["ports"]} == {"probes"}, "loopback listeners are nobody's port"


def seconds(argv: list[str]) -> int:
    return int(argv[argv.index("--wait") + 1].removesuffix("s"))


@pytest.mark.parametrize("drains, longest", [
    ({}, 25),
    ({"server": {"drain": "1m30s"}}, 90),
    ({"server": {"drain": "500ms"}}, 1),
    ({"server": {"drain": "1h"}, "ingress": {"server": {"drain": "10s"}}}, 3600),
    ({"ingress": {"server": {"drain": "40s"}}}, 40),
    ({"egress": {"server": {"drain": "50s"}}, "server": None}, 50),
])
def test_the_pod_has_longer_than_the_drain(chart, drains, longest):
    release = chart.render("service", {"config": drains})
    assert release.pod["terminationGracePeriodSeconds"] == longest + 15
    assert seconds(release.palisade["lifecycle"]["preStop"]["exec"]["command"]) == longest + 1
    assert 0 < release.application["lifecycle"]["preStop"]["sleep"]["seconds"] < 15
    assert "terminationGracePeriodSeconds" in chart.refused("service", {"config": drains, "terminationGracePeriodSeconds": longest})
    assert chart.render("service", {"config": drains, "terminationGracePeriodSeconds": longest + 1}).pod["terminationGracePeriodSeconds"] == longest + 1


def test_addresses_follow_the_configuration(chart):
    release = chart.render("service", {"config": {"ingress": {"listen": "0.0.0.0:9443"}, "egress": {"listen": ["127.0.0.1:9180", "[::1]:9180"]},
                                                  "admin": {"listen": "[::]:9190"}, "probes": {"listen": "0.0.0.0:9191"}}})
    assert release.env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9180"
    assert {port["name"]: port["containerPort"] for port in release.palisade["ports"]} == {"ingress": 9443, "probes": 9191, "admin": 9190}
    for argv in (release.palisade["startupProbe"]["exec"]["command"], release.palisade["lifecycle"]["preStop"]["exec"]["command"]):
        assert argv[argv.index("--address") + 1] == "[::1]:9190"
    (port,) = release.one("Service")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (443, 9443)
    (rule,) = release.one("NetworkPolicy")["spec"]["ingress"]
    assert [port["port"] for port in rule["ports"]] == [9443, 9191, 9190]


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_selects_the_pod_selects_it(chart, name):
    release = chart.render(name, {"podDisruptionBudget": {"enabled": True}})
    labels = release.template["metadata"]["labels"].items()
    selectors = [release.one("Deployment")["spec"]["selector"]["matchLabels"], release.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
                 release.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"], *(s["spec"]["selector"] for s in release.all("Service"))]
    assert len(selectors) == (4 if name == "service" else 3)
    for selector in selectors:
        assert selector == {"palisade": "shop-palisade"} and selector.items() <= labels


def test_the_network_policy_blocks_metadata_and_ways_past_palisade(chart):
    spec = chart.render("service").one("NetworkPolicy")["spec"]
    assert sorted(spec["policyTypes"]) == ["Egress", "Ingress"]
    blocks = [to["ipBlock"] for rule in spec["egress"] for to in rule["to"] if "ipBlock" in to]
    assert {address for block in blocks for address in block["except"]} == METADATA
    assert {block["cidr"] for block in blocks} == {"0.0.0.0/0", "::/0"}
    ports = [port["port"] for rule in spec["ingress"] for port in rule["ports"]]
    assert 8080 not in ports and ports == [8443, 8191, 8190]
    (rule,) = chart.render("worker", {"networkPolicy": {"ports": [9090]}}).one("NetworkPolicy")["spec"]["ingress"]
    assert [port["port"] for port in rule["ports"]] == [8191, 9090]


def test_the_pods_restart_for_a_new_configuration_and_not_for_tenants(chart):
    def mark(*changes: dict) -> str:
        return chart.render("service", *changes).template["metadata"]["annotations"]["checksum/palisade"]

    before = mark()
    assert mark({"config": {"limits": {"default": {"concurrent": 65}}}}) != before
    assert mark({"files": {"session-policy.json": "{}"}}) != before
    assert mark({"tenants": {"acme": {"status": "suspended"}}}) == before


REFUSED = {
    "unknown value": ({"replicaCount": 3}, "additional properties 'replicaCount' not allowed"),
    "misspelt value": ({"networkPolicy": {"enable": False}}, "at '/networkPolicy': additional properties 'enable' not allowed"),
    "no configuration": ({"config": None}, "at '/config': missing properties 'admin', 'identity', 'tenants'"),
    "no metrics token": ({"config": {"admin": {"metrics_token": None}}}, "at '/config/admin': missing property 'metrics_token'"),
    "no admin token": ({"config": {"admin": {"token": None}}}, "at '/config/admin': missing property 'token'"),
    "token from elsewhere": ({"config": {"admin": {"token": {"file": "/tmp/x"}}}}, "at '/config/admin/token/file': value must be 'secrets/admin-token'"),
    "web identity from elsewhere": ({"config": {"credentials": {"source": {"web_identity": {"token_file": "/x"}}}}},
                                    "at '/config/credentials/source/web_identity/token_file': value must be 'secrets/token'"),
    "TLS from elsewhere": ({"config": {"ingress": {"tls": {"private_key": "/x"}}}}, "at '/config/ingress/tls/private_key': value must be 'tls/tls.key'"),
    "wrong type": ({"deployment": {"replicas": "two"}}, "at '/deployment/replicas': got string, want null or integer"),
    "port": ({"service": {"port": 70000}}, "at '/service/port': maximum: got 70,000, want 65,535"),
    "tag as digest": ({"image": {"digest": "v1"}}, "at '/image/digest': 'v1' does not match pattern"),
    "file over the configuration": ({"files": {"palisade.yaml": "x"}}, "palisade.yaml"),
    "data as a file": ({"files": {"policy.json": {"Version": "2012-10-17"}}}, "at '/files/policy.json': got object, want string"),
    "a tenant that YAML takes for a boolean": ({"tenants": {False: {}}}, "false"),
    "file outside": ({"files": {"../x": "x"}}, "does not match pattern"),
    "privileged application": ({"application": {"securityContext": {"privileged": True}}}, "at '/application/securityContext/privileged': value must be false"),
    "no Secret of tokens": ({"tokens": {"secretName": ""}}, "tokens.secretName: name the Secret"),
    "no Secret for TLS": ({"tls": {"secretName": ""}}, "tls.secretName: name the Secret"),
    "no application": ({"application": {"image": None}}, "application.image: name the image"),
    "readiness that waits for the application": ({"config": {"ingress": {"health": {"path": "/healthz", "readiness": True}}}},
                                                 "config.ingress.health.readiness: the application's container starts when Palisade is ready"),
    "probes on loopback": ({"config": {"probes": {"listen": "127.0.0.1:8191"}}}, "config.probes.listen: 127.0.0.1:8191 cannot be reached by the kubelet"),
    "no probes": ({"config": {"probes": {"listen": "none"}}}, "config.probes.listen: none cannot be reached"),
    "open egress": ({"config": {"egress": {"listen": "0.0.0.0:8180"}}}, "config.egress.listen: 0.0.0.0:8180 is not loopback"),
    "one open egress": ({"config": {"egress": {"listen": ["127.0.0.1:8180", "[::]:8180"]}}}, "config.egress.listen: [::]:8180 is not loopback"),
    "a gateway": ({"config": {"ingress": {"upstream": "http://orders.store.svc:8080"}}}, "config.ingress.upstream: http://orders.store.svc:8080 is not in the pod"),
    "a gateway by a look-alike": ({"config": {"ingress": {"upstream": "http://localhost.store.svc:8080"}}}, "is not in the pod"),
    "a gateway to one of several": ({"config": {"ingress": {"upstream": ["http://127.0.0.1:8080", "https://orders.store.svc"]}}}, "https://orders.store.svc is not in the pod"),
    "a socket": ({"config": {"ingress": {"upstream": "unix:/run/app.sock"}}}, "config.ingress.upstream: a Unix socket needs a folder"),
    "a socket of the egress": ({"config": {"egress": {"socket": {"path": "/run/egress.sock"}}}}, "config.egress.socket: a Unix socket needs a folder"),
    "a socket for some": ({"config": {"ingress": {"routes": [{"tenants": ["acme"], "upstream": ["unix:/run/app.sock"]}]}}}, "a Unix socket needs a folder"),
    "no records": ({"tenants": None}, "tenants: config.tenants.directory.file is set"),
    "records for nobody": ({"config": {"tenants": {"directory": {"file": None, "any": {}}}}}, "tenants: nothing reads the records"),
    "two sources of records": ({"tenantsConfigMap": "tenants"}, "tenants, tenantsConfigMap: give one of them"),
    "keys for the application": ({"application": {"env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}]}}, "application.env: AWS_SECRET_ACCESS_KEY"),
    "a role for the application": ({"application": {"env": [{"name": "AWS_ROLE_ARN", "value": "x"}]}}, "application.env: AWS_ROLE_ARN"),
    "another endpoint": ({"application": {"env": [{"name": "AWS_ENDPOINT_URL_S3", "value": "x"}]}}, "application.env: AWS_ENDPOINT_URL_S3"),
    "Palisade's volume for the application": ({"application": {"volumeMounts": [{"name": "palisade", "mountPath": "/x"}]}},
                                              "application.volumeMounts: the volume palisade"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_values_are_refused_in_words_that_help(chart, case):
    change, message = REFUSED[case]
    assert message in chart.refused("service", change)


def test_an_empty_configuration_is_refused(chart):
    """`config:` with everything below it commented out."""
    done = chart.template("", values=example("service") | {"config": None})
    assert done.returncode != 0 and "missing property 'config'" in done.stderr


def test_a_cluster_without_native_sidecars_is_refused(helm):
    done = helm("template", "shop", CHART, "--kube-version", "1.28", "-f", CHART / "examples" / "service.yaml")
    assert done.returncode != 0 and "kubeVersion" in done.stderr


def test_probes_and_hooks_work_with_the_real_process(chart, outside, authority, idp, tmp_path):
    """An ingress alone, so that nothing but keys is needed to be ready."""
    ports = {listener: free_port() for listener in ("ingress", "admin", "probes")}
    jwks = idp.write(tmp_path / "keys.json").read_text()
    change = {"config": {"egress": None, "credentials": None, **{listener: {"listen": f"127.0.0.1:{port}"} for listener, port in ports.items()},
                         "identity": {"issuers": [{"issuer": idp.issuer, "audience": ["x"], "jwks": {"file": "jwks.json"}}]}},
              "files": {"jwks.json": jwks}}
    change["config"]["probes"]["listen"] = f"0.0.0.0:{ports['probes']}"
    release = chart.render("service", change)
    folder = tmp_path / "mounted"
    release.mount(folder, outside)
    palisade = release.palisade
    startup = release.command(palisade["startupProbe"]["exec"]["command"], folder)
    assert run(startup).returncode == 1, "nothing runs yet"
    process = Child("charted", release.command(palisade["command"] + palisade["args"], folder), tmp_path, clean_environment())
    try:
        process.wait_ready(lambda: run(startup).returncode == 0)
        for probe in ("livenessProbe", "readinessProbe"):
            get = palisade[probe]["httpGet"]
            (port,) = [port["containerPort"] for port in palisade["ports"] if port["name"] == get["port"]]
            assert answers(port, get["path"]), probe
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", ports["admin"], timeout=5)) as connection:
            connection.request("GET", "/metrics")
            assert connection.getresponse().status in (401, 403), "the application shares this port"
        hook = run(release.command(palisade["lifecycle"]["preStop"]["exec"]["command"], folder))
        assert hook.returncode == 0 and "drained" in hook.stdout, hook.stderr
        assert not answers(port, "/readyz") and answers(port, "/livez"), "it drains, and is not killed for it"
        assert process.stop() == 0
    finally:
        process.stop()


def blocks(heading: str) -> dict[str, str]:
    """The YAML of one chapter of the chart's README, by the file that its first line names."""
    chapter = (CHART / "README.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {block.split()[1].rstrip(";"): block for block in re.findall(r"```yaml\n(.*?)```", chapter, re.DOTALL)}


def test_another_chart_can_put_it_into_its_own_pod(helm, outside, tmp_path):
    """The one in the README."""
    documented = blocks("In a chart of your own")
    parent = tmp_path / "parent"
    shutil.copytree(CHART, parent / "charts" / "palisade")
    (parent / "templates").mkdir()
    (parent / "templates" / "job.yaml").write_text(documented["templates/job.yaml"])
    dependency = {"name": "palisade", "version": yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}))
    (parent / "values.yaml").write_text(documented["values.yaml"])
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


def test_the_notes_fit_what_was_installed(helm, tmp_path):
    def notes(name: str, *arguments: str) -> str:
        done = helm("install", "shop", CHART, "--dry-run=client", "--namespace", "store", "-f", CHART / "examples" / f"{name}.yaml", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.split("NOTES:")[1]

    service, worker = notes("service"), notes("worker", "--set", "networkPolicy.enabled=false")
    assert "https://shop-palisade.store.svc:443" in service and "Callers" not in worker
    assert "system:serviceaccount:store:shop-palisade" in service
    assert "A passport works in the pod" in service and "A passport works" not in worker
    assert "blocks instance metadata" in service and "networkPolicy is off" in worker


def leaves(values: dict, prefix: str = ""):
    """The values that the README lists: mappings whose keys are Kubernetes's count as one."""
    whole = {"application", "resources", "securityContext", "podSecurityContext", "startupProbe"}
    for key, value in values.items():
        if isinstance(value, dict) and value and prefix + key not in whole:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def test_the_table_of_values_is_that_of_the_chart():
    chapter = (CHART / "README.md").read_text().split("\n## Values\n")[1].split("\n## ")[0]
    documented = re.findall(r"^\| `([A-Za-z.]+)` \| ", chapter, re.MULTILINE)
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert documented == list(leaves(values))
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]
    assert set(schema) == set(values) | {"global"}


def test_the_chart_has_the_version_of_palisade():
    (version,) = re.findall(r'^version = "(.*)"$', (CHART.parents[1] / "Cargo.toml").read_text(), re.MULTILINE)
    assert str(yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]) == version
