"""What every test may ask for. The backends, the doubles and the long-lived Palisade processes are started once a run."""

import base64
import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cryptography.x509.oid import ExtendedKeyUsageOID
from xdist.scheduler import LoadFileScheduling

from harness import backends, clients
from harness.application import Application, Script
from harness.configs import RECORDS, Setting, at, recorded, revoked
from harness.idp import IdentityProvider, KeyServer
from harness.palisade import Palisade, Plain
from harness.pki import Authority
from harness.process import closed_port
from harness.tap import Tap


def pytest_xdist_make_scheduler(config, log):
    """A file stays in one process, for what its tests share; so do all of `compat`, which make one table."""
    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "compat" if nodeid.startswith("compat/") else super()._split_scope(nodeid)

    return ByFile(config, log)


@pytest.fixture(scope="session")
def directory(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("palisade")


@pytest.fixture(scope="session")
def authority(directory) -> Authority:
    return Authority(directory)


@pytest.fixture(scope="session")
def idp() -> IdentityProvider:
    return IdentityProvider("https://idp.test/")


@pytest.fixture(scope="session")
def partner() -> IdentityProvider:
    """A second issuer, whose keys are in a file and which may speak for `partner-*` alone."""
    return IdentityProvider("https://partner.test/")


@pytest.fixture(scope="session")
def keys(idp):
    with contextlib.closing(KeyServer(idp)) as server:
        yield server


@pytest.fixture(scope="session")
def setting(directory, idp, partner, keys) -> Setting:
    return Setting(directory, keys.uri, idp.issuer, partner.issuer, partner.write(directory / "partner.json"))


@pytest.fixture(scope="session")
def application():
    with contextlib.closing(Application()) as app:
        yield app


@pytest.fixture(scope="session")
def ministack(directory):
    backend = backends.ministack(backends.ministack_python(), directory)
    yield backend
    backend.stop()


@pytest.fixture(scope="module")
def doomed(tmp_path_factory):
    """One for a file's own use, to which everything may be done."""
    backend = backends.ministack(backends.ministack_python(), tmp_path_factory.mktemp("doomed"))
    yield backend
    backend.stop()


@pytest.fixture(scope="session")
def pool(ministack) -> backends.Key:
    """The pooled data, its roles, and the key of Palisade's own identity."""
    return backends.provision_pool(ministack)


@pytest.fixture(scope="session")
def sts(ministack):
    """The wire between Palisade and STS."""
    with contextlib.closing(Tap(ministack.port)) as tap:
        yield tap


@pytest.fixture(scope="session")
def aws(ministack):
    """The wire between Palisade and S3 and DynamoDB."""
    with contextlib.closing(Tap(ministack.port)) as tap:
        yield tap


@pytest.fixture(scope="session")
def start(directory):
    """Starts Palisade processes; what a test does not stop is stopped at the end. Their names are those of their files."""
    running, names = [], set()

    def run(name: str, *parts: dict, **options) -> Palisade:
        assert name not in names, f"there is a process {name} already"
        names.add(name)
        config = {k: v for part in parts for k, v in part.items()}
        running.append(Palisade(name, config, directory, **options))
        return running[-1]

    yield run
    codes = {p.name: p.stop() for p in reversed(running)}
    assert set(codes.values()) <= {0}, f"exit codes after SIGTERM: {codes}"


@pytest.fixture(scope="session")
def pooled_services(aws) -> dict:
    return {"s3": at(aws.port), "dynamodb": at(aws.port, body_limit="64KiB")}


@pytest.fixture(scope="session")
def sidecar(start, setting, authority, application, pool, sts, pooled_services) -> Palisade:
    """Ingress and egress together: the egress takes passports."""
    return start("sidecar", setting.ingress(authority.certificate, authority.key, application.port), setting.egress(pooled_services),
                 setting.identity(), setting.pooled(pool, sts.port))


@pytest.fixture(scope="session")
def egress(start, setting, pool, sts, pooled_services) -> Palisade:
    """Egress alone: it takes JWTs."""
    return start("egress", setting.egress(pooled_services), setting.identity(), setting.pooled(pool, sts.port),
                 {"limits": {"tiers": {"gold": {"requests_per_second": 2000, "burst": 4000}}}})


@pytest.fixture(scope="session")
def silo(start, setting, pool, ministack) -> Palisade:
    """Egress alone, with a role and an external id a tenant."""
    return start("silo", setting.egress({"s3": at(ministack.port)}), setting.identity(), setting.siloed(pool, ministack.port, external=True))


@pytest.fixture(scope="session")
def moto(directory):
    backend = backends.moto(directory)
    yield backend
    backend.stop()


@pytest.fixture(scope="session")
def open_moto(tmp_path_factory):
    """One that lets everybody in: the other is locked once there are services."""
    backend = backends.moto(tmp_path_factory.mktemp("open-moto"))
    yield backend
    backend.stop()


@pytest.fixture(scope="session")
def services_key(moto) -> backends.Key:
    """The services' data and roles, and the key of Palisade's own identity there."""
    return backends.provision_services(moto)


@pytest.fixture(scope="session")
def services_sts(moto):
    """The wire between Palisade and moto's STS."""
    with contextlib.closing(Tap(moto.port)) as tap:
        yield tap


@pytest.fixture(scope="session")
def services(start, setting, moto, services_key, services_sts) -> Palisade:
    """Egress alone, towards services that speak JSON 1.0, JSON 1.1, REST-JSON and Query."""
    upstreams = {name: at(moto.port) for name in ("sqs", "sns", "secretsmanager", "kms", "lambda")}
    return start("services", setting.egress(upstreams), setting.identity(), setting.siloed(services_key, services_sts.port, external=False))


@pytest.fixture(scope="session")
def script():
    with contextlib.closing(Script()) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def troubled(start, setting, authority, application, pool, ministack, script) -> Palisade:
    """A Palisade to which everything happens: S3 is scripted, DynamoDB is down, passports end after four seconds and are good for three reads."""
    quick = {"connect": "1s", "response": "1s", "idle": "2s"}
    identity = setting.identity()
    identity["identity"]["passport"] = {"max_age": "4s", "actions": ["s3:GetObject", "s3:GetObjectAttributes"], "max_uses": 3}
    return start("troubled", setting.ingress(authority.certificate, authority.key, application.port, server={"header_timeout": "1s", "idle_timeout": "2s"}),
                 setting.egress({"s3": at(script.port, timeouts=quick), "dynamodb": at(closed_port(), timeouts=quick)}, proofs=["passport", "jwt"],
                                server={"idle_timeout": "2s"}),
                 identity, setting.pooled(pool, ministack.port))


@pytest.fixture(scope="session")
def deferring(start, setting, authority, application, pool, ministack, directory) -> Palisade:
    """Ingress and egress together; it signs contexts for the application, and seals what is deferred."""
    for name in ("reports", "mails"):
        (directory / f"defer-{name}.key").write_text(base64.b64encode(os.urandom(32)).decode() + "\n")
    audiences = {name: {"key": {"file": f"defer-{name}.key"}, "actions": ["s3:GetObject", "s3:PutObject"]} for name in ("reports", "mails")}
    return start("deferring", setting.ingress(authority.certificate, authority.key, application.port, context={"audience": "app"}),
                 setting.egress({"s3": at(ministack.port)}, defer={"audiences": audiences}), setting.identity(), setting.pooled(pool, ministack.port))


@pytest.fixture(scope="session")
def worker(start, setting, deferring, pool, ministack) -> Palisade:
    """Beside a worker for `reports`. By mistake it has the key of `mails` as well."""
    keys = [{"file": "defer-reports.key"}, {"file": "defer-mails.key"}]
    credentials = setting.pooled(pool, ministack.port)
    return start("worker", setting.egress({"s3": at(ministack.port)}, proofs=["deferred"], redeem={"audience": "reports", "keys": keys}),
                 {"identity": {}, "tenants": {"directory": {"file": "tenants.yaml"}}}, credentials)


@pytest.fixture(scope="session")
def ruled(start, directory, setting, authority, application) -> Palisade:
    """An ingress with endpoint rules, a token cookie, tenants in hosts and paths, and CORS."""
    access = {
        "endpoints": [
            {"path": "/hooks/*", "methods": ["POST"], "auth": "none"},
            {"path": "/hold/*", "methods": ["PUT"], "auth": "none"},
            {"path": "/parks/**", "methods": ["GET"], "roles": ["reader", "admin"]},
            {"path": "/parks/**", "roles": ["admin"]},
            {"path": "/reports/**", "scopes": ["reports:read", "reports:*"]},
            {"path": "/premium/**", "tiers": ["gold"]},
            {"path": "/t/{tenant}/**"},
            {"path": "/at/*/echo"},
            {"path": "/echo"},
            {"path": "/ws"},
        ],
        "public_concurrent": 2,
        "token_cookie": "__Host-token",
        "tenant_from": {"host": "{tenant}.app.example.com", "path": "/at/{tenant}/**"},
        "cors": {"answer": {"origins": ["https://app.example.com"], "credentials": True}},
    }
    return start("ruled", setting.ingress(authority.certificate, authority.key, application.port, **access), setting.identity(),
                 recorded(directory / "ruled.audit"))


def members_of(idp, partner) -> dict:
    """Users by issuer: of each kind that the matrix has a row for."""
    acme = {"active_tenant": "acme", "tenants": {"acme": {"roles": ["admin"]}, "globex": {"roles": ["reader"]}}}
    active = lambda tenant: {"active_tenant": tenant, "tenants": {tenant: {}}}  # noqa: E731
    return {"issuers": {
        idp.issuer: {"users": {"user-1": acme, "user-2": acme, "suspended": acme | {"status": "suspended"}, "dismissed": acme,
                               "undecided": {"tenants": {"acme": {}}}, "of-initech": active("initech"), "of-ghost": active("ghost")}},
        partner.issuer: {"users": {"user-1": active("partner-1"), "of-partner-2": active("partner-2"), "of-acme": active("acme"),
                                   "of-globex": active("globex")}},
    }}


@pytest.fixture(scope="session")
def members(start, directory, setting, authority, application, pool, sts, pooled_services, idp, partner) -> Palisade:
    """Users and their tenants out of a directory; the partner may speak for the tenants whose record names it."""
    records = RECORDS | {"partner-1": RECORDS["partner-1"] | {"attributes": {"idp": partner.issuer}},
                         "partner-2": {"attributes": {"idp": partner.issuer.upper()}}, "globex": {"attributes": {"idp": idp.issuer}}}
    (directory / "members-tenants.yaml").write_text(yaml.safe_dump({"tenants": records, "revoked": revoked(idp.issuer)}))
    (directory / "members-users.yaml").write_text(yaml.dump(members_of(idp, partner), Dumper=Plain))
    identity = setting.identity()
    issuers = identity["identity"]["issuers"]
    for issuer in issuers:
        issuer["claims"] = {k: v for k, v in issuer["claims"].items() if k != "tenant"}
    issuers[1]["tenants"] = {"attribute": "idp"}
    directories = {"tenants": {"directory": {"file": "members-tenants.yaml"}}, "users": {"directory": {"file": "members-users.yaml"}}}
    return start("members", setting.ingress(authority.certificate, authority.key, application.port),
                 setting.egress(pooled_services, proofs=["passport", "jwt"]), identity, setting.pooled(pool, sts.port), directories)


@dataclass
class Cells:
    """A Palisade whose tenants have applications of their own, and those applications, by the cell that they are for."""

    palisade: Palisade
    applications: dict[str, Application]

    def counts(self) -> dict[str, int]:
        return {cell: application.requests for cell, application in self.applications.items()}


@pytest.fixture(scope="session")
def cells(start, setting, authority, directory) -> Cells:
    """Cells by a table, cells by a template, and records that lead nowhere. There is no upstream for everybody."""
    with contextlib.ExitStack() as stack:
        running = {cell: stack.enter_context(contextlib.closing(Application())) for cell in ("c1", "c2")}
        running["c3"] = stack.enter_context(contextlib.closing(Application(directory / "c3.sock")))
        running["c7"] = stack.enter_context(contextlib.closing(Application(tls=authority.server("localhost"))))
        here = running["c1"].port
        records = {
            "acme": {"cell": "c1", "tier": "gold"}, "acme-eu": {"cell": "c2"}, "globex": {"cell": "c3"}, "bare": {}, "estranged": {"cell": "C5"},
            "slow": {"cell": "c4"}, "single": {"attributes": {"rest": "host"}}, "ghost": {"cell": "c6", "attributes": {"address": "127.0.0.1"}},
            "accident": {"cell": "c6", "attributes": {"address": "169.254.169.254"}}, "acorn": {"cell": "../c3"}, "acid": {"cell": "c7"},
            "across": {"cell": "c8"}, "initech": {"status": "suspended", "cell": "c1"},
        }
        (directory / "cells-records.yaml").write_text(yaml.safe_dump({"tenants": records}))
        config = setting.ingress(authority.certificate, authority.key, here, upstream_ca=str(authority.ca), upstream_addresses=True, routes=[
            {"name": "c1", "cells": ["c1"], "upstream": f"http://127.0.0.1:{here}"},
            {"name": "c2", "cells": ["c2"], "upstream": f"http://127.0.0.1:{running['c2'].port}"},
            {"name": "local", "tenants": ["single"], "upstream": f"http://local{{tenant.attributes.rest}}:{here}"},
            {"name": "addresses", "cells": ["c6"], "upstream": f"http://{{tenant.attributes.address}}:{here}"},
            {"name": "secured", "cells": ["c7"], "upstream": f"https://localhost:{running['c7'].port}"},
            {"name": "misnamed", "cells": ["c8"], "upstream": f"https://127.0.0.1:{running['c7'].port}"},
            {"name": "sockets", "cells": ["c3", "c4", "C5", "../c3"], "upstream": f"unix:{directory}/{{tenant.cell}}.sock"},
        ])
        del config["ingress"]["upstream"]
        palisade = start("cells", config, setting.identity(), {"tenants": {"directory": {"file": "cells-records.yaml"}}})
        yield Cells(palisade, running)


@dataclass
class Workloads:
    """An authority for clients, and certificates of all kinds."""

    authority: Authority

    def __post_init__(self):
        own, spiffe = self.authority.identity, "spiffe://prod/ns/{}/sa/worker".format
        self.acme, self.globex = own("acme", [spiffe("acme")]), own("globex", [spiffe("globex")])
        self.initech, self.ingress_only = own("initech", [spiffe("initech")]), own("ingress-only", ["spiffe://prod/edge"])
        self.nobody, self.expired, self.server = own("nobody"), own("expired", [spiffe("acme")], days=-1), own("server", [spiffe("acme")], usage=ExtendedKeyUsageOID.SERVER_AUTH)
        self.revoked, self.two = own("revoked", [spiffe("acme")]), own("two", [spiffe("acme"), spiffe("globex")])
        self.crl = self.authority.revoke(self.revoked)

    @property
    def mappings(self) -> dict:
        tenants = ("acme", "globex", "initech")
        return {"workloads": [*({"spiffe_id": f"spiffe://prod/ns/{tenant}/*", "tenant": tenant} for tenant in tenants),
                              {"spiffe_id": "spiffe://prod/edge", "tenant": "acme", "listener": "ingress"}]}


@pytest.fixture(scope="session")
def workloads(tmp_path_factory) -> Workloads:
    return Workloads(Authority(tmp_path_factory.mktemp("clients")))


@pytest.fixture(scope="session")
def mutual(start, setting, authority, application, pool, sts, pooled_services, workloads) -> Palisade:
    """TLS on both sides: certificates are required on the ingress, and may be the proof on the egress."""
    clients = {"client_ca": str(workloads.authority.ca), "client_crl": str(workloads.crl)}
    ingress = setting.ingress(authority.certificate, authority.key, application.port)
    ingress["ingress"]["tls"] |= clients
    ingress["ingress"]["headers"] |= {"x-workload": "{client.spiffe_id}", "x-holder": "{client.subject}"}
    tls = {"certificate": str(authority.certificate), "private_key": str(authority.key), "client_auth": "optional", **clients}
    identity = setting.identity()
    identity["identity"] |= workloads.mappings
    credentials = setting.pooled(pool, sts.port)
    # STS takes no SPIFFE id for one.
    del credentials["credentials"]["assume_role"]["source_identity"]
    return start("mutual", ingress, setting.egress(pooled_services, tls=tls, proofs=["jwt", "certificate"]), identity, credentials)


@dataclass
class Door:
    """One way for an application to get at its tenants' data, and the wire that it goes over."""

    palisade: Palisade
    tap: Tap
    proofs: dict

    def client(self, service: str, tenant: str, **options):
        return clients.client(service, self.url, tenant, self.proofs[tenant], **options)

    def cli(self, tenant: str, *arguments, **more: str):
        return clients.cli(self.url, tenant, self.proofs[tenant], *arguments, **more)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.tap.port}"


@pytest.fixture(params=["passport", "jwt"])
def door(request, idp):
    """Both ways in: with the passports of requests that are going on, and with JWTs."""
    tenants = ("acme", "acme-eu", "globex")
    with contextlib.ExitStack() as stack:
        if request.param == "passport":
            sidecar, app, tls = (request.getfixturevalue(n) for n in ("sidecar", "application", "authority"))
            visits = {t: stack.enter_context(app.visit(sidecar.port("ingress"), tls.client(), idp.token(t), t)) for t in tenants}
            palisade, proofs = sidecar, {t: v.passport for t, v in visits.items()}
        else:
            palisade, proofs = request.getfixturevalue("egress"), {t: idp.token(t) for t in tenants}
        tap = stack.enter_context(contextlib.closing(Tap(palisade.port("egress"))))
        yield Door(palisade, tap, proofs)


def issued(sts: Tap) -> dict[str, set[str]]:
    """Every credential that STS has handed to Palisade so far, by kind."""
    answers = "".join(response.body.decode() for _, response in sts.exchanges())
    kinds = ("AccessKeyId", "SecretAccessKey", "SessionToken", "AssumedRoleId")
    return {kind: set(re.findall(f"<{kind}>([^<]+)</{kind}>", answers)) for kind in kinds}


@pytest.fixture
def no_credentials_in(sts):
    """Asserts that some text holds nothing that STS issued, and neither role nor account."""

    def check(text: str, account: bool = True):
        secrets = issued(sts)
        assert secrets["SessionToken"], "nothing was issued yet, so nothing was looked for"
        for kind, values in secrets.items():
            assert not [v for v in values if v in text], f"{kind} leaked"
        assert "assumed-role" not in text and "tenant-pool" not in text, "the role leaked"
        assert not account or backends.ACCOUNT not in text, "the account leaked"

    return check
