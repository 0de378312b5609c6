"""The Compose files of `examples/compose`: read by Compose, run where only our own image is needed, and their configurations with what they name."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness import docker
from harness.backends import ACCOUNT
from harness.clients import client
from harness.configs import at
from harness.palisade import Palisade, binary
from harness.process import clean_environment
from test_image import BINARY, story

COMPOSE = Path(__file__).resolve().parents[2] / "examples" / "compose"
FILES = {"compose.yaml": "palisade.moto.yaml", "sandbox.yaml": "palisade.sandbox.yaml"}


@pytest.fixture(scope="module")
def compose():
    """Version 1 or 2, whichever is there. CI has one wherever it has an engine."""
    docker.image()
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
    command = ["docker", "compose"] if plugin else [shutil.which("docker-compose")]
    assert command[0], "neither the plugin `docker compose` nor docker-compose is there"

    def run(file: str, *arguments, timeout: float = 120, **environment: str) -> str:
        done = subprocess.run([*command, "--project-name", f"palisade-test-{os.getpid()}", "--file", COMPOSE / file, *arguments], capture_output=True, text=True,
                              timeout=timeout, env=clean_environment(**environment))
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    return run


@pytest.mark.parametrize("file", FILES)
def test_compose_takes_it_and_the_application_has_nothing(compose, file):
    services = yaml.safe_load(compose(file, "config"))["services"]
    application, palisade = services["application"], services["palisade"]
    assert application["network_mode"] == "service:palisade"
    assert not application.get("volumes") and not application.get("environment") and not application.get("ports")
    assert application["depends_on"]["palisade"]["condition"] == "service_healthy"
    assert palisade["read_only"] and palisade["cap_drop"] == ["ALL"] and palisade["security_opt"] == ["no-new-privileges:true"]
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published and all("127.0.0.1" in json.dumps(port) for port in published), "a laptop's ports are its own"


def test_the_sandbox_needs_our_image_alone_and_tells_the_story(compose):
    image = docker.image()
    # Compose would try to pull one that is missing.
    docker.inspect("image", f"{image}-sandbox")
    names = set(re.findall(r"image: (.*)", compose("sandbox.yaml", "config", PALISADE_IMAGE=image, PALISADE_SANDBOX_IMAGE=f"{image}-sandbox")))
    assert names == {image, f"{image}-sandbox"}
    # The system's choice of a port.
    chosen = {"PALISADE_IMAGE": image, "PALISADE_SANDBOX_IMAGE": f"{image}-sandbox", "PORT": "0"}
    try:
        compose("sandbox.yaml", "up", "--detach", **chosen)
        port = compose("sandbox.yaml", "port", "palisade", "8443", **chosen).strip().rsplit(":", 1)[1]
        backends = compose("sandbox.yaml", "ps", "--quiet", "backends", **chosen).strip()
        story(f"https://127.0.0.1:{port}", lambda tenant: docker.docker("exec", backends, f"/{BINARY}", "dev", "token", "--tenant", tenant),
              docker.docker("cp", f"{backends}:/sandbox/ca.crt", "-"))
    finally:
        compose("sandbox.yaml", "down", "--volumes", "--timeout", "5", **chosen)


@pytest.mark.parametrize("name", FILES.values())
def test_its_configuration_is_good(name, tmp_path, authority):
    files = {"server.crt": authority.certificate.read_text(), "server.key": authority.key.read_text(), "admin-token": "a" * 32, "base-secret": "b" * 32}
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    shutil.copy(COMPOSE / "tenants.yaml", tmp_path)
    config = tmp_path / name
    config.write_text((COMPOSE / name).read_text().replace("/sandbox/", ""))
    done = subprocess.run([binary(), "check", "--config", config], capture_output=True, text=True, timeout=30, env=clean_environment(BASE_SECRET="testing"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_its_configuration():
    promtool = shutil.which("promtool")
    if not promtool and not os.environ.get("CI"):
        pytest.skip("promtool is not there: `make promtool` gets it")
    done = subprocess.run([promtool, "check", "config", COMPOSE / "prometheus.yaml"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr


def make_the_bucket(moto):
    """What the service `bucket` of compose.yaml does, with the AWS CLI of the tests."""
    bucket = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]["bucket"]
    assert bucket["environment"]["AWS_ENDPOINT_URL"] == "http://moto:5000"
    environment = clean_environment(**bucket["environment"] | {"AWS_ENDPOINT_URL": moto.url})
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run([*bucket["entrypoint"], *bucket["command"]], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr


def test_it_works_with_moto(open_moto, tmp_path, authority, application, idp):
    """compose.yaml's own configuration, with the names of its containers replaced by places on this machine."""
    config = yaml.safe_load((COMPOSE / "palisade.moto.yaml").read_text())
    assert config["egress"]["services"] == {"s3": {"endpoint": "http://moto:5000", "insecure": True}}
    config["egress"]["services"]["s3"] = at(open_moto.port)
    config["credentials"]["sts"]["endpoint"] = open_moto.url
    config["ingress"] = {"tls": {"certificate": str(authority.certificate), "private_key": str(authority.key)}, "upstream": f"http://127.0.0.1:{application.port}"}
    config["identity"]["issuers"] = [{"issuer": idp.issuer, "audience": "api", "jwks": {"file": str(idp.write(tmp_path / "keys.json"))}}]
    shutil.copy(COMPOSE / "tenants.yaml", tmp_path)
    for _ in ("up", "up again"):
        make_the_bucket(open_moto)
    # moto keeps a bucket by account: the role has to be of the one that it plays.
    assert ACCOUNT in config["credentials"]["assume_role"]["role_arn"]
    palisade = Palisade("compose", config, tmp_path, BASE_SECRET="testing")
    try:
        with application.visit(palisade.port("ingress"), authority.client(), idp.token("acme"), "acme") as visit:
            s3 = client("s3", palisade.url, "acme", visit.passport)
            s3.put_object(Bucket="palisade-demo", Key="acme/a.txt", Body=b"a")
            assert s3.get_object(Bucket="palisade-demo", Key="acme/a.txt")["Body"].read() == b"a"
            # moto would let it pass; the guard does not.
            with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
                s3.get_object(Bucket="palisade-demo", Key="globex/a.txt")
    finally:
        assert palisade.stop() == 0
