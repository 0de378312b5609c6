"""Where the clients are let loose: an egress in front of each backend, a tap between, and one table for the whole run."""

import contextlib
import inspect
import os
import shutil
from pathlib import Path

import pytest

from harness import backends
from harness.configs import at
from harness.sandbox import BUCKET, ROLE, TABLE, Sandbox
from harness.tap import Tap
from harness.tls import TlsTap

from .ledger import Ledger
from .observe import Hello, Issued, Leaks, Requests
from .place import Line, Place
from .s3 import JavaScript
from .s3.python import AwsProcess


def why_no_javascript() -> str | None:
    """The AWS SDK for JavaScript is the one client that may be missing: npm's registry is not everywhere."""
    if not os.environ.get("PALISADE_AWS_SDK_JS"):
        return "PALISADE_AWS_SDK_JS is not set"
    return None if shutil.which("node") else "there is no node"


def pytest_collection_modifyitems(config, items):
    """The table, and the search for secrets, are about everything before them. What cannot be run is left out, and said once."""
    if why_no_javascript():
        of_javascript = [item for item in items if item.path.is_relative_to(Path(__file__).parent) and "javascript" in item.name.lower()]
        config.hook.pytest_deselected(items=of_javascript)
        items[:] = [item for item in items if item not in of_javascript]
    items.sort(key=lambda item: item.path.name == "test_table.py" and item.path.parent.name == "compat")


def pytest_terminal_summary(terminalreporter):
    if why := why_no_javascript():
        terminalreporter.write_line(f"{JavaScript.name}: not run, {why}")


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    return Ledger({JavaScript.name} if why_no_javascript() else set())


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
def with_tls(authority) -> dict:
    """Of an egress whose clients speak https."""
    return {"tls": {"certificate": str(authority.certificate), "private_key": str(authority.key)}}


@pytest.fixture(scope="session")
def secure_sidecar(start, setting, authority, application, pool, sts, pooled_services, with_tls):
    """The sidecar of the other tests, with an egress of https."""
    return start("secure-sidecar", setting.ingress(authority.certificate, authority.key, application.port), setting.egress(pooled_services, **with_tls),
                 setting.identity(), setting.pooled(pool, sts.port))


@pytest.fixture(scope="session")
def start_sandboxed(start, setting, sandbox, sandbox_sts):
    """Starts an egress alone, towards the sandbox's double. There the tag of the session keeps tenants apart, by the role's own policy."""
    role = {"role_arn": f"arn:aws:iam::{backends.ACCOUNT}:role/{ROLE}", "session_tags": {"TenantID": "{tenant.id}"}}
    services = {name: at(sandbox.aws) for name in ("s3", "dynamodb")}
    return lambda name, **more: start(name, setting.egress(services, **more), setting.identity(), setting.credentials(sandbox.key, sandbox_sts.port, role))


@pytest.fixture(scope="session")
def sandboxed(start_sandboxed):
    return start_sandboxed("sandboxed")


@pytest.fixture(scope="session")
def secure_sandboxed(start_sandboxed, with_tls):
    return start_sandboxed("secure-sandboxed", **with_tls)


@pytest.fixture(scope="session")
def issuers(sts, sandbox_sts, services_sts) -> dict[str, Issued]:
    return {"MiniStack": Issued(sts), "sandbox": Issued(sandbox_sts), "moto": Issued(services_sts)}


@pytest.fixture
def behind_an_ingress(application, authority, idp, issuers):
    """Makes a place of MiniStack's: the proofs are the passports of requests that go on for as long as the test."""
    with contextlib.ExitStack() as stack:

        def make(sidecar) -> Place:
            visits = {t: stack.enter_context(application.visit(sidecar.port("ingress"), authority.client(), idp.token(t), t)) for t in ("acme", "globex")}
            proofs = {tenant: visit.passport for tenant, visit in visits.items()}
            return Place("MiniStack", sidecar.port("egress"), issuers["MiniStack"], proofs, backends.BUCKET, "orders-{}")

        yield make


@pytest.fixture
def ministack_place(behind_an_ingress, sidecar):
    return behind_an_ingress(sidecar)


@pytest.fixture
def secure_ministack_place(behind_an_ingress, secure_sidecar):
    return behind_an_ingress(secure_sidecar)


@pytest.fixture
def without_ingress(idp, issuers):
    """Makes a place of the sandbox's: the proofs are tokens."""
    def make(egress) -> Place:
        proofs = {tenant: idp.token(tenant) for tenant in ("acme", "globex")}
        return Place("sandbox", egress.port("egress"), issuers["sandbox"], proofs, BUCKET, TABLE)

    return make


@pytest.fixture
def sandbox_place(without_ingress, sandboxed):
    place = without_ingress(sandboxed)
    place.boto3("s3", "globex").put_object(Bucket=BUCKET, Key="globex/hello.txt", Body=b"hello globex")
    return place


@pytest.fixture
def secure_sandbox_place(without_ingress, secure_sandboxed):
    return without_ingress(secure_sandboxed)


@pytest.fixture
def moto_place(services, idp, issuers):
    """Its answers name queues, topics and keys, and so the account that they are in."""
    proofs = {tenant: idp.token(tenant) for tenant in ("acme", "globex")}
    return Place("moto", services.port("egress"), issuers["moto"], proofs, account=False)


@pytest.fixture(params=["ministack", "sandbox"])
def place(request) -> Place:
    return request.getfixturevalue(f"{request.param}_place")


@pytest.fixture
def connect(request, leaks, authority):
    """Makes lines between a client and a place. An https one has a relay in between that looks inside TLS, unless `is_straight`:
    then TLS has its ends in the client and in Palisade, and what is seen of it is how it begins."""
    with contextlib.ExitStack() as stack:

        def make(place: Place, tls: bool = False, is_straight: bool = False) -> Line:
            line = Line(place, Requests())

            def watch():
                return line.requests.reader(), leaks.reader(f"{place.name}, {line.scheme}", place.issued, place.account)

            if not tls:
                line.port = stack.enter_context(contextlib.closing(Tap(place.egress, watch=watch))).port
                return line
            line.place = place = request.getfixturevalue(f"secure_{place.name.lower()}_place")
            line.scheme, line.host, line.ca = "https", "localhost", authority.ca
            if is_straight:
                line.hello = Hello(stack.enter_context(contextlib.closing(Tap(place.egress))))
                line.port = line.hello.tap.port
            else:
                line.port = stack.enter_context(contextlib.closing(TlsTap(place.egress, authority, watch))).port
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
def aws_cli(tmp_path_factory) -> AwsProcess:
    with contextlib.closing(AwsProcess(tmp_path_factory.mktemp("aws"))) as process:
        yield process


@pytest.fixture
def wanted(request):
    """The fixtures that a kind of client is started with, by the names of its parameters."""
    return lambda kind: {name: request.getfixturevalue(name) for name in list(inspect.signature(kind.start).parameters)[1:]}


@pytest.fixture(scope="session")
def sdk_js() -> Path:
    """The AWS SDK for JavaScript, as a CommonJS bundle or as a directory with `node_modules`."""
    return Path(os.environ["PALISADE_AWS_SDK_JS"]).resolve()
