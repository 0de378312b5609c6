"""The commands of the container, with the real process."""

import contextlib
import http.client
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from harness.application import Application
from harness.backends import BUCKET, REGION
from harness.clients import client
from harness.configs import RECORDS, at
from harness.process import Child, answers, clean_environment, free_port, wait_until

from .render import Release, run


def listening(idp, jwks: str, listener: str = "ingress") -> tuple[dict, dict]:
    """Ports that are free here, and a configuration with one listener; with an ingress alone nothing but keys is needed to be ready."""
    ports = {name: free_port() for name in (listener, "admin", "probes")}
    listen = {name: {"listen": f"{'127.0.0.1' if name == 'ingress' else '0.0.0.0'}:{port}"} for name, port in ports.items()}
    issuer = {"issuer": idp.issuer, "audience": ["api"], "jwks": {"file": "jwks.json"}}
    others = {"egress": None, "credentials": None} if listener == "ingress" else {}
    return ports, {"config": {**others, **listen, "identity": {"issuers": [issuer]}}, "files": {"jwks.json": jwks}}


@contextlib.contextmanager
def started(release: Release, folder: Path, directory: Path):
    """Palisade as the kubelet starts it, and waits for it."""
    palisade = release.palisade
    startup = release.command(palisade["startupProbe"]["exec"]["command"], folder)
    assert run(startup).returncode == 1, "nothing runs yet"
    process = Child("charted", release.command(palisade["command"] + palisade["args"], folder), directory, clean_environment())
    try:
        process.wait_ready(lambda: run(startup).returncode == 0)
        for probe in ("livenessProbe", "readinessProbe"):
            get = palisade[probe]["httpGet"]
            assert answers(release.ports[get["port"]], get["path"]), probe
        yield process
    finally:
        process.stop()


def status(connection: http.client.HTTPConnection, method: str, path: str, token: str | None = None) -> int:
    with contextlib.closing(connection):
        connection.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
        return connection.getresponse().status


@pytest.fixture
def app():
    with contextlib.closing(Application()) as application:
        yield application


def test_probes_and_hooks_beside_an_application(chart, outside, authority, idp, app, tmp_path):
    ports, change = listening(idp, idp.write(tmp_path / "keys.json").read_text())
    change["config"]["ingress"] |= {"upstream": f"http://127.0.0.1:{app.port}", "endpoints": [{"path": "/healthz", "methods": ["GET"], "auth": "none"}, {"path": "/**"}]}
    release = chart.render("service", change, {"application": {"readinessProbe": {"httpGet": {"path": "/healthz", "port": ports["ingress"]}}}})
    folder = tmp_path / "mounted"
    release.mount(folder, outside)
    tokens = {kind: (folder / "secrets" / f"{kind}-token").read_text().strip() for kind in ("admin", "metrics")}
    admin = lambda: http.client.HTTPConnection("127.0.0.1", ports["admin"], timeout=5)  # noqa: E731
    probed = release.application["readinessProbe"]["httpGet"]
    # Kubelets take any certificate: they call by the pod's address.
    kubelet = lambda: http.client.HTTPSConnection("localhost", probed["port"], context=authority.client(), timeout=5)  # noqa: E731
    with started(release, folder, tmp_path) as process:
        assert status(kubelet(), "GET", probed["path"]) == 200 and app.checks == 1, "the kubelet gets to the application by way of the ingress"
        assert status(kubelet(), "GET", "/echo") == 401 and app.requests == 0
        assert status(admin(), "GET", "/metrics") in (401, 403), "the application shares this port"
        assert status(admin(), "GET", "/metrics", tokens["metrics"]) == 200
        assert status(admin(), "POST", "/drain", tokens["metrics"]) in (401, 403), "what Prometheus has opens nothing else"
        hook = run(release.command(release.palisade["lifecycle"]["preStop"]["exec"]["command"], folder))
        assert hook.returncode == 0 and "drained" in hook.stdout, hook.stderr
        assert not answers(ports["probes"], "/readyz") and answers(ports["probes"], "/livez"), "it drains, and is not killed for it"
        assert process.stop() == 0


def test_a_gateway_gives_no_passports_and_finishes_what_it_has_begun(chart, outside, authority, idp, app, tmp_path):
    ports, change = listening(idp, idp.write(tmp_path / "keys.json").read_text())
    change["config"]["ingress"] |= {"tls": {"certificate": "tls/tls.crt", "private_key": "tls/tls.key"}, "upstream": "https://orders.shop.svc:8443"}
    release = chart.render("gateway", change)
    folder = tmp_path / "mounted"
    release.mount(folder, outside)
    file = folder / "palisade.yaml"
    file.write_text(file.read_text().replace("https://orders.shop.svc:8443", f"http://127.0.0.1:{app.port}"))
    with started(release, folder, tmp_path) as process:
        with app.visit(ports["ingress"], authority.client(), idp.token("acme"), "acme") as visit:
            assert visit.tenant == "acme" and "x-palisade-passport" not in visit.headers
            process.process.terminate()
            wait_until(lambda: not answers(ports["probes"], "/readyz"), 5, "it drains")
            assert process.process.poll() is None, "a request is in progress"
        assert process.process.wait(10) == 0


def test_a_gateway_signs_for_an_sdk_elsewhere(chart, outside, authority, idp, pool, ministack, setting, tmp_path):
    """By TLS and with a token; the base identity's secret is a file that Palisade alone has."""
    ports, change = listening(idp, idp.write(tmp_path / "keys.json").read_text(), "egress")
    credentials = setting.siloed(pool, ministack.port, external=True)["credentials"]
    credentials["source"] = {"static": {"access_key_id": pool.access_key_id, "secret_access_key": {"file": "secrets/base"}}, "web_identity": None}
    change["config"] |= {"credentials": credentials}
    change["config"]["egress"] |= {"region": REGION, "services": {"s3": at(ministack.port), "dynamodb": None}}
    held = {"secret": {"name": "base", "items": [{"key": "key", "path": "secrets/base"}]}}
    records = {tenant: {"external_id": RECORDS[tenant]["external_id"]} for tenant in ("acme", "globex")}
    release = chart.render("gateway", change, {"filesFrom": [held], "tenants": records, "tenantsConfigMap": None})
    folder = tmp_path / "mounted"
    release.mount(folder, outside | {"base": {"key": pool.secret_access_key + "\n"}})
    with started(release, folder, tmp_path) as process:
        sdk = lambda tenant, proof: client("s3", f"https://localhost:{ports['egress']}", tenant, proof, ca=authority.ca, s3={"addressing_style": "path"})  # noqa: E731
        acme = sdk("acme", idp.token("acme"))
        assert acme.get_object(Bucket=BUCKET, Key="acme/hello.txt")["Body"].read() == b"hello acme"
        with pytest.raises(ClientError) as other:
            acme.get_object(Bucket=BUCKET, Key="globex/hello.txt")
        assert other.value.response["Error"]["Code"] == "AccessDenied"
        with pytest.raises(ClientError) as stolen:
            sdk("globex", idp.token("acme")).get_object(Bucket=BUCKET, Key="globex/hello.txt")
        assert stolen.value.response["ResponseMetadata"]["HTTPHeaders"]["x-palisade-reason"] == "tenant-mismatch"
        with pytest.raises(ClientError) as passport:
            sdk("acme", "x" * 43).get_object(Bucket=BUCKET, Key="acme/hello.txt")
        assert passport.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403), "what is no token is no proof here"
        assert process.stop() == 0
