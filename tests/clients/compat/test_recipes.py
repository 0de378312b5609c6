"""The SDKs that are no scripts: the recipes for Rust and Go, called as Palisade's ingress would call them."""

import contextlib
import re

import pytest

from harness import recipes, wire
from harness.process import Child, clean_environment, free_port

from .ledger import REFUSED, S3

SDKS = {"AWS SDK for Rust": ("rust/objects.rs", r"aws-sdk-rust/\S+.* api/s3/(\S+)"), "AWS SDK for Go v2": ("go/main.go", r"aws-sdk-go-v2/(\S+)")}


class Application:
    """A recipe, for a tenant whose proof it is told with each request."""

    def __init__(self, line, recipe: str, directory):
        self.line, self.port = line, free_port()
        environment = clean_environment(BUCKET=line.bucket, PORT=str(self.port), AWS_REGION="eu-west-1", PALISADE_EGRESS=line.endpoint)
        self.child = Child(re.sub(r"\W", "-", recipe), recipes.command(recipe, directory), directory, environment)
        self.child.wait_ready(self.answers)

    def answers(self) -> bool:
        with contextlib.suppress(OSError, wire.Closed):
            return self.call("GET", "/missing").status == 403
        return False

    def call(self, method: str, target: str, body: bytes = b"", tenant: str | None = None) -> wire.Message:
        headers = {"x-tenant-id": tenant or self.line.tenant, "x-palisade-passport": self.line.proof}
        return wire.exchange(self.port, wire.request(method, target, headers, body), timeout=30)


@pytest.fixture(params=SDKS)
def sdk(request, connect, place, ledger, tmp_path):
    recipe, version = SDKS[request.param]
    application = Application(connect(place), recipe, tmp_path)
    yield request.param, application
    assert application.child.stop() is not None
    agents = {headers.get("x-amz-user-agent", "") + headers.get("user-agent", "") for _, _, headers in application.line.requests.seen}
    ledger.versions[request.param] = next(found[1] for agent in agents if (found := re.search(version, agent)))


def test_put_get_list(sdk, place, ledger):
    name, application = sdk
    with ledger.entry(S3, name, "put, get, list", place.name) as row:
        data = bytes(range(256)) * 300
        assert application.call("PUT", "/compatible.bin", data).status == 200
        assert application.call("GET", "/compatible.bin").body == data
        assert "acme/compatible.bin" in application.call("GET", "/").body.decode().splitlines()
        row.seen |= application.line.requests.payloads()
        assert place.boto3("s3", "acme").get_object(Bucket=place.bucket, Key="acme/compatible.bin")["Body"].read() == data


def test_another_tenant(sdk, place, ledger):
    """The recipe builds keys from the tenant's name; the proof stays acme's."""
    name, application = sdk
    with ledger.entry(REFUSED, name, "GET of another tenant's object", place.name) as row:
        refused = application.call("GET", "/hello.txt", tenant="globex")
        assert refused.status >= 400 and b"hello globex" not in refused.body
        row.seen.add(f"`{refused.body.decode().strip()[:80]}`")
