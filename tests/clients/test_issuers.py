"""Where keys come from, and what becomes of tokens while they cannot be had: real key servers, good and bad."""

import concurrent.futures
import contextlib
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from harness import wire
from harness.idp import IdentityProvider, KeyServer
from harness.palisade import binary
from harness.process import clean_environment, wait_until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "config" / "examples").glob("issuer-*.yaml"))
# Enough of a pause that nothing but what a test does makes Palisade fetch.
QUIET = {"refresh": {"least": "10m", "most": "10m"}}
# So many requests of one address may wait for keys.
PLACES = 128


@pytest.fixture
def provider():
    """An issuer of one's own, whose keys a test may change."""
    return IdentityProvider("https://own.test/")


@pytest.fixture
def server(provider):
    with contextlib.closing(KeyServer(provider)) as server:
        yield server


@pytest.fixture
def gate(start, setting, authority, application):
    """An ingress alone, for one issuer. It ends with the test, as does what it fetches keys from: another server may get the port."""
    with contextlib.ExitStack() as stack:
        def make(name: str, issuer: str, jwks: dict, ready: str = "/readyz", **server):
            identity = setting.identity()["identity"] | {"issuers": [{"issuer": issuer, "audience": "api", "jwks": jwks}]}
            palisade = start(name, setting.ingress(authority.certificate, authority.key, application.port, server=server),
                             {"identity": identity, "tenants": {"directory": {"any": {}}}}, ready=ready)
            stack.callback(palisade.stop)
            return palisade

        yield make


@pytest.fixture
def ask(authority):
    """(status, reason) of a request with this token."""
    def ask(palisade, token: str, tenant: str = "acme", timeout: float = 10):
        data = wire.request("GET", "/echo", {"Authorization": f"Bearer {token}", "x-tenant-id": tenant})
        answer = wire.exchange(palisade.port("ingress"), data, authority.client(), timeout=timeout)
        return answer.status, answer.reason

    return ask


def is_ready(palisade) -> bool:
    return wire.exchange(palisade.port("probes"), wire.request("GET", "/readyz")).status == 200


def test_keys_are_discovered_and_may_move(gate, ask, provider, server):
    server.issuer = provider.issuer = server.origin
    palisade = gate("discovered", server.origin, {"discovery": True, "insecure": True, "unknown_key_interval": "1s", **QUIET})
    assert ask(palisade, provider.token()) == (200, None)
    assert [path for path, _ in server.asked] == ["/.well-known/openid-configuration", "/jwks.json"]
    with contextlib.closing(KeyServer(provider)) as other:
        other.document = lambda: {"keys": [key | {"kid": "moved"} for key in provider.jwks()["keys"] if key["kid"] == "rsa-1"]}
        server.jwks_uri = other.uri
        assert ask(palisade, provider.token(headers={"kid": "moved"})) == (200, None)
        assert (server.fetches, other.fetches) == (1, 1)
    assert ask(palisade, provider.token()) == (401, "token-key-unknown"), "a key that is at the old place alone"


@pytest.mark.parametrize("number, wrong", [*enumerate([{"issuer": "http://127.0.0.1:1"}, {"jwks_uri": "file:///etc/passwd"}, {"jwks_uri": "/jwks.json"}])])
def test_a_discovery_document_of_somebody_else_is_not_believed(gate, ask, provider, server, number, wrong):
    right = {name: getattr(server, name) for name in wrong}
    server.issuer = provider.issuer = server.origin
    right |= {"issuer": server.issuer} if "issuer" in wrong else {}
    for name, value in wrong.items():
        setattr(server, name, value)
    palisade = gate(f"misled-{number}", server.origin, {"discovery": True, "insecure": True, "unknown_key_interval": "1s"}, ready="/livez")
    assert ask(palisade, provider.token()) == (503, "keys-unavailable")
    assert not is_ready(palisade) and server.fetches == 0
    for name, value in right.items():
        setattr(server, name, value)
    wait_until(lambda: is_ready(palisade), 20, "it comes back by itself")
    assert ask(palisade, provider.token()) == (200, None)


def test_a_bearer_token_goes_to_the_key_server_alone(gate, ask, provider, authority, directory):
    """As with the API server of Kubernetes: TLS by a private authority, and a token that changes."""
    token = directory / "bearer"
    token.write_text("swordfish-1\n")
    with contextlib.closing(KeyServer(provider, tls=authority.server("localhost"))) as server:
        server.bearer = "swordfish-1"
        jwks = {"uri": server.uri, "ca": str(authority.ca), "bearer_token_file": str(token), "unknown_key_interval": "1s", **QUIET}
        palisade = gate("bearer", provider.issuer, jwks)
        assert ask(palisade, provider.token()) == (200, None)
        server.bearer = "swordfish-2"
        token.write_text("swordfish-2\n")
        provider.keys["new"] = ("ES256", ec.generate_private_key(ec.SECP256R1()))
        server.document = lambda: published(provider)
        assert ask(palisade, provider.token(key="new")) == (200, None)
        assert [sent for _, sent in server.asked] == ["Bearer swordfish-1", "Bearer swordfish-2"]
        # A discovery document decides nothing about who gets it.
        provider.issuer = server.issuer = server.origin
        with contextlib.closing(KeyServer(provider, tls=authority.server("localhost"))) as thief:
            server.jwks_uri = thief.uri
            jwks = {"discovery": True, "ca": str(authority.ca), "bearer_token_file": str(token)}
            misled = gate("bearer-discovered", server.origin, jwks, ready="/livez")
            wait_until(lambda: misled.metric("palisade_jwks_refreshes_total", result="error") >= 2, 10, "two fetches")
            assert thief.asked == [] and ask(misled, provider.token()) == (503, "keys-unavailable")
            assert "swordfish-2" not in misled.everything_written()


def published(provider: IdentityProvider) -> dict:
    """The key set with keys that a test added."""
    import jwt

    known = {k: v for k, v in provider.keys.items() if k != "new"}
    new = jwt.algorithms.ECAlgorithm.to_jwk(provider.keys["new"][1].public_key(), as_dict=True) | {"kid": "new-1"}
    everything, provider.keys = provider.keys, known
    try:
        return {"keys": [*provider.jwks()["keys"], new]}
    finally:
        provider.keys = everything


def test_inline_keys_need_nobody(gate, ask, provider):
    palisade = gate("inline", provider.issuer, {"inline": provider.jwks()})
    assert ask(palisade, provider.token()) == (200, None)
    assert ask(palisade, provider.forged()) == (401, "token-signature")
    assert ask(palisade, provider.token(headers={"kid": "other"})) == (401, "token-key-unknown")


def test_a_key_file_is_read_again(gate, ask, provider, tmp_path):
    file = provider.write(tmp_path / "keys.json")
    palisade = gate("filed", provider.issuer, {"file": str(file), "unknown_key_interval": "1s"})
    assert ask(palisade, provider.token(key="ec")) == (200, None)
    provider.keys["ec"] = ("ES256", ec.generate_private_key(ec.SECP256R1()))
    provider.write(file)
    wait_until(lambda: ask(palisade, provider.token(key="ec")) == (200, None), 15, "the new key")
    file.write_text("{")
    assert ask(palisade, provider.token(headers={"kid": "other"})) == (401, "token-key-unknown")
    assert ask(palisade, provider.token(key="ec")) == (200, None), "a broken file took the keys with it"


@pytest.mark.parametrize("mood", ["page", "empty", "nothing", "truncated", "huge", "error", "moved", "slow"])
def test_whatever_the_provider_answers_known_keys_go_on_and_nothing_else_gets_in(gate, ask, provider, server, mood):
    palisade = gate(f"mood-{mood}", provider.issuer, {"uri": server.uri, "insecure": True, "unknown_key_interval": "1s", "timeout": "500ms", **QUIET})
    assert ask(palisade, provider.token()) == (200, None)
    server.mood = mood
    assert ask(palisade, provider.token(headers={"kid": "other"})) == (401, "token-key-unknown")
    # The request does not wait for the whole of a fetch that takes as long as it may.
    wait_until(lambda: palisade.metric("palisade_jwks_refreshes_total", result="error") >= 1, 10, "the failed fetch")
    for _ in range(3):
        assert ask(palisade, provider.token()) == (200, None)
        assert ask(palisade, provider.forged()) == (401, "token-signature")
        assert ask(palisade, provider.forged(headers={"kid": "other"})) == (401, "token-key-unknown")
    assert is_ready(palisade)


def test_stale_keys_end_and_come_back(gate, ask, provider, server):
    brief = {"refresh": {"least": "1s", "most": "1s"}, "max_stale": "2s", "timeout": "500ms", "unknown_key_interval": "1s"}
    palisade = gate("stale", provider.issuer, {"uri": server.uri, "insecure": True, **brief})
    token = provider.token()
    assert ask(palisade, token) == (200, None)
    server.mood = "error"
    assert ask(palisade, token) == (200, None), "at once"
    wait_until(lambda: ask(palisade, token) == (503, "keys-unavailable"), 10, "the end of stale use")
    assert not is_ready(palisade)
    assert palisade.metric("palisade_jwks_expiry_timestamp_seconds") < time.time() + 1
    before = palisade.metric("palisade_jwks_last_success_timestamp_seconds")
    server.mood = "good"
    wait_until(lambda: ask(palisade, token) == (200, None), 15, "the provider is back")
    assert is_ready(palisade) and palisade.metric("palisade_jwks_last_success_timestamp_seconds") > before
    assert palisade.metric("palisade_jwks_keys") == 4


def test_cache_control_is_honoured_within_bounds(gate, ask, provider, server):
    server.headers = {"Cache-Control": "max-age=4"}
    palisade = gate("cached", provider.issuer, {"uri": server.uri, "insecure": True, "refresh": {"least": "1s", "most": "10m"}})
    wait_until(lambda: server.fetches == 2, 10, "the second fetch")
    first, second = server.times
    assert 2.9 < second - first < 4.5, "ahead of the end, and not at once"
    server.headers = {"Cache-Control": "no-store"}
    before = server.fetches
    time.sleep(6)
    assert 2 <= server.fetches - before <= 7, "no more often than the least"
    assert ask(palisade, provider.token()) == (200, None)


def test_unknown_key_ids_ask_for_the_keys_once(gate, ask, provider, server):
    """Junk tokens must not make Palisade hammer the identity provider."""
    palisade = gate("pestered", provider.issuer, {"uri": server.uri, "insecure": True, "unknown_key_interval": "10m", **QUIET})
    for n in range(20):
        assert ask(palisade, provider.token(headers={"kid": f"made-up-{n}"})) == (401, "token-key-unknown")
    assert server.fetches == 2, "one at the start, and one for all of them"


def test_a_rotation_under_load_costs_a_fetch_and_lets_nobody_in(gate, ask, provider, server):
    palisade = gate("rotating", provider.issuer, {"uri": server.uri, "insecure": True, "unknown_key_interval": "3s", **QUIET})
    assert ask(palisade, provider.token()) == (200, None)
    stranger = IdentityProvider(provider.issuer)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for round_ in range(3):
            time.sleep(3.1)
            provider.keys["new"] = ("ES256", ec.generate_private_key(ec.SECP256R1()))
            server.document = lambda: published(provider)
            fetches, started = server.fetches, time.monotonic()
            kinds = {
                "known": lambda n: (provider.token(sub=f"u{n}"), (200, None)),
                "new": lambda n: (provider.token(key="new", sub=f"u{n}"), (200, None) if round_ == 0 else None),
                "forged": lambda n: (stranger.token(sub=f"u{n}"), (401, "token-signature")),
                "junk": lambda n: (stranger.token(headers={"kid": f"junk-{n}"}), (401, "token-key-unknown")),
                "other tenant": lambda n: (provider.token("globex"), (403, "tenant-mismatch")),
            }
            # The new key has the name of the one before it: its tokens are refused until the next fetch, and never wrongly taken.
            work = [make(n) for n in range(40) for make in kinds.values()]
            results = list(pool.map(lambda item: ask(palisade, item[0]), work))
            for (_, expected), found in zip(work, results):
                assert found == expected or (expected is None and found in ((200, None), (401, "token-signature"))), (expected, found)
            most = 1 + (time.monotonic() - started) // 3
            assert 1 <= server.fetches - fetches <= most, f"{server.fetches - fetches} fetches for {len(work)} requests, where {most} may be"
            # After it the old key of that name is gone, and its tokens with it.
            assert ask(palisade, provider.token(key="new")) == (200, None)


def test_a_slow_provider_holds_up_nobody_who_is_known(gate, ask, provider, server):
    """It answers when all of the known have been answered."""
    jwks = {"uri": server.uri, "insecure": True, "timeout": "30s", "unknown_key_interval": "10m", **QUIET}
    # As many handshakes at once are slow in Python.
    palisade = gate("held", provider.issuer, jwks, handshake_timeout="30s", header_timeout="30s")
    known = provider.token()
    assert ask(palisade, known) == (200, None)
    server.mood = "slow"
    junk = [provider.token(headers={"kid": f"junk-{n}"}) for n in range(300)]
    with concurrent.futures.ThreadPoolExecutor(300) as pool:
        waiting = [pool.submit(ask, palisade, token, timeout=60) for token in junk]
        refused = lambda: palisade.metric("palisade_token_verifications_total", result="verifier-overloaded")  # noqa: E731
        wait_until(lambda: server.fetches == 2 and refused() >= len(junk) - PLACES, 20, "the one fetch, for which as many wait as may")
        for _ in range(5):
            assert ask(palisade, known) == (200, None)
        server.patience.set()
        results = [future.result() for future in waiting]
    assert set(results) <= {(401, "token-key-unknown"), (503, "keys-unavailable"), (503, "verifier-overloaded")}, set(results)
    assert server.fetches == 2


def check(config: Path) -> subprocess.CompletedProcess:
    return subprocess.run([binary(), "check", "--config", config], capture_output=True, text=True, timeout=30, env=clean_environment())


@pytest.fixture
def shipped(tmp_path, authority) -> Path:
    """The folder `config`, with the files that its examples name and that are made at each place."""
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    (folder / "tls").mkdir(exist_ok=True)
    for name, source in (("tls.crt", authority.certificate), ("tls.key", authority.key), ("ca.crt", authority.ca)):
        shutil.copy(source, folder / "tls" / name)
    mounted = folder / "sa"
    mounted.mkdir()
    shutil.copy(authority.ca, mounted / "ca.crt")
    (mounted / "token").write_text("projected")
    return folder


def mounted(text: str, folder: Path) -> str:
    return text.replace("/var/run/secrets/kubernetes.io/serviceaccount", str(folder / "sa"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_passes_the_check(shipped, example):
    copy = shipped / "examples" / example.name
    copy.write_text(mounted(copy.read_text(), shipped))
    done = check(copy)
    # That the tenants' file knows a tier and another issuer, and the example neither, is all there may be to say.
    known = ('the tier "gold"', 'the tenant records revoke something of "https://idp.example.com/"')
    warnings = [line for line in done.stderr.splitlines() if not any(text in line for text in known)]
    assert (done.returncode, warnings) == (0, []), done.stdout + done.stderr


def test_there_is_an_example_for_every_preset():
    table = (ROOT / "src" / "config" / "settings" / "table" / "issuers.rs").read_text()
    presets = re.findall(r'"(\w+)"', re.search(r"OneOf\(&\[([^\]]*)\]", table)[1])
    assert [path.stem.removeprefix("issuer-") for path in EXAMPLES] == sorted(presets) and len(presets) == 6


def test_the_snippets_of_the_guide_pass_the_check(shipped):
    """A snippet is the issuer's section, or a part of it."""
    guide = (ROOT / "config" / "guide" / "issuers.md").read_text()
    snippets = re.findall(r"^```yaml\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    assert len(snippets) >= 5
    (shipped / "jwks-example.json").write_text((shipped / "jwks.json").read_text())
    for number, snippet in enumerate(snippets):
        part = yaml.safe_load(mounted(snippet, shipped))
        issuer = {"issuer": "https://idp.example.com/", "audience": "api", "jwks": {"file": "jwks.json"}} | part
        config = {"ingress": {"tls": {"certificate": "tls/tls.crt", "private_key": "tls/tls.key"}, "upstream": "http://127.0.0.1:8080"},
                  "identity": {"issuers": [issuer]}, "tenants": {"directory": {"file": "tenants.yaml"}}}
        file = shipped / f"snippet-{number}.yaml"
        file.write_text(json.dumps(config))
        done = check(file)
        assert done.returncode == 0, f"{snippet}\n{done.stderr}"
