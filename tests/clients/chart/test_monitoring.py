"""What Prometheus and Grafana are given."""

import json
import shutil

import pytest
import yaml

from .render import CHART, Chart
from .validity import SHAPES

SCRAPED = {"config": {"admin": {"listen": "0.0.0.0:8190"}}}
# Labels that the operator puts on every target, and Prometheus itself.
TARGET = {"namespace", "pod", "container", "endpoint", "job", "instance"}
RULES = """# Of the chart.
groups:
  - name: palisade
    rules:
      - alert: PalisadeRefuses
        expr: sum by (tenant) (rate(palisade_refusals_total{reason!="rate-limited"}[5m])) > 1
        for: 5m
        annotations: {summary: "{{ $labels.tenant }} is refused {{ $value | humanize }} times a second"}
"""
DASHBOARD = {"title": "Palisade", "panels": [{"targets": [{"legendFormat": "{{tenant}}", "expr": 'rate(x{a=~"$b"}[1m])'}]}]}


@pytest.mark.parametrize("name, secret", [("service", "orders-palisade"), ("gateway", "palisade-metrics")])
def test_a_pod_monitor_scrapes_with_the_metrics_token(chart, name, secret):
    release = chart.render(name, SCRAPED, {"podMonitor": {"enabled": True, "interval": "30s", "labels": {"release": "prometheus"}}})
    monitor = release.one("PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] in release.ports and endpoint["path"] == "/metrics" and endpoint["interval"] == "30s"
    assert endpoint["authorization"] == {"credentials": {"name": secret, "key": "metrics-token"}}
    (mounted,) = [source["secret"] for source in release.sources if "secrets/metrics-token" in str(source)]
    assert mounted == {"name": secret, "items": [{"key": "metrics-token", "path": "secrets/metrics-token"}]}, "what Palisade compares it with"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["selector"]["matchLabels"].items() <= release.template["metadata"]["labels"].items()
    assert 8190 in [port["port"] for rule in release.one("NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]]


@pytest.mark.parametrize("name", ["service", "gateway"])
def test_a_service_monitor_has_a_service_of_its_own(chart, name):
    release = chart.render(name, SCRAPED, {"podMonitor": {"enabled": False}, "serviceMonitor": {"enabled": True}, "service": {"type": "LoadBalancer"}})
    selector = release.one("ServiceMonitor")["spec"]["selector"]["matchLabels"]
    (service,) = [service for service in release.all("Service") if selector.items() <= service["metadata"]["labels"].items()]
    assert service["spec"]["clusterIP"] == "None" and service["spec"].get("type", "ClusterIP") == "ClusterIP"
    (endpoint,) = release.one("ServiceMonitor")["spec"]["endpoints"]
    (port,) = service["spec"]["ports"]
    assert endpoint["port"] == port["name"] and port["targetPort"] == release.ports["admin"]
    (other,) = [other for other in release.all("Service") if other is not service]
    assert release.ports["admin"] not in [port["targetPort"] for port in other["spec"]["ports"]], "the world has no way to the admin listener"
    assert endpoint["relabelings"] == [{"action": "labeldrop", "regex": "service"}], "Palisade's own label `service` has to stay"


def test_labels_of_metrics_are_none_of_the_targets():
    """A label of a target takes the place of the metric's own, which is then called otherwise than dashboards and rules have it."""
    source = (CHART.parents[1] / "README.md").read_text()
    rows = [line.split("|") for line in source.splitlines() if line.startswith("| `palisade_")]
    labels = {label.strip("` ") for row in rows for label in row[2].split(",")} - {""}
    assert {"tenant", "service", "listener", "reason"} <= labels and not labels & TARGET


def test_what_cannot_be_scraped_is_no_target(chart):
    for key in ("podMonitor", "serviceMonitor"):
        assert f"{key}.enabled: config.admin.listen, 127.0.0.1:8190, can be reached from inside the pod alone" in chart.refused("worker", {key: {"enabled": True}})
    assert "enable one of them" in chart.refused("gateway", {"serviceMonitor": {"enabled": True}})


def test_nothing_that_needs_an_operator_is_there_by_itself(chart):
    known = {kind for _, kind in SHAPES}
    kinds = {document["kind"] for name in ("service", "worker") for document in chart.render(name).documents}
    assert "Deployment" in kinds and not kinds & known


@pytest.fixture
def written(helm, tmp_path) -> Chart:
    """The chart with rules and dashboards that hold what a template must not touch."""
    copy = tmp_path / "palisade"
    shutil.copytree(CHART, copy)
    shutil.rmtree(copy / "files", ignore_errors=True)
    (copy / "files").mkdir()
    (copy / "files" / "rules.yaml").write_text(RULES)
    for name in ("tenants", "overview"):
        (copy / "files" / f"dashboard-{name}.json").write_text(json.dumps(DASHBOARD | {"uid": name}, indent=2) + "\n")
    return Chart(helm, tmp_path, copy)


def test_rules_and_dashboards_arrive_to_the_letter(written):
    release = written.render("worker", {"prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
                                        "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Palisade"}}})
    rule = release.one("PrometheusRule")
    assert rule["spec"] == yaml.safe_load(RULES) and rule["metadata"]["labels"]["release"] == "prometheus"
    boards = [document for document in release.all("ConfigMap") if "dashboard" in document["metadata"]["name"]]
    assert {board["metadata"]["name"] for board in boards} == {"shop-palisade-dashboard-tenants", "shop-palisade-dashboard-overview"}
    for board in boards:
        assert board["metadata"]["labels"]["grafana_dashboard"] == "1" and board["metadata"]["annotations"] == {"grafana_folder": "Palisade"}
        ((file, text),) = board["data"].items()
        assert json.loads(text) == DASHBOARD | {"uid": file.removeprefix("dashboard-").removesuffix(".json")}


def test_rules_and_dashboards_are_those_of_the_folder(chart):
    """Whatever there is; a chart without them says so rather than to render nothing."""
    rules, boards = CHART / "files" / "rules.yaml", sorted((CHART / "files").glob("dashboard-*.json"))
    if rules.is_file():
        assert chart.render("worker", {"prometheusRule": {"enabled": True}}).one("PrometheusRule")["spec"] == yaml.safe_load(rules.read_text())
    else:
        assert "this copy of the chart has no files/rules.yaml" in chart.refused("worker", {"prometheusRule": {"enabled": True}})
    if boards:
        data = {}
        for document in chart.render("worker", {"dashboards": {"enabled": True}}).all("ConfigMap"):
            data |= document["data"]
        shown = {file: json.loads(text) for file, text in data.items() if file.startswith("dashboard-")}
        assert shown == {board.name: json.loads(board.read_text()) for board in boards}
    else:
        assert "this copy of the chart has no files/dashboard-*.json" in chart.refused("worker", {"dashboards": {"enabled": True}})
