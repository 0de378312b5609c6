"""The process: what it refuses to start with, how it ends, and what goes on working when STS or the identity provider is away."""

import contextlib
import json
import signal
import subprocess
import threading
import time

import pytest
import yaml
from botocore.exceptions import ClientError

from harness import wire
from harness.backends import BUCKET
from harness.clients import client
from harness.palisade import binary
from harness.process import clean_environment, closed_port, wait_until
from harness.tap import Tap


def run(*arguments, timeout: float = 30) -> subprocess.CompletedProcess:
    return subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True, timeout=timeout, env=clean_environment(), stdin=subprocess.DEVNULL)


def why(error: ClientError) -> tuple[int, str]:
    meta = error.response["ResponseMetadata"]
    return meta["HTTPStatusCode"], meta["HTTPHeaders"].get("x-palisade-reason")


def test_version_schema_and_wrong_usage():
    assert run("version").stdout.startswith("palisade ")
    assert json.loads(run("schema").stdout)["type"] == "object"
    for arguments in (("runn",), ("run",), ("run", "--config", "missing.yaml"), ()):
        assert run(*arguments).returncode == 2, arguments


def test_check_names_every_error_at_once(sidecar, directory):
    good = directory / "sidecar.yaml"
    assert run("check", "--config", good).returncode == 0
    config = yaml.safe_load(good.read_text())
    config["egress"]["servises"] = config["egress"].pop("services")
    config["credentials"]["assume_role"]["session_name"] = "{tenant.di}"
    config["identity"]["issuers"][0]["algorithms"] = ["HS256"]
    config["credentials"]["sts"].pop("insecure")
    bad = directory / "bad.yaml"
    bad.write_text(yaml.safe_dump(config, sort_keys=False))
    done = run("check", "--config", bad)
    assert done.returncode == 2
    for expected in ("did you mean services?", "tenant.di", "HS256", "credentials.sts"):
        assert expected in done.stdout + done.stderr, f"{expected} is not among\n{done.stdout}{done.stderr}"
    assert done.stdout.count("bad.yaml:") + done.stderr.count("bad.yaml:") >= 4
    assert run("run", "--config", bad).returncode == 2, "it started all the same"


def test_health(sidecar):
    address = f"127.0.0.1:{sidecar.port('admin')}"
    assert run("health", "--address", address).returncode == 0
    assert run("health", "--address", "127.0.0.1:1").returncode != 0


@pytest.fixture
def mortal(start, setting, authority, application, pool, ministack, pooled_services):
    """A Palisade of one's own, to be ended."""
    def make(name: str, **server):
        return start(name, setting.ingress(authority.certificate, authority.key, application.port), setting.egress(pooled_services), setting.identity(),
                     setting.pooled(pool, ministack.port), {"server": {"drain": "5s", **server}})

    return make


def test_sigterm_lets_requests_finish_and_takes_no_new_ones(mortal, authority, application, idp):
    palisade = mortal("drained")
    token = idp.token("acme")
    data = wire.request("GET", "/echo", {"Authorization": f"Bearer {token}", "x-tenant-id": "acme"})
    idle = wire.Connection(palisade.port("ingress"), authority.client())
    idle.send(data)
    assert idle.receive().status == 200
    with application.visit(palisade.port("ingress"), authority.client(), token, "acme") as visit:
        palisade.process.send_signal(signal.SIGTERM)
        wait_until(lambda: wire.exchange(palisade.port("probes"), wire.request("GET", "/readyz")).status == 503, 3, "it says that it is not ready")
        # The request that is inside can still reach its tenant's data.
        client("s3", palisade.url, "acme", visit.passport).head_object(Bucket=BUCKET, Key="acme/hello.txt")
        assert palisade.process.poll() is None
        with pytest.raises((wire.Closed, OSError)):
            wire.exchange(palisade.port("ingress"), data, authority.client(), timeout=3)
    assert visit.status == 200
    assert palisade.process.wait(8) == 0
    idle.close()


def test_a_drain_has_a_deadline(mortal, authority, application, idp):
    palisade = mortal("hurried", drain="1s")
    data = wire.request("GET", "/events?count=300&gap=0.1", {"Authorization": f"Bearer {idp.token('acme')}", "x-tenant-id": "acme"})
    with wire.Connection(palisade.port("ingress"), authority.client()) as connection:
        connection.send(data)
        wait_until(lambda: palisade.metric("palisade_passports_live") == 1, 5, "the request is inside")
        started = time.monotonic()
        palisade.process.send_signal(signal.SIGTERM)
        palisade.process.wait(8)
        assert 0.5 < time.monotonic() - started < 5


def test_drain_and_quit_by_command(mortal, directory):
    palisade = mortal("commanded")
    assert palisade.admin("/drain", "POST")[0] in (200, 202)
    wait_until(lambda: wire.exchange(palisade.port("probes"), wire.request("GET", "/readyz")).status == 503, 3, "not ready")
    with contextlib.suppress(OSError):
        palisade.admin("/quit", "POST")
    assert palisade.process.wait(8) == 0


def test_without_sts_cached_sessions_go_on_and_the_rest_is_503(start, setting, pool, ministack, pooled_services, idp):
    with contextlib.closing(Tap(ministack.port)) as sts:
        palisade = start("stsless", setting.egress(pooled_services), setting.identity(), setting.pooled(pool, sts.port))
        acme, globex = (client("s3", palisade.url, t, idp.token(t)) for t in ("acme", "globex"))
        acme.head_object(Bucket=BUCKET, Key="acme/hello.txt")
        sts.cut()
        acme.head_object(Bucket=BUCKET, Key="acme/hello.txt")
        with pytest.raises(ClientError) as caught:
            globex.get_object(Bucket=BUCKET, Key="globex/hello.txt")
        assert why(caught.value) == (503, "credentials-unavailable")
        assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
        assert int(caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) >= 1
        assert palisade.metric("palisade_sts_requests_total", result="error") >= 1


def test_without_keys_tokens_are_503_and_the_process_is_not_ready(start, setting, pool, ministack, pooled_services, idp):
    parts = setting.identity()
    parts["identity"]["issuers"][0]["jwks"] = {"uri": f"http://127.0.0.1:{closed_port()}/jwks.json", "insecure": True}
    palisade = start("keyless", setting.egress(pooled_services), parts, setting.pooled(pool, ministack.port), ready="/livez")
    assert wire.exchange(palisade.port("probes"), wire.request("GET", "/readyz")).status == 503
    with pytest.raises(ClientError) as caught:
        client("s3", palisade.url, "acme", idp.token("acme")).get_object(Bucket=BUCKET, Key="acme/hello.txt")
    assert why(caught.value) == (503, "keys-unavailable")


def test_garbage_on_every_listener_harms_nobody(sidecar, authority, idp):
    """Whatever one connection does, the others are served, and the process stays."""
    token, failures = idp.token("acme"), []
    good = wire.request("GET", "/echo", {"Authorization": f"Bearer {token}", "x-tenant-id": "acme"})

    def serve():
        for _ in range(30):
            answer = wire.exchange(sidecar.port("ingress"), good, authority.client())
            if answer.status != 200:
                failures.append((answer.status, answer.reason))

    honest = threading.Thread(target=serve)
    honest.start()
    for listener in ("ingress", "egress", "admin", "probes"):
        for junk in (b"", b"\x16\x03\x01\x00", b"\x00" * 4096, b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 512, b"A" * 200_000):
            for tls in {None, authority.client() if listener == "ingress" else None}:
                with contextlib.suppress(OSError), wire.Connection(sidecar.port(listener), tls, timeout=0.3) as connection:
                    connection.send(junk)
                    with contextlib.suppress(wire.Closed, TimeoutError, ValueError, IndexError, AssertionError):
                        connection.receive()
    honest.join(30)
    assert not failures and sidecar.process.poll() is None


def test_an_egress_only_process_is_drained_when_nothing_is_in_progress(start, setting, pool, sts, pooled_services, idp):
    """It goes on serving until its end; `drained` must not be said while a request is being made."""
    lone = start("lone", setting.egress(pooled_services), setting.identity(), setting.pooled(pool, sts.port))

    def drained(method: str = "GET") -> bool:
        return json.loads(lone.admin("/drain", method)[1])["drained"]

    head = [("Host", "s3.eu-west-1.amazonaws.com"), ("x-tenant-id", "acme"), ("x-tenant-token", idp.token("acme")),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("Content-Length", "4")]
    with wire.Connection(lone.port("egress")) as connection:
        connection.send(wire.request("PUT", f"/{BUCKET}/acme/slow.txt", head, length=False))
        wait_until(lambda: lone.metric("palisade_inflight_requests", listener="egress", tenant="acme") == 1, 5, "the request is in progress")
        assert not drained() and not drained("POST") and not drained()
        connection.send(b"slow")
        assert connection.receive().status == 200
    wait_until(drained, 5, "the process is drained")
