"""The recipes do what they say, as they stand in `examples/`."""

import contextlib
import datetime
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import recipes, wire
from harness.backends import BUCKET
from harness.palisade import Palisade
from harness.process import Child, clean_environment, free_port, wait_until
from harness.tap import Tap

TOOLS = Path(sys.executable).parent
TENANTS = ("acme", "globex")
NAMES, IN_FLIGHT = 50, 16


@dataclass
class Application:
    """A recipe between a Palisade's ingress and its egress, and the wire on both sides of it."""

    palisade: Palisade
    incoming: Tap
    outgoing: Tap
    call: Callable[..., wire.Message]
    keeps_orders: bool


@pytest.fixture(params=recipes.APPLICATIONS)
def application(request, start, setting, authority, idp, pool, ministack, pooled_services, tmp_path):
    name = re.sub(r"\W", "-", request.param)
    command, port = recipes.command(request.param, tmp_path), free_port()
    with contextlib.ExitStack() as stack:
        incoming = stack.enter_context(contextlib.closing(Tap(port)))
        palisade = start(name, setting.ingress(authority.certificate, authority.key, incoming.port), setting.egress(pooled_services),
                         setting.identity(), setting.pooled(pool, ministack.port))
        outgoing = stack.enter_context(contextlib.closing(Tap(palisade.port("egress"))))
        environment = clean_environment(BUCKET=BUCKET, PORT=str(port), AWS_REGION="eu-west-1", PALISADE_EGRESS=f"http://127.0.0.1:{outgoing.port}")
        child = Child(f"{name}-app", command, tmp_path, environment)
        stack.callback(child.stop)
        tokens = {tenant: idp.token(tenant) for tenant in TENANTS}

        def call(tenant: str, method: str, target: str, body: bytes = b"") -> wire.Message:
            headers = {"Authorization": f"Bearer {tokens[tenant]}", "x-tenant-id": tenant}
            return wire.exchange(palisade.port("ingress"), wire.request(method, target, headers, body), authority.client(), timeout=30)

        child.wait_ready(lambda: call("acme", "GET", "/missing").body.strip() == b"NoSuchKey")
        yield Application(palisade, incoming, outgoing, call, request.param in recipes.KEEP_ORDERS)


def test_two_tenants_at_once_in_one_process(application, ministack):
    """Whose proof a call to AWS carries is read off the wire: that of the very request that it was made for, each time."""
    names = [f"{'orders/' if application.keeps_orders and n % 2 else ''}{application.palisade.name}-{n}" for n in range(NAMES)]

    def visit(tenant: str, name: str):
        body = f"{name} of {tenant}".encode()
        put = application.call(tenant, "PUT", f"/{name}", body)
        assert put.status == 200, f"{tenant} could not write {name}: {put.status} {put.body}"
        got = application.call(tenant, "GET", f"/{name}")
        assert (got.status, got.body) == (200, body), f"{tenant} read {name}: {got.status} {got.body}"

    with ThreadPoolExecutor(IN_FLIGHT) as callers:
        # Both tenants use the same names, so that nothing but the tenant tells their calls apart.
        for done in [callers.submit(visit, tenant, name) for name in names for tenant in TENANTS]:
            done.result()

    calls = {(tenant, method, name) for tenant in TENANTS for method in ("PUT", "GET") for name in names}
    expected = {call: passport for call, passport in handed_out(application.incoming).items() if call in calls}
    assert expected.keys() == calls and len(set(expected.values())) == len(calls), "each request has a passport of its own"
    used = {call: proofs for call, proofs in carried(application.outgoing).items() if call in calls}
    assert used == {call: {(call[0], passport)} for call, passport in expected.items()}
    assert overlapped(application.palisade, len(calls)), "the tenants were served one after the other"

    s3 = ministack.client("s3")
    for tenant in TENANTS:
        listed = application.call(tenant, "GET", "/").body.decode().splitlines()
        objects = {f"{tenant}/{name}": f"{name} of {tenant}".encode() for name in names if "/" not in name}
        assert objects.keys() < set(listed) and all(key.startswith(f"{tenant}/") for key in listed)
        # The same for somebody who does not go through Palisade.
        assert objects == {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in objects}


def handed_out(incoming: Tap) -> dict:
    """The passport of each request that the application got, by tenant, method and name."""
    return {(request.header("x-tenant-id"), request.method, request.start.split(" ")[1].lstrip("/")): request.header("x-palisade-passport")
            for request, _ in incoming.exchanges()}


def carried(outgoing: Tap) -> dict:
    """The (tenant, proof) pairs of the requests that the application made of AWS, by whose data they were for, method and name."""
    proofs = defaultdict(set)
    for request, _ in outgoing.exchanges():
        tenant = re.search(r"Credential=tenant\.([^/]+)/", request.header("authorization"))[1]
        if operation := request.header("x-amz-target"):
            asked = json.loads(request.body)
            owner, _, name = asked.get("Key", asked.get("Item"))["pk"]["S"].partition("#")
            call = owner, "PUT" if operation.endswith(".PutItem") else "GET", f"orders/{name}"
        else:
            _, bucket, owner, name = request.start.split(" ")[1].partition("?")[0].split("/", 3)
            assert bucket == BUCKET
            call = owner, request.method, name
        proofs[call].add((tenant, request.header("x-amz-security-token")))
    return dict(proofs)


def overlapped(palisade: Palisade, calls: int) -> bool:
    """Whether requests of different tenants were on their way to AWS at the same time."""
    def logged() -> list[dict]:
        lines = [line for line in palisade.log() if line["listener"] == "egress"]
        return lines if len(lines) >= calls else []

    spans = {tenant: [] for tenant in TENANTS}
    for line in wait_until(logged, 5, "every call is in the access log"):
        end = datetime.datetime.fromisoformat(line["time"])
        spans[line["tenant"]].append((end - datetime.timedelta(milliseconds=line["duration_ms"]), end))
    return any(a < d and c < b for a, b in spans["acme"] for c, d in spans["globex"])


@pytest.fixture
def tap(egress):
    with contextlib.closing(Tap(egress.port("egress"))) as tap:
        yield tap


@pytest.fixture
def run(tap):
    """Runs a recipe against an egress that takes JWTs."""

    def run(recipe: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        script, url = recipes.EXAMPLES / recipe, f"http://127.0.0.1:{tap.port}"
        command = [sys.executable if script.suffix == ".py" else "bash", script, *arguments]
        environment = clean_environment(PALISADE_EGRESS=url, AWS_ENDPOINT_URL=url, AWS_DEFAULT_REGION="eu-west-1",
                                        PATH=f"{TOOLS}{os.pathsep}{os.environ['PATH']}", **variables)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    return run


def printed(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 0, wire.redact(done.stderr)
    return done.stdout


def vending(tap: Tap) -> dict:
    """The environment of a process that asks the egress for its credentials."""
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{tap.port}/_palisade/credentials"}


def check_vended(tap: Tap):
    """Every request to AWS was signed with keys that the egress had vended, and there were some."""
    answers = [json.loads(answer.body) for request, answer in tap.exchanges() if "/_palisade/credentials" in request.start]
    vended = {(answer["AccessKeyId"], answer["Token"]) for answer in answers}
    used = {(re.search("Credential=([^/]+)/", request.header("authorization"))[1], request.header("x-amz-security-token"))
            for request, _ in tap.exchanges() if f"/{BUCKET}" in request.start}
    assert used and used <= vended


def test_the_cli(run, idp):
    out = printed(run("cli/objects.sh", BUCKET, "acme", PROOF=idp.token("acme")))
    assert "from-the-cli.txt" in out and out.endswith("written by acme\n")


def test_the_cli_with_vended_keys(run, tap, idp, tmp_path):
    for tenant, prefix in zip(TENANTS, ("", "Bearer ")):
        (tmp_path / "proof").write_text(prefix + idp.token([*TENANTS]))
        out = printed(run("cli/container-credentials.sh", BUCKET, tenant, PROOF_FILE=str(tmp_path / "proof")))
        assert "from-the-cli.txt" in out and out.endswith(f"written by {tenant}\n")
    check_vended(tap)


def test_no_keys_for_a_tenant_outside_the_proof(run, tap, idp, tmp_path):
    (tmp_path / "proof").write_text(idp.token("acme"))
    assert run("cli/container-credentials.sh", BUCKET, "globex", PROOF_FILE=str(tmp_path / "proof")).returncode != 0
    answers = tap.exchanges()
    assert answers and all("/_palisade/credentials" in request.start and answer.reason == "tenant-mismatch" for request, answer in answers)


def test_a_worker_for_one_tenant(run, tap, idp):
    out = printed(run("python/one_tenant.py", BUCKET, "acme", AWS_CONTAINER_AUTHORIZATION_TOKEN=idp.token("acme"), **vending(tap)))
    assert "acme/hello.txt" in out.splitlines() and out.endswith("written by acme\n")
    check_vended(tap)


def test_presigned_urls(run, tap, idp):
    environment = {"AWS_CONTAINER_AUTHORIZATION_TOKEN": idp.token("acme")} | vending(tap)

    def presigned(operation: str) -> str:
        out = printed(run("python/presigned.py", operation, BUCKET, "acme/presigned.txt", **environment))
        return out.strip().removeprefix(f"http://127.0.0.1:{tap.port}")

    def fetch(method: str, target: str, body: bytes = b"") -> wire.Message:
        return wire.exchange(tap.port, wire.request(method, target, {"Host": f"127.0.0.1:{tap.port}"}, body))

    put, get = presigned("put_object"), presigned("get_object")
    assert fetch("PUT", put, b"without an SDK").status == 200
    assert fetch("GET", get).body == b"without an SDK"
    # The signature is over the object, the tenant, the time and the method.
    changes = ("presigned.txt", "hello.txt"), ("/acme/", "/globex/"), ("X-Amz-Expires=300", "X-Amz-Expires=3000")
    changed = [get.replace(*change) for change in changes]
    assert get not in changed
    answers = [*(fetch("GET", target) for target in changed), fetch("PUT", get, b"another")]
    assert [(answer.status, answer.reason) for answer in answers] == [(403, "signature-mismatch")] * 4
