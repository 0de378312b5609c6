"""Who Palisade is: sources that an application could ask as well, sources that are not there, and keys that are rotated."""

import contextlib
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from harness.backends import BUCKET
from harness.clients import client
from harness.configs import at
from harness.palisade import Palisade, Plain, binary
from harness.process import clean_environment, free_port, wait_until

CHAIN = {"AWS_EC2_METADATA_DISABLED": "true"}


class Agent(ThreadingHTTPServer):
    """The endpoint at which a task or pod gets credentials, as any of its containers can."""

    def __init__(self, key):
        self.key, self.asked = key, 0
        super().__init__(("127.0.0.1", 0), _Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def environment(self) -> dict:
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self.server_address[1]}/v1/credentials", **CHAIN}

    def close(self):
        self.shutdown()
        self.server_close()


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        key = self.server.key
        body = json.dumps({"AccessKeyId": key.access_key_id, "SecretAccessKey": key.secret_access_key, "Token": "of-the-agent", "Expiration": "2099-01-01T00:00:00Z"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def agent(pool):
    with contextlib.closing(Agent(pool)) as running:
        yield running


@pytest.fixture(scope="module")
def parts(setting, pool, ministack):
    """An egress on loopback, whose base identity is to be said."""

    def make(source: dict, **more) -> dict:
        credentials = setting.pooled(pool, ministack.port)
        credentials["credentials"] |= {"source": source, **more}
        return setting.egress({"s3": at(ministack.port)}) | setting.identity() | credentials

    return make


def start_fails(directory, name: str, config: dict, **environment: str) -> str:
    """What is said by a start that is refused as a wrong configuration."""
    config["egress"]["listen"] = f"127.0.0.1:{free_port()}"
    config |= {"admin": {"listen": f"127.0.0.1:{free_port()}"}, "probes": {"listen": f"127.0.0.1:{free_port()}"}}
    file = directory / f"{name}.yaml"
    file.write_text(yaml.dump(config, Dumper=Plain, sort_keys=False))
    done = subprocess.run([binary(), "run", "--config", file], capture_output=True, text=True, timeout=30, env=clean_environment(**environment), check=False)
    assert done.returncode == 2, (done.returncode, done.stderr)
    return done.stderr


def reads(palisade: Palisade, idp, tenant: str) -> bool:
    body = client("s3", palisade.url, tenant, idp.token(tenant)).get_object(Bucket=BUCKET, Key=f"{tenant}/hello.txt")["Body"].read()
    return body == f"hello {tenant}".encode()


def test_what_the_application_could_ask_as_well_is_refused_at_start(directory, parts, agent):
    said = start_fails(directory, "shared", parts({"default_chain": {}}), **agent.environment)
    assert "container credentials endpoint" in said and "shared_with_application" in said and "web_identity" in said
    assert agent.asked == 0, "it was asked all the same"
    said = start_fails(directory, "injected", parts({"default_chain": {}}), AWS_WEB_IDENTITY_TOKEN_FILE="/t", AWS_ROLE_ARN="arn:aws:iam::111122223333:role/x", **CHAIN)
    assert "web identity token of the environment" in said


def test_a_source_that_answers_first_is_the_one_that_counts(start, parts, agent, pool, idp):
    own = {"AWS_ACCESS_KEY_ID": pool.access_key_id, "AWS_SECRET_ACCESS_KEY": pool.secret_access_key}
    before = agent.asked
    palisade = start("own-environment", parts({"default_chain": {}}), **own, **agent.environment)
    assert reads(palisade, idp, "acme") and agent.asked == before


def test_it_can_be_accepted(start, parts, agent):
    before = agent.asked
    # Its token is none of the emulator's, so the process runs and is not ready.
    palisade = start("accepted", parts({"default_chain": {}}, shared_with_application="accepted"), ready="/livez", **agent.environment)
    assert agent.asked > before and "shared" not in palisade.stderr.read_text()


def test_a_source_that_is_not_there_ends_the_start(directory, parts):
    assert "found no credentials" in start_fails(directory, "nothing", parts({"default_chain": {}}), HOME=str(directory), **CHAIN)
    (directory / "junk.keys").write_text("junk\n")
    assert "junk.keys: line 1" in start_fails(directory, "junk", parts({"file": "junk.keys"}))
    assert "credentials.source.file" in start_fails(directory, "absent", parts({"file": "absent.keys"}))


def test_keys_in_a_file_are_rotated_without_a_restart(start, parts, directory, ministack, pool, idp):
    iam, file = ministack.client("iam"), directory / "rotated.keys"

    def write(key_id: str, secret: str):
        fresh = file.with_suffix(".new")
        fresh.write_text(f"[default]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n")
        fresh.rename(file)

    made = iam.create_access_key(UserName="palisade")["AccessKey"]
    write(made["AccessKeyId"], made["SecretAccessKey"])
    palisade = start("rotated", parts({"file": file.name}))
    assert reads(palisade, idp, "acme")
    write(pool.access_key_id, pool.secret_access_key)
    wait_until(lambda: "credentials were replaced by newer ones" in palisade.stderr.read_text(), 15, "the new keys")
    iam.delete_access_key(UserName="palisade", AccessKeyId=made["AccessKeyId"])
    # A tenant without a session yet: STS is asked with the new keys.
    assert reads(palisade, idp, "globex")
    file.write_text("junk\n")
    wait_until(lambda: "credentials were not renewed" in palisade.stderr.read_text(), 15, "the warning")
    assert palisade.admin("/tenants/globex/evict", "POST")[0] == 200 and reads(palisade, idp, "globex")
    written = palisade.everything_written()
    assert made["SecretAccessKey"] not in written and pool.secret_access_key not in written
