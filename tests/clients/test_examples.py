"""The recipes do what they say, as they stand in `examples/`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import wire
from harness.backends import BUCKET
from harness.process import Child, clean_environment, free_port, wait_until

TOOLS = Path(sys.executable).parent


def run(script: Path, egress: str, *arguments: str, **variables: str) -> str:
    command = [sys.executable, script] if script.suffix == ".py" else ["bash", script]
    environment = clean_environment(PALISADE_EGRESS=egress, PATH=f"{TOOLS}{os.pathsep}{os.environ['PATH']}", **variables)
    done = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, wire.redact(done.stderr)
    return done.stdout


@pytest.fixture
def app(examples, start, setting, authority, pool, ministack, pooled_services, directory, request):
    """The Python application behind a Palisade of its own; each needs to know the other's port first."""
    port = free_port()
    palisade = start("example", setting.ingress(authority.certificate, authority.key, port), setting.egress(pooled_services), setting.identity(),
                     setting.pooled(pool, ministack.port))
    environment = clean_environment(BUCKET=BUCKET, PORT=str(port), PALISADE_EGRESS=palisade.url)
    child = Child("example-app", [sys.executable, examples / "python" / "app.py"], directory, environment)
    request.addfinalizer(child.stop)
    return palisade


def test_the_python_application(app, authority, idp):
    def call(tenant: str, method: str, target: str, body: bytes = b"") -> wire.Message:
        headers = {"Authorization": f"Bearer {idp.token(tenant)}", "x-tenant-id": tenant}
        return wire.exchange(app.port("ingress"), wire.request(method, target, headers, body), authority.client())

    wait_until(lambda: call("acme", "GET", "/").status == 200, 20, "the application is up")
    for tenant in ("acme", "globex"):
        assert call(tenant, "PUT", "/note", f"of {tenant}".encode()).status == 200
    for tenant in ("acme", "globex"):
        assert call(tenant, "GET", "/note").body == f"of {tenant}".encode()
        assert f"{tenant}/note" in call(tenant, "GET", "/").body.decode().splitlines()
    assert call("acme", "GET", "/missing").body == b"NoSuchKey"


def test_the_shared_python_client(examples, egress, idp):
    out = run(examples / "python" / "shared_client.py", egress.url, BUCKET, "acme", "globex", PROOF_A=idp.token("acme"), PROOF_B=idp.token("globex"))
    assert [line.split(":")[0] for line in out.splitlines()] == ["acme", "globex"]


def test_the_cli(examples, egress, idp):
    out = run(examples / "cli" / "objects.sh", egress.url, BUCKET, "acme", PROOF=idp.token("acme"))
    assert "from-the-cli.txt" in out and out.endswith("written by acme\n")
