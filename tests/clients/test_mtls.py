"""Clients with certificates: what is told of them, what a workload's certificate is worth, and what ends with its files."""

import base64
import json
import re
import shutil
import subprocess
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from harness import wire
from harness.backends import BUCKET, REGION
from harness.pki import Authority
from harness.process import wait_until

SPIFFE = "spiffe://prod/ns/acme/sa/worker"


def seen(answer: wire.Message) -> dict:
    """What the application got, header by header; a repeated one fails."""
    assert answer.status == 200, (answer.status, answer.reason)
    pairs = json.loads(answer.body)["headers"]
    assert len({k for k, _ in pairs}) == len(pairs), f"repeated: {sorted(k for k, _ in pairs)}"
    return dict(pairs)


def enter(palisade, tls, token: str, *headers: tuple) -> wire.Message:
    return wire.exchange(palisade.port("ingress"), wire.request("GET", "/echo", [("Authorization", f"Bearer {token}"), *headers]), tls)


def closed(palisade, tls, token: str) -> bool:
    try:
        enter(palisade, tls, token, ("x-tenant-id", "acme"))
    except (wire.Closed, OSError):
        return True
    return False


def test_the_application_and_the_log_learn_who_the_client_is(mutual, workloads, authority, idp):
    forged = [("x-palisade-client", 'spiffe-id="spiffe://prod/ns/globex/sa/worker"'), ("X_Palisade_Client", "x"), ("x-forwarded-client-cert", "By=x"), ("x-workload", "x")]
    headers = seen(enter(mutual, authority.client(identity=workloads.acme), idp.token("acme"), *forged))
    ends = int(workloads.acme.leaf.not_valid_after_utc.timestamp())
    digest = base64.b64encode(workloads.acme.leaf.fingerprint(hashes.SHA256())).decode()
    assert headers["x-palisade-client"] == f'spiffe-id="{SPIFFE}", subject="CN=acme,O=Example\\\\, Inc.", sha256=:{digest}:, not-after=@{ends}'
    assert headers["x-workload"] == SPIFFE and headers["x-holder"] == "CN=acme,O=Example\\, Inc." and headers["x-tenant-id"] == "acme"
    assert "x-forwarded-client-cert" not in headers and "x_palisade_client" not in headers
    wait_until(lambda: any(line.get("client") == SPIFFE and line["status"] == 200 for line in mutual.log()), 5, "the log's line")
    headers = seen(enter(mutual, authority.client(identity=workloads.nobody), idp.token("acme"), ("x-tenant-id", "acme"), *forged))
    assert "x-workload" not in headers and "spiffe" not in headers["x-palisade-client"] and headers["x-holder"] == "CN=nobody,O=Example\\, Inc."


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not here")
def test_subjects_are_spelled_as_openssl_does(mutual, workloads, authority, idp):
    parts = [(NameOID.COUNTRY_NAME, "NL"), (NameOID.ORGANIZATION_NAME, ' #"Ex,+;<>\\ample= '), (NameOID.ORGANIZATIONAL_UNIT_NAME, "M\u00fcller \u202e"),
             (NameOID.DOMAIN_COMPONENT, "example"), (NameOID.USER_ID, "u-1"), (NameOID.SERIAL_NUMBER, "42"), (NameOID.EMAIL_ADDRESS, "a@example.com"),
             (NameOID.STATE_OR_PROVINCE_NAME, "ZH"), (NameOID.LOCALITY_NAME, "L"), (NameOID.COMMON_NAME, "#w\r\nx-tenant-id: globex")]
    odd = workloads.authority.identity("odd", subject=x509.Name([x509.NameAttribute(oid, value) for oid, value in parts]))
    printed = subprocess.run(["openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in", odd.certificate], capture_output=True, text=True, check=True).stdout
    headers = seen(enter(mutual, authority.client(identity=odd), idp.token("acme"), ("x-tenant-id", "acme")))
    assert headers["x-holder"] == printed.removeprefix("subject=").rstrip("\n")


def test_a_worker_uses_the_aws_sdk_with_its_certificate_alone(mutual, workloads, authority, ministack):
    def s3(identity, tenant):
        config = Config(client_cert=(str(identity.certificate), str(identity.key)), s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
        return boto3.client("s3", endpoint_url=f"https://localhost:{mutual.port('egress')}", region_name=REGION, verify=str(authority.ca),
                            aws_access_key_id=f"tenant.{tenant}", aws_secret_access_key="unused", config=config)

    worker = s3(workloads.acme, "acme")
    worker.put_object(Bucket=BUCKET, Key="acme/by-certificate.txt", Body=b"mine")
    assert worker.get_object(Bucket=BUCKET, Key="acme/by-certificate.txt")["Body"].read() == b"mine"
    for client, key in [(worker, "globex/hello.txt"), (s3(workloads.acme, "globex"), "globex/hello.txt"), (s3(workloads.nobody, "acme"), "acme/hello.txt"),
                        (s3(workloads.globex, "acme"), "acme/hello.txt")]:
        with pytest.raises(ClientError) as refused:
            client.get_object(Bucket=BUCKET, Key=key)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    lines = wait_until(lambda: [line for line in mutual.log() if line.get("issuer") == "urn:palisade:workload" and line["status"] == 200], 5, "the log's lines")
    assert {(line["tenant"], line["subject"], line["client"]) for line in lines} == {("acme", SPIFFE, SPIFFE)}
    assert mutual.metric("palisade_token_verifications_total", issuer="urn:palisade:workload", result="ok") >= len(lines)


def test_failed_handshakes_are_counted_by_what_they_failed_on(mutual, workloads, authority, idp):
    for identity, reason in [(None, "no-certificate"), (workloads.expired, "certificate-expired"), (workloads.revoked, "certificate-revoked"),
                             (workloads.server, "certificate-invalid"), (workloads.two, "certificate-identity"), (authority.identity("other"), "certificate-issuer")]:
        before = mutual.metric("palisade_tls_handshake_failures_total", listener="ingress", reason=reason)
        assert closed(mutual, authority.client(identity=identity), idp.token("acme")), reason
        wait_until(lambda b=before, r=reason: mutual.metric("palisade_tls_handshake_failures_total", listener="ingress", reason=r) > b, 5, reason)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not here")
def test_curl_shows_a_certificate(mutual, workloads, authority, idp):
    def curl(*more) -> subprocess.CompletedProcess:
        url = f"https://localhost:{mutual.port('ingress')}/echo"
        return subprocess.run(["curl", "-sS", "--max-time", "10", "--cacert", authority.ca, "-H", f"Authorization: Bearer {idp.token('acme')}", *more, url],
                              capture_output=True, text=True, check=False)

    shown = curl("--cert", workloads.acme.certificate, "--key", workloads.acme.key)
    assert shown.returncode == 0 and '"x-tenant-id", "acme"' in shown.stdout, shown.stderr
    assert curl("-H", "x-tenant-id: acme").returncode != 0


@pytest.fixture(scope="module")
def picky(start, setting, authority, application, workloads):
    """Rules for some clients, on an ingress that lets others in too."""
    endpoints = [
        {"path": "/mesh/**", "clients": [{"spiffe_id": "spiffe://prod/ns/*/sa/worker"}, {"dns": "*.mesh.example"}]},
        {"path": "/batch", "roles": ["admin"], "clients": [{"subject": "CN=nobody,O=Example\\, Inc."}]},
        {"path": "/hook", "methods": ["POST"], "auth": "none", "clients": [{"spiffe_id": "spiffe://prod/edge"}]},
        {"path": "/**"},
    ]
    ingress = setting.ingress(authority.certificate, authority.key, application.port, endpoints=endpoints)
    ingress["ingress"]["tls"] |= {"client_ca": str(workloads.authority.ca), "client_auth": "optional"}
    return start("picky", ingress, setting.identity())


def test_a_rule_is_for_the_clients_that_it_names(picky, workloads, authority, idp, application):
    def call(identity, method: str, target: str, *headers: tuple) -> wire.Message:
        return wire.exchange(picky.port("ingress"), wire.request(method, target, list(headers)), authority.client(identity=identity))

    def user(role: str) -> list[tuple]:
        return [("Authorization", f"Bearer {idp.token('acme', roles=[role])}"), ("x-tenant-id", "acme")]

    own = workloads.authority.identity
    meshed, deeper, wild = own("meshed", dns=["w.mesh.example"]), own("deeper", dns=["a.w.mesh.example", "mesh.example"]), own("wild", dns=["*.mesh.example"])
    # What proxies, real or not, say of a certificate in a header is nobody's certificate.
    forged = [("x-forwarded-client-cert", f"URI={SPIFFE}"), ("x-palisade-client", f'spiffe-id="{SPIFFE}"'), ("x-amzn-mtls-clientcert-subject", "CN=nobody,O=Example\\, Inc.")]
    before = application.requests
    for identity, target, headers in [
        *((identity, "/mesh/x", [*user("admin"), *forged]) for identity in (None, workloads.nobody, workloads.ingress_only, deeper, wild)),
        *((identity, "/batch", [*user("admin"), *forged]) for identity in (None, workloads.acme, meshed)),
        (workloads.nobody, "/batch", user("reader")),
    ]:
        answer = call(identity, "GET", target, *headers)
        assert (answer.status, answer.reason) == (403, "endpoint-not-allowed"), (target, identity)
    for identity in (None, workloads.acme):
        assert call(identity, "POST", "/hook", *user("admin"), *forged).reason == "endpoint-not-allowed"
    assert call(workloads.acme, "GET", "/mesh/x", ("x-tenant-id", "acme")).reason == "token-missing", "a client is no user"
    assert application.requests == before
    for identity, target in [(workloads.acme, "/mesh/x"), (workloads.globex, "/mesh"), (meshed, "/mesh/x"), (workloads.nobody, "/batch"), (None, "/hook"), (None, "/else")]:
        assert seen(call(identity, "GET", target, *user("admin")))["x-tenant-id"] == "acme"
    headers = seen(call(workloads.ingress_only, "POST", "/hook", *user("admin")))
    assert not {"x-tenant-id", "authorization", "x-palisade-subject", "x-palisade-client"} & set(headers), "it is nobody's all the same"
    refused = call(meshed, "GET", "/batch", *user("admin"))
    line = wait_until(lambda: next((line for line in picky.log() if line["request_id"] == refused.header("x-request-id")), None), 5, "the log's line")
    assert (line["note"], line["client"]) == ("ingress.endpoints[1] wants another client certificate", "CN=meshed,O=Example\\, Inc.")


def test_roots_are_followed_and_what_they_vouched_for_ends_with_them(start, setting, application, idp, authority, tmp_path):
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
    first, second = Authority(tmp_path / "1"), Authority(tmp_path / "2")
    trusted = tmp_path / "trusted.pem"
    shutil.copy(first.ca, trusted)
    ingress = setting.ingress(authority.certificate, authority.key, application.port)
    ingress["ingress"]["tls"]["client_ca"] = str(trusted)
    palisade = start("following", ingress, setting.identity())
    old, new = authority.client(identity=first.identity("old")), authority.client(identity=second.identity("new"))
    token = idp.token("acme")
    request = wire.request("GET", "/echo", [("Authorization", f"Bearer {token}"), ("x-tenant-id", "acme")])
    with wire.Connection(palisade.port("ingress"), old, timeout=20) as connection:
        connection.send(request)
        assert connection.receive().status == 200
        assert closed(palisade, new, token)
        # Junk leaves the old root in use.
        trusted.write_text("junk")
        wait_until(lambda: palisade.metric("palisade_config_reloads_total", result="rejected") > 0, 20, "the look at the junk")
        connection.send(request)
        assert connection.receive().status == 200
        shutil.copy(second.ca, trusted)
        with pytest.raises(wire.Closed):
            connection.receive()
    assert closed(palisade, old, token)
    assert not closed(palisade, new, token)


def test_check_says_what_can_never_work(setting, authority, application, tmp_path, workloads):
    from harness.palisade import binary
    import yaml

    def check(endpoints=None, **identity) -> str:
        config = setting.ingress(authority.certificate, authority.key, application.port) | setting.identity()
        config["ingress"] |= {"listen": "127.0.0.1:0", "endpoints": endpoints}
        config["identity"] |= identity
        file = setting.directory / "never.yaml"
        file.write_text(yaml.safe_dump(json.loads(json.dumps(config))))
        done = subprocess.run([binary(), "check", "--config", file], capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stderr
        return re.sub(r"^\S*: ", "", done.stderr)

    assert "can never apply: no listener asks for certificates" in check(workloads=[{"spiffe_id": "spiffe://prod/a", "tenant": "acme"}])
    assert "spiffe://prod/a*" in check(workloads=[{"spiffe_id": "spiffe://prod/a*", "tenant": "acme"}])
    assert "endpoints[0].clients: can never be met" in check(endpoints=[{"path": "/**", "clients": [{"dns": "a.example"}]}])
