"""A compromised application: whatever it was given, it can act for the tenants whose requests it is holding, and for nobody else.

A process of its own (`harness.attacker`) gets what the application has seen, and tries to make more of it, while the application
goes on serving fifty tenants. Every attempt has to fail for the reason that is expected, and every honest request has to succeed.
"""

import contextlib
import http.client
import json
import subprocess
import sys
import threading
import time
import urllib.parse
from collections import Counter
from pathlib import Path

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import wire
from harness.application import Visit
from harness.clients import environment
from harness.process import wait_until

TENANTS = [f"ac{number:02}" for number in range(50)]
REQUESTS, WORKERS = 1_000, 5
# How long passports live of requests that are to outlive them, in seconds. Those of others last for as long as `harness.attacker` may take.
MAX_AGE = 5
HERE = Path(__file__).resolve().parent

# What becomes of each kind of attempt.
EXPECTED = {
    "ended, header": (400, "passport-unknown"), "ended, bearer": (400, "passport-unknown"), "ended, session token": (400, "passport-unknown"),
    "ended keys, signed": (400, "passport-unknown"), "ended keys, presigned now": (400, "passport-unknown"),
    "ended keys, presigned before": (400, "passport-unknown"), "ended keys, token alone": (403, "proof-not-accepted"),
    "other tenant, header": (403, "tenant-mismatch"), "other tenant, access key": (403, "tenant-mismatch"), "other tenant, keys": (403, "tenant-mismatch"),
    "other tenant, both names": (400, "tenant-ambiguous"), "other tenant, its object": (403, "aws-denied"),
    "changed prefix": (403, "proof-not-accepted"), "changed byte": (400, "passport-unknown"), "changed: cut": (400, "passport-unknown"),
    "changed: longer": (400, "passport-unknown"), "changed: padded": (400, "passport-unknown"), "changed: bare": (403, "proof-not-accepted"),
    "changed: twice": (400, "passport-unknown"), "ingress": (403, "proof-not-accepted"),
    "pipelined: good": (200, None), "pipelined: ended": (400, "passport-unknown"), "pipelined: nothing": (403, "token-missing"),
} | {f"expired, {name}, {place}": (400, "passport-expired") for name in ("held", "body", "head") for place in ("header", "bearer", "session token")}


@pytest.fixture(scope="module")
def besieged(start, setting, authority, application, pool, sts, pooled_services):
    identity = setting.identity()
    identity["identity"]["passport"] = {"max_age": "60s"}
    identity["tenants"] = {"directory": {"any": {}}}
    brief = {"passport": {"max_age": f"{MAX_AGE}s"}}
    endpoints = [{"path": "/hold/c-held", **brief}, {"path": "/trickle", **brief}, {"path": "/**"}]
    return start("besieged", setting.ingress(authority.certificate, authority.key, application.port, endpoints=endpoints), setting.egress(pooled_services),
                 identity, setting.pooled(pool, sts.port))


class Honest(threading.Thread):
    """Requests of ten of the tenants, one after the other: each writes what only its tenant has, and reads it again."""

    def __init__(self, number: int, palisade, tls, idp):
        super().__init__(daemon=True)
        self.tenants, self.palisade, self.tls = TENANTS[number::WORKERS], palisade, tls
        self.tokens = {tenant: idp.token(tenant) for tenant in self.tenants}
        self.done, self.wrong = 0, []

    def run(self):
        connection = http.client.HTTPSConnection("localhost", self.palisade.port("ingress"), context=self.tls, timeout=30)
        try:
            for number in range(REQUESTS // WORKERS // 2):
                tenant = self.tenants[number % len(self.tenants)]
                for method, body in (("PUT", f"{tenant} {number}"), ("GET", None)):
                    connection.request(method, f"/work?egress={self.palisade.port('egress')}", body, {"Authorization": f"Bearer {self.tokens[tenant]}", "x-tenant-id": tenant})
                    response = connection.getresponse()
                    answer = json.loads(response.read())
                    self.done += 1
                    if (response.status, answer["status"]) != (200, 200) or (method == "GET" and answer["body"] != f"{tenant} {number}"):
                        self.wrong.append((tenant, method, response.status, answer))
        except Exception as error:  # noqa: BLE001 what it was is what the test shows
            self.wrong.append(repr(error))
        finally:
            connection.close()


def vend(palisade, passport: str) -> dict:
    answer = wire.exchange(palisade.port("egress"), wire.request("GET", "/_palisade/credentials", {"Host": "127.0.0.1:8180", "Authorization": passport}))
    assert answer.status == 200, answer
    return json.loads(answer.body)


def presign(document: dict, tenant: str) -> str:
    request = AWSRequest("GET", f"http://127.0.0.1:8180/pool-data/{tenant}/work.txt")
    keys = Credentials(document["AccessKeyId"], document["SecretAccessKey"], document["Token"])
    S3SigV4QueryAuth(keys, "s3", "eu-west-1", expires=600).add_auth(request)
    split = urllib.parse.urlsplit(request.prepare().url)
    return f"{split.path}?{split.query}"


def attack(palisade, directory: Path, tenant: str, **loot) -> list:
    """What the attacker's process says that it got. Its environment is that of the application, its folder an empty one."""
    ports = {name: palisade.port(name) for name in ("ingress", "egress", "admin", "probes")}
    loot = {"ports": ports, "tenants": TENANTS, "ended": [], "expired": [], "keys": [], "live": None} | loot
    proof = (loot["live"] or (loot["ended"] + loot["expired"])[0])["passport"]
    done = subprocess.run([sys.executable, "-m", "harness.attacker"], input=json.dumps(loot), capture_output=True, text=True, timeout=50, cwd=directory,
                          env=environment(palisade.url, tenant, proof) | {"PYTHONPATH": str(HERE)})
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def judge(results: list):
    """Every attempt has the outcome that is written above."""
    unexpected = [r[:3] for r in results if r[0] not in ("admin", "probes") and tuple(r[1:3]) != EXPECTED[r[0]]]
    assert not unexpected, unexpected[:10]
    opened = [r[:3] for r in results if r[0] in ("admin", "probes") and r[1] < 400]
    assert not opened, opened
    assert not [r[0] for r in results if "psp1_" in r[3] or "ASIA" in r[3]], "something was given away"


@contextlib.contextmanager
def inside(application, palisade, authority, token: str, tenant: str, name: str, target: str):
    """A request that the application does not finish."""
    application.visits[name] = visit = Visit()
    connection = wire.Connection(palisade.port("ingress"), authority.client(), timeout=60)
    try:
        connection.send(wire.request("GET", target, [("Authorization", f"Bearer {token}"), ("x-tenant-id", tenant)]))
        assert visit.arrived.wait(10)
        yield visit
    finally:
        visit.release.set()
        connection.close()
        del application.visits[name]


def redeemed(palisade) -> Counter:
    return Counter({result: int(palisade.metric("palisade_passport_redemptions_total", result=result)) for result in ("ok", "late", "expired", "unknown", "refused")})


def test_a_compromised_application_gains_nothing_and_disturbs_nobody(besieged, application, authority, idp, tmp_path):
    honest = [Honest(number, besieged, authority.client(), idp) for number in range(WORKERS)]
    for worker in honest:
        worker.start()
    held = {"held": "/hold/c-held", "body": "/trickle?name=c-body&part=body", "head": "/trickle?name=c-head&part=head"}
    with contextlib.ExitStack() as stack:
        tokens = {tenant: idp.token(tenant) for tenant in TENANTS[:5]}
        enter = lambda tenant, name, target: stack.enter_context(inside(application, besieged, authority, tokens[tenant], tenant, f"c-{name}", target))  # noqa: E731
        old = {name: (TENANTS[n], enter(TENANTS[n], name, target)) for n, (name, target) in enumerate(held.items())}
        begun = time.monotonic()
        # A request that ends: of it the application keeps the passport, keys, a URL, and a connection on which it has been answered.
        tenant = TENANTS[3]
        with inside(application, besieged, authority, tokens[tenant], tenant, "c-ends", "/hold/c-ends") as visit:
            gone = {"tenant": tenant, "passport": visit.passport}
            vended = vend(besieged, visit.passport)
            kept = {"tenant": tenant, "keys": vended, "url": presign(vended, tenant)}
            again = wire.request("GET", f"/pool-data/{tenant}/nothing.txt", {"Host": "s3.eu-west-1.amazonaws.com", "x-tenant-token": visit.passport})
            alive = stack.enter_context(wire.Connection(besieged.port("egress"), timeout=30))
            alive.send(again)
            assert alive.receive().reason != "passport-unknown"
        wait_until(lambda: wire.exchange(besieged.port("egress"), again).reason == "passport-unknown", 5, "the passport ends with its request")
        alive.send(again)
        assert alive.receive().reason == "passport-unknown", "a connection that was let in before"

        wait_until(lambda: len(application.seen) >= 20, 20, "the application has seen some requests")
        seen = [{"tenant": headers["x-tenant-id"], "passport": headers["x-palisade-passport"]} for headers in list(application.seen)[:15]]
        assert {one["passport"] for one in seen}.isdisjoint({visit.passport for _, visit in old.values()})
        reason = lambda passport: wire.exchange(besieged.port("egress"), wire.request("GET", "/", {"x-tenant-token": passport})).reason  # noqa: E731
        wait_until(lambda: {reason(one["passport"]) for one in seen} == {"passport-unknown"}, 10, "they have ended")

        with inside(application, besieged, authority, tokens[TENANTS[4]], TENANTS[4], "c-live", "/hold/c-live") as visit:
            live = {"tenant": TENANTS[4], "passport": visit.passport}
            put = wire.request("PUT", f"/pool-data/{TENANTS[4]}/work.txt", {"Host": "s3.eu-west-1.amazonaws.com", "x-tenant-token": visit.passport, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, b"x")
            assert wire.exchange(besieged.port("egress"), put).status == 200, "for the tenant that it holds a request of, it can act"
            first = attack(besieged, tmp_path, TENANTS[4], ended=[gone, *seen], keys=[kept], live=live)
        time.sleep(max(0.0, begun + MAX_AGE + 0.2 - time.monotonic()))
        expired = [{"name": name, "tenant": tenant, "passport": visit.passport} for name, (tenant, visit) in old.items()]
        second = attack(besieged, tmp_path, TENANTS[0], expired=expired)
        counts = redeemed(besieged)
    for worker in honest:
        worker.join(60)
    judge(first)
    judge(second)
    tried = Counter(result[0] for result in first + second)
    assert tried.keys() >= EXPECTED.keys(), EXPECTED.keys() - tried.keys()
    assert tried["changed prefix"] + tried["changed byte"] == 48 and tried["other tenant, header"] == len(TENANTS) - 1
    wrong = [entry for worker in honest for entry in worker.wrong]
    assert not wrong, wrong[:5]
    assert sum(worker.done for worker in honest) == REQUESTS
    assert (counts["expired"], counts["refused"]) == (9, 3 * (len(TENANTS) - 1)) and counts["late"] >= 48
    wait_until(lambda: besieged.metric("palisade_passports_live") == 0, 10, "no passport is left behind")
    written = besieged.everything_written()
    assert not [one for one in (gone, live, *seen, *expired) if one["passport"][5:] in written]
