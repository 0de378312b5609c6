"""Under steady load nothing is lost: a rolling restart, a certificate, key sets, and the configuration, all replaced while requests come."""

import contextlib
import http.client
import json
import shutil
import signal
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from harness import wire
from harness.application import Server
from harness.backends import BUCKET
from harness.balancer import Balancer
from harness.clients import placeholder
from harness.idp import IdentityProvider, KeyServer
from harness.load import Load
from harness.process import answers, wait_until


class Working:
    """An application that fetches its tenant's object from S3 for every request, under the request's own passport."""

    def __init__(self):
        working = self
        self.egress = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                status = working.fetch(self.headers["x-tenant-id"], self.headers["x-palisade-passport"])
                self.send_response(200 if status == 200 else 599)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        self.http = Server(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def fetch(self, tenant: str, passport: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.egress, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", f"/{BUCKET}/{tenant}/hello.txt", headers=placeholder(tenant, passport))
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def rolling(start, setting, authority, pool, ministack, pooled_services, directory):
    """Makes instances, each with an application beside it."""
    with contextlib.ExitStack() as stack:
        def make(name: str, **parts):
            working = stack.enter_context(contextlib.closing(Working()))
            config = setting.ingress(authority.certificate, authority.key, working.port)
            config |= setting.egress(pooled_services) | setting.identity() | setting.pooled(pool, ministack.port)
            config |= {"shutdown": {"delay": "2s"}, "server": {"drain": "10s"}} | parts
            palisade = start(name, config)
            stack.callback(palisade.stop)
            working.egress = palisade.port("egress")
            return palisade

        yield make


def place(palisade) -> tuple[int, int]:
    return palisade.port("ingress"), palisade.port("probes")


def bearing(idp, **claims):
    """Headers with a token that is made once."""
    headers = {"Authorization": f"Bearer {idp.token('acme', **claims)}", "x-tenant-id": "acme"}
    return lambda: headers


def report(what: str, load: Load, balancer: Balancer | None = None):
    refused = f", {balancer.refused} connections went to the next place" if balancer else ""
    print(f"{what}: {dict(load.done)} answers, {len(load.lost)} lost{refused}")
    assert not load.lost, load.lost[:10]


def test_a_rolling_restart_behind_a_balancer_loses_nothing(rolling, authority, idp):
    instances = [rolling("rolling-a1"), rolling("rolling-b1")]
    with contextlib.closing(Balancer([place(instance) for instance in instances])) as balancer:
        wait_until(lambda: len(balancer.ready) == 2, 5, "both are ready")
        with Load(balancer.port, authority, "/work", bearing(idp)) as load:
            for number, old in enumerate(instances):
                new = rolling(f"rolling-{'ab'[number]}2")
                # A place is there before the one that it replaces goes.
                balancer.places = [*balancer.places, place(new)]
                wait_until(lambda: new.port("ingress") in balancer.ready, 5, "the new one is in use")
                load.more()
                old.process.send_signal(signal.SIGTERM)
                assert old.process.wait(15) == 0
                balancer.places = [known for known in balancer.places if known != place(old)]
                load.more()
        report("rolling restart", load, balancer)


def test_while_it_waits_for_balancers_it_serves_and_says_that_it_is_not_ready(rolling, authority, idp):
    palisade = rolling("leaving", shutdown={"delay": "4s"})
    began = time.monotonic()
    palisade.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not answers(palisade.port("probes"), "/readyz"), 2, "it is not ready")
    connection = http.client.HTTPSConnection("localhost", palisade.port("ingress"), context=authority.client(), timeout=5)
    connection.request("GET", "/work", headers=bearing(idp)())
    answer = connection.getresponse()
    assert answer.status == 200 and answer.getheader("connection") == "close"
    assert palisade.process.wait(10) == 0 and time.monotonic() - began >= 4


def test_reloads_under_load_lose_nothing(rolling, authority, idp, directory):
    """The configuration, the certificate, and the key set of a file, one after the other."""
    keys = IdentityProvider(idp.issuer)
    keys.keys = dict(idp.keys)
    file = keys.write(directory / "rolling-keys.json")
    own = {"certificate": directory / "rolling.crt", "private_key": directory / "rolling.key"}
    shutil.copy(authority.certificate, own["certificate"])
    shutil.copy(authority.key, own["private_key"])
    palisade = rolling("reloaded-under-load")
    palisade.config["identity"]["issuers"][0]["jwks"] = {"file": str(file)}
    palisade.config["ingress"]["tls"] = {name: str(path) for name, path in own.items()}
    palisade.reload()
    with Load(palisade.port("ingress"), authority, "/work", bearing(idp, key="ec")) as load:
        for number in range(5):
            palisade.config["ingress"]["headers"] = {"x-number": "{tenant.id}-%d" % number}
            palisade.config["limits"] = {"default": {"concurrent": 1000 + number}}
            # Other sessions: each is fetched from STS while requests wait for it.
            palisade.config["credentials"]["assume_role"]["duration"] = f"{50 + number}m"
            palisade.reload()
            load.more()
        shown = lambda: wire.leaf(palisade.port("ingress"), authority.client())  # noqa: E731
        before = shown()
        authority.issue(own["certificate"], own["private_key"])
        palisade.hang_up()
        fresh = ssl.PEM_cert_to_DER_cert(own["certificate"].read_text())
        wait_until(lambda: shown() == fresh, 10, "the new certificate is served")
        assert fresh != before
        load.more()
        # The old key stays beside the new one, as providers rotate them; the tokens of both are taken.
        fresh = IdentityProvider(idp.issuer)
        fresh.keys = {"ec": ("ES256", ec.generate_private_key(ec.SECP256R1()))}
        both = {"keys": [*keys.jwks()["keys"], *({**key, "kid": "ec-2"} for key in fresh.jwks()["keys"])]}
        file.write_text(json.dumps(both))
        token = fresh.token("acme", key="ec", headers={"kid": "ec-2"})

        def taken() -> bool:
            connection = http.client.HTTPSConnection("localhost", palisade.port("ingress"), context=authority.client(), timeout=10)
            with contextlib.closing(connection):
                connection.request("GET", "/work", headers={"Authorization": f"Bearer {token}", "x-tenant-id": "acme"})
                return connection.getresponse().status == 200

        wait_until(taken, 20, "the new key is known")
        load.more()
    report("five configurations, a certificate and a key set in a file", load)


def test_a_key_set_that_is_rotated_over_http_loses_nothing(rolling, authority):
    provider = IdentityProvider("https://rotating.test/")
    with contextlib.closing(KeyServer(provider)) as server:
        issuer = {"issuer": provider.issuer, "audience": ["api"], "jwks": {"uri": server.uri, "insecure": True, "unknown_key_interval": "1s"}, "tenants": ["acme"]}
        palisade = rolling("rolling-keys", identity={"issuers": [issuer]})
        tokens = [provider.token("acme")]
        headers = lambda: {"Authorization": f"Bearer {tokens[-1]}", "x-tenant-id": "acme"}  # noqa: E731
        with Load(palisade.port("ingress"), authority, "/work", headers) as load:
            for number in (2, 3):
                fresh = IdentityProvider(provider.issuer)
                published = [*server.document()["keys"], *({**key, "kid": f"ec-{number}"} for key in fresh.jwks()["keys"] if key["kid"] == "ec-1")]
                server.document = lambda published=published: {"keys": published}
                # The first token of a new key comes before anybody has fetched it.
                time.sleep(1.1)
                tokens.append(fresh.token("acme", key="ec", headers={"kid": f"ec-{number}"}))
                load.more()
        report("two rotations over HTTP", load)
