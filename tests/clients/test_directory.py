"""The tenant directory in DynamoDB, by the real binary: read by a role of its own, bounded in age, and what it says holds for everything that is there."""

import contextlib
import json
import time

import pytest
from botocore.exceptions import ClientError
from harness import backends, wire
from harness.backends import ACCOUNT, BUCKET, REGION, allow, assumed, document
from harness.configs import at
from harness.palisade import Palisade
from harness.process import answers, wait_until
from test_users import Download, Relay, Sidecar, Trickle, broken_visit, refused, with_users

READER = f"arn:aws:iam::{ACCOUNT}:role/palisade-directory"
# `cache` below, and a slow machine's time.
SOON = 6


def item(tenant: str, **changes) -> dict:
    whole = {"pk": {"S": f"TENANT#{tenant}"}, "sk": {"S": "PROFILE"}, "state": {"S": "active"}, "tier": {"S": "gold"}} | changes
    return {k: v for k, v in whole.items() if v is not None}


SUSPENDED = {"S": "suspended"}


def reader(backend, user: str, name: str, table: str, actions: list):
    """A role that may read one table, by its ARN, which Palisade's own identity may assume with an external id."""
    backends.role(backend, name, user, [allow(actions, table)],
                  {"StringEquals": {"sts:ExternalId": "directory-1"}})
    may = document(allow("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/{name}"))
    backend.client("iam").put_user_policy(UserName="palisade", PolicyName=name, PolicyDocument=may)


def create(backend, name: str, keys: dict):
    backend.client("dynamodb").create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": k, "KeyType": v} for k, v in keys.items()],
        AttributeDefinitions=[{"AttributeName": k, "AttributeType": "S"} for k in keys])


class Table:
    """The table of tenants, as whoever administers it sees it."""

    def __init__(self, backend, name: str = "tenants"):
        self.dynamodb, self.name = backend.client("dynamodb"), name

    def put(self, tenant: str, **changes):
        self.dynamodb.put_item(TableName=self.name, Item=item(tenant, **changes))

    def delete(self, tenant: str):
        self.dynamodb.delete_item(TableName=self.name, Key={"pk": {"S": f"TENANT#{tenant}"}, "sk": {"S": "PROFILE"}})


@pytest.fixture(scope="module")
def table(ministack, pool) -> Table:
    create(ministack, "tenants", {"pk": "HASH", "sk": "RANGE"})
    reader(ministack, f"arn:aws:iam::{ACCOUNT}:user/palisade", "palisade-directory", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/tenants",
           ["dynamodb:GetItem", "dynamodb:Scan"])
    return Table(ministack)


@pytest.fixture
def relay(ministack):
    with contextlib.closing(Relay(ministack.port)) as relay:
        yield relay


def in_table(setting, port: int, on_suspend: str = "cut", **more) -> dict:
    directory = {"dynamodb": {
        "table": "tenants", "role_arn": READER, "external_id": "directory-1", "region": REGION, "endpoint": f"http://127.0.0.1:{port}",
        "insecure": True, "partition_key": "pk", "key_template": "TENANT#{tenant.id}", "sort_key": "sk", "sort_key_template": "PROFILE",
        "attributes": {"status": "state"}, "cache": "1s", "negative": "500ms", "max_stale": "6s", "timeout": "5s", **more}}
    return setting.identity() | {"tenants": {"directory": directory, "on_suspend": on_suspend}}


@pytest.fixture
def made(tmp_path, setting, authority, application, pool, ministack, table, relay):
    """Makes a process with its directory in the table, and ends it."""
    for tenant in ("acme", "globex"):
        table.put(tenant)
    table.delete("ghost")
    with contextlib.ExitStack() as stack:
        def make(name: str, services=None, proofs=None, on_suspend="cut", **more) -> Sidecar:
            sidecar = Sidecar(name, tmp_path, setting, authority, application, pool, ministack.port, services or {"s3": at(ministack.port)},
                              in_table(setting, relay.port, on_suspend, **more), proofs=proofs)
            stack.callback(lambda: sidecar.palisade.stop())
            return sidecar

        yield make
        relay.fault = None


def sessions(sidecar) -> set:
    return {session["tenant"] for session in json.loads(sidecar.palisade.admin("/tenants")[1])}


def test_it_is_read_by_its_role_and_the_base_identity_cannot(made, ministack, pool, idp):
    sidecar = made("directory-role")
    with pytest.raises(ClientError) as denied:
        ministack.client("dynamodb", pool).get_item(TableName="tenants", Key={"pk": {"S": "TENANT#acme"}, "sk": {"S": "PROFILE"}})
    assert denied.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
    with sidecar.visit(idp.token("acme")) as visit:
        assert refused(sidecar.s3(visit.passport)) is None
    assert any(call["RoleArn"] == READER for call in assumed(ministack, "palisade-directory"))
    assert sidecar.reason(idp.token("ghost"), "ghost") == "tenant-unknown"
    assert sidecar.palisade.metric("palisade_tenant_lookups_total", result="read") >= 1
    assert sidecar.palisade.metric("palisade_directory_entries", directory="tenants") == 1
    age = time.time() - sidecar.palisade.metric("palisade_directory_last_success_timestamp_seconds", directory="tenants")
    assert -1 < age < 60


@pytest.mark.parametrize("on_suspend", ["cut", "finish"])
def test_a_suspension_and_a_removal_end_what_is_there(on_suspend, made, table, ministack, idp):
    """Requests in progress, a passport that is alive, and the session of a tenant that sends nothing."""
    for name, end in {"suspended": lambda tenant: table.put(tenant, state=SUSPENDED), "unknown": table.delete}.items():
        with contextlib.closing(Trickle()) as slow:
            sidecar = made(f"directory-{on_suspend}-{name}", {"s3": at(slow.port), "dynamodb": at(ministack.port)}, ["passport", "jwt"], on_suspend)
            token, idle = idp.token("acme"), idp.token("globex")
            with contextlib.suppress(ClientError):
                sidecar.s3(idle, "globex").head_object(Bucket=BUCKET, Key="globex/large")
            download = Download(sidecar.s3(token))
            wait_until(lambda: slow.served > 0 and download.read > 0, 10, "the download is going on")
            assert sessions(sidecar) == {"acme", "globex"}
            with broken_visit(sidecar, token) as visit:
                end("acme")
                end("globex")
                wait_until(lambda: sessions(sidecar) == set(), SOON, f"{name}: sessions are evicted, the idle tenant's too")
                assert sidecar.reason(token) == f"tenant-{name}" and sidecar.reason(idle, "globex") == f"tenant-{name}"
                wait_until(lambda: refused(sidecar.s3(visit.passport)) in (f"tenant-{name}", "passport-unknown"), SOON, "the passport is worth nothing")
                if on_suspend == "cut":
                    wait_until(lambda: download.failed is not None, SOON, "the download breaks off")
                    wait_until(lambda: visit.status not in (None, 200), SOON, "and so does what is in the application")
                else:
                    time.sleep(3)
                    assert download.failed is None and visit.status is None
            slow.finish.set()
            wait_until(lambda: download.done, 15, "the download has ended")
            assert (download.failed is None) == (on_suspend == "finish")
            table.put("acme")
            table.put("globex")
            wait_until(lambda: sidecar.reason(token) is None, SOON, "and comes back")
            assert sidecar.palisade.stop() == 0


def test_the_table_is_down_and_comes_back(made, table, relay, idp):
    sidecar = made("directory-down", proofs=["passport", "jwt"], timeout="1s")
    known, stranger = idp.token("acme"), idp.token("globex")
    for fault in ("drop", "slow", (500, b"{}"), (200, b"junk"),
                  (400, b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}')):
        relay.fault, reads = None, sidecar.palisade.metric("palisade_tenant_lookups_total", result="read")
        wait_until(lambda: sidecar.reason(known) is None and sidecar.palisade.metric("palisade_tenant_lookups_total", result="read") > reads, 10,
                   f"{fault}: a good start")
        stale = sidecar.palisade.metric("palisade_tenant_lookups_total", result="stale")
        relay.fault = fault
        wait_until(lambda: sidecar.reason(known) is None and sidecar.palisade.metric("palisade_tenant_lookups_total", result="stale") > stale, 6,
                   f"{fault}: the known are served")
    assert sidecar.reason(stranger, "globex") == "tenants-unavailable"
    with pytest.raises(ClientError) as unavailable:
        sidecar.s3(stranger, "globex").list_objects_v2(Bucket=BUCKET, Prefix="globex/")
    assert unavailable.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert unavailable.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    wait_until(lambda: sidecar.reason(known) == "tenants-unavailable", 12, "and not for ever")
    assert answers(sidecar.palisade.port("probes"), "/readyz"), "an outage takes no process out of service"
    table.put("acme", state=SUSPENDED)
    relay.fault = None
    wait_until(lambda: sidecar.reason(known) == "tenant-suspended", 8, "what happened meanwhile is found")
    assert sidecar.palisade.stop() == 0


def test_an_item_that_is_not_what_it_should_be(made, table, idp):
    sidecar = made("directory-malformed")
    token = idp.token("acme")
    for attribute, value in {"state": None, "tier": {"N": "1"}, "account": {"S": "hunter2"}, "limits": {"M": {"brst": {"N": "5"}}}}.items():
        table.put("acme")
        wait_until(lambda: sidecar.reason(token) is None, SOON, f"{attribute}: a good start")
        table.put("acme", **{attribute: value})
        wait_until(lambda: sidecar.reason(token) == "tenants-unavailable", SOON, f"{attribute}: refused")
        assert sidecar.palisade.metric("palisade_tenant_lookups_total", result="malformed") >= 1
        wait_until(lambda: f"the record cannot be used: {attribute} is" in sidecar.palisade.stderr.read_text(), SOON, "the log names it")
    assert "hunter2" not in sidecar.palisade.everything_written()


def test_limits_of_the_record_change_live(made, table, idp):
    sidecar = made("directory-limits")
    token = idp.token("acme")
    assert [sidecar.reason(token) for _ in range(4)] == [None] * 4
    table.put("acme", limits={"M": {"requests_per_second": {"N": "0.1"}, "burst": {"N": "1"}}})
    wait_until(lambda: sidecar.reason(token) == "rate-limited", SOON, "limited")
    table.put("acme")
    wait_until(lambda: [sidecar.reason(token) for _ in range(4)] == [None] * 4, SOON, "and not any more")


def test_a_user_is_revoked_in_the_tenant_s_item(made, table, idp):
    sidecar = made("directory-revoked")
    token, other = idp.token("acme", sub="u-1"), idp.token("acme", sub="u-2")
    assert (sidecar.reason(token), sidecar.reason(other)) == (None, None)
    gone = {"M": {"issuer": {"S": idp.issuer}, "subject": {"S": "u-1"}}}
    with broken_visit(sidecar, token) as visit:
        table.put("acme", revoked={"M": {"subjects": {"L": [gone]}}})
        wait_until(lambda: sidecar.reason(token) == "token-revoked", SOON, "revoked")
        wait_until(lambda: visit.status not in (None, 200), SOON, "the request in progress is broken off")
    assert sidecar.reason(other) is None


def test_the_whole_table_is_loaded_and_removals_are_found(made, table, relay, idp):
    """No first read for each tenant, records at hand in an outage, and an idle tenant's removal."""
    for number in range(40):
        table.put(f"ac-{number:02}")
    table.dynamodb.put_item(TableName="tenants", Item={"pk": {"S": "USER#1"}, "sk": {"S": "PROFILE"}})
    table.put("acme", tier={"N": "1"})
    sidecar = made("directory-load", cache="60s", negative="1s", max_stale="60s", load={"every": "5s", "items_per_second": 1000})
    entries = lambda: sidecar.palisade.metric("palisade_directory_entries", directory="tenants")
    wait_until(lambda: sidecar.palisade.metric("palisade_tenant_loads_total", result="ok") >= 1, SOON, "loaded")
    # With globex, and without acme, whose item is broken.
    assert entries() == 41
    before = relay.reads
    relay.fault = "drop"
    for number in range(40):
        assert sidecar.reason(idp.token(f"ac-{number:02}", key="ec"), f"ac-{number:02}") is None
    relay.fault = None
    assert relay.reads == before, "no read for each"
    assert sidecar.reason(idp.token("acme")) == "tenants-unavailable"
    for number in range(10):
        table.delete(f"ac-{number:02}")
    wait_until(lambda: entries() == 31, 12, "removals are found though nobody asks")
    assert sidecar.reason(idp.token("ac-05"), "ac-05") == "tenant-unknown"
    for number in range(10, 40):
        table.delete(f"ac-{number:02}")


def test_it_is_not_ready_before_the_table_has_answered(tmp_path, setting, authority, application, pool, ministack, table, relay):
    relay.fault = "drop"
    credentials = type(setting)(tmp_path, "", "", "", tmp_path / "unused").pooled(pool, ministack.port)
    config = setting.ingress(authority.certificate, authority.key, application.port) | setting.egress({"s3": at(ministack.port)})
    palisade = Palisade("directory-ready", config | in_table(setting, relay.port) | credentials, tmp_path, ready="/livez")
    try:
        wait_until(lambda: relay.requests > 0, SOON, "it asks by itself")
        time.sleep(1)
        assert not answers(palisade.port("probes"), "/readyz")
        status, body = palisade.admin("/readyz")
        assert status == 503 and b"tenants" in body, body
        relay.fault = None
        wait_until(lambda: answers(palisade.port("probes"), "/readyz"), 10, "ready")
    finally:
        assert palisade.stop() == 0


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """moto, which checks what the policies of roles allow, and is another implementation of both tables."""
    backend = backends.moto(tmp_path_factory.mktemp("moto"))
    create(backend, "tenants", {"pk": "HASH", "sk": "RANGE"})
    create(backend, "users", {"pk": "HASH"})
    user, key = backends.base_user(backend)
    # It compares the actions of DynamoDB's policies, and knows no resource of a request.
    reader(backend, user, "palisade-directory", "*", ["dynamodb:GetItem", "dynamodb:Scan"])
    reader(backend, user, "palisade-users", "*", ["dynamodb:GetItem"])
    items = Table(backend)
    for tenant in ("acme", "globex"):
        items.put(tenant)
    # moto knows no keys of its own once it checks signatures.
    may = document(allow("dynamodb:*", "*"))
    iam = backend.client("iam")
    iam.create_user(UserName="writer")
    iam.put_user_policy(UserName="writer", PolicyName="write", PolicyDocument=may)
    made = iam.create_access_key(UserName="writer")["AccessKey"]
    backend.root = backends.Key(made["AccessKeyId"], made["SecretAccessKey"])
    backends.moto_lock(backend)
    yield backend, key
    backend.stop()


def test_both_tables_on_moto(tmp_path, setting, authority, application, elsewhere, idp):
    """Tenants and users, each by a role of its own, behind an ingress without an egress."""
    backend, key = elsewhere
    (tmp_path / "base.secret").write_text(key.secret_access_key)
    tenants = in_table(setting, backend.port, load={"every": "5s"})["tenants"]
    users = {"dynamodb": {"table": "users", "role_arn": f"arn:aws:iam::{ACCOUNT}:role/palisade-users", "external_id": "directory-1", "region": REGION,
                          "endpoint": f"http://127.0.0.1:{backend.port}", "insecure": True, "partition_key": "pk", "cache": "1s", "max_stale": "6s",
                          "timeout": "5s"}}
    credentials = {"source": {"static": {"access_key_id": key.access_key_id, "secret_access_key": {"file": "base.secret"}}},
                   "sts": {"endpoint": f"http://127.0.0.1:{backend.port}", "insecure": True, "region": REGION}}
    config = setting.ingress(authority.certificate, authority.key, application.port) | with_users(setting, users)
    palisade = Palisade("directory-moto", config | {"tenants": tenants, "credentials": credentials}, tmp_path)

    def reason(token: str, tenant: str = "acme") -> str | None:
        headers = [("Authorization", f"Bearer {token}"), ("x-tenant-id", tenant)]
        try:
            return wire.exchange(palisade.port("ingress"), wire.request("GET", "/echo", headers), authority.client()).reason
        except wire.Closed:
            # Let in, and broken off before its last byte.
            return "broken off"

    def user(**changes) -> dict:
        members = {"acme": {"L": [{"S": "admin"}]}, "globex": {"SS": ["reader"]}}
        return {"pk": {"S": f"{idp.issuer}#user-1"}, "status": {"S": "active"}, "active_tenant": {"S": "acme"}, "memberships": {"M": members}} | changes

    try:
        for name in ("tenants", "users"):
            with pytest.raises(ClientError):
                backend.client("dynamodb", key).get_item(TableName=name, Key={"pk": {"S": "x"}, "sk": {"S": "x"}} if name == "tenants" else {"pk": {"S": "x"}})
        items, dynamodb, token = Table(backend), backend.client("dynamodb"), idp.token("x", sub="user-1")
        dynamodb.put_item(TableName="users", Item=user())
        wait_until(lambda: reason(token) is None, 10, "both are found")
        assert reason(token, "globex") == "tenant-not-active"
        assert reason(idp.token("x", sub="stranger")) == "user-unknown"
        dynamodb.put_item(TableName="users", Item=user(active_tenant={"S": "globex"}))
        wait_until(lambda: reason(token, "globex") is None, SOON, "the user switches")
        items.put("globex", state=SUSPENDED)
        wait_until(lambda: reason(token, "globex") == "tenant-suspended", SOON, "the tenant is suspended")
        items.delete("globex")
        wait_until(lambda: reason(token, "globex") == "tenant-unknown", SOON, "and removed")
        dynamodb.put_item(TableName="users", Item=user(status=SUSPENDED))
        wait_until(lambda: reason(token) == "user-suspended", SOON, "the user is suspended")
        assert palisade.metric("palisade_tenant_loads_total", result="ok") >= 1
        assert key.secret_access_key not in palisade.everything_written()
    finally:
        assert palisade.stop() == 0
