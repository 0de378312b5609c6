"""What an operator sees: metrics, log lines, the admin API. By tenant, and without a secret anywhere."""

import json
import os
import shutil
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from conftest import issued
from harness import wire
from harness.backends import BUCKET
from harness.clients import client
from harness.palisade import ADMIN_TOKEN, METRICS_TOKEN
from harness.process import settled, wait_until

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
from dashboards import reasons  # noqa: E402


def get(sidecar, authority, token: str, tenant: str, target: str = "/echo", **headers: str) -> wire.Message:
    pairs = {"Authorization": f"Bearer {token}", "x-tenant-id": tenant} | headers
    return wire.exchange(sidecar.port("ingress"), wire.request("GET", target, pairs), authority.client())


def test_requests_are_counted_by_tenant(egress, idp):
    def counted(tenant: str) -> float:
        return egress.metric("palisade_requests_total", listener="egress", tenant=tenant, service="s3", decision="allowed", status_class="2xx")

    before = {t: counted(t) for t in ("acme", "globex")}
    sent = egress.metric("palisade_bytes_total", tenant="acme", direction="sent")
    s3 = client("s3", egress.url, "acme", idp.token("acme"))
    for _ in range(3):
        s3.get_object(Bucket=BUCKET, Key="acme/hello.txt")["Body"].read()
    wait_until(lambda: counted("acme") - before["acme"] == 3, 5, "three requests of acme")
    assert counted("globex") == before["globex"]
    assert egress.metric("palisade_bytes_total", tenant="acme", direction="sent") - sent == 3 * len("hello acme")
    assert egress.metric("palisade_tenant_request_duration_seconds_count", listener="egress", tenant="acme") >= 3
    assert egress.metric("palisade_upstream_duration_seconds_count", listener="egress", service="s3") >= 3
    assert egress.metric("palisade_sts_duration_seconds_count") == egress.metric("palisade_sts_requests_total") >= 1
    assert egress.metric("palisade_token_verifications_total", issuer="https://idp.test/") >= 1
    assert egress.metric("palisade_jwks_refreshes_total", issuer="https://idp.test/", result="ok") >= 1
    assert egress.metric("palisade_build_info") == 1


def test_refusals_are_counted_and_junk_makes_no_series(sidecar, authority, idp):
    before = sidecar.metric("palisade_refusals_total", listener="ingress", reason="tenant-mismatch")
    for n in range(5):
        assert get(sidecar, authority, idp.token("acme"), f"made-up-{n}").status == 403
    wait_until(lambda: sidecar.metric("palisade_refusals_total", listener="ingress", reason="tenant-mismatch") - before == 5, 5, "five refusals")
    assert "made-up" not in sidecar.metrics_text(), "a tenant that nothing vouches for became a label"


def test_what_alerts_wait_for_is_there_before_it_happens(start, setting, authority, application, pool, sts, pooled_services):
    """`increase` does not see a counter that appears with its first event. Nothing of an issuer's or tenant's can be there before it."""
    fresh = start("fresh", setting.ingress(authority.certificate, authority.key, application.port), setting.egress(pooled_services), setting.identity(),
                  setting.pooled(pool, sts.port))
    text = fresh.metrics_text()
    for listener in ("egress", "ingress"):
        for reason in reasons.ISOLATION:
            assert f'palisade_refusals_total{{listener="{listener}",reason="{reason}",tenant="_none"}} 0\n' in text, (listener, reason)
    assert text.count("palisade_refusals_total{") == 2 * len(reasons.ISOLATION)


def test_what_cannot_be_parsed_is_counted(sidecar):
    """hyper answers it before any of Palisade's code runs."""
    def counted() -> float:
        return sidecar.metric("palisade_refusals_total", listener="egress", tenant="_none", reason="malformed-request")

    before = counted()
    assert wire.exchange(sidecar.port("egress"), b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n").status == 400
    wait_until(lambda: counted() == before + 1, 5, "one more malformed request")


def test_the_certificates_end_is_exported(sidecar, authority):
    assert sidecar.metric("palisade_tls_certificate_expiry_timestamp_seconds", listener="ingress") == int(authority.expires.timestamp())


def test_promtool_finds_nothing_wrong(sidecar, authority, idp):
    """`make promtool` gets it; CI has to have it."""
    promtool = shutil.which("promtool")
    if not promtool and not os.environ.get("CI"):
        pytest.skip("promtool is not there: `make promtool` gets it from Debian's package")
    assert promtool, "promtool is missing: `make promtool`"
    get(sidecar, authority, idp.token("acme"), "acme")
    done = subprocess.run([promtool, "check", "metrics"], input=sidecar.metrics_text(), capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr


def test_one_line_a_request(sidecar, authority, idp):
    """Allowed or refused, each request leaves one line that says who, what, and what was decided."""
    known = len(sidecar.log())
    allowed = get(sidecar, authority, idp.token("acme"), "acme", "/echo?q=private")
    denied = get(sidecar, authority, idp.token("acme"), "globex")
    ids = {allowed.header("x-request-id"): ("acme", "allowed", None, 200), denied.header("x-request-id"): ("_none", "refused", "tenant-mismatch", 403)}

    def lines() -> list:
        return [line for line in sidecar.log()[known:] if line.get("request_id") in ids]

    wait_until(lambda: len(lines()) >= 2, 5, "two lines")
    settled()
    assert len(lines()) == 2
    for line in lines():
        tenant, decision, reason, status = ids[line["request_id"]]
        assert (line["listener"], line["decision"], line["status"]) == ("ingress", decision, status)
        assert line.get("reason") == reason
        assert line.get("tenant") in (tenant, None)
        assert {"method", "duration_ms"} <= set(line), line
        assert "private" not in json.dumps(line), "a query string can hold anything"


def test_the_line_of_an_aws_request(egress, idp):
    known = len(egress.log())
    answer = client("s3", egress.url, "acme", idp.token("acme")).get_object(Bucket=BUCKET, Key="acme/hello.txt")
    answer["Body"].read()
    request_id = answer["ResponseMetadata"]["HTTPHeaders"]["x-request-id"]
    (line,) = wait_until(lambda: [x for x in egress.log()[known:] if x.get("request_id") == request_id], 5, "the line")
    assert (line["listener"], line["tenant"], line["service"], line["operation"], line["decision"]) == ("egress", "acme", "s3", "GetObject", "allowed")


def test_nothing_secret_is_written_anywhere(door, sidecar, authority, idp, no_credentials_in, pool):
    token = idp.token("acme", jti="find-me-nowhere")
    door.client("s3", "acme").get_object(Bucket=BUCKET, Key="acme/hello.txt")["Body"].read()
    get(sidecar, authority, token, "acme", "/echo?token=" + urllib.parse.quote(token))
    get(sidecar, authority, token, "globex")
    get(sidecar, authority, token[:-8] + "AAAAAAAA", "acme")
    settled(0.3)
    for process in (door.palisade, sidecar):
        written = process.everything_written()
        no_credentials_in(written, account=False)
        for secret in (*door.proofs.values(), token, token.split(".")[2], pool.secret_access_key, ADMIN_TOKEN, METRICS_TOKEN):
            assert secret not in written


def test_the_admin_api_asks_for_its_token(sidecar):
    for path in ("/livez", "/readyz", "/version"):
        assert sidecar.admin(path, token=None)[0] == 200, path
    for path, method in (("/config", "GET"), ("/tenants", "GET"), ("/metrics", "GET"), ("/tenants/acme/evict", "POST"), ("/drain", "POST"), ("/quit", "POST")):
        for token in (None, "wrong", METRICS_TOKEN if path != "/metrics" else "wrong"):
            assert sidecar.admin(path, method, token)[0] in (401, 403), f"{method} {path} with {token}"
    assert sidecar.admin("/nothing-here")[0] == 404


def test_config_and_tenants_show_no_secret(door, sts, pool):
    door.client("s3", "acme").head_object(Bucket=BUCKET, Key="acme/hello.txt")
    status, config = door.palisade.admin("/config")
    assert status == 200 and json.loads(config)["egress"]["region"] == "eu-west-1"
    assert pool.secret_access_key not in config.decode() and ADMIN_TOKEN not in config.decode()
    status, tenants = door.palisade.admin("/tenants")
    assert status == 200 and {"acme"} <= {session["tenant"] for session in json.loads(tenants)}
    for kind, values in issued(sts).items():
        assert not [v for v in values if v in tenants.decode()], kind


def test_evicting_a_tenant_makes_the_next_request_ask_sts_again(egress, idp):
    s3 = client("s3", egress.url, "globex", idp.token("globex"))
    s3.head_object(Bucket=BUCKET, Key="globex/hello.txt")
    before = egress.metric("palisade_sts_requests_total")
    s3.head_object(Bucket=BUCKET, Key="globex/hello.txt")
    assert egress.metric("palisade_sts_requests_total") == before
    assert egress.admin("/tenants/globex/evict", "POST")[0] in (200, 204)
    s3.head_object(Bucket=BUCKET, Key="globex/hello.txt")
    assert egress.metric("palisade_sts_requests_total") == before + 1


def test_probes_answer_and_do_nothing_else(sidecar):
    for path, status in (("/livez", 200), ("/readyz", 200), ("/metrics", 404), ("/config", 404), ("/version", 404)):
        assert wire.exchange(sidecar.port("probes"), wire.request("GET", path)).status == status, path
