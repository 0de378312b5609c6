"""Palisade alone, for applications in other pods."""

import pytest

from .render import example
from .test_sidecar import METADATA, opened

TLS = {"certificate": "tls/tls.crt", "private_key": "tls/tls.key"}
INGRESS = {"tls": TLS, "upstream": "https://orders.shop.svc:8443"}
BOTH = {"config": {"ingress": INGRESS}}
INGRESS_ALONE = {"config": {"ingress": INGRESS, "egress": None, "credentials": None}}


def test_it_is_alone_in_its_pod(chart):
    release = chart.render("gateway")
    assert release.pod["containers"] == [release.palisade] and "initContainers" not in release.pod
    assert "restartPolicy" not in release.palisade, "which is for containers of init"
    assert release.ports == {"egress": 8180, "probes": 8191, "admin": 8190}
    assert release.pod["automountServiceAccountToken"] is False
    assert "eks.amazonaws.com/skip-containers" not in release.template["metadata"]["annotations"], "there is nobody to keep a token from"
    assert release.template["metadata"]["labels"].items() >= release.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items()


def test_the_service_leads_to_the_listeners(chart):
    release = chart.render("gateway", BOTH, {"service": {"port": 8443, "egressPort": 443}})
    ports = {port["name"]: (port["port"], port["targetPort"]) for port in release.one("Service")["spec"]["ports"]}
    assert ports == {"ingress": (8443, 8443), "egress": (443, 8180)}
    assert release.one("Service")["spec"]["selector"].items() <= release.template["metadata"]["labels"].items()
    (port,) = chart.render("gateway").one("Service")["spec"]["ports"]
    assert (port["name"], port["port"], port["appProtocol"]) == ("egress", 8180, "https")
    (port,) = chart.render("gateway", INGRESS_ALONE).one("Service")["spec"]["ports"]
    assert (port["name"], port["port"]) == ("ingress", 443)


def test_only_those_who_may_call_it_can(chart):
    release = chart.render("gateway")
    calls, probes, scrapes = release.one("NetworkPolicy")["spec"]["ingress"]
    assert opened(release) == [[8180], [8191], [8190]]
    values = example("gateway")["networkPolicy"]
    assert calls["from"] == values["from"] and scrapes["from"] == values["metricsFrom"] and "from" not in probes
    blocks = [to["ipBlock"] for rule in release.one("NetworkPolicy")["spec"]["egress"] for to in rule["to"] if "ipBlock" in to]
    assert {address for block in blocks for address in block["except"]} == METADATA
    assert opened(chart.render("gateway", BOTH))[0] == [8443, 8180]


def test_it_scales_by_its_own_work(chart):
    release = chart.render("gateway")
    scaled = release.one("HorizontalPodAutoscaler")["spec"]
    assert (scaled["minReplicas"], scaled["maxReplicas"]) == (2, 10)
    (metric,) = scaled["metrics"]
    assert metric["containerResource"]["container"] == release.palisade["name"] and release.palisade["resources"]["requests"]["cpu"]
    assert "replicas" not in release.one("Deployment")["spec"]
    assert chart.render("gateway", {"autoscaling": {"enabled": False}}).one("Deployment")["spec"]["replicas"] == 2
    assert "autoscaling.minReplicas: 3 is more than maxReplicas, 2" in chart.refused("gateway", {"autoscaling": {"minReplicas": 3, "maxReplicas": 2}})


def test_disruptions_are_bounded(chart):
    spec = chart.render("gateway").one("PodDisruptionBudget")["spec"]
    assert spec["maxUnavailable"] == 1 and spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@pytest.mark.parametrize("change", [BOTH, INGRESS_ALONE], ids=["both", "ingress alone"])
def test_an_ingress_is_taken_where_no_passport_is_made(chart, tmp_path, outside, change):
    release = chart.render("gateway", change)
    release.mount(tmp_path, outside)
    done = release.check(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_tokens_and_certificates_are_taken(chart, outside, authority, tmp_path):
    """Certificates of workloads, by an authority whose certificate is a file of the configuration."""
    release = chart.render("gateway", {
        "config": {"egress": {"proofs": ["jwt", "certificate"], "tls": {"client_ca": "clients.crt", "client_auth": "optional"}},
                   "identity": {"workloads": [{"spiffe_id": "spiffe://prod/ns/acme/*", "tenant": "acme"}]}},
        "files": {"clients.crt": authority.ca.read_text()}})
    release.mount(tmp_path, outside)
    done = release.check(tmp_path)
    assert done.returncode == 0 and "takes certificates" in done.stdout + done.stderr, done.stdout + done.stderr


def test_its_own_identity_may_be_the_pods(chart, outside, tmp_path):
    """No application is beside, so that IRSA and Pod Identity are Palisade's alone; beside one they would be refused."""
    change = {"config": {"credentials": {"source": {"web_identity": None, "default_chain": {}}}},
              "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/palisade-base"}}}
    release = chart.render("gateway", change)
    assert not [source for source in release.sources if "serviceAccountToken" in source]
    release.mount(tmp_path, outside)
    done = release.check(tmp_path)
    assert done.returncode == 0 and "refused" not in done.stdout + done.stderr, done.stdout + done.stderr
