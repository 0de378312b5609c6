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
    "rate-limited": "tests/clients/test_limits.py::test_s3_says_slow_down",
    "concurrency-limited": "tests/clients/test_limits.py::test_a_concurrency_cap",
    "keys-unavailable": "tests/clients/test_run.py::test_without_keys_tokens_are_503_and_the_process_is_not_ready",
    "credentials-unavailable": "tests/clients/test_run.py::test_without_sts_cached_sessions_go_on_and_the_rest_is_503",
    "draining": "tests/clients/test_run.py::test_sigterm_lets_requests_finish_and_takes_no_new_ones",
    # A file directory is either there or keeps its last good state, so nothing can bring this about from outside.
    "directory-unavailable": "src/reject.rs::every_refusal_is_an_error_status",
    "passports-exhausted": "src/reject.rs::every_refusal_is_an_error_status",
    "internal": "src/reject.rs::every_refusal_is_an_error_status",
}


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
def results(sidecar, egress, silo, troubled, idp, partner, application, authority, script) -> dict:
    world = World(sidecar, egress, silo, troubled, idp, partner, application, authority, script)
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
    """Palisade's own refusals say why; what comes without a reason is an answer of AWS's or of the application's."""
    relayed = ("trouble: AWS: not found", "trouble: AWS: its own fault", "trouble: AWS: slow down")
    nameless = [key for key, (status, reason) in results.items() if isinstance(status, int) and status >= 400 and not reason and key[1] not in relayed]
    assert not nameless


def test_nothing_but_a_good_proof_is_let_in(results):
    """Stated apart from the golden file, so that blessing a mistake is not enough to make it pass."""
    good = re.compile(
        r"token: (A|A, ES256|A, EdDSA|expired within the leeway|audience among others|array with A)$|tenant: the other issuer's own$"
        r"|proof: (x-tenant-token|x-amz-security-token|the same in two places|bearer in lower case)$"
        r"|passport: (A|A, without a tenant|A, as bearer|A, with its tenant|A, DynamoDB)$"
        r"|(get|list|item): token (?P<t>acme|globex), named (?P=t), of (?P=t)$"
    )
    gates = re.compile(r"(token|tenant|proof|passport|get|list|item): ")
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
