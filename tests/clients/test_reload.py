"""Another configuration for a process that serves: what takes effect, what is refused, and what outlives it."""

import contextlib
import copy
import json
import os
import re
import shutil
import ssl
import time
from pathlib import Path

import pytest
import yaml

from harness import wire
from harness.application import Application
from harness.backends import ACCOUNT, BUCKET
from harness.clients import placeholder
from harness.idp import IdentityProvider
from harness.palisade import Plain
from harness.pki import Authority
from harness.process import free_port, wait_until

GUIDE = Path(__file__).parents[2] / "config/guide/reload.md"


@pytest.fixture(scope="module")
def others(directory, authority) -> dict:
    """Files that a configuration may come to name."""
    authority.issue(directory / "other.crt", directory / "other.key")
    (directory / "fewer-tenants.yaml").write_text(yaml.safe_dump({"tenants": {"globex": {"external_id": "external-globex"}}}))
    (directory / "nobody.cedar").write_text("permit(principal, action, resource);\nforbid(principal, action, resource);\n")
    (directory / "other-admin").write_text("another-admin-token\n")
    return {"certificate": str(directory / "other.crt"), "private_key": str(directory / "other.key")}


@pytest.fixture
def reloaded(start, setting, authority, application, pool, ministack, pooled_services, request):
    """A Palisade of the test's own."""
    name = "reload-" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())
    return own(start(name, setting.ingress(authority.certificate, authority.key, application.port),
                     setting.egress(pooled_services, proofs=["passport", "jwt"]), setting.identity(), setting.pooled(pool, ministack.port)))


def own(palisade):
    """With a configuration that shares nothing with those of others."""
    palisade.config = copy.deepcopy(palisade.config)
    return palisade


@pytest.fixture(scope="module")
def changing(start, setting, authority, application, pool, ministack, pooled_services):
    """One for all changes that are made one at a time, and taken back."""
    credentials = setting.pooled(pool, ministack.port)
    (setting.directory / "reload-policy.json").write_text((setting.directory / "session-policy.json").read_text())
    credentials["credentials"]["assume_role"]["session_policy"] = {"file": "reload-policy.json"}
    return own(start("reload-changing", setting.ingress(authority.certificate, authority.key, application.port),
                     setting.egress(pooled_services, proofs=["passport", "jwt"]), setting.identity(), credentials))


class Callers:
    """What the outside and the application see of a Palisade."""

    def __init__(self, palisade, authority, idp, partner, application):
        self.palisade, self.authority, self.idp, self.partner, self.application = palisade, authority, idp, partner, application

    def enter(self, token: str | None = None, tenant: str = "acme", path: str = "/echo") -> wire.Message:
        headers = {"Authorization": f"Bearer {token or self.idp.token(tenant)}", "x-tenant-id": tenant}
        return wire.exchange(self.palisade.port("ingress"), wire.request("GET", path, headers), self.authority.client())

    def seen(self) -> dict:
        answer = self.enter()
        assert answer.status == 200, (answer.status, answer.reason)
        return dict(json.loads(answer.body)["headers"])

    def fetch(self, key: str = "acme/hello.txt", tenant: str = "acme", proof: str | None = None, service: str = "s3", target: str | None = None, **headers) -> wire.Message:
        proof = proof or self.idp.token(tenant)
        return wire.exchange(self.palisade.port("egress"), wire.request("GET", target or f"/{BUCKET}/{key}", {"Host": "localhost"} | placeholder(tenant, proof, service, headers)))

    def leaf(self) -> bytes:
        return wire.leaf(self.palisade.port("ingress"), self.authority.client())

    def sessions(self) -> list[dict]:
        return json.loads(self.palisade.admin("/tenants")[1])

    def visit(self, token: str, tenant: str):
        return self.application.visit(self.palisade.port("ingress"), self.authority.client(), token, tenant)


@pytest.fixture
def callers(changing, authority, idp, partner, application) -> Callers:
    return Callers(changing, authority, idp, partner, application)


def statuses(*answers: wire.Message) -> list:
    return [(answer.status, answer.reason) for answer in answers]


OK = (200, None)


def headers(c, config, seen):
    config["ingress"]["headers"] = {"x-whose": "{tenant.id}"}
    yield
    assert c.seen()["x-whose"] == "acme" and "x-whose" not in seen["headers"]


def endpoints(c, config, seen):
    config["ingress"]["endpoints"] = [{"path": "/elsewhere"}]
    yield
    assert c.enter().status == 403


def upstream(c, config, seen):
    with contextlib.closing(Application()) as other:
        config["ingress"]["upstream"] = f"http://127.0.0.1:{other.port}"
        yield
        assert c.enter().status == 200 and other.requests == 1


def context(c, config, seen):
    config["ingress"]["context"] = {"audience": "app"}
    yield
    assert c.seen()["x-palisade-context"]
    keys = wire.exchange(c.palisade.port("probes"), wire.request("GET", "/.well-known/jwks.json"))
    assert keys.status == 200 and "x-palisade-context" not in seen["headers"]


def public_room(c, config, seen):
    config["ingress"] |= {"endpoints": [{"path": "/**", "auth": "none"}], "public_concurrent": 1}
    yield
    public = wire.request("GET", "/echo", {"Host": "localhost"})
    with wire.Connection(c.palisade.port("ingress"), c.authority.client()) as held:
        held.send(wire.request("PUT", "/echo", {"Host": "localhost", "Content-Length": "5"}, length=False) + b"he")
        ask = lambda: wire.exchange(c.palisade.port("ingress"), public, c.authority.client())  # noqa: E731
        wait_until(lambda: ask().reason == "overloaded", 5, "the room is taken")
    wait_until(lambda: ask().status == 200, 5, "the room is there again")


def certificate(c, config, seen):
    config["ingress"]["tls"] |= seen["others"]
    yield
    assert c.leaf() != seen["leaf"] and c.leaf() == ssl.PEM_cert_to_DER_cert(Path(seen["others"]["certificate"]).read_text())


def services(c, config, seen):
    del config["egress"]["services"]["s3"]
    yield
    assert c.fetch().status == 403 and seen["fetched"] == 200


def issuers(c, config, seen):
    assert c.enter(c.partner.token("partner-1", app={"tenant": "partner-1"}), "partner-1").status == 200
    del config["identity"]["issuers"][1]
    config["identity"]["issuers"][0]["tenants"] = ["*"]
    yield
    # The very token that was let in and is remembered, and another one.
    assert statuses(c.enter(c.partner.token("partner-1", app={"tenant": "partner-1"}), "partner-1")) == [(401, "token-issuer")]
    assert c.enter().status == 200


def issuer_s_tenants(c, config, seen):
    token = c.idp.token("acme")
    assert statuses(c.enter(token), c.fetch(proof=token)) == [OK, OK]
    config["identity"]["issuers"][0]["tenants"] = ["globex"]
    yield
    assert statuses(c.enter(token), c.fetch(proof=token)) == [(403, "issuer-not-for-tenant")] * 2
    assert c.enter(tenant="globex").status == 200


def passport(c, config, seen):
    config["identity"]["passport"] = {"max_uses": 1}
    yield
    with c.visit(c.idp.token("acme"), "acme") as visit:
        first, second = c.fetch(proof=visit.passport), c.fetch(proof=visit.passport)
        assert first.status == 200 and second.reason == "passport-used-up"


def tenants(c, config, seen):
    config["tenants"] = {"directory": {"file": "fewer-tenants.yaml"}}
    yield
    assert statuses(c.enter(), c.enter(tenant="globex")) == [(403, "tenant-unknown"), OK]


def plans(c, config, seen):
    c.fetch()
    old = {session["role_arn"] for session in c.sessions() if session["tenant"] == "acme"}
    config["credentials"]["assume_role"] = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-{{tenant.id}}", "external_id": "{tenant.external_id}", "duration": "1h", "session_name": "{tenant.id}"}
    yield
    c.fetch()
    now = {session["role_arn"] for session in c.sessions() if session["tenant"] == "acme"}
    assert any(role.endswith("role/tenant-acme") for role in now - old), (old, now)


def session_policy(c, config, seen):
    """The file behind a setting whose words stay the same."""
    file = c.palisade.directory / "reload-policy.json"
    text = file.read_text()
    assert c.fetch().status == 200
    file.write_text(json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}))
    try:
        yield
        assert c.fetch().status == 403
    finally:
        file.write_text(text)


def guard(c, config, seen):
    config["guard"] = {"s3": [{"buckets": [BUCKET], "prefix": "{tenant.id}/"}]}
    config["egress"]["services"]["dynamodb"]["unguarded"] = True
    yield
    assert statuses(c.fetch(), c.fetch("globex/hello.txt")) == [OK, (403, "guard-denied")]


def policies(c, config, seen):
    config["guard"] = {"s3": [{"buckets": [BUCKET], "prefix": "{tenant.id}/"}], "cedar": {"policies": "nobody.cedar"}}
    config["egress"]["services"]["dynamodb"]["unguarded"] = True
    yield
    assert c.fetch().status == 403


def limits(c, config, seen):
    config["limits"] = {"default": {"requests_per_second": 0.01, "burst": 2}}
    yield
    assert [c.enter(tenant="globex").status for _ in range(3)] == [200, 200, 429]


def admin(c, config, seen):
    config["admin"]["token"] = {"file": "other-admin"}
    yield
    assert [c.palisade.admin("/config")[0], c.palisade.admin("/config", token="another-admin-token")[0]] == [403, 200]


def log_level(c, config, seen):
    config["telemetry"] = {"logs": {"level": "debug"}}
    yield
    assert c.palisade.admin("/nowhere")[0] == 404
    wait_until(lambda: '"level":"DEBUG"' in c.palisade.stderr.read_text(), 5, "finer messages")


def warm_up(c, config, seen):
    role = config["credentials"]["assume_role"]
    # Nothing of a user, of whom nothing is known before a request comes.
    del role["source_identity"]
    role["session_tags"] = {"TenantID": "{tenant.id}"}
    config["credentials"]["warm_up"] = {"tenants": ["acme-eu"]}
    yield
    wait_until(lambda: any(session["tenant"] == "acme-eu" for session in c.sessions()), 10, "a session that nobody asked for")


def base(c, config, seen):
    c.fetch()
    assert c.sessions()
    config["credentials"]["sts"]["timeout"] = "4s"
    yield
    assert c.sessions() == [], "what another identity or STS gave is not used"
    assert c.fetch().status == 200


def users(c, config, seen):
    """A directory of users in place of what tokens say of tenants."""
    (c.palisade.directory / "reload-users.yaml").write_text(yaml.safe_dump(
        {"issuers": {c.idp.issuer: {"users": {"user-1": {"active_tenant": "globex", "tenants": {"globex": {}}}}}}}))
    config["users"] = {"directory": {"file": "reload-users.yaml"}}
    del config["identity"]["issuers"][1]
    del config["identity"]["issuers"][0]["claims"]["tenant"]
    yield
    assert [c.enter().status, c.enter(c.idp.token("acme"), "globex").status] == [403, 200]


def workloads(c, config, seen):
    (c.palisade.directory / "poller.token").write_text("poller-token-of-the-tests-with-32-characters\n")
    config["workloads"] = {"poller": {"token_file": "poller.token", "actions": ["s3:GetObject"], "resources": [f"arn:aws:s3:::{BUCKET}/acme/*"],
                                      "assume_role": {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-pool"}}}
    yield
    assert "poller" in json.loads(c.palisade.admin("/config")[1])["workloads"]


EFFECTS = [headers, endpoints, upstream, context, public_room, certificate, services, issuers, issuer_s_tenants, passport, tenants, plans, session_policy,
           guard, policies, limits, admin, log_level, warm_up, base, users, workloads]


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.__name__.replace("_", "-"))
def test_a_change_takes_effect_and_can_be_taken_back(callers, effect, others):
    palisade = callers.palisade
    original = copy.deepcopy(palisade.config)
    seen = {"headers": callers.seen(), "leaf": callers.leaf(), "fetched": callers.fetch().status, "others": others}
    change = effect(callers, palisade.config, seen)
    next(change)
    try:
        palisade.reload()
        assert palisade.metric("palisade_config_last_reload_successful") == 1
        with contextlib.suppress(StopIteration):
            next(change)
    finally:
        change.close()
        palisade.config.clear()
        palisade.config.update(original)
        palisade.reload()
    assert callers.seen().keys() == seen["headers"].keys() and callers.fetch().status == seen["fetched"] and callers.leaf() == seen["leaf"]


def test_what_cannot_be_used_leaves_the_old_in_use_and_says_why(reloaded, authority, idp, partner, application):
    callers = Callers(reloaded, authority, idp, partner, application)
    good = copy.deepcopy(reloaded.config)
    for break_it, words in [
        (lambda c: c["ingress"].update(upsteram="x"), [f"{reloaded.file}:", "ingress.upsteram"]),
        (lambda c: c["ingress"]["tls"].update(certificate="gone.crt"), ["ingress.tls.certificate", "gone.crt"]),
        (lambda c: c["tenants"].update(directory={"file": "tls.key"}), ["tls.key"]),
        (lambda c: c["egress"].update(ca=str(authority.key)), ["egress.ca"]),
        (lambda c: c["identity"]["issuers"][0].update(jwks={"uri": "https://127.0.0.1:1/keys"}), ["did not become ready", "no keys yet for", idp.issuer]),
        (lambda c: c["identity"].pop("issuers"), ["identity"]),
    ]:
        reloaded.config.clear()
        reloaded.config.update(copy.deepcopy(good))
        break_it(reloaded.config)
        before = len(reloaded.stderr.read_text())
        reloaded.reload("rejected")
        assert reloaded.metric("palisade_config_last_reload_successful") == 0
        line = json.loads(reloaded.said("the old one stays in use", before))
        assert line["level"] == "ERROR" and all(word in line["errors"] for word in words), line
        assert statuses(callers.enter(), callers.fetch()) == [OK, OK]
        assert json.loads(reloaded.admin("/config")[1])["tenants"]["directory"] == {"file": "tenants.yaml"}
    reloaded.file.write_text("ingress: {")
    reloaded.hang_up()
    wait_until(lambda: reloaded.reloads("rejected") >= 7, 10, "half a file is none")
    reloaded.config.clear()
    reloaded.config.update(good)
    reloaded.reload("unchanged")
    assert reloaded.metric("palisade_config_last_reload_successful") == 1
    assert time.time() - reloaded.metric("palisade_config_last_reload_success_timestamp_seconds") < 30
    assert reloaded.reloads("applied") == 0


def test_a_configuration_that_could_not_be_used_is_tried_again(reloaded, directory, authority):
    """What is missing comes later, and no file that is in use changes with it."""
    ca = directory / "late.pem"
    ca.unlink(missing_ok=True)
    reloaded.config["egress"]["ca"] = str(ca)
    reloaded.reload("rejected")
    ca.write_bytes(authority.ca.read_bytes())
    wait_until(lambda: reloaded.reloads("applied") == 1, 15, "it is taken")
    assert reloaded.reloads("rejected") == 1, "trying again is not news"


def test_a_change_is_found_without_a_signal_through_kubernetes_links(reloaded, authority, idp, partner, application):
    """A kubelet swaps a link to a folder, which the file's own link leads through."""
    callers = Callers(reloaded, authority, idp, partner, application)
    data, name = reloaded.directory / f"{reloaded.name}-data", reloaded.file.name

    def version(number: int):
        folder = reloaded.directory / f"{reloaded.name}-v{number}"
        folder.mkdir()
        config = copy.deepcopy(reloaded.config)
        config["ingress"]["headers"] = {"x-version": "{tenant.id}-%d" % number} if number else config["ingress"]["headers"]
        # Relative paths are relative to where the file is named, and not to where links lead.
        (folder / name).write_text(yaml.dump(config, Dumper=Plain, sort_keys=False))
        link = reloaded.directory / f"{reloaded.name}-tmp"
        os.symlink(folder, link)
        os.replace(link, data)

    version(0)
    link = reloaded.file.with_suffix(".link")
    os.symlink(data / name, link)
    os.replace(link, reloaded.file)
    for number in (1, 2):
        version(number)
        wait_until(lambda number=number: callers.seen().get("x-version") == f"acme-{number}", 10, "the change is found")
    assert reloaded.reloads("applied") == 2 and reloaded.reloads("rejected") == 0


class Mount:
    """A volume as a kubelet makes it: every name leads through the link `..data`, which is swapped for all of them at once."""

    def __init__(self, path: Path):
        self.path, self.versions = path, 0
        path.mkdir()

    def swap(self, files: dict[str, str]):
        """Other content, by path. The folder of before is removed."""
        self.versions += 1
        data, folder = self.path / "..data", self.path / f"..version-{self.versions}"
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
            top = Path(path).parts[0]
            if not (self.path / top).is_symlink():
                os.symlink(f"..data/{top}", self.path / top)
        before = data.is_symlink() and data.resolve()
        os.symlink(folder.name, self.path / "..data_tmp")
        os.replace(self.path / "..data_tmp", data)
        if before:
            shutil.rmtree(before)


class Generation:
    """Everything that may be mounted, of one time: the certificate, roots and revocations of clients, keys of tokens, tenants, and policies."""

    def __init__(self, directory: Path, authority: Authority, issuer: str, globex: str, policy: str):
        directory.mkdir()
        clients, self.provider = Authority(directory), IdentityProvider(issuer)
        self.client, self.revoked = clients.identity("client"), clients.identity("revoked")
        certificate, key = directory / "server.crt", directory / "server.key"
        authority.issue(certificate, key)
        self.leaf = ssl.PEM_cert_to_DER_cert(certificate.read_text())
        records = {"acme": {}, "globex": {"status": globex}}
        self.files = {"tls/tls.crt": certificate.read_text(), "tls/tls.key": key.read_text(), "clients/ca.pem": clients.ca.read_text(),
                      "clients/ca.crl": clients.revoke(self.revoked).read_text(), "keys.json": json.dumps(self.provider.jwks()),
                      "tenants.yaml": yaml.safe_dump({"tenants": records}), "guard/policies.cedar": policy}


@pytest.mark.parametrize("also", [False, True], ids=["files", "files-and-configuration"])
def test_everything_that_is_mounted_follows_one_swap_of_kubernetes_links(start, setting, authority, application, pool, ministack, pooled_services, tmp_path, also):
    issuer, name = "https://mounted.test/", f"reload-mounted-{also}".lower()
    old = Generation(tmp_path / "old", authority, issuer, "active", "permit(principal, action, resource);\n")
    new = Generation(tmp_path / "new", authority, issuer, "suspended", "permit(principal, action, resource);\nforbid(principal, action, resource);\n")
    mount = Mount(setting.directory / f"{name}-mount")
    mount.swap(old.files)
    at = {path: f"{mount.path.name}/{path}" for path in old.files}
    ingress = setting.ingress(at["tls/tls.crt"], at["tls/tls.key"], application.port)
    ingress["ingress"]["tls"] |= {"client_ca": at["clients/ca.pem"], "client_crl": at["clients/ca.crl"]}
    services = copy.deepcopy(pooled_services)
    services["dynamodb"]["unguarded"] = True
    issuers = {"issuers": [{"issuer": issuer, "audience": ["api"], "jwks": {"file": at["keys.json"]}}]}
    palisade = start(name, ingress, setting.egress(services, proofs=["passport", "jwt"]), setting.pooled(pool, ministack.port), {
        "guard": {"s3": [{"buckets": [BUCKET], "prefix": "{tenant.id}/"}], "cedar": {"policies": at["guard/policies.cedar"]}},
        "identity": issuers, "tenants": {"directory": {"file": at["tenants.yaml"]}}})
    mount.swap(old.files | {"palisade.yaml": palisade.file.read_text()})
    palisade.file.unlink()
    os.symlink(f"{mount.path.name}/palisade.yaml", palisade.file)

    def enter(client, token: str, tenant: str = "acme") -> tuple:
        """Status and reason; nothing of either where there is no handshake."""
        request = wire.request("GET", "/echo", {"Authorization": f"Bearer {token}", "x-tenant-id": tenant})
        try:
            answer = wire.exchange(palisade.port("ingress"), request, authority.client(identity=client))
        except (wire.Closed, OSError):
            return (None, None)
        return answer.status, answer.reason

    def served(known: Generation, other: Generation) -> dict:
        """What is seen of each file, where those of one generation are in use. Nobody but a client of its own gets to be asked for more."""
        token, shows = known.provider.token, authority.client(identity=known.client)
        fetched = wire.request("GET", f"/{BUCKET}/acme/hello.txt", {"Host": "localhost"} | placeholder("acme", token("acme")))
        return {"leaf": wire.leaf(palisade.port("ingress"), shows), "client": enter(known.client, token("acme")), "other client": enter(other.client, token("acme")),
                "revoked": enter(known.revoked, token("acme")), "other key": enter(known.client, other.provider.token("acme"))[0],
                "tenant": enter(known.client, token("globex"), "globex"), "policy": wire.exchange(palisade.port("egress"), fetched).status}

    common = {"client": OK, "other client": (None, None), "revoked": (None, None), "other key": 401}
    before = common | {"leaf": old.leaf, "tenant": OK, "policy": 200}
    after = common | {"leaf": new.leaf, "tenant": (403, "tenant-suspended"), "policy": 403}
    assert served(old, new) == before
    config = copy.deepcopy(palisade.config)
    if also:
        config["ingress"]["headers"] = {"x-version": "{tenant.id}-2"}
    mount.swap(new.files | {"palisade.yaml": yaml.dump(config, Dumper=Plain, sort_keys=False)})
    for what, expected in after.items():
        wait_until(lambda what=what, expected=expected: served(new, old)[what] == expected, 15, f"the new {what}")
    assert served(new, old) == after
    answer = wire.exchange(palisade.port("ingress"), wire.request("GET", "/echo", {"Authorization": f"Bearer {new.provider.token('acme')}", "x-tenant-id": "acme"}),
                           authority.client(identity=new.client))
    assert dict(json.loads(answer.body)["headers"]).get("x-version") == ("acme-2" if also else None)
    assert palisade.reloads("rejected") == 0


def test_the_signal_alone_changes_nothing(reloaded):
    reloaded.hang_up()
    wait_until(lambda: reloaded.reloads("unchanged") == 1, 5, "it is read again")
    assert reloaded.process.poll() is None


def telemetry(config: dict, **sections: dict):
    for name, section in sections.items():
        config.setdefault("telemetry", {}).setdefault(name, {}).update(section)


# A change of each setting that holds for the life of the process, by the row of the guide that it is of.
FOR_LIFE = {
    "admin.listen": lambda c: c["admin"].update(listen=f"127.0.0.1:{free_port()}"),
    "admin.server": lambda c: c["admin"].update(server={"headers": 50}),
    "credentials.budget": lambda c: c["credentials"].update(budget={"queue": 20}),
    "credentials.max_sessions": lambda c: c["credentials"].update(max_sessions=500),
    "egress.listen": lambda c: c["egress"].update(listen=f"127.0.0.1:{free_port()}"),
    "egress.server": lambda c: c["egress"].update(server={"headers": 50}),
    "egress.socket": lambda c: c["egress"].update(socket={"path": "egress.sock"}),
    "egress.tls": lambda c: c["egress"].update(tls=dict(c["ingress"]["tls"])),
    "egress.tls.client_auth": lambda c: c["egress"]["tls"].update(client_auth="optional"),
    "egress.tls.client_ca": lambda c: c["egress"]["tls"].update(client_ca="clients-ca.pem"),
    "egress.tls.client_crl": lambda c: c["egress"]["tls"].update(client_crl="clients.crl"),
    "ingress.listen": lambda c: c["ingress"].update(listen=f"127.0.0.1:{free_port()}"),
    "ingress.server": lambda c: c["ingress"].update(server={"headers": 50}),
    "ingress.tls.client_auth": lambda c: c["ingress"]["tls"].update(client_auth="optional"),
    "ingress.tls.client_ca": lambda c: c["ingress"]["tls"].update(client_ca="clients-ca.pem"),
    "ingress.tls.client_crl": lambda c: c["ingress"]["tls"].update(client_crl="clients.crl"),
    "probes.listen": lambda c: c["probes"].update(listen=f"127.0.0.1:{free_port()}"),
    "probes.server": lambda c: c["probes"].update(server={"headers": 50}),
    "resources": lambda c: c.update(resources={"memory": "2GiB"}),
    "server": lambda c: c.update(server={"headers": 60}),
    "telemetry.audit": lambda c: telemetry(c, audit={"path": "stdout"}),
    "telemetry.logs.format": lambda c: telemetry(c, logs={"format": "text"}),
    "telemetry.logs.sample": lambda c: telemetry(c, logs={"sample": 0.5}),
    "telemetry.metrics": lambda c: telemetry(c, metrics={"max_tenants": 7}),
    "telemetry.traces": lambda c: telemetry(c, traces={"otlp": "http://127.0.0.1:4317", "insecure": True}),
}


def test_what_holds_for_life_is_named_and_nothing_else_is_applied_with_it(reloaded, authority, idp, partner, application, workloads):
    shutil.copy(workloads.authority.ca, reloaded.directory / "clients-ca.pem")
    shutil.copy(workloads.crl, reloaded.directory / "clients.crl")
    callers = Callers(reloaded, authority, idp, partner, application)
    listed = set(re.findall(r"^\| `([a-z_.]+)` \|", GUIDE.read_text().split("## What needs a restart", 1)[1].split("\n## ", 1)[0], re.MULTILINE))
    assert listed == FOR_LIFE.keys(), "the guide and this table differ"
    before = copy.deepcopy(reloaded.config)
    reloaded.config["ingress"]["headers"] = {"x-too": "{tenant.id}"}
    for change in FOR_LIFE.values():
        change(reloaded.config)
    text = yaml.dump(reloaded.config, Dumper=Plain, sort_keys=False)
    # It is still where it was.
    reloaded.config.update(before)
    reloaded.file.write_text(text)
    reloaded.hang_up()
    wait_until(lambda: reloaded.reloads("rejected") == 1, 10, "it is rejected")
    line = json.loads(reloaded.said("the old one stays in use"))
    named = re.findall(rf"^{re.escape(str(reloaded.file))}:\d+:\d+: (\S+): cannot be changed while the process serves", line["errors"], re.MULTILINE)
    for row in FOR_LIFE:
        assert any(name == row or name.startswith((row + ".", row + "[")) for name in named), (row, named)
    assert not any(name.startswith("ingress.headers") for name in named)
    assert "x-too" not in callers.seen()


def test_a_passport_of_an_issuer_that_is_gone_ends_and_its_request_does_not(reloaded, authority, idp, partner, application):
    callers = Callers(reloaded, authority, idp, partner, application)
    token = idp.token("acme")
    with callers.visit(token, "acme") as visit:
        assert callers.fetch(proof=visit.passport).status == 200
        # A change that has nothing to do with it leaves it alone.
        reloaded.config["ingress"]["headers"] = {"x-a": "{tenant.id}"}
        reloaded.reload()
        assert callers.fetch(proof=visit.passport).status == 200
        del reloaded.config["identity"]["issuers"][0]
        reloaded.reload()
        assert callers.fetch(proof=visit.passport).reason in ("passport-unknown", "token-issuer")
        assert statuses(callers.enter(token)) == [(401, "token-issuer")]
    assert visit.status == 200


def test_limits_sessions_and_keys_that_were_handed_out_outlive_a_reload(reloaded, authority, idp, partner, application):
    callers = Callers(reloaded, authority, idp, partner, application)
    reloaded.config["limits"] = {"default": {"requests_per_second": 0.01, "burst": 2}}
    reloaded.reload()
    assert [callers.enter(tenant="globex").status for _ in range(3)] == [200, 200, 429]
    assert callers.fetch().status == 200
    asked = reloaded.metric("palisade_sts_requests_total")
    reloaded.config["ingress"]["headers"] = {"x-a": "{tenant.id}"}
    reloaded.reload()
    assert callers.enter(tenant="globex").status == 429, "a reload fills no bucket"
    # Another burst leaves what has been spent as it is.
    reloaded.config["limits"] = {"default": {"requests_per_second": 0.01, "burst": 3}}
    reloaded.reload()
    assert callers.enter(tenant="globex").status == 429
    assert callers.fetch().status == 200 and reloaded.metric("palisade_sts_requests_total") == asked, "the session is the old one"


def test_a_stream_of_before_ends_when_its_tenant_is_suspended_in_the_directory_that_came_after(reloaded, authority, idp, partner, application):
    callers = Callers(reloaded, authority, idp, partner, application)
    records = yaml.safe_load((reloaded.directory / "tenants.yaml").read_text())
    later = reloaded.directory / "later-tenants.yaml"
    later.write_text(yaml.safe_dump(records))
    with wire.Connection(reloaded.port("ingress"), authority.client()) as stream:
        stream.send(wire.request("GET", "/events?count=100&gap=0.2", {"Host": "localhost", "Authorization": f"Bearer {idp.token('acme')}", "x-tenant-id": "acme"}))
        assert stream.socket.recv(1)
        reloaded.config["tenants"] = {"directory": {"file": later.name}}
        reloaded.reload()
        # The file of before says nothing any more.
        assert callers.enter().status == 200 and reloaded.metric("palisade_revocations_applied_total", what="requests") == 0
        records["tenants"]["acme"]["status"] = "suspended"
        later.with_suffix(".new").write_text(yaml.safe_dump(records))
        later.with_suffix(".new").replace(later)
        wait_until(lambda: reloaded.metric("palisade_revocations_applied_total", what="requests") == 1, 10, "the stream is broken off")
        assert callers.enter().reason == "tenant-suspended"
        rest = b""
        with contextlib.suppress(OSError):
            while block := stream.socket.recv(65_536):
                rest += block
        assert rest and not rest.endswith(b"0\r\n\r\n")


def test_a_passport_keeps_its_terms_and_ends_where_fewer_actions_would_be_given_now(reloaded, authority, idp, partner, application):
    callers = Callers(reloaded, authority, idp, partner, application)
    token = idp.token("acme")
    with callers.visit(token, "acme") as visit:
        reloaded.config["identity"]["passport"] = {"max_uses": 1, "max_age": "1m", "actions": ["s3:*"]}
        reloaded.config["ingress"]["endpoints"] = [{"path": "/hold/**", "passport": {"actions": ["s3:*", "dynamodb:*"]}}, {"path": "/**"}]
        reloaded.reload()
        # It was for everything.
        assert callers.fetch(proof=visit.passport).status == 400
    with callers.visit(token, "acme") as visit:
        reloaded.config["identity"]["passport"] = {"max_uses": 5}
        reloaded.reload()
        answers = [callers.fetch(proof=visit.passport) for _ in range(2)]
        assert [answers[0].status, answers[1].reason] == [200, "passport-used-up"], "it was made for one use"


def test_what_a_configuration_is_refused_for_is_told_and_the_process_stays_ready(reloaded):
    ready = lambda: reloaded.admin("/readyz", token=None)[0]  # noqa: E731
    good = copy.deepcopy(reloaded.config)
    for part, change in [("files", lambda c: c["ingress"].update(upsteram="x")), ("restart", lambda c: c.update(server={"headers": 60})),
                         ("keys", lambda c: c["identity"]["issuers"][0].update(jwks={"uri": "https://127.0.0.1:1/keys"}))]:
        reloaded.config.clear()
        reloaded.config.update(copy.deepcopy(good))
        change(reloaded.config)
        reloaded.reload("rejected")
        assert [reloaded.metric("palisade_config_refused", part=part), reloaded.metric("palisade_config_refused")] == [1, 1], part
        assert ready() == 200
    reloaded.config.clear()
    reloaded.config.update(good)
    reloaded.reload("unchanged")
    assert reloaded.metric("palisade_config_refused") == 0 and ready() == 200
