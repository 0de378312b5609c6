"""Runs the matrix against the golden file, and checks that every reason there is has a test that produces it."""

import os
import re
from pathlib import Path

import pytest

from harness import wire
from matrix import World, cases

HERE = Path(__file__).resolve().parent
GOLDEN, ROOT = HERE / "golden" / "matrix.txt", HERE.parents[1]

# Reasons that the matrix cannot bring about, and the test that does.
ELSEWHERE = {
    "admin-token-wrong": "src/admin/tests.rs::what_is_not_open_needs_the_token",
    "admin-token-unset": "src/admin/tests.rs::without_a_configured_token_nothing_opens",
    "guard-denied": "tests/clients/test_guard_s3.py::test_what_is_refused_would_have_happened",
    "resource-not-allowed": "tests/clients/test_workloads.py::test_what_is_not_listed_is_refused_before_aws_sees_it",
    "workload-ambiguous": "tests/clients/test_workloads.py::test_no_request_is_both_and_none_is_a_workload_s_by_accident",
    "workload-unproved": "tests/clients/test_workloads.py::test_no_request_is_both_and_none_is_a_workload_s_by_accident",
    "rate-limited": "tests/clients/test_limits.py::test_s3_says_slow_down",
    "concurrency-limited": "tests/clients/test_limits.py::test_a_concurrency_cap",
    "too-many-bad-tokens": "tests/clients/test_flood.py::test_junk_from_one_address_keeps_nobody_else_out",
    "verifier-overloaded": "src/identity/verifier/tests/flood.rs::requests_that_wait_for_a_slow_provider_are_bounded_and_hold_up_nobody",
    "keys-unavailable": "tests/clients/test_run.py::test_without_keys_tokens_are_503_and_the_process_is_not_ready",
    "tenants-unavailable": "tests/clients/test_directory.py::test_the_table_is_down_and_comes_back",
    "users-unavailable": "tests/clients/test_users.py::test_users_of_a_table_through_its_ups_and_downs",
    "credentials-unavailable": "tests/clients/test_run.py::test_without_sts_cached_sessions_go_on_and_the_rest_is_503",
    "credentials-throttled": "src/credentials/broker/tests/budget.rs::a_tenant_that_churns_keeps_anothers_first_call_waiting_for_one_turn",
    "passports-exhausted": "src/identity/passport/tests.rs::the_table_is_bounded_and_recovers",
    "signature-mismatch": "tests/clients/test_vended.py::test_a_signature_that_is_wrong",
    "signature-expired": "tests/clients/test_vended.py::test_an_old_signature",
    "keys-unknown": "tests/clients/test_vended.py::test_keys_of_another_process",
    "context-too-large": "tests/clients/test_context.py::test_more_roles_than_fit_are_refused",
    "certificate-expired": "src/identity/workload.rs::others_are_nobody_and_an_expired_one_is_refused",
    "audit-unavailable": "tests/clients/test_audit.py::test_a_full_disk_stops_requests_or_does_not",
    "overloaded": "src/body.rs::bodies_share_the_room_and_give_it_back",
    "internal": "src/upstream/tests.rs::claims_about_the_endpoint_are_checked_against_the_configuration",
}
# Heads that hyper itself gives up on, with an empty 400; they are counted (`test_what_cannot_be_parsed_is_counted`).
UNPARSED = re.compile(r"wire: (two lengths|a length that is none|chunked is not last|space before the colon|folded header|(NUL|CR) in a header)$")
# What is AWS's own answer and holds nothing that has to stay inside.
RELAYED = re.compile(r"trouble: AWS: (not found|its own fault|slow down|a denial that is no XML)$")


def line(listener: str, name: str, status, reason) -> str:
    return f"{listener:<9} | {name:<60} | {status!s:<6} | {reason or '-'}"


def outcome(case, world: World) -> tuple:
    try:
        answer = case(world)
    except wire.Closed:
        return "closed", None
    except TimeoutError:
        return "silent", None
    return answer.status, answer.reason


@pytest.fixture(scope="module")
def results(sidecar, egress, silo, troubled, mutual, workloads, ruled, members, idp, partner, application, authority, script, cells, deferring, worker) -> dict:
    world = World(sidecar, egress, silo, troubled, mutual, workloads, ruled, members, idp, partner, application, authority, script, cells.palisade, deferring, worker)
    return {key: outcome(case, world) for key, case in cases().items()}


def test_the_matrix_is_as_recorded(results):
    """`PALISADE_BLESS=1` records what happens now; read the difference before committing it."""
    now = "".join(line(*key, *result) + "\n" for key, result in results.items())
    if os.environ.get("PALISADE_BLESS"):
        GOLDEN.write_text(now)
    recorded = GOLDEN.read_text()
    changed = [f"-{a}\n+{b}" for a, b in zip(recorded.splitlines(), now.splitlines()) if a != b]
    assert recorded == now, f"{len(changed)} lines differ:\n" + "\n".join(changed)


def test_no_refusal_is_anonymous(results):
    """Palisade's own refusals say why."""
    nameless = {key for key, (status, reason) in results.items() if isinstance(status, int) and status >= 400 and not reason}
    assert not [key for key in nameless if not UNPARSED.match(key[1]) and not RELAYED.match(key[1])]


def test_nothing_but_a_good_proof_is_let_in(results):
    """Stated apart from the golden file, so that blessing a mistake is not enough to make it pass."""
    good = re.compile(
        r"token: (A|A, ES256|A, EdDSA|expired within the leeway|audience among others|array with A|typ at\+jwt|typ application/AT\+JWT)$|tenant: the other issuer's own$"
        r"|revoked: (user in another case|user's tokens from before, newer|token with another id|tenant's tokens, for another tenant"
        r"|(user|token) of another issuer)$|user: active tenant(, token says (another|none))?$|issuer: named$"
        r"|proof: (x-tenant-token|x-amz-security-token|the same in two places|bearer in lower case)$"
        r"|passport: (A|A, without a tenant|A, as bearer|A, with its tenant|A, DynamoDB|action: its own)$"
        r"|deferred: (A|A, as bearer|A, signed)$|defer: A$"
        r"|certificate: (workload's, token of its tenant(, none named)?|nobody's, token|ingress workload's, token alone|workload's alone(, its tenant named)?)$"
        r"|(get|list|item): token (?P<t>acme|globex), named (?P=t), of (?P=t)$"
    )
    gates = re.compile(r"(token|tenant|revoked|user|issuer|proof|passport|context|deferred|defer|get|list|item|certificate): ")
    for (listener, name), (status, _) in results.items():
        if gates.match(name):
            assert (status == 200) == bool(good.match(name)), f"{listener}, {name}: {status}"


def test_every_reason_has_a_test():
    source = (ROOT / "src" / "reject.rs").read_text()
    reasons = set(re.findall(r'^\s+[A-Z]\w+ = "([a-z-]+)", [A-Z_]+, ', source, re.MULTILINE))
    assert len(reasons) > 40, "the pattern no longer fits src/reject.rs"
    produced = {row.rsplit("|", 1)[1].strip() for row in GOLDEN.read_text().splitlines()} - {"-"}
    assert produced <= reasons, "the golden file has reasons that do not exist"
    assert not reasons - produced - ELSEWHERE.keys(), "no test brings these about"
    assert not ELSEWHERE.keys() & produced, "these are in the matrix now: take them off the list"
    for reason, place in ELSEWHERE.items():
        file, test = place.split("::")
        text = (ROOT / file).read_text()
        assert re.search(rf"\b(def|fn) {test}\b", text), f"{reason}: {place} is gone"
        assert file.startswith("src/") or reason in text, f"{reason}: {place} does not mention it"
    sources = "".join(f.read_text() for f in (ROOT / "src").rglob("*.rs") if f.name != "reject.rs")
    names = re.findall(r'^    ([A-Z]\w+) = "', (ROOT / "src" / "reject.rs").read_text(), re.MULTILINE)
    assert len(names) == len(reasons) and not [name for name in names if not re.search(rf"Reason::{name}\b", sources)], "nothing gives these"
