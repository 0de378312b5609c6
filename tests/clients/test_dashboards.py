"""Dashboards and rules against a real Prometheus, which scrapes Palisade while two tenants, and some who should not, are at work."""

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from botocore.exceptions import ClientError

from harness import backends, wire
from harness.backends import ACCOUNT, BUCKET, REGION, allow, document
from harness.clients import client
from harness.configs import RECORDS, at
from harness.palisade import Palisade
from harness.process import closed_port, wait_until
from harness.prometheus import DASHBOARDS, Prometheus, names, panels, rules, substituted
from test_base_identity import Agent
from test_deferred import ask as defer
from test_deferred import fresh_key, use
from test_users import item as user

ROOT = Path(__file__).resolve().parents[2]
READER = f"arn:aws:iam::{ACCOUNT}:role/watched-directory"


class Scene:
    """Processes with all that dashboards show, and rounds of what happens to them.

    `watched` is a sidecar with ingress and egress. `worker` has its tenants and users in tables, takes contexts of deferred work, and has room for
    two passports. `stranger` has a base identity that ends and that STS does not know, and a budget for few calls. `silo` has a tenant whose role is another's."""

    def __init__(self, start, setting, directory, authority, application, ministack, pool, idp, agent, silo):
        self.directory, self.authority, self.application, self.idp = directory, authority, application, idp
        self.rounds, self.silo = 0, silo
        key = fresh_key(directory, "watched-reports.key")
        self.records(suspended=False)
        self.tables(ministack, idp)
        services = {"s3": at(ministack.port), "dynamodb": at(ministack.port)}
        ingress = setting.ingress(authority.certificate, authority.key, application.port, health={"path": "/healthz", "interval": "1s", "timeout": "500ms"},
                                  routes=[{"name": "gone", "tenants": ["bare"], "upstream": f"http://127.0.0.1:{closed_port()}"}])
        credentials = setting.pooled(pool, ministack.port)
        both = {"proofs": ["passport", "jwt"]}
        self.watched = start("watched", ingress, setting.egress(services, **both, defer={"audiences": {"reports": {"key": key, "actions": ["s3:GetObject"]}}}),
                             setting.identity(), {"tenants": {"directory": {"file": "watched-tenants.yaml"}}}, credentials,
                             {"guard": {"s3": [{"buckets": [BUCKET], "prefix": "{tenant.id}/"}], "dynamodb": [{"tables": ["orders-{tenant.id}"]}]}},
                             {"telemetry": {"audit": {"path": "watched-audit.log"}}, "resources": {"memory": "4GiB"}})
        self.worker = start("watched-worker", setting.ingress(authority.certificate, authority.key, application.port),
                            setting.egress(services, proofs=["jwt", "passport", "deferred"], redeem={"audience": "reports", "keys": [key]}),
                            self.in_tables(setting, ministack.port), credentials)
        identity = {"credentials": credentials["credentials"] | {"source": {"default_chain": {}}, "shared_with_application": "accepted",
                                                                "budget": {"requests_per_second": 1, "burst": 4, "wait": "100ms"}}}
        self.stranger = start("watched-stranger", setting.egress(services), setting.identity(), identity, ready="/livez", **agent.environment)

    @property
    def processes(self) -> list[Palisade]:
        return [self.watched, self.worker, self.stranger, self.silo]

    def records(self, suspended: bool):
        records = RECORDS | {"acme-eu": RECORDS["acme-eu"] | {"status": "suspended" if suspended else "active"}}
        fresh = self.directory / "watched-tenants.new"
        fresh.write_text(yaml.safe_dump({"tenants": records}))
        fresh.rename(self.directory / "watched-tenants.yaml")

    @staticmethod
    def tables(ministack, idp):
        dynamodb = ministack.client("dynamodb")
        for name in ("watched-tenants", "watched-users"):
            dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                                  AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}])
        for tenant in ("acme", "globex"):
            dynamodb.put_item(TableName="watched-tenants", Item={"pk": {"S": tenant}, "status": {"S": "active"}})
        dynamodb.put_item(TableName="watched-users", Item=user(idp))
        dynamodb.put_item(TableName="watched-users", Item=user(idp, "user-2", active_tenant={"S": "globex"}))
        tables = [f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/watched-{name}" for name in ("tenants", "users")]
        backends.role(ministack, "watched-directory", f"arn:aws:iam::{ACCOUNT}:user/palisade", [allow(["dynamodb:GetItem", "dynamodb:Scan"], tables)])
        ministack.client("iam").put_user_policy(UserName="palisade", PolicyName="watched-directory", PolicyDocument=document(allow("sts:AssumeRole", READER)))

    @staticmethod
    def in_tables(setting, port: int) -> dict:
        where = {"role_arn": READER, "region": REGION, "endpoint": f"http://127.0.0.1:{port}", "insecure": True, "partition_key": "pk", "cache": "1s", "max_stale": "30s"}
        identity = setting.identity()
        for issuer in identity["identity"]["issuers"]:
            issuer["claims"] = {k: v for k, v in issuer["claims"].items() if k != "tenant"}
        identity["identity"]["passport"] = {"max_live": 2}
        return identity | {"tenants": {"directory": {"dynamodb": where | {"table": "watched-tenants", "load": {"every": "5s"}}}},
                           "users": {"directory": {"dynamodb": where | {"table": "watched-users"}}}}

    def enter(self, palisade: Palisade, token: str, tenant: str, method: str = "GET") -> wire.Message | None:
        pairs = {"Authorization": f"Bearer {token}", "x-tenant-id": tenant}
        with contextlib.suppress(wire.Closed):
            return wire.exchange(palisade.port("ingress"), wire.request(method, "/echo", pairs), self.authority.client())

    def visit(self, palisade: Palisade, tenant: str, **claims):
        return self.application.visit(palisade.port("ingress"), self.authority.client(), self.idp.token(tenant, **claims), tenant)

    @staticmethod
    def read(palisade: Palisade, tenant: str, proof: str, of: str | None = None):
        with contextlib.suppress(ClientError):
            client("s3", palisade.url, tenant, proof).get_object(Bucket=BUCKET, Key=f"{of or tenant}/hello.txt")["Body"].read()

    def round(self):
        self.rounds += 1
        self.tenants_at_work()
        self.others()
        self.of_tables()
        self.operators()

    def tenants_at_work(self):
        for tenant in ("acme", "globex"):
            self.enter(self.watched, self.idp.token(tenant), tenant)
            with self.visit(self.watched, tenant) as visit:
                self.read(self.watched, tenant, visit.passport)
                client("dynamodb", self.watched.url, tenant, visit.passport).get_item(TableName=f"orders-{tenant}", Key={"pk": {"S": f"{tenant}#1"}, "sk": {"S": "0"}})
                order = {"purpose": "report", "audience": "reports", "actions": ["s3:GetObject"], "lifetime": "5m"}
                answer = defer(self.watched, visit.passport, order)
                assert answer.status == 200, (answer.reason, answer.body)
                assert use(self.worker, json.loads(answer.body)["context"], f"/{BUCKET}/{tenant}/hello.txt").status == 200
                self.read(self.watched, tenant, visit.passport, of="acme" if tenant == "globex" else "globex")
            # After its request.
            self.read(self.watched, tenant, visit.passport)

    def others(self):
        for _ in range(5):
            self.enter(self.watched, self.idp.token("slow"), "slow")
        for token in (self.idp.token("acme"), self.idp.token("acme", exp=int(time.time()) - 60), self.idp.forged("acme"), "junk"):
            for _ in range(3):
                self.enter(self.watched, token, "globex")
        self.enter(self.watched, self.idp.token("bare"), "bare")
        self.enter(self.watched, self.idp.token("acme-eu"), "acme-eu")
        self.records(suspended=self.rounds % 6 > 2)
        assert wire.exchange(self.watched.port("egress"), b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n").status == 400
        # Plain HTTP, where TLS is spoken.
        with contextlib.suppress(wire.Closed, OSError):
            wire.exchange(self.watched.port("ingress"), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        use(self.worker, "pdc1_junk")
        for tenant in ("acme", "globex", "slow", "single", "bare"):
            self.read(self.stranger, tenant, self.idp.token(tenant))
        self.read(self.silo, "estranged", self.idp.token("estranged"))

    def of_tables(self):
        self.enter(self.worker, self.idp.token(None), "acme")
        self.enter(self.worker, self.idp.token(None, sub="user-2"), "globex")
        with self.visit(self.worker, "acme"):
            refused = self.enter(self.worker, self.idp.token(None), "acme")
            assert refused.reason == "passports-exhausted"

    def operators(self):
        assert self.watched.admin("/config", token="wrong")[0] == 403
        for tenant in ("acme", "globex"):
            self.watched.admin(f"/tenants/{tenant}/evict", "POST")


@pytest.fixture(scope="module")
def scene(start, setting, directory, authority, application, ministack, pool, idp, silo) -> Scene:
    with contextlib.closing(Agent(pool)) as agent:
        yield Scene(start, setting, directory, authority, application, ministack, pool, idp, agent, silo)


@pytest.fixture(scope="module")
def prometheus(scene, tmp_path_factory):
    server = Prometheus(tmp_path_factory.mktemp("prometheus"), scene.processes)
    yield server
    server.stop()


def questions() -> dict[str, str]:
    """Every expression of every panel, by where it stands."""
    return {f"{name} / {panel['title']} / {target['refId']}": target["expr"] for name, dashboard in DASHBOARDS.items() for panel in panels(dashboard)
            for target in panel["targets"]}


@pytest.mark.timeout(600)
def test_every_panel_and_every_rule_has_an_answer(scene, prometheus):
    missing, deadline = questions(), time.monotonic() + 60
    assert len(missing) > 80
    # Some of it happens in a few rounds of six, and the scrapes take their time.
    while missing and (scene.rounds < 30 or time.monotonic() < deadline):
        scene.round()
        missing = {place: expression for place, expression in missing.items() if not prometheus.query(substituted(expression))}
    assert not missing, f"after {scene.rounds} rounds nothing is shown by\n" + "\n".join(f"{place}: {substituted(e)}" for place, e in missing.items())

    # With variables chosen, as links between dashboards pass them on.
    chosen = {"instance": f"127.0.0.1:{scene.watched.port('admin')}", "listener": "ingress|egress", "tenant": "acme|globex", "job": "palisade"}
    for expression in questions().values():
        prometheus.query(substituted(expression, **chosen))
    scene.round()
    for name in ("tenants / Requests / A", "overview / Requests / A"):
        expression = substituted(questions()[name], **chosen)
        assert prometheus.query(expression), expression

    for group in prometheus.api("rules")["groups"]:
        for rule in group["rules"]:
            # The baselines' turn comes within two minutes.
            assert rule["health"] == "ok" or (rule["health"] == "unknown" and group["interval"] > 60), (rule["name"], rule.get("lastError"))
    exported = prometheus.names()
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = set().union(*(names(rule["expr"]) for rule in rules()), *(names(expression) for expression in questions().values()))
    assert len(asked) > 40 and "palisade_requests_total" in asked and "up" in asked
    assert asked - exported - recorded == set(), "no process exports these, and no rule records them"
    # A day's average has nothing to go by yet.
    assert {name for name in recorded - exported if not name.endswith(":rate1d")} == set()

    # Twenty refusals of one kind in ten minutes are on their way to an alert, and nothing is that has no cause here.
    wanted = "PalisadeIsolationRefusals"
    wait_until(lambda: scene.round() or prometheus.query(f'ALERTS{{alertname="{wanted}"}}'), 20, wanted)
    active = {alert["labels"]["alertname"] for alert in prometheus.api("alerts")["alerts"]}
    innocent = {"PalisadeJwksStale", "PalisadeJwksRefreshFailing", "PalisadeCertificateExpiring", "PalisadeOpenFilesNearLimit", "PalisadeInternalErrors",
                "PalisadeConnectionsNearLimit", "PalisadeClockSkewed", "PalisadeTenantDominates", "PalisadeAccessLogLinesLost", "PalisadeBaseCredentialsExpiring"}
    assert not active & innocent


def test_process_metrics_are_those_of_the_process(scene):
    watched = scene.watched
    stat = Path(f"/proc/{watched.pid}/stat").read_text().rsplit(")", 1)[1].split()
    used = (int(stat[11]) + int(stat[12])) / 100
    assert used - 0.1 <= watched.metric("process_cpu_seconds_total") <= used + 5
    assert abs(watched.metric("process_resident_memory_bytes") - watched.memory()) < 32 << 20
    assert abs(watched.metric("process_open_fds") - len(list(Path(f"/proc/{watched.pid}/fd").iterdir()))) < 20
    limit = next(line for line in Path(f"/proc/{watched.pid}/limits").read_text().splitlines() if line.startswith("Max open files"))
    assert watched.metric("process_max_fds") == int(limit.split()[3])
    assert 0 < time.time() - watched.metric("process_start_time_seconds") < 3600


def test_connections_and_certificates_have_their_bounds(scene, authority):
    watched = scene.watched
    assert watched.metric("palisade_connections_limit", listener="ingress") == 10_000
    assert watched.metric("palisade_tls_certificate_not_before_timestamp_seconds", listener="ingress") < time.time()
    assert watched.metric("palisade_tls_certificate_expiry_timestamp_seconds", listener="ingress") == int(authority.expires.timestamp())


def test_the_files_are_what_their_source_says():
    done = subprocess.run([sys.executable, ROOT / "tests" / "tools" / "dashboards", "--check"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", DASHBOARDS)
def test_what_grafana_needs_of_a_dashboard(name):
    """As far as Grafana 11 and later read it: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/"""
    dashboard = DASHBOARDS[name]
    assert dashboard["uid"] == f"palisade-{name}" and len(dashboard["uid"]) <= 40 and dashboard["schemaVersion"] >= 39
    assert "__inputs" not in dashboard and "id" not in dashboard, "of an export, which provisioning does not fill"
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert list(variables) == ["datasource", "namespace", "job", "pod", "instance", "listener", "tenant"]
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    every = dashboard["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    taken: set[tuple[int, int]] = set()
    for panel in every:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24, f"{panel['title']} lies over another"
        taken |= cells
    for panel in panels(dashboard):
        assert panel["type"] in ("timeseries", "stat", "table") and panel["title"] and panel["description"].endswith("."), panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            # Only a rate's window moves with the time that is shown; of a table it stands in its description.
            assert "[$__rate_interval]" in target["expr"] or "rate(" not in target["expr"] or panel["type"] == "table", panel["title"]
            used = {name for name in variables if f"${name}" in target["expr"]}
            assert {"namespace", "job", "pod", "instance"} <= used or "ALERTS" in target["expr"], f"{panel['title']} does not heed what is chosen"
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(set(titles)) == len(titles)


def test_reasons_are_in_one_class_in_dashboards_and_rules():
    sys.path.insert(0, str(ROOT / "tests" / "tools"))
    from dashboards import reasons
    expressions = [rule["expr"] for rule in rules()]
    for kind in (reasons.FAULTS, reasons.ISOLATION, reasons.OVERLOAD):
        assert list(kind) == sorted(set(kind)) and any(f'"{reasons.any_of(kind)}"' in expression for expression in expressions)
    assert not set(reasons.FAULTS) & set(reasons.ISOLATION) and set(reasons.OVERLOAD) < set(reasons.FAULTS)
