"""Revocation and the directory of users, by the real binary: what is stopped is stopped within seconds, on everything that is already there."""

import contextlib
import http.client
import http.server
import json
import threading
import time

import pytest
import yaml
from botocore.exceptions import ClientError
from harness import wire
from harness.application import Server, Visit
from harness.backends import BUCKET, REGION, Key
from harness.clients import client
from harness.configs import RECORDS, at
from harness.palisade import Palisade, Plain
from harness.process import wait_until
from harness.tap import Tap, ignore

# The file is looked at every two seconds; the rest is a slow machine's.
SOON = 6


class Directory:
    """A directory of its own, whose files a test edits."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, name: str, content):
        """In one step, as an editor or a mount does it."""
        text = content if isinstance(content, str) else yaml.dump(content, Dumper=Plain)
        (self.folder / "new").write_text(text)
        (self.folder / "new").rename(self.folder / name)

    def tenants(self, records: dict, revoked: dict | None = None):
        self.write("tenants.yaml", {"tenants": records} | ({"revoked": revoked} if revoked else {}))


class Sidecar:
    """A process with a directory of its own, and what it takes to talk to it."""

    def __init__(self, name: str, folder, setting, authority, application, key, sts, services, *more: dict, proofs=None):
        self.directory = Directory(folder)
        # Writes its files into a folder of its own.
        credentials = type(setting)(folder, "", "", "", folder / "unused").pooled(key, sts)
        self.directory.tenants(RECORDS)
        egress = setting.egress(services, **({"proofs": proofs} if proofs else {}))
        config = setting.ingress(authority.certificate, authority.key, application.port) | egress | setting.identity() | credentials
        for part in more:
            config |= part
        self.application, self.authority = application, authority
        self.palisade = Palisade(name, config, folder)

    def enter(self, token: str, tenant: str = "acme") -> wire.Message:
        headers = [("Authorization", f"Bearer {token}"), ("x-tenant-id", tenant)]
        return wire.exchange(self.palisade.port("ingress"), wire.request("GET", "/echo", headers), self.authority.client())

    def visit(self, token: str, tenant: str = "acme"):
        return self.application.visit(self.palisade.port("ingress"), self.authority.client(), token, tenant)

    def reason(self, token: str, tenant: str = "acme") -> str | None:
        try:
            return self.enter(token, tenant).reason
        except wire.Closed:
            # Let in, and broken off before its last byte.
            return "broken off"

    def s3(self, proof: str, tenant: str = "acme"):
        return client("s3", self.palisade.url, tenant, proof)


@pytest.fixture
def sidecar(tmp_path, setting, authority, application, pool, ministack):
    made = Sidecar("revocable", tmp_path, setting, authority, application, pool, ministack.port, {"s3": at(ministack.port)})
    yield made
    assert made.palisade.stop() == 0


def refused(s3) -> str | None:
    try:
        s3.list_objects_v2(Bucket=BUCKET, Prefix="acme/")
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPHeaders"]["x-palisade-reason"]
    return None


@contextlib.contextmanager
def broken_visit(sidecar, token, tenant="acme"):
    """A request inside the application, that may be broken off while it is there."""
    visiting = sidecar.visit(token, tenant)
    visit = visiting.__enter__()
    try:
        yield visit
    finally:
        # It wants to end with 200, which is not what it is for here. What the block asserts is not touched by this.
        with contextlib.suppress(AssertionError):
            visiting.__exit__(None, None, None)


def test_a_user_is_revoked_while_a_passport_lives(sidecar, idp):
    """By user, by token, and by time: the token that is remembered, the live passport and the request in progress all end."""
    now = int(time.time())
    user = {"issuer": idp.issuer, "subject": "u-1"}
    lists = {
        "user": {"subjects": [user]},
        "signed out": {"subjects": [user | {"issued_before": "2100-01-01T00:00:00Z"}]},
        "token": {"tokens": [{"issuer": idp.issuer, "id": "t-1"}]},
        "time": {"issued_before": "2100-01-01T00:00:00Z"},
    }
    for name, revoked in lists.items():
        sidecar.directory.tenants(RECORDS)
        token = idp.token("acme", sub="u-1", jti="t-1", iat=now)
        other = idp.token("acme", sub="u-2", jti="t-2", iat=now)
        wait_until(lambda: sidecar.reason(token) is None, SOON, f"{name}: a good start")
        assert sidecar.reason(other) is None
        with broken_visit(sidecar, token) as visit:
            assert refused(sidecar.s3(visit.passport)) is None
            sidecar.directory.tenants(RECORDS, revoked)
            wait_until(lambda: sidecar.reason(token) == "token-revoked", SOON, f"{name}: refused on the ingress")
            wait_until(lambda: refused(sidecar.s3(visit.passport)) in ("token-revoked", "passport-unknown"), SOON, f"{name}: the passport ends")
            wait_until(lambda: visit.status not in (None, 200), SOON, f"{name}: the request in progress is broken off")
        assert (sidecar.reason(other) is None) == (name != "time"), name
        answer = sidecar.enter(token)
        assert answer.status == 401 and 'error="invalid_token"' in answer.header("www-authenticate"), answer


def test_an_edit_with_an_error_changes_nothing(sidecar, idp):
    token = idp.token("acme", sub="u-1")
    sidecar.directory.tenants(RECORDS, {"subjects": [{"issuer": idp.issuer, "subject": "u-1"}]})
    wait_until(lambda: sidecar.reason(token) == "token-revoked", SOON, "revoked")
    before = sidecar.palisade.metric("palisade_config_reloads_total", result="rejected")
    sidecar.directory.write("tenants.yaml", "tenants: {acme: {}}\nrevokd: {}\n")
    wait_until(lambda: sidecar.palisade.metric("palisade_config_reloads_total", result="rejected") > before, SOON, "the file is looked at")
    assert sidecar.reason(token) == "token-revoked"
    assert sidecar.reason(idp.token("acme", sub="u-2")) is None
    old = sidecar.palisade.metric("palisade_directory_last_success_timestamp_seconds", directory="tenants")
    sidecar.directory.tenants(RECORDS)
    wait_until(lambda: sidecar.reason(token) is None, SOON, "a good file is taken over")
    assert sidecar.palisade.metric("palisade_directory_last_success_timestamp_seconds", directory="tenants") > old


@pytest.mark.parametrize("on_suspend", ["cut", "finish"])
def test_a_download_in_progress_when_its_tenant_is_suspended(on_suspend, tmp_path, setting, authority, application, pool, ministack, idp):
    """From the application through the ingress, and from S3 through the egress. `finish` lets both go on, and nothing new begin."""
    with contextlib.closing(Trickle()) as slow:
        identity = setting.identity()
        identity["tenants"]["on_suspend"] = on_suspend
        sidecar = Sidecar("suspending", tmp_path, setting, authority, application, pool, ministack.port,
                          {"s3": at(slow.port), "dynamodb": at(ministack.port)}, identity, proofs=["passport", "jwt"])
        application.visits["suspending"] = stream = Visit()
        try:
            token = idp.token("acme")
            headers = [("Authorization", f"Bearer {token}"), ("x-tenant-id", "acme")]
            inward = wire.Connection(sidecar.palisade.port("ingress"), authority.client())
            inward.send(wire.request("GET", "/events?count=2&name=suspending", headers))
            assert stream.arrived.wait(10)
            download = Download(sidecar.s3(token))
            wait_until(lambda: slow.served > 0 and download.read > 0, 10, "the download is going on")
            # Something that has fetched a session.
            assert sidecar.palisade.admin("/tenants")[1] != b"[]"
            sidecar.directory.tenants(RECORDS | {"acme": RECORDS["acme"] | {"status": "suspended"}})
            wait_until(lambda: sidecar.reason(token) == "tenant-suspended", SOON, "suspended")
            wait_until(lambda: json.loads(sidecar.palisade.admin("/tenants")[1]) == [], SOON, "its sessions are evicted")
            assert sidecar.palisade.metric("palisade_tenant_session_evictions_total", cause="directory") >= 1
            if on_suspend == "cut":
                wait_until(lambda: download.failed is not None, SOON, "the download breaks off")
                wait_until(lambda: sidecar.palisade.metric("palisade_revocations_applied_total", what="requests") >= 2, SOON, "and so does another request")
            else:
                slow.finish.set()
                wait_until(lambda: download.done, 15, "the download comes to its end")
                assert download.failed is None
            stream.go_on.release(2)
            assert wire_ends_short(inward) == (on_suspend == "cut"), "the stream of events"
            assert sidecar.reason(token) == "tenant-suspended", "nothing new begins"
        finally:
            slow.finish.set()
            stream.go_on.release(2)
            del application.visits["suspending"]
            sidecar.palisade.stop()


@pytest.mark.parametrize("change,reason", [({"status": "suspended"}, "tenant-suspended"), ({"attributes": {"plan": "other"}}, "tenants-unavailable")])
def test_nothing_is_signed_for_a_tenant_that_changes_while_sts_is_asked(change, reason, tmp_path, setting, authority, application, pool, ministack, idp):
    """What is in progress may go on; what has no credentials yet has not begun."""
    asked, go = threading.Event(), threading.Event()

    def hold(sent: bytes):
        if b"Action=AssumeRole" in sent:
            asked.set()
            go.wait(20)

    with contextlib.closing(Tap(ministack.port, watch=lambda: (hold, ignore))) as sts:
        identity = setting.identity()
        identity["tenants"]["on_suspend"] = "finish"
        presign = {"egress": setting.egress({"s3": at(ministack.port)}, proofs=["passport", "jwt"], presign={})["egress"]}
        sidecar = Sidecar("asking", tmp_path, setting, authority, application, pool, sts.port, {"s3": at(ministack.port)}, identity, presign)
        try:
            token = idp.token("acme")
            own = [("x-tenant-id", "acme"), ("x-tenant-token", token)]
            wanted = json.dumps({"method": "GET", "bucket": BUCKET, "key": "acme/hello.txt"}).encode()
            requests = [wire.request("GET", f"/{BUCKET}/acme/hello.txt", [*own, ("Host", f"s3.{REGION}.amazonaws.com")]),
                        wire.request("POST", "/_palisade/presign", own, wanted)]
            answers = []
            read = lambda: sidecar.palisade.metric("palisade_config_reloads_total", result="applied")  # noqa: E731
            ask = lambda data: answers.append(wire.exchange(sidecar.palisade.port("egress"), data, timeout=25).reason)  # noqa: E731
            threads = [threading.Thread(target=ask, args=(data,)) for data in requests]
            for thread in threads:
                thread.start()
            assert asked.wait(5)
            before = read()
            sidecar.directory.tenants(RECORDS | {"acme": RECORDS["acme"] | change})
            wait_until(lambda: read() > before, SOON, "the file is read")
            assert not answers, "they wait for STS"
            go.set()
            for thread in threads:
                thread.join(20)
            assert answers == [reason] * 2
        finally:
            go.set()
            sidecar.palisade.stop()


def wire_ends_short(connection) -> bool:
    """Reads a chunked response to its end: whether that came before the last chunk."""
    data = b""
    with connection:
        connection.socket.settimeout(20)
        with contextlib.suppress(OSError):
            while block := connection.socket.recv(65_536):
                data += block
                if data.endswith(b"0\r\n\r\n"):
                    return False
    return True


class Trickle:
    """An S3 that sends a large object slowly, until it is told to finish."""

    def __init__(self):
        self.served, self.finish = 0, threading.Event()
        trickle = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(200 * 1024))
                self.end_headers()
                for _ in range(200):
                    self.wfile.write(b"x" * 1024)
                    self.wfile.flush()
                    trickle.served += 1
                    trickle.finish.wait(0.1)

            def log_message(self, *_):
                pass

        self.http = Server(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.finish.set()
        self.http.shutdown()
        self.http.server_close()


class Download:
    """A GetObject that is read in the background."""

    def __init__(self, s3):
        self.read, self.done, self.failed = 0, False, None

        def run():
            try:
                for block in s3.get_object(Bucket=BUCKET, Key="acme/large")["Body"].iter_chunks(1024):
                    self.read += len(block)
            except Exception as error:
                self.failed = error
            self.done = True

        threading.Thread(target=run, daemon=True).start()


USERS = {"active_tenant": "acme", "tenants": {"acme": {"roles": ["admin"]}, "globex": {"roles": ["reader"]}}, "attributes": {"team": "blue"}}


def with_users(setting, directory: dict) -> dict:
    """The directory of users says the tenant; the claim for it is taken out of the configuration."""
    identity = setting.identity()
    for issuer in identity["identity"]["issuers"]:
        issuer["claims"] = {k: v for k, v in issuer["claims"].items() if k != "tenant"}
    return identity | {"users": {"directory": directory}}


def test_a_user_of_a_file_switches_and_is_suspended(tmp_path, setting, authority, application, pool, ministack, idp):
    (tmp_path / "users.yaml").write_text(yaml.dump({"issuers": {idp.issuer: {"users": {"user-1": USERS}}}}, Dumper=Plain))
    identity = with_users(setting, {"file": "users.yaml"})
    sidecar = Sidecar("users-file", tmp_path, setting, authority, application, pool, ministack.port, {"s3": at(ministack.port)}, identity)

    def users(**changes):
        sidecar.directory.write("users.yaml", {"issuers": {idp.issuer: {"users": {"user-1": USERS | changes}}}})

    try:
        # What the token says of tenants and roles is not believed.
        token = idp.token("globex", roles=["root"])
        echoed = json.loads(sidecar.enter(token).body)
        assert dict(echoed["headers"])["x-palisade-roles"] == '"admin"'
        assert dict(echoed["headers"])["x-tenant-id"] == "acme"
        assert sidecar.reason(idp.token(None, tenant_id=None)) is None, "a token without a tenant"
        assert sidecar.reason(token, "globex") == "tenant-not-active"
        assert sidecar.reason(idp.token("acme", sub="stranger")) == "user-unknown"
        with broken_visit(sidecar, token) as visit:
            assert refused(sidecar.s3(visit.passport)) is None
            users(active_tenant="globex")
            wait_until(lambda: sidecar.reason(token, "globex") is None, SOON, "the user switches")
            assert sidecar.reason(token) == "tenant-not-active"
            wait_until(lambda: refused(sidecar.s3(visit.passport)) in ("passport-unknown", "tenant-not-active"), SOON, "the old passport ends")
            wait_until(lambda: visit.status not in (None, 200), SOON, "the request in progress is broken off")
        users(status="suspended")
        wait_until(lambda: sidecar.reason(token) == "user-suspended", SOON, "suspended")
        users(active_tenant=None)
        wait_until(lambda: sidecar.reason(token) == "tenant-not-active", SOON, "without an active tenant nothing is allowed")
    finally:
        assert sidecar.palisade.stop() == 0


def item(idp, subject="user-1", **changes) -> dict:
    members = {"acme": {"L": [{"S": "admin"}]}, "globex": {"SS": ["reader"]}}
    whole = {"pk": {"S": f"{idp.issuer}#{subject}"}, "status": {"S": "active"}, "active_tenant": {"S": "acme"},
             "memberships": {"M": members}, "attributes": {"M": {"team": {"S": "blue"}}}} | changes
    return {k: v for k, v in whole.items() if v is not None}


class Relay:
    """The wire to DynamoDB, which can be cut, slowed down, or made to say something of its own."""

    def __init__(self, port: int):
        self.upstream, self.requests, self.reads, self.fault = port, 0, 0, None
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                relay.requests += 1
                relay.reads += self.headers["X-Amz-Target"].endswith(".GetItem")
                if relay.fault == "slow":
                    time.sleep(3)
                if isinstance(relay.fault, tuple):
                    return self.say(*relay.fault)
                if relay.fault == "drop":
                    self.close_connection = True
                    return None
                upstream = http.client.HTTPConnection("127.0.0.1", relay.upstream, timeout=10)
                # With its own Host, which is signed.
                upstream.request("POST", self.path, body, dict(self.headers.items()))
                answer = upstream.getresponse()
                return self.say(answer.status, answer.read())

            def say(self, status: int, body: bytes):
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = Server(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def relay(ministack):
    with contextlib.closing(Relay(ministack.port)) as relay:
        yield relay


def users_table(relay: Relay, **more) -> dict:
    return {"dynamodb": {"table": "users", "region": "eu-west-1", "endpoint": f"http://127.0.0.1:{relay.port}", "insecure": True, "timeout": "5s",
                         "partition_key": "pk", "cache": "1s", "max_stale": "6s", **more}}


def create_users(backend, idp, *items: dict):
    dynamodb = backend.client("dynamodb")
    with contextlib.suppress(dynamodb.exceptions.ResourceInUseException):
        dynamodb.create_table(TableName="users", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                              AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}])
    for one in items:
        dynamodb.put_item(TableName="users", Item=one)
    return dynamodb


def ingress_only(setting, authority, application, key, folder, directory: dict) -> dict:
    """A sidecar without an egress has an identity to read users with, and no tenant credentials."""
    secret = folder / "reader.secret"
    secret.write_text(key.secret_access_key)
    source = {"static": {"access_key_id": key.access_key_id, "secret_access_key": {"file": secret.name}}}
    return setting.ingress(authority.certificate, authority.key, application.port) | with_users(setting, directory) | {"credentials": {"source": source}}


@pytest.fixture
def reader(ministack):
    """An identity that may read the table of users, and nothing else."""
    iam = ministack.client("iam")
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_user(UserName="reader")
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}]}
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=json.dumps(allowed))
    made = iam.create_access_key(UserName="reader")["AccessKey"]
    return Key(made["AccessKeyId"], made["SecretAccessKey"])


class Entry:
    """The ingress of a process that has no egress."""

    def __init__(self, palisade, authority):
        self.palisade, self.authority = palisade, authority

    def reason(self, token: str, tenant: str = "acme") -> str | None:
        headers = [("Authorization", f"Bearer {token}"), ("x-tenant-id", tenant)]
        try:
            return wire.exchange(self.palisade.port("ingress"), wire.request("GET", "/echo", headers), self.authority.client()).reason
        except wire.Closed:
            # Let in, and broken off before its last byte.
            return "broken off"

    def lookups(self, result: str) -> float:
        return self.palisade.metric("palisade_user_lookups_total", result=result)


def test_users_of_a_table_through_its_ups_and_downs(tmp_path, setting, authority, application, ministack, relay, reader, idp):
    """DynamoDB goes down and comes back: the known are served for a while, strangers are 503, and a suspension is found afterwards."""
    dynamodb = create_users(ministack, idp, item(idp), item(idp, "user-2", active_tenant={"S": "globex"}))
    (tmp_path / "tenants.yaml").write_text((setting.directory / "tenants.yaml").read_text())
    entry = Entry(Palisade("users-table", ingress_only(setting, authority, application, reader, tmp_path, users_table(relay, timeout="1s")), tmp_path), authority)
    try:
        known, other, stranger = idp.token("x", sub="user-1"), idp.token("acme", sub="user-2"), idp.token("acme", sub="nobody")
        assert entry.reason(known) is None
        assert entry.reason(known, "globex") == "tenant-not-active"
        assert (entry.reason(other), entry.reason(other, "globex")) == ("tenant-not-active", None)
        assert entry.reason(stranger) == "user-unknown"

        dynamodb.put_item(TableName="users", Item=item(idp, active_tenant={"S": "globex"}))
        wait_until(lambda: entry.reason(known, "globex") is None, SOON, "the user switches within the cache's time")
        dynamodb.put_item(TableName="users", Item=item(idp))
        wait_until(lambda: entry.reason(known) is None, SOON, "and back")

        for fault in ("drop", "slow", (500, b"{}"), (200, b"junk"),
                      (400, b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}')):
            relay.fault, reads = None, entry.lookups("read")
            wait_until(lambda: entry.reason(known) is None and entry.lookups("read") > reads, 8, f"{fault}: a good start")
            stale = entry.lookups("stale")
            relay.fault = fault
            assert entry.reason(idp.token("acme", sub="newcomer")) == "users-unavailable", fault
            wait_until(lambda: entry.reason(known) is None and entry.lookups("stale") > stale, 6, f"{fault}: the known are served")
        wait_until(lambda: entry.reason(known) == "users-unavailable", 12, "and not for ever")
        dynamodb.put_item(TableName="users", Item=item(idp, status={"S": "suspended"}))
        relay.fault = None
        wait_until(lambda: entry.reason(known) == "user-suspended", 8, "what happened meanwhile is found")
        assert entry.reason(idp.token("acme", sub="newcomer")) in ("user-unknown", "users-unavailable")

        for broken in ({"status": None}, {"status": {"S": "on"}}, {"memberships": {"S": "acme"}}, {"active_tenant": {"N": "1"}}):
            dynamodb.put_item(TableName="users", Item=item(idp, "broken", **broken))
            wait_until(lambda: entry.reason(idp.token("acme", sub="broken")) == "users-unavailable", 8, str(broken))
        assert entry.lookups("malformed") > 0
        dynamodb.put_item(TableName="users", Item=item(idp, "broken", active_tenant=None))
        wait_until(lambda: entry.reason(idp.token("acme", sub="broken")) == "tenant-not-active", 8, "no active tenant")
        assert reader.secret_access_key not in entry.palisade.everything_written()
    finally:
        relay.fault = None
        assert entry.palisade.stop() == 0


def test_a_flood_of_unknown_users_is_held_back(tmp_path, setting, authority, application, ministack, relay, reader, idp):
    create_users(ministack, idp, item(idp))
    (tmp_path / "tenants.yaml").write_text((setting.directory / "tenants.yaml").read_text())
    config = ingress_only(setting, authority, application, reader, tmp_path, users_table(relay, cache="60s", negative="60s", max_stale="60s", max_entries=16))
    entry = Entry(Palisade("users-flood", config, tmp_path), authority)
    try:
        known = idp.token("acme")
        assert entry.reason(known) is None
        before = relay.requests
        for number in range(60):
            assert entry.reason(idp.token("acme", sub=f"nobody-{number}", key="ec")) == "user-unknown"
        for _ in range(20):
            assert entry.reason(idp.token("acme", sub="nobody-59", key="ec")) == "user-unknown"
        assert entry.reason(known) is None
        assert relay.requests - before == 60, "one read for each unknown user, and none for the known one"
    finally:
        assert entry.palisade.stop() == 0


def test_an_issuer_is_bound_by_the_directory(tmp_path, setting, authority, application, pool, ministack, idp, partner):
    """The partner may speak for tenants whose record names it, whatever its tokens claim."""
    identity = setting.identity()
    first, second = identity["identity"]["issuers"]
    identity["identity"]["issuers"] = [first, second | {"tenants": {"attribute": "idp"}}]
    sidecar = Sidecar("bound", tmp_path, setting, authority, application, pool, ministack.port, {"s3": at(ministack.port)}, identity)
    try:
        token = partner.token("x", app={"tenant": "partner-1"})
        assert sidecar.reason(token, "partner-1") == "issuer-not-for-tenant", "nobody named it"
        named = lambda issuer: {"partner-1": RECORDS["partner-1"] | {"attributes": {"idp": issuer}}}
        sidecar.directory.tenants(RECORDS | named(partner.issuer))
        wait_until(lambda: sidecar.reason(token, "partner-1") is None, SOON, "the record names it")
        assert sidecar.reason(partner.token("x", app={"tenant": "acme"}), "acme") == "issuer-not-for-tenant"
        sidecar.directory.tenants(RECORDS | named(idp.issuer))
        wait_until(lambda: sidecar.reason(token, "partner-1") == "issuer-not-for-tenant", SOON, "another issuer took over")
    finally:
        assert sidecar.palisade.stop() == 0
