"""The rig in `bench/` works, as far as that can be told without measuring: its configurations load, its judge judges, and its report says what was measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from harness.palisade import binary
from harness.process import clean_environment, closed_port, free_port

BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))

from rig import configs, identities, judge, pace, report, sets, targets  # noqa: E402
from rig.configs import envoy, nginx, palisade  # noqa: E402
from rig.doubles import Double, s3  # noqa: E402
from rig.place import NAMES  # noqa: E402

PORTS = {name: 20_000 + n for n, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("bench")
    identities.certificates(directory)
    return directory


@pytest.fixture(scope="module")
def issuer() -> identities.Issuer:
    return identities.Issuer()


def record(set_: str, case: str, name: str, *rounds: dict) -> list[dict]:
    return [{"set": set_, "case": case, "name": name, "round": n, "values": values} for n, values in enumerate(rounds)]


def run_of(records: list[dict], failures: tuple = ()) -> dict:
    return {"command": ["python3", "bench/run.py", "--set", "small"], "date": "2026-11-29", "machine": {"kernel": "6.1"}, "records": records,
            "options": {"rounds": 3, "seconds": 6}, "failures": list(failures)}


SMALL = "plaintext, c=64"
MEASURED = [
    *record("small", SMALL, "nginx", *({"cpu_us": 12.5, "rps": 60_000.0, "p99_ms": 1.0, "others": 0.01} for _ in range(3))),
    *record("small", SMALL, "Envoy", *({"cpu_us": 100.0, "rps": 10_000.0, "p99_ms": 9.0, "others": 0.02} for _ in range(3))),
    # The median is neither the first nor the mean.
    *record("small", SMALL, "Palisade", *({"cpu_us": us, "rps": 24_000.0, "p99_ms": 4.0, "others": 0.03} for us in (90.0, 30.0, 29.0))),
    *record("connect", "TLS 1.3 handshakes", "nginx", {"cpu_us": 400.0}),
    *record("connect", "TLS 1.3 handshakes", "Palisade", {"cpu_us": 200.0}),
    *record("tenants", "100 tenants", "Palisade", {"rps": 10_000.0, "rss_mib": 20.0}),
    *record("tenants", "100,000 tenants", "Palisade", {"rps": 8_000.0, "rss_mib": 20.0 + 99_900 * 2 / 1024}),
]


def lines(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


@pytest.mark.parametrize(("start", "measured", "met"), [
    ("| small signed request, plaintext", "30 µs CPU", "yes"),
    ("| the same, throughput", "2.4 × Envoy", "**no**"),
    ("| the same, CPU", "2.4 × nginx", "no"),
    ("| p99 at c=64 | ≤ 0.5", "0.444 × Envoy", "yes"),
    ("| TLS 1.3 handshakes a CPU second", "2 × nginx", "yes"),
    ("| many tenants, warm", "0.8 × that of 100", "**no**"),
    ("| memory of a tenant, its token remembered", "2 KiB", "yes"),
    ("| start to ready", "not measured", "–"),
])
def test_a_target_is_met_or_not(start, measured, met):
    (line,) = lines(report.render(run_of(MEASURED)), start)
    assert line.endswith(f"| {measured} | {met} |")


def test_what_is_beyond_the_target_is_said_to_be():
    better = [r | {"values": r["values"] | {"cpu_us": 20.0}} if r["name"] == "Palisade" else r for r in MEASURED]
    text = report.render(run_of(better))
    assert lines(text, "| small signed request")[0].endswith("| 20 µs CPU | beyond |")
    assert lines(text, "| the same, CPU")[0].endswith("| 1.6 × nginx | beyond |")


def test_tables_have_medians_spread_and_ratios():
    text = report.render(run_of(MEASURED))
    (ours,) = lines(text, "|  | **Palisade** | 30.0 (29.0–90.0) |")
    assert ours.endswith("| 2.40 | 0.30 |"), "CPU in terms of nginx and of Envoy"
    (envoys,) = lines(text, "|  | Envoy | 100.0 |")
    assert envoys.endswith("| 8.00 | – |")
    assert "## Start" not in text, "a set that was not measured has a table"
    assert "median 0.02, at most 0.03." in text and "not quiet" not in text


def test_noise_and_failures_are_not_hidden():
    noisy = [r | {"values": r["values"] | {"others": 0.7}} for r in MEASURED]
    assert "The machine was not quiet" in report.render(run_of(noisy))
    assert "* rate: pace: 3 refused" in report.render(run_of(MEASURED, ["rate: pace: 3 refused"]))


def test_every_set_that_targets_read_has_a_table():
    asked = set()

    class Asked:
        tables = {}

        def get(self, set_, *_):
            asked.add(set_)
            return 1.0

    for target in targets.TARGETS:
        target.measure(Asked())
    assert {"small", "tls", "h2", "tokens", "memory", "big", "connect", "start"} == asked <= set(report.SETS)


@pytest.mark.parametrize("variant", [pytest.param(v, id=name) for name, v in sets.all_variants()])
def test_palisade_takes_the_configurations(work, issuer, variant):
    file = work / "palisade.json"
    file.write_text(json.dumps(palisade.config(variant, PORTS, work, issuer.jwks())))
    checked = subprocess.run([binary(), "check", "--config", file], capture_output=True, text=True, env=clean_environment(BASE_SECRET="unused"))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_same_is_asked_of_envoy_as_of_palisade(work, issuer):
    """What can be seen without Envoy: the filters in order, and issuer, audience and region as Palisade has them."""
    variant = envoy.Variant(configs.Shape(tls_in=True, tls_out=True))
    made = envoy.config(variant, PORTS, work, issuer.jwks())
    (listener,) = made["static_resources"]["listeners"]
    filters = listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    assert [f["name"].rsplit(".", 1)[-1] for f in filters] == ["jwt_authn", "rbac", "local_ratelimit", "aws_request_signing", "router"]
    ours = palisade.config(palisade.Variant(), PORTS, work, issuer.jwks())
    provider, issuers = filters[0]["typed_config"]["providers"]["idp"], ours["identity"]["issuers"]
    assert (provider["issuer"], provider["audiences"]) == (issuers[0]["issuer"], [issuers[0]["audience"]])
    assert filters[3]["typed_config"]["region"] == ours["egress"]["region"]
    json.dumps(made)


def test_the_files_of_nginx_are_whole(work):
    for text in (nginx.upstream(PORTS, work, work), nginx.passing(configs.Shape(), PORTS, work), nginx.passing(configs.Shape(True, True), PORTS, work, True)):
        assert text.count("{") == text.count("}"), text
        assert "127.0.0.1:2000" in text


SIGNED = {"host": "s3.us-east-1.amazonaws.com", "x-tenant-id": "tenant-000000"}


def signed(method: str, body: bytes = b"", path: str = "/bench-bucket/tenant-000000/a%20b?x=1%2F2&a") -> list[tuple[str, str]]:
    """Headers as botocore signs them."""
    keys = configs.SESSION
    request = AWSRequest(method, f"https://{SIGNED['host']}{path}", headers=SIGNED, data=body)
    S3SigV4Auth(Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token), "s3", configs.REGION).add_auth(request)
    return [(name, str(value)) for name, value in request.headers.items()]


def test_the_judge_takes_what_botocore_signs():
    target = "/bench-bucket/tenant-000000/a%20b?x=1%2F2&a"
    assert judge.verdict("GET", target, signed("GET"), b"") == f"by {configs.SESSION.access_key_id}"
    assert judge.verdict("PUT", target, signed("PUT", b"body"), b"body") == f"by {configs.SESSION.access_key_id}"


@pytest.mark.parametrize(("change", "said"), [
    ({"x-tenant-id": "tenant-000001"}, "another signature"),
    ({"authorization": "Bearer abc"}, "no signature"),
    ({"x-amz-meta-more": "1"}, "not signed: x-amz-meta-more"),
    ({"x-amz-security-token": "T"}, "another session token"),
    ({"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, "another signature"),
])
def test_the_judge_takes_nothing_else(change, said):
    headers = {name.lower(): value for name, value in signed("GET", path="/a")} | change
    assert judge.verdict("GET", "/a", list(headers.items()), b"") == said


def test_the_judge_looks_at_path_method_and_body():
    headers = signed("PUT", b"body", "/a")
    assert judge.verdict("PUT", "/b", headers, b"body") == judge.verdict("POST", "/a", headers, b"body") == "another signature"
    assert judge.verdict("PUT", "/a", headers, b"bodi") == "another body"


def test_an_open_loop_keeps_its_rate_and_sees_refusals(issuer, work):
    port = free_port()
    Double(port, s3)
    what = pace.requests(str(issuer.requests(work / "requests", 20, 10)), "localhost")
    assert len(what) == 20 and b"x-tenant-id: tenant-000009" in what[19]
    values = pace.run(port, what, 4, 200, 2)
    assert values["requests"] == 400 and values["refused"] == 0 and 100 < values["rps"] < 250
    with pytest.raises(OSError):
        pace.run(closed_port(), what, 1, 10, 0.1)


def test_instructions_are_recorded_for_each_path():
    import instructions

    recorded = json.loads((BENCH / "instructions.json").read_text())
    assert recorded and all(set(profile["paths"]) == set(instructions.PATHS) for profile in recorded.values())
    lines, good = instructions.compare({"a": 102, "b": 50}, {"a": 100, "b": 100}, 3)
    assert good and "+2.0 % (as recorded)" in lines[0] and "record it" in lines[1]
    assert not instructions.compare({"a": 104}, {"a": 100}, 3)[1]
