"""Everything that the chart renders: valid for Kubernetes and for Palisade, and the same as yesterday."""

import os
from pathlib import Path

import pytest
import yaml

from .render import BESIDE, CHART, EXAMPLES, OUTLINE, example, merge
from .validity import VERSIONS

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "chart"
CERTIFICATE = {"tls": {"secretName": None, "certManager": {"enabled": True, "issuerRef": {"name": "internal"}}}}
KEYS = {"secret": {"name": "orders-palisade", "items": [{"key": "admin-token", "path": "secrets/context.pem"}]}}

VARIATIONS = {
    "as it is": {},
    "digest": {"image": {"repository": "registry.test/palisade", "digest": "sha256:" + "0" * 64}},
    "scheduling": {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "a", "operator": "Exists"}], "priorityClassName": "high",
                   "affinity": {"nodeAffinity": {}}, "imagePullSecrets": [{"name": "pull"}],
                   "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]},
    "optional objects": {"podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"}, "networkPolicy": {"blocked": ["169.254.0.0/16"]},
                         "serviceAccount": {"annotations": {"team": "x"}}, "service": {"type": "LoadBalancer", "annotations": {"a": "b"}}},
    "nothing optional": {"podDisruptionBudget": {"enabled": False}, "networkPolicy": {"enabled": False}, "serviceAccount": {"create": False},
                         "service": {"enabled": False}, "autoscaling": {"enabled": False}, "deployment": {"replicas": None}},
    "pods": {"podLabels": {"a": "b"}, "podAnnotations": {"c": "d"}, "env": [{"name": "A", "value": "b"}],
             "deployment": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}},
             "livenessProbe": {"initialDelaySeconds": 1}, "readinessProbe": {"periodSeconds": 5}, "fullnameOverride": "front"},
    "autoscaling": {"autoscaling": {"enabled": True, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}}, "metrics": [
        {"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 80}}}]}},
    "peers": {"networkPolicy": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "metricsFrom": [{"podSelector": {"matchLabels": {"a": "b"}}}]}},
    "monitors": {"config": {"admin": {"listen": "0.0.0.0:8190"}}, "podMonitor": {"enabled": False},
                 "serviceMonitor": {"enabled": True, "interval": "30s", "labels": {"release": "prometheus"}}},
    "more files": {"filesFrom": [KEYS, {"configMap": {"name": "tenants", "items": [{"key": "tenants.yaml", "path": "more/tenants.yaml"}]}}]},
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_lint(helm, name):
    done = helm("lint", "--strict", CHART, "-f", CHART / "examples" / f"{name}.yaml")
    assert done.returncode == 0 and "WARNING" not in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("variation", VARIATIONS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_valid_for_kubernetes_and_for_palisade(chart, outside, tmp_path, name, variation):
    release = chart.render(name, VARIATIONS[variation])
    release.mount(tmp_path, outside)
    done = release.check(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("tenants: 3" if name == "service" else "tenants: 1") in done.stdout


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_configuration_can_be_checked_where_no_secret_is(chart, outside, tmp_path, name):
    """As CI does it, with what the chart and its ConfigMaps have."""
    release = chart.render(name)
    nothing_secret = {name: {key: "" for key in held} for name, held in outside.items() if name != "tenants"} | {"tenants": outside["tenants"]}
    release.mount(tmp_path, nothing_secret)
    for folder in ("tls", "secrets"):
        for file in (tmp_path / folder).glob("*"):
            file.unlink()
    done = release.check(tmp_path, "--without-files")
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "palisade.yaml").write_text((tmp_path / "palisade.yaml").read_text() + "wrong: 1\n")
    assert release.check(tmp_path, "--without-files").returncode == 2


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_supported_version_gets_the_same(chart, name):
    texts = {chart.template(name, kubernetes=version).stdout for version in VERSIONS}
    assert len(texts) == 1 and "kind: Deployment" in texts.pop()


# What a review of a change of the templates should see. Beyond the examples: what they leave out.
RENDERS = {
    **{name: (name, {}) for name in EXAMPLES},
    "service-everything": ("service", {**VARIATIONS["pods"], **VARIATIONS["autoscaling"], **CERTIFICATE, "filesFrom": [KEYS],
                                       "networkPolicy": {"ports": [9090]}, "podMonitor": {"enabled": True, "interval": "30s"},
                                       "tokens": {"metricsSecretName": "orders-metrics"}}),
    "worker-outline": ("worker", {**OUTLINE, "config": {**OUTLINE["config"], "tenants": None, "identity": None, "credentials": None},
                                  "configFrom": {"secret": "thumbnails-config", "key": "config.yaml"}}),
    "gateway-ingress": ("gateway", {
        "config": {"ingress": {"tls": {"certificate": "tls/tls.crt", "private_key": "tls/tls.key"}, "upstream": "https://orders.shop.svc:8443"},
                   "egress": None, "credentials": None}, "podMonitor": {"enabled": False}, "serviceMonitor": {"enabled": True}}),
}


@pytest.mark.parametrize("render", RENDERS)
def test_the_render_is_the_recorded_one(chart, render):
    """`PALISADE_BLESS=1` records what is rendered now; read the difference before committing it."""
    name, change = RENDERS[render]
    text, file = chart.render(name, change).text, GOLDEN / f"{render}.yaml"
    if os.environ.get("PALISADE_BLESS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert file.is_file(), f"there is no {file.name}: PALISADE_BLESS=1 records it"
    assert text == file.read_text()


def test_every_recorded_render_is_compared():
    assert {file.stem for file in GOLDEN.iterdir()} == set(RENDERS)


def test_values_arrive_where_they_belong(chart):
    release = chart.render("service", *(VARIATIONS[name] for name in ("digest", "scheduling", "optional objects", "pods", "nothing optional")),
                           {"deployment": {"replicas": 0}, "service": {"enabled": True, "port": 8443}})
    assert release.palisade["image"] == "registry.test/palisade@sha256:" + "0" * 64
    assert release.pod["priorityClassName"] == "high" and release.pod["nodeSelector"] == {"disk": "ssd"}
    deployment = release.one("Deployment")
    assert deployment["spec"]["replicas"] == 0 and deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0}
    assert deployment["metadata"]["name"] == "front" and release.template["metadata"]["labels"]["palisade"] == "front"
    assert release.one("Service")["spec"]["ports"][0]["port"] == 8443
    assert release.palisade["env"] == [{"name": "A", "value": "b"}]
    assert release.palisade["livenessProbe"]["initialDelaySeconds"] == 1 and release.palisade["readinessProbe"]["periodSeconds"] == 5
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


@pytest.mark.parametrize("kind", ["configMap", "secret"])
@pytest.mark.parametrize("name", BESIDE)
def test_the_configuration_may_be_an_object_that_exists(chart, outside, tmp_path, name, kind):
    """The pod is that of the outline, and what Palisade reads is the object's."""
    whole, inline = example(name), chart.render(name)
    ingress = {"tls": whole["config"]["ingress"]["tls"], "upstream": whole["config"]["ingress"]["upstream"]} if name == "service" else None
    outline = {"ingress": ingress, "egress": {"region": "eu-west-1"}, "admin": {"listen": whole["config"]["admin"].get("listen", "127.0.0.1:8190")},
               "tenants": {"directory": {"file": "tenants.yaml"}}, "server": whole["config"].get("server"),
               "credentials": {"source": whole["config"]["credentials"]["source"]}}
    values = whole | {"config": merge({}, outline), "configFrom": {kind: "theirs", "key": "config.yaml"}}
    release = chart.render(name, values=values)
    assert "palisade.yaml" not in release.data("shop-palisade"), "the outline is nobody's configuration"
    for part in ("ports", "terminationGracePeriodSeconds", "lifecycle"):
        assert {**release.pod, **release.palisade}.get(part) == {**inline.pod, **inline.palisade}.get(part), part
    assert release.env == inline.env
    release.mount(tmp_path, outside | {"theirs": {"config.yaml": yaml.safe_dump(whole["config"])}})
    done = release.check(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    del values["files"]
    assert not [document for document in chart.render(name, values=values).all("ConfigMap") if document["metadata"]["name"] == "shop-palisade"]


def test_null_is_the_same_as_leaving_out(chart):
    """As it is for Palisade."""
    values = example("worker")
    values["config"] |= {"ingress": None, "server": None, "probes": None}
    values["config"]["credentials"]["source"] = {"web_identity": None, "default_chain": {}}
    release = chart.render("worker", values=values)
    assert release.pod["terminationGracePeriodSeconds"] == 40 and not release.all("Service")
    assert not [source for source in release.sources if "serviceAccountToken" in source]


def test_files_come_out_of_objects_that_exist(chart):
    release = chart.render("service", VARIATIONS["more files"])
    assert KEYS in release.sources
    assert [source for source in release.sources if source.get("configMap", {}).get("name") == "tenants"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_certificate_is_asked_for_where_one_is_used(chart, name):
    values = merge(example(name), CERTIFICATE)
    if name == "worker":
        assert "tls.certManager.enabled: no listener of config has TLS" in chart.refused(name, CERTIFICATE)
        return
    release = chart.render(name, values=values)
    certificate = release.one("Certificate")["spec"]
    (secret,) = [source["secret"]["name"] for source in release.sources if source.get("secret", {}).get("items", [{}])[0].get("key") == "tls.crt"]
    assert certificate["secretName"] == secret == "shop-palisade-tls"
    assert certificate["issuerRef"]["name"] == "internal" and certificate["privateKey"]["rotationPolicy"] == "Always"
    names = ["shop-palisade.store.svc", "shop-palisade.store", "shop-palisade"]
    assert certificate["dnsNames"] == (["palisade.data.svc"] if name == "gateway" else []) + names, "what the egress answers to, and the Service"
    other = {"tls": {"secretName": "mine", "certManager": {"dnsNames": ["api.example.com"]}}}
    release = chart.render(name, values=merge(values, other))
    assert release.one("Certificate")["spec"]["secretName"] == "mine" and release.one("Certificate")["spec"]["dnsNames"] == ["api.example.com"]
