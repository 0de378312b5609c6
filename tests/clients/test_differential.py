"""An operation through Palisade gives what it gives without: the same status, headers and bytes, from the same request.

What may differ is in `harness/mirror.py`, each with its reason. Errors about permissions, credentials and places are replaced
by Palisade on purpose, and have a test of their own.
"""

import contextlib
import hashlib
import re

import pytest

import differential as cases
import tampering
from harness import wire
from harness.backends import ACCOUNT, REGION, Backend, allow, role
from harness.configs import at
from harness.mirror import TRANSFERS, Mirror, Session, Side, answer
from harness.payloads import MODES, SIGNED_MODES, Mode, digest
from harness.process import settled
from harness.sandbox import Sandbox
from harness.tap import Tap

TENANT = "acme"
ROOM = {"limits": {"default": {"requests_per_second": 5000, "burst": 5000}}}


@pytest.fixture(scope="module")
def mirror_of(start, setting, idp):
    """Puts a backend behind a tap, and a Palisade of its own that assumes one role for all tenants in front of that."""
    with contextlib.ExitStack() as stack:

        def build(name: str, backend: Backend, key, role_name: str, services: list[str], **place) -> Mirror:
            tap = stack.enter_context(contextlib.closing(Tap(backend.port, keep=16 * cases.MIB)))
            arn = f"arn:aws:iam::{ACCOUNT}:role/{role_name}"
            assume = {"role_arn": arn, "session_tags": {"TenantID": "{tenant.id}"}}
            palisade = start(name, setting.egress({service: at(tap.port) for service in services}), setting.identity(),
                             setting.credentials(key, backend.port, assume), ROOM)
            tags = [{"Key": "TenantID", "Value": TENANT}]
            session = Session.assume(backend.client("sts", key), RoleArn=arn, RoleSessionName=TENANT, Tags=tags)
            return Mirror(tap, session, palisade.port("egress"), TENANT, lambda: idp.token(TENANT), **place)

        yield build


@pytest.fixture(scope="module")
def ministack_mirror(mirror_of, ministack, pool) -> Mirror:
    """A bucket of its own, new for each case, and a role that may do everything."""
    role(ministack, "tenant-mirror", f"arn:aws:iam::{ACCOUNT}:user/palisade", [allow("*", "*")])
    s3 = ministack.client("s3")

    def clear():
        if any(b["Name"] == "mirror" for b in s3.list_buckets()["Buckets"]):
            listed = s3.list_object_versions(Bucket="mirror")
            for found in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
                s3.delete_object(Bucket="mirror", Key=found["Key"], VersionId=found["VersionId"])
            s3.delete_bucket(Bucket="mirror")
        s3.create_bucket(Bucket="mirror", CreateBucketConfiguration={"LocationConstraint": REGION})

    return mirror_of("mirror-ministack", ministack, pool, "tenant-mirror", ["s3", "sns"], bucket="mirror", clear=clear)


@pytest.fixture(scope="module")
def sandbox_mirror(mirror_of, tmp_path_factory):
    """The double of `palisade dev`, which is strict about signatures, hashes and checksums, and lets a tenant at its own keys alone."""
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"))
    backend = Backend(sandbox, sandbox.aws, sandbox.key)
    mirror = mirror_of("mirror-sandbox", backend, sandbox.key, "tenant-data", ["s3", "dynamodb"], bucket="palisade-demo", prefix=f"{TENANT}/")
    s3 = backend.client("s3", mirror.session.key, mirror.session.token)

    def clear():
        for found in s3.list_objects_v2(Bucket=mirror.bucket, Prefix=mirror.prefix).get("Contents", []):
            s3.delete_object(Bucket=mirror.bucket, Key=found["Key"])

    mirror.clear = clear
    yield mirror
    assert sandbox.stop() == 0


@pytest.fixture(scope="module")
def moto_mirror(mirror_of, moto, services_key) -> Mirror:
    return mirror_of("mirror-moto", moto, services_key, "tenant-mirror", ["dynamodb", "sqs", "sns", "kms", "secretsmanager"])


# Each backend, and where the bucket stands in what Palisade is sent.
ONE_WAY = pytest.mark.parametrize("backend, is_virtual", [("ministack_mirror", False), ("sandbox_mirror", True)], ids=["ministack, path", "sandbox, host"])
OTHER_WAY = pytest.mark.parametrize("backend, is_virtual", [("ministack_mirror", True), ("sandbox_mirror", False)], ids=["ministack, host", "sandbox, path"])


@ONE_WAY
def test_every_key_is_that_key(request, backend, is_virtual):
    request.getfixturevalue(backend).compare(cases.keys, " ".join([cases.LIFE] * (len(cases.KEYS) + 2)), is_virtual)


@pytest.mark.parametrize("is_virtual", [False, True], ids=["path", "host"])
def test_every_key_at_the_root_is_that_key(ministack_mirror, is_virtual):
    ministack_mirror.compare(cases.root_keys, " ".join([cases.LIFE] * len(cases.ROOT_KEYS)), is_virtual)


@OTHER_WAY
def test_every_spelling_is_the_same_key(request, backend, is_virtual):
    request.getfixturevalue(backend).compare(cases.spellings, " ".join([cases.LIFE] * sum(map(len, cases.SPELT.values()))), is_virtual)


@OTHER_WAY
@pytest.mark.parametrize("name", cases.BOTH)
def test_s3(request, backend, is_virtual, name):
    request.getfixturevalue(backend).compare(*cases.BOTH[name], is_virtual)


@pytest.mark.parametrize("name", cases.MINISTACK)
def test_what_ministack_alone_knows(ministack_mirror, name):
    ministack_mirror.compare(*cases.MINISTACK[name])


@pytest.mark.parametrize("name", cases.SANDBOX)
def test_what_the_sandbox_alone_knows(sandbox_mirror, name):
    sandbox_mirror.compare(*cases.SANDBOX[name])


@pytest.mark.parametrize("backend", ["ministack_mirror", "sandbox_mirror"])
def test_the_backends_take_signed_chunks_as_the_harness_makes_them(request, backend):
    """Straight: a changed byte is noticed, so the signatures of `payloads` are right."""
    mirror = request.getfixturevalue(backend)
    mirror.clear()
    for mode in SIGNED_MODES.values():
        side, size, target = mirror.direct(), 150_000, f"/{mirror.bucket}/{mirror.prefix}sealed"
        headers = mode.headers(size)
        side.send("PUT", target, headers, sealed=lambda chain: b"".join(mode.body(size, chain)))
        side.send("GET", target)
        side.send("PUT", target, headers, sealed=lambda chain: b"".join(mode.body(size, chain)).replace(b"\x00\x01", b"\x01\x01", 1))
        taken, got, refused = (exchange.answer for exchange in side.exchanges)
        assert (taken.status, got.status, hashlib.sha256(got.body).hexdigest()) == (200, 200, digest(size)), taken.body
        assert refused.status >= 400


@ONE_WAY
@pytest.mark.parametrize("transfer", TRANSFERS)
@pytest.mark.parametrize("mode", MODES)
def test_uploads_in_every_mode(request, backend, is_virtual, mode, transfer):
    """The bytes and the checksum that are stored are those that were sent, however they were sent."""
    mirror, mode, transfer = request.getfixturevalue(backend), MODES[mode], TRANSFERS[transfer]
    if backend == "sandbox_mirror" and not (mode.is_framed or transfer.has_length):
        # S3 wants to know the length of the data beforehand, which MiniStack does not mind.
        # It says so at once, so how much of the body was sent by then is chance: the answers are compared alone.
        sides = [mirror.play(cases.upload_of_no_length(mode), side) for side in (mirror.direct(transfer), mirror.through(is_virtual, transfer))]
        assert [exchange.answer.status for side in sides for exchange in side.exchanges] == [411, 411]
        assert len({repr(answer(side.exchanges[0].answer, side)) for side in sides}) == 1
        return
    case = cases.upload(mode, keeps_checksums=backend == "ministack_mirror")
    mirror.compare(case, " ".join(["200 200"] * len(cases.UPLOADS)), is_virtual, transfer)


BACKENDS = pytest.mark.parametrize("backend", ["ministack_mirror", "sandbox_mirror"], ids=["ministack", "sandbox"])
IN_EVERY_WAY = pytest.mark.parametrize("transfer", TRANSFERS)


def put(side: Side, mode: Mode, name: str, change: tampering.Change = lambda pieces: pieces, cut: int | None = None, **said: str) -> wire.Message:
    """An upload under a name, in a body that was changed behind the signature of its head."""
    headers = mode.headers(tampering.SIZE) | {k.replace("_", "-"): v for k, v in said.items()}
    return side.object("PUT", name, headers=headers, sealed=lambda chain: b"".join(change(list(mode.body(tampering.SIZE, chain)))), cut=cut)


def stored(mirror: Mirror) -> set[str]:
    settled(0.3)
    answer = mirror.direct().on_bucket("GET", f"list-type=2&prefix={mirror.prefix.replace('/', '%2F')}")
    assert answer.status == 200
    return {key.removeprefix(mirror.prefix) for key in re.findall("<Key>([^<]+)", answer.body.decode())}


@BACKENDS
@IN_EVERY_WAY
@pytest.mark.parametrize("mode", SIGNED_MODES)
def test_no_changed_upload_is_stored(request, backend, mode, transfer):
    """The application signed with keys that Palisade had vended."""
    mirror, mode = request.getfixturevalue(backend), MODES[mode]
    mirror.clear()
    side = mirror.vended(TRANSFERS[transfer])
    assert put(side, mode, "unchanged").status == 200
    signatures = tampering.SIGNATURES | (tampering.TRAILER_SIGNATURES if mode.has_trailer else {})
    framing = tampering.FRAMING | (tampering.TRAILERS if mode.has_trailer else {})
    answers = {name: put(side, mode, name, change) for name, change in (signatures | framing).items()}
    for by in (-1, 1):
        answers[f"length {by}"] = put(side, mode, f"length {by}", x_amz_decoded_content_length=str(tampering.SIZE + by))
    said = {name: (answer.status, answer.reason) for name, answer in answers.items()}
    assert stored(mirror) == {"unchanged"}, said
    mismatch, malformed = (403, "signature-mismatch"), (400, "payload-malformed")
    assert {name: said[name] for name in signatures} == dict.fromkeys(signatures, mismatch)
    assert set(said.values()) == {mismatch, malformed}, said


@BACKENDS
@IN_EVERY_WAY
@pytest.mark.parametrize("mode", SIGNED_MODES)
def test_no_malformed_upload_is_stored(request, backend, mode, transfer):
    """The application signed with keys of its own making, so that Palisade has nothing to go by but the form."""
    mirror, mode = request.getfixturevalue(backend), MODES[mode]
    mirror.clear()
    side = mirror.through(transfer=TRANSFERS[transfer])
    assert put(side, mode, "unchanged").status == 200
    framing = tampering.FRAMING | (tampering.TRAILERS if mode.has_trailer else {})
    said = {name: (answer.status, answer.reason) for name, change in framing.items() if (answer := put(side, mode, name, change))}
    assert stored(mirror) == {"unchanged"}, said
    assert said == dict.fromkeys(framing, (400, "payload-malformed"))


@BACKENDS
@IN_EVERY_WAY
@pytest.mark.parametrize("mode", MODES)
def test_no_upload_is_stored_that_ends_early(request, backend, mode, transfer):
    """The client is gone before the body is over."""
    mirror, mode = request.getfixturevalue(backend), MODES[mode]
    mirror.clear()
    side = mirror.through(transfer=TRANSFERS[transfer])
    for cut in (0, 1, 100_000, tampering.SIZE - 1):
        with contextlib.suppress(wire.Closed):
            answer = put(side, mode, f"cut at {cut}", cut=cut)
            assert answer.status >= 400, f"cut at {cut}: {answer}"
    assert not stored(mirror)


@pytest.mark.parametrize("name", cases.SERVICES)
def test_services(moto_mirror, name):
    moto_mirror.compare(*cases.SERVICES[name])


def code(message: wire.Message) -> str | None:
    found = re.search(rb"<Code>([^<]+)|\"__type\": ?\"(?:[^\"]*#)?([^\"]+)", message.body)
    return (found[1] or found[2]).decode() if found else None


@pytest.mark.parametrize("name", cases.REPLACED)
def test_what_palisade_says_itself(request, name):
    """These answers would name the role or another place: not one byte of them is passed on."""
    backend, send, *expected = cases.REPLACED[name]
    mirror = request.getfixturevalue(backend)
    (one,), (other,) = mirror.play(send, mirror.direct()).exchanges, mirror.play(send, mirror.through()).exchanges
    assert [one.answer.status, code(one.answer), other.answer.status, code(other.answer), other.answer.reason] == expected
    assert one.asked[0].start == other.asked[0].start and one.asked[0].body == other.asked[0].body
    theirs = {k for k, _ in other.answer.headers} - {"cache-control", "content-length", "content-type", "date", "x-palisade-reason", "x-request-id"}
    assert theirs <= {"x-amz-request-id", "x-amzn-errortype", "x-amzn-requestid"}, theirs
    assert b"assumed-role" not in other.answer.body and ACCOUNT.encode() not in other.answer.body
