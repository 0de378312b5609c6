"""Palisade beside an application."""

import re

import pytest

from .render import BESIDE, CHART, FOLDER, example

METADATA = {"169.254.169.254/32", "fd00:ec2::254/128"}
CREDENTIALS = re.compile("AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|PROFILE|ROLE_ARN|WEB_IDENTITY_TOKEN_FILE|CONTAINER_.*)")


@pytest.mark.parametrize("name, file", [("service", "session-policy.json"), ("worker", "jwks.json")])
def test_the_files_of_the_examples_are_the_documented_ones(name, file):
    assert example(name)["files"][file] == (CHART.parents[1] / "config" / file).read_text()


@pytest.mark.parametrize("name", BESIDE)
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


@pytest.mark.parametrize("name", BESIDE)
def test_both_have_bounds(chart, name):
    release = chart.render(name)
    for container in (release.application, release.palisade):
        assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]


def test_the_application_has_what_it_brings(chart):
    release = chart.render("service", {"volumes": [{"name": "tmp", "emptyDir": {}}], "application": {
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}], "env": [{"name": "A", "value": "b"}], "envFrom": [{"secretRef": {"name": "its-own"}}]}})
    assert release.env["A"] == "b" and release.application["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert release.application["envFrom"] == [{"secretRef": {"name": "its-own"}}]
    assert {volume["name"] for volume in release.pod["volumes"]} == {"palisade", "tmp"}


def test_a_native_sidecar(chart):
    release = chart.render("service")
    assert release.pod["initContainers"] == [release.palisade], "it starts first, and ends last"
    palisade = release.palisade
    assert palisade["restartPolicy"] == "Always"
    assert release.ports == {"ingress": 8443, "probes": 8191, "admin": 8190}
    assert palisade["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "probes"}
    assert palisade["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "probes"}
    assert palisade["startupProbe"]["exec"]["command"][1] == "health"
    assert set(chart.render("worker").ports) == {"probes"}, "loopback listeners are nobody's port"


def test_the_application_is_reached_through_palisade_alone(chart):
    """The example's probe goes the way that callers go: to the ingress, past no check, since it is a rule that lets it in."""
    release = chart.render("service")
    probe = release.application["readinessProbe"]["httpGet"]
    assert probe == {"path": "/health", "port": release.ports["ingress"], "scheme": "HTTPS"}
    assert {"path": "/health", "methods": ["GET"], "auth": "none"} in release.config["ingress"]["endpoints"]
    assert release.env["HOST"] == "127.0.0.1" and "ports" not in release.application
    assert release.config["ingress"]["upstream"] == "http://127.0.0.1:8080"


def test_a_port_of_the_application_may_be_opened_by_name(chart):
    ports = {"ports": [{"name": "health", "containerPort": 9090}, {"containerPort": 9191}]}
    probes = {"livenessProbe": {"httpGet": {"path": "/", "port": "health"}}, "startupProbe": {"tcpSocket": {"port": 9090}},
              "readinessProbe": {"httpGet": None, "exec": {"command": ["/ready"]}}}
    opened = {"application": ports | probes, "networkPolicy": {"ports": [9090]}}
    assert chart.render("service", opened).application["livenessProbe"]["httpGet"]["port"] == "health"
    assert chart.render("worker", {"application": {"readinessProbe": {"httpGet": {"path": "/readyz", "port": 8191}}}}), "Palisade's own"
    for probe in ("livenessProbe", "startupProbe"):
        shut = {"application": ports | {probe: probes[probe]}}
        assert f"application.{probe}: the kubelet reaches port" in chart.refused("service", shut)
    assert "application.livenessProbe" in chart.refused("service", opened, {"application": {"livenessProbe": {"httpGet": {"port": 9191}}}})
    assert "application.livenessProbe" in chart.refused("service", opened, {"application": {"livenessProbe": {"httpGet": {"port": "unheard-of"}}}})


def test_addresses_follow_the_configuration(chart):
    release = chart.render("service", {"config": {"ingress": {"listen": "0.0.0.0:9443"}, "egress": {"listen": ["127.0.0.1:9180", "[::1]:9180"]},
                                                  "admin": {"listen": "[::]:9190"}, "probes": {"listen": "0.0.0.0:9191"}},
                                       "application": {"readinessProbe": {"httpGet": {"port": 9443}}}})
    assert release.env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9180"
    assert release.ports == {"ingress": 9443, "probes": 9191, "admin": 9190}
    for argv in (release.palisade["startupProbe"]["exec"]["command"], release.palisade["lifecycle"]["preStop"]["exec"]["command"]):
        assert argv[argv.index("--address") + 1] == "[::1]:9190"
    (port,) = release.one("Service")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (443, 9443)
    assert opened(release) == [[9443], [9191], [9190]]


def test_an_egress_with_tls_is_called_so(chart):
    release = chart.render("worker", {"config": {"egress": {"tls": {"certificate": "tls/tls.crt", "private_key": "tls/tls.key"}}}, "tls": {"secretName": "mine"}})
    assert release.env["AWS_ENDPOINT_URL"] == "https://127.0.0.1:8180"
    assert [source for source in release.sources if source.get("secret", {}).get("name") == "mine"]


@pytest.mark.parametrize("name", BESIDE)
def test_what_selects_the_pod_selects_it(chart, name):
    release = chart.render(name, {"podDisruptionBudget": {"enabled": True}, "autoscaling": {"enabled": True}})
    labels = release.template["metadata"]["labels"].items()
    selectors = [release.one("Deployment")["spec"]["selector"]["matchLabels"], release.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
                 release.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"], *(s["spec"]["selector"] for s in release.all("Service"))]
    assert len(selectors) == (4 if name == "service" else 3)
    for selector in selectors:
        assert selector == {"palisade": "shop-palisade"} and selector.items() <= labels
    scaled = release.one("HorizontalPodAutoscaler")["spec"]
    assert scaled["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": release.one("Deployment")["metadata"]["name"]}
    assert "replicas" not in release.one("Deployment")["spec"], "the two would undo each other"
    assert scaled["metrics"][0]["containerResource"]["container"] == release.application["name"]


def opened(release) -> list[list[int]]:
    return [[port["port"] for port in rule["ports"]] for rule in release.one("NetworkPolicy")["spec"]["ingress"]]


def test_the_network_policy_blocks_metadata_and_ways_past_palisade(chart):
    release = chart.render("service")
    spec = release.one("NetworkPolicy")["spec"]
    assert sorted(spec["policyTypes"]) == ["Egress", "Ingress"]
    blocks = [to["ipBlock"] for rule in spec["egress"] for to in rule["to"] if "ipBlock" in to]
    assert {address for block in blocks for address in block["except"]} == METADATA
    assert {block["cidr"] for block in blocks} == {"0.0.0.0/0", "::/0"}
    assert opened(release) == [[8443], [8191], [8190]] and not [rule for rule in spec["ingress"] if "from" in rule]
    assert opened(chart.render("worker", {"networkPolicy": {"ports": [9090]}})) == [[8191], [9090]]


def test_the_pods_restart_for_a_new_configuration_and_not_for_tenants(chart):
    def mark(*changes: dict) -> str:
        return chart.render("service", *changes).template["metadata"]["annotations"]["checksum/palisade"]

    before = mark()
    assert mark({"config": {"limits": {"default": {"concurrent": 65}}}}) != before
    assert mark({"files": {"session-policy.json": "{}"}}) != before
    assert mark({"tenants": {"acme": {"status": "suspended"}}}) == before


def test_labels_and_annotations_that_the_chart_writes_cannot_be_given_again(chart):
    """A key that is there twice counts once, and the selector would be another's."""
    metadata = chart.render("service").template["metadata"]
    for key in metadata["labels"]:
        assert f"at '/podLabels/{key.replace('/', '~1')}': false schema" in chart.refused("service", {"podLabels": {key: "x"}})
    for key in metadata["annotations"]:
        assert f"at '/podAnnotations/{key.replace('/', '~1')}': false schema" in chart.refused("service", {"podAnnotations": {key: "x"}})
    given = chart.render("service", {"podLabels": {"team": "orders"}, "podAnnotations": {"example.com/a": "b"}}).template["metadata"]
    assert given["labels"]["team"] == "orders" and given["annotations"]["example.com/a"] == "b"
