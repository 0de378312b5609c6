"""Where the clients are let loose: an egress in front of each backend, a tap between, and one table for the whole run."""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import backends, clients
from harness.configs import at
from harness.sandbox import BUCKET, ROLE, TABLE, Sandbox
from harness.tap import Tap
from harness.tls import Terminator

from .ledger import Ledger
from .observe import Issued, Leaks, Requests


def pytest_collection_modifyitems(items):
    """The table, and the search for secrets, are about everything before them."""
    items.sort(key=lambda item: item.path.name == "test_table.py" and item.path.parent.name == "compat")


@dataclass
class Place:
    """A backend with an egress in front of it, and what there is."""

    name: str
    egress: int
    issued: Issued
    proofs: dict[str, str]
    bucket: str = ""
    table: str = ""
    account: bool = True

    def boto3(self, service: str, tenant: str):
        """For the tests themselves, past the taps."""
        return clients.client(service, f"http://127.0.0.1:{self.egress}", tenant, self.proofs[tenant])


@dataclass
class Line:
    """What a client is told, and what is seen of it."""

    place: Place
    requests: Requests
    tenant: str = "acme"
    host: str = "127.0.0.1"
    scheme: str = "http"
    port: int = 0
    ca: Path | None = None

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def bucket(self) -> str:
        return self.place.bucket

    @property
    def proof(self) -> str:
        return self.place.proofs[self.tenant]

    def environment(self, **more: str) -> dict:
        """What every client that reads AWS's variables gets."""
        return clients.environment(self.endpoint, self.tenant, self.proof) | more


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(scope="session")
def leaks() -> Leaks:
    return Leaks()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    running = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def sandbox_sts(sandbox):
    """The wire between Palisade and the sandbox's STS."""
    with contextlib.closing(Tap(sandbox.aws)) as tap:
        yield tap


@pytest.fixture(scope="session")
def sandboxed(start, setting, sandbox, sandbox_sts):
    """Egress alone, towards the sandbox's double. There the tag of the session keeps tenants apart, by the role's own policy."""
    role = {"role_arn": f"arn:aws:iam::{backends.ACCOUNT}:role/{ROLE}", "session_tags": {"TenantID": "{tenant.id}"}}
    services = {name: at(sandbox.aws) for name in ("s3", "dynamodb")}
    return start("sandboxed", setting.egress(services), setting.identity(), setting.credentials(sandbox.key, sandbox_sts.port, role))


@pytest.fixture(scope="session")
def issuers(sts, sandbox_sts, services_sts) -> dict[str, Issued]:
    return {"MiniStack": Issued(sts), "sandbox": Issued(sandbox_sts), "moto": Issued(services_sts)}


@pytest.fixture
def ministack_place(sidecar, application, authority, idp, issuers):
    """Behind an ingress: the proofs are the passports of requests that go on for as long as the test."""
    with contextlib.ExitStack() as stack:
        visits = {t: stack.enter_context(application.visit(sidecar.port("ingress"), authority.client(), idp.token(t), t)) for t in ("acme", "globex")}
        proofs = {tenant: visit.passport for tenant, visit in visits.items()}
        yield Place("MiniStack", sidecar.port("egress"), issuers["MiniStack"], proofs, backends.BUCKET, "orders-{}")


@pytest.fixture
def sandbox_place(sandboxed, idp, issuers):
    """Without an ingress: the proofs are tokens."""
    proofs = {tenant: idp.token(tenant) for tenant in ("acme", "globex")}
    place = Place("sandbox", sandboxed.port("egress"), issuers["sandbox"], proofs, BUCKET, TABLE)
    place.boto3("s3", "globex").put_object(Bucket=BUCKET, Key="globex/hello.txt", Body=b"hello globex")
    return place


@pytest.fixture
def moto_place(services, idp, issuers):
    """Its answers name queues, topics and keys, and so the account that they are in."""
    proofs = {tenant: idp.token(tenant) for tenant in ("acme", "globex")}
    return Place("moto", services.port("egress"), issuers["moto"], proofs, account=False)


@pytest.fixture(params=["ministack", "sandbox"])
def place(request) -> Place:
    return request.getfixturevalue(f"{request.param}_place")


@pytest.fixture
def connect(leaks, authority):
    """Makes lines between a client and a place."""
    with contextlib.ExitStack() as stack:

        def make(place: Place, tls: bool = False) -> Line:
            requests = Requests()

            def watch():
                return requests.reader(), leaks.reader(place.name, place.issued, place.account)

            tap = stack.enter_context(contextlib.closing(Tap(place.egress, watch)))
            line = Line(place, requests, port=tap.port)
            if tls:
                end = stack.enter_context(contextlib.closing(Terminator(tap.port, authority.certificate, authority.key)))
                line.scheme, line.host, line.port, line.ca = "https", "localhost", end.port, authority.ca
            return line

        yield make


@pytest.fixture(scope="session")
def compat_python() -> Path:
    """The interpreter of the clients' environment; `tests/tools/venvs.py` makes it and says where."""
    path = os.environ.get("COMPAT_PYTHON")
    if not path:
        raise RuntimeError("COMPAT_PYTHON is not set: run the suite by `make test-clients`")
    return Path(path)


@pytest.fixture(scope="session")
def tool(compat_python):
    """Where an executable is: of the environment, or of the path; one that is nowhere is an error."""

    def find(name: str) -> str:
        found = shutil.which(name, path=f"{compat_python.parent}{os.pathsep}{os.environ['PATH']}")
        assert found, f"{name} is not there: run the suite by `make test-clients`"
        return found

    return find


@pytest.fixture(scope="session")
def sdk_js(ledger) -> Path:
    """The AWS SDK for JavaScript, as a CommonJS bundle or as a directory with `node_modules`. Without one its rows are not run."""
    path, node = os.environ.get("PALISADE_AWS_SDK_JS"), shutil.which("node")
    if path and node:
        return Path(path).resolve()
    ledger.absent["AWS SDK for JavaScript"] = "PALISADE_AWS_SDK_JS is not set" if node else "there is no node"
    pytest.skip("AWS SDK for JavaScript: not run, " + ledger.absent["AWS SDK for JavaScript"])
