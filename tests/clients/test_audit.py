"""The audit log of a running process, proved by `palisade audit verify` and by a second verifier, which knows the format from the guide alone."""

import base64
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from conftest import issued
from cryptography.hazmat.primitives import serialization
from harness import wire
from harness.backends import ACCOUNT, BUCKET
from harness.clients import client
from harness.palisade import ADMIN_TOKEN, METRICS_TOKEN, binary
from harness.process import wait_until

NOTHING = "0" * 64


class Broken(Exception):
    """What the second verifier says of a log that is not as it was written."""


def prove(files: list[bytes], public: bytes, head: bytes | None = None) -> list[dict]:
    """All records, oldest file first, if nothing of them was changed, removed or cut off. As `config/guide/audit.md` has it."""
    key = serialization.load_pem_public_key(public)
    key_id = hashlib.sha256(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    records, before, fragment = [], None, []
    for line in b"".join(files).splitlines(keepends=True):
        line = line.removesuffix(b"\n")
        try:
            record = json.loads(line)
            assert record["log"] == "audit"
        except (ValueError, KeyError, TypeError, AssertionError):
            fragment.append(line)
            continue
        if record["v"] != 1:
            raise Broken("version")
        after = record.get("after", {})
        if record["event"] == "started":
            expected = (0, NOTHING)
            if before and after.get("hash") != before[2]:
                raise Broken("the chain was begun behind another line")
        else:
            if not before or record["instance"] != before[0]:
                raise Broken("a record of another chain")
            expected = (before[1] + 1, before[2])
        if (record["seq"], record["prev"]) != expected:
            raise Broken(f"{record['seq']} does not follow")
        if fragment and hashlib.sha256(b"\n".join(fragment)).hexdigest() != after.get("fragment"):
            raise Broken("a line that is no record")
        fragment = []
        if record["event"] == "checkpoint":
            message = f"palisade-audit-v1\n{record['instance']}\n{record['seq']}\n{record['prev']}\n{record['time']}\n".encode()
            if record["key"] != key_id:
                raise Broken("another key")
            try:
                key.verify(base64.urlsafe_b64decode(record["signature"] + "=="), message)
            except Exception as error:
                raise Broken("the signature") from error
        before = (record["instance"], record["seq"], hashlib.sha256(line).hexdigest())
        records.append(record | {"line": line})
    if fragment:
        raise Broken("half a line at the end")
    if head is not None and head.removesuffix(b"\n") not in [record["line"] for record in records]:
        raise Broken("the head is not there")
    return records


def rotated(path: Path) -> list[Path]:
    """The files of a log, oldest first."""
    old = sorted(path.parent.glob(f"{path.name}.[0-9]*"), key=lambda file: -int(file.suffix[1:]))
    return [*old, path]


def verify(files: list[Path], *options) -> subprocess.CompletedProcess:
    return subprocess.run([binary(), "audit", "verify", *map(str, options), *map(str, files)], capture_output=True, text=True, timeout=60)


def audit(path, key: Path, **more) -> dict:
    checkpoint = {"every": "1s", "records": 20, "key": {"file": str(key)}}
    return {"telemetry": {"audit": {"path": str(path), "checkpoint": checkpoint, **more}}}


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> tuple[Path, Path]:
    """The private key and the public one, as `palisade audit key` makes them."""
    private = tmp_path_factory.mktemp("keys") / "audit.pem"
    made = subprocess.run([binary(), "audit", "key", "--out", private], capture_output=True, timeout=30, check=True)
    assert private.stat().st_mode & 0o777 == 0o600
    public = private.with_name("audit.pub")
    public.write_bytes(made.stdout)
    again = subprocess.run([binary(), "audit", "key", "--public", private], capture_output=True, timeout=30, check=True)
    assert again.stdout == made.stdout
    assert subprocess.run([binary(), "audit", "key", "--out", private], capture_output=True, timeout=30).returncode == 2, "a key was overwritten"
    return private, public


@pytest.fixture
def both(setting, authority, application, pool, sts, pooled_services):
    """The parts of a process with an ingress and an egress that takes tokens as well."""
    return (setting.ingress(authority.certificate, authority.key, application.port), setting.egress(pooled_services, proofs=["passport", "jwt"]),
            setting.identity(), setting.pooled(pool, sts.port))


def work(palisade, authority, idp, times: int = 1):
    """Requests of every fate: through the ingress, to AWS, and refused on both."""
    s3 = client("s3", palisade.url, "acme", idp.token("acme"))
    for _ in range(times):
        wire.exchange(palisade.port("ingress"), wire.request("GET", "/echo", {"Authorization": f"Bearer {idp.token('acme')}", "x-tenant-id": "acme"}), authority.client())
        wire.exchange(palisade.port("ingress"), wire.request("GET", "/echo", {"Authorization": f"Bearer {idp.token('acme')}", "x-tenant-id": "globex"}), authority.client())
        s3.get_object(Bucket=BUCKET, Key="acme/hello.txt")["Body"].read()
        with pytest.raises(ClientError):
            client("s3", palisade.url, "globex", idp.token("acme")).get_object(Bucket=BUCKET, Key="acme/hello.txt")


def test_a_run_with_rotation_and_restarts_is_proved(start, both, authority, idp, key, tmp_path):
    private, public = key
    path = tmp_path / "audit.log"
    heads = []
    for number in range(2):
        palisade = start(f"audited-{number}", *both, audit(path, private, rotate={"bytes": "64KiB", "keep": 50}))
        work(palisade, authority, idp, 50)
        wait_until(lambda: palisade.metric("palisade_audit_records_total", result="written") > 100, 5, "records")
        status, head = palisade.admin("/audit/head")
        assert status == 200 and json.loads(head)["event"] == "checkpoint"
        assert palisade.admin("/audit/head", token=None)[0] == 401
        assert palisade.admin("/audit/key") == (200, public.read_bytes())
        heads.append(tmp_path / f"head-{number}")
        heads[-1].write_bytes(head)
        assert palisade.metric("palisade_audit_records_total", result="dropped") == 0
        assert palisade.stop() == 0
    files = rotated(path)
    assert len(files) > 2, "nothing was rotated"
    contents = [file.read_bytes() for file in files]
    for head in heads:
        done = verify(files, "--key", public, "--head", head, "--whole")
        assert done.returncode == 0, done.stdout + done.stderr
        records = prove(contents, public.read_bytes(), head.read_bytes())
    assert len({record["instance"] for record in records}) == 2
    events = {record["event"] for record in records}
    assert {"started", "session", "allowed", "refused", "draining", "stopped", "checkpoint"} <= events

    # Each change is found by both, and the first line that shows it is named.
    middle = len(files) // 2
    lines = contents[middle].splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if n > 2 and json.loads(line)["event"] == "refused")
    changes = {
        "changed": (lines[:at] + [lines[at].replace(b"tenant-mismatch", b"rate-limited")] + lines[at + 1:], at + 2),
        "removed": (lines[:at] + lines[at + 1:], at + 1),
        "swapped": (lines[:at - 1] + [lines[at], lines[at - 1]] + lines[at + 1:], at),
    }
    for what, (changed, line) in changes.items():
        files[middle].write_bytes(b"".join(changed))
        done = verify(files, "--key", public)
        assert done.returncode == 1 and done.stderr.startswith(f"{files[middle]}:{line}: "), (what, done.stderr)
        with pytest.raises(Broken):
            prove([file.read_bytes() for file in files], public.read_bytes())
    files[middle].write_bytes(contents[middle])
    # The end of the log, cut off behind a checkpoint: only what was exported shows it.
    lines = [(number, line) for number, content in enumerate(contents) for line in content.splitlines(keepends=True)]
    exported = [line for _, line in lines].index(heads[-1].read_bytes())
    cut = max(n for n in range(exported) if json.loads(lines[n][1])["event"] == "checkpoint")
    last = lines[cut][0]
    files[last].write_bytes(b"".join(line for number, line in lines[:cut + 1] if number == last))
    left = files[:last + 1]
    assert verify(left, "--key", public).returncode == 0
    done = verify(left, "--key", public, "--head", heads[-1])
    assert done.returncode == 1 and "cut off" in done.stderr
    with pytest.raises(Broken):
        prove([file.read_bytes() for file in left], public.read_bytes(), heads[-1].read_bytes())
    assert verify([tmp_path / "absent"], "--key", public).returncode == 2


def test_what_a_record_says_and_what_it_never_does(start, both, authority, idp, key, sts, pool, tmp_path):
    palisade = start("audited-words", *both, audit(tmp_path / "audit.log", key[0]))
    work(palisade, authority, idp)
    assert palisade.admin("/tenants/acme/evict", "POST")[0] == 200
    assert palisade.admin("/config", token="guessed")[0] == 403

    def written() -> list[dict]:
        """The records, as soon as that of the last request is there: nobody waits for those of refusals."""
        lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines(keepends=True) if line.endswith("\n")]
        return lines if any((line["event"], line.get("listener"), line.get("reason")) == ("refused", "admin", "admin-token-wrong") for line in lines) else []

    lines = wait_until(written, 5, "the refusal of the guessed token is on record")
    session = next(line for line in lines if line["event"] == "session")
    assert (session["tenant"], session["plan"]["role_arn"]) == ("acme", f"arn:aws:iam::{ACCOUNT}:role/tenant-pool")
    assert session["tags"] == ["TenantID", "Issuer"] and len(session["policy_sha256"]) == 64
    allowed = next(line for line in lines if line["event"] == "allowed" and line["listener"] == "egress")
    assert (allowed["tenant"], allowed["service"], allowed["operation"]) == ("acme", "s3", "GetObject")
    assert allowed["plan"] == session["plan"], "the session's record and the request's are not of one session"
    assert allowed["plan"]["access_key_id"] in issued(sts)["AccessKeyId"]
    assert lines.index(session) < lines.index(allowed)
    refused = next(line for line in lines if line["event"] == "refused" and line["listener"] == "ingress")
    assert (refused["reason"], refused.get("tenant")) == ("tenant-mismatch", None)
    evicted = next(line for line in lines if line["event"] == "operator")
    assert (evicted["action"], evicted["tenant"]) == ("evict", "acme")
    # And the access log has the same requests.
    palisade.logged([allowed["request_id"], refused["request_id"]])
    text = (tmp_path / "audit.log").read_text()
    secrets = issued(sts)
    for secret in (*secrets["SecretAccessKey"], *secrets["SessionToken"], pool.secret_access_key, ADMIN_TOKEN, METRICS_TOKEN, "guessed", "psp1_", "Bearer", "eyJhbGciOi",
                   "acme/hello.txt", key[0].read_text().splitlines()[1]):
        assert secret not in text, secret


def test_which_configuration_was_in_force_is_on_record(start, both, key, tmp_path):
    palisade = start("audited-reloads", *both, audit(tmp_path / "audit.log", key[0]))
    telemetry = palisade.config["telemetry"]

    def last(count: int) -> dict:
        return wait_until(lambda: (all_ := palisade.records("reloaded"))[count - 1:] and all_[-1], 5, f"{count} records of reloads")

    digest = palisade.records("started")[0]["config_sha256"]
    telemetry["logs"] = {"level": "debug"}
    palisade.reload()
    other = last(1)
    assert (other["what"], other["result"], other["settings"]) == ("configuration", "ok", ["telemetry.logs.level"])
    assert len(other["config_sha256"]) == 64 and other["config_sha256"] != digest
    telemetry["logs"] = {"level": "louder"}
    palisade.reload("rejected")
    refused = last(2)
    assert (refused["what"], refused["result"]) == ("configuration", "error") and not {"settings", "config_sha256"} & set(refused), "the old one stays"
    del telemetry["logs"]
    palisade.reload()
    assert last(3)["config_sha256"] == digest, "the same configuration has the same digest"


def test_a_crash_leaves_a_log_that_is_proved(start, both, authority, idp, key, tmp_path):
    private, public = key
    path = tmp_path / "audit.log"
    palisade = start("audited-crash", *both, audit(path, private))
    work(palisade, authority, idp, 3)
    os.kill(palisade.pid, signal.SIGKILL)
    palisade.process.wait(10)
    palisade.process.returncode = 0    # Asked for.
    # As if it had been writing.
    with path.open("ab") as file:
        file.write(b'{"log":"audit","v":1,"inst')
    done = verify([path], "--key", public)
    assert done.returncode == 0 and "half a line" in done.stdout, done.stdout + done.stderr
    palisade = start("audited-again", *both, audit(path, private))
    work(palisade, authority, idp)
    assert palisade.stop() == 0
    done = verify([path], "--key", public, "--whole")
    assert done.returncode == 0 and "sealed" in done.stdout, done.stdout + done.stderr
    assert len({record["instance"] for record in prove([path.read_bytes()], public.read_bytes())}) == 2


class Collector:
    """A Unix socket that keeps what it is sent, for as long as it is there: what it has been sent by its end as well."""

    def __init__(self, path: Path):
        self.path, self.received = path, bytearray()
        self.open()

    def open(self):
        self.ends: list[tuple[socket.socket, threading.Thread]] = []
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen()
        self.follow(listener, self.accept)

    def follow(self, end: socket.socket, what):
        self.ends.append((end, threading.Thread(target=what, args=(end,), daemon=True)))
        self.ends[-1][1].start()

    def accept(self, listener: socket.socket):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self.follow(connection, self.read)

    def read(self, connection: socket.socket):
        with contextlib.suppress(OSError):
            while data := connection.recv(65_536):
                self.received += data

    def close(self):
        # The listener comes first, and nothing is added once it has ended.
        for end, thread in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            end.close()
        self.path.unlink(missing_ok=True)


def asked(palisade, authority, idp) -> wire.Message:
    pairs = {"Authorization": f"Bearer {idp.token('acme')}", "x-tenant-id": "acme"}
    return wire.exchange(palisade.port("ingress"), wire.request("GET", "/echo", pairs), authority.client())


def test_a_collector_that_goes_stops_requests_and_one_that_comes_gets_all(start, both, authority, idp, key, tmp_path):
    private, public = key
    collector = Collector(tmp_path / "c.sock")
    try:
        palisade = start("audited-socket", *both, audit(f"unix:{collector.path}", private, timeout="200ms"))
        work(palisade, authority, idp, 5)
        collector.close()
        answer = wait_until(lambda: (a := asked(palisade, authority, idp)).status == 503 and a, 10, "a refusal")
        assert answer.header("x-palisade-reason") == "audit-unavailable" and answer.header("retry-after")
        wait_until(lambda: json.loads(palisade.admin("/readyz")[1])["ready"] is False, 10, "it is not ready")
        collector.open()
        wait_until(lambda: asked(palisade, authority, idp).status == 200, 10, "requests pass again")
        assert palisade.stop() == 0
        collector.close()
        done = subprocess.run([binary(), "audit", "verify", "--key", public, "-"], input=bytes(collector.received), capture_output=True, timeout=60)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
        records = prove([bytes(collector.received)], public.read_bytes())
        assert any(record.get("reason") == "audit-unavailable" for record in records), "the refusals are not in it"
    finally:
        collector.close()


def test_a_full_disk_stops_requests_or_does_not(start, both, authority, idp, key, aws, tmp_path):
    full = start("audited-full", *both, audit("/dev/full", key[0], timeout="200ms"), ready="/livez")
    before = len(aws.streams)
    for _ in range(3):
        assert asked(full, authority, idp).header("x-palisade-reason") == "audit-unavailable"
        with pytest.raises(ClientError) as refused:
            client("s3", full.url, "acme", idp.token("acme")).get_object(Bucket=BUCKET, Key="acme/hello.txt")
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert len(aws.streams) == before, "something was sent that was not recorded"
    checks = {check["name"]: check for check in json.loads(full.admin("/readyz")[1])["checks"]}
    assert not checks["audit"]["ok"] and "refused" in checks["audit"]["detail"]
    going = start("audited-going", *both, audit("/dev/full", key[0], on_failure="continue", timeout="200ms"))
    work(going, authority, idp, 3)
    assert going.metric("palisade_audit_records_total", result="written") == 0
    going.said("the audit log cannot be written")
    assert json.loads(going.admin("/readyz")[1])["ready"] is True


def test_a_log_among_other_lines(start, both, authority, idp, key):
    palisade = start("audited-stdout", *both, audit("stdout", key[0]))
    work(palisade, authority, idp, 5)
    assert palisade.stop() == 0
    assert len(palisade.log()) >= 20, "the access log is not there"
    assert verify([palisade.stdout], "--key", key[1]).returncode == 1, "other lines are no records"
    done = verify([palisade.stdout], "--key", key[1], "--merged")
    assert done.returncode == 0, done.stdout + done.stderr


def test_two_processes_do_not_share_a_file(start, both, key, tmp_path):
    start("audited-first", *both, audit(tmp_path / "audit.log", key[0]))
    with pytest.raises(RuntimeError, match="another process writes to it"):
        start("audited-second", *both, audit(tmp_path / "audit.log", key[0]))


def test_refusals_are_logged_whatever_is_sampled(start, both, authority, idp, key, tmp_path):
    telemetry = audit(tmp_path / "audit.log", key[0])["telemetry"] | {"logs": {"sample": 0, "format": "text"}}
    palisade = start("sampled", *both, {"telemetry": telemetry})
    work(palisade, authority, idp, 5)
    assert palisade.stop() == 0
    lines = palisade.stdout.read_text().splitlines()
    assert len(lines) == 10 and all(line.startswith("time=") and " decision=refused reason=" in line for line in lines), lines
    assert '"level"' not in palisade.stderr.read_text(), "messages are still JSON"
    events = [json.loads(line)["event"] for line in (tmp_path / "audit.log").read_text().splitlines()]
    assert events.count("allowed") >= 10, "the audit log was sampled"
