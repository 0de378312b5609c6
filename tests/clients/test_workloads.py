"""Work that belongs to no tenant: what a workload may do, and that it is never a tenant's, nor a tenant anything of a workload's."""

import contextlib
import json
import os
import secrets
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from harness import backends, wire
from harness.backends import ACCOUNT, BUCKET, REGION
from harness.clients import client, placeholder
from harness.configs import at
from harness.palisade import Palisade
from harness.process import wait_until

QUEUES = ("shared-jobs", "shared-other")
SPIFFE = "spiffe://prod/ns/acme/sa/worker"


@dataclass
class Place:
    """A sidecar with workloads, the queues behind it, and a way to be inside of a request."""

    palisade: Palisade
    queues: dict
    tokens: dict
    files: Path
    visit: object


def workload(name: str, **more) -> dict:
    arn = f"arn:aws:iam::{ACCOUNT}:role/workload-{name}"
    return {"token_file": f"{name}.token", "assume_role": {"role_arn": arn, "session_tags": {"Component": name}}, **more}


@pytest.fixture(scope="module")
def queues(ministack, pool) -> dict:
    """Two queues, a parameter, and roles that may do more than the workloads' lists say: so it is the lists that refuse."""
    sqs, iam = ministack.client("sqs"), ministack.client("iam")
    may = backends.document(backends.allow(["sts:AssumeRole", "sts:TagSession"], f"arn:aws:iam::{ACCOUNT}:role/workload-*"))
    iam.put_user_policy(UserName="palisade", PolicyName="workloads", PolicyDocument=may)
    everything = [backends.allow(["sqs:*", "ssm:*", "s3:*", "cloudwatch:*"], "*")]
    for name in ("poller", "other", "slow"):
        backends.role(ministack, f"workload-{name}", f"arn:aws:iam::{ACCOUNT}:user/palisade", everything, {"StringEquals": {"aws:RequestTag/Component": name}})
    ministack.client("ssm").put_parameter(Name="/shared/limit", Value="42", Type="String")
    return {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in QUEUES}


@pytest.fixture(scope="module")
def place(start, setting, authority, application, idp, pool, ministack, aws, queues, directory) -> Place:
    tokens = {name: secrets.token_hex(32) for name in ("poller", "other", "slow")}
    for name, token in tokens.items():
        (directory / f"{name}.token").write_text(token + "\n")
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUES[0]}"
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/shared/*"
    work = {"poller": workload("poller", actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "ssm:GetParameter*"], resources=[queue, parameter]),
            "other": workload("other", actions="sqs:*", resources=queue),
            "slow": workload("slow", actions="sqs:*", resources="*", limits={"requests_per_second": 0.01, "burst": 2})}
    services = {name: at(aws.port) for name in ("s3", "sqs", "ssm")}
    palisade = start("workloads", setting.ingress(authority.certificate, authority.key, application.port), setting.egress(services), setting.identity(),
                     setting.pooled(pool, ministack.port), {"workloads": work})
    return Place(palisade, queues, tokens, directory, lambda: application.visit(palisade.port("ingress"), authority.client(), idp.token("acme"), "acme"))


def working(place: Place, service: str, name: str = "poller", token: str | None = None):
    """What a workload's process does: nothing but an endpoint and credentials."""
    return boto3.client(service, endpoint_url=place.palisade.url, region_name=REGION, aws_access_key_id=f"workload.{name}", aws_secret_access_key="unused",
                        aws_session_token=place.tokens[name] if token is None else token, config=Config(retries={"total_max_attempts": 1}))


def refused(call, **arguments) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["ResponseMetadata"]["HTTPHeaders"].get("x-palisade-reason")


def test_a_workload_polls_its_queue_and_reads_its_parameters(place, ministack):
    ministack.client("sqs").send_message(QueueUrl=place.queues[QUEUES[0]], MessageBody="a job")
    sqs = working(place, "sqs")
    [message] = sqs.receive_message(QueueUrl=place.queues[QUEUES[0]], WaitTimeSeconds=2)["Messages"]
    assert message["Body"] == "a job"
    sqs.delete_message(QueueUrl=place.queues[QUEUES[0]], ReceiptHandle=message["ReceiptHandle"])
    ssm = working(place, "ssm")
    assert ssm.get_parameter(Name="/shared/limit")["Parameter"]["Value"] == "42"
    assert [p["Name"] for p in ssm.get_parameters_by_path(Path="/shared", Recursive=True)["Parameters"]] == ["/shared/limit"]

    lines = wait_until(lambda: [line for line in place.palisade.log() if line.get("workload") == "poller" and line["status"] == 200], 5, "the log's lines")
    assert all("tenant" not in line and line["decision"] == "allowed" for line in lines)
    assert place.palisade.metric("palisade_requests_total", tenant="_workload:poller", decision="allowed") >= 3
    held = [session for session in json.loads(place.palisade.admin("/tenants")[1]) if session.get("workload") == "poller"]
    assert [session["role_arn"].rsplit("/", 1)[1] for session in held] == ["workload-poller"]
    assert backends.assumed(ministack, "poller")
    written = place.palisade.everything_written()
    assert not [token for token in place.tokens.values() if token in written]


def test_what_is_not_listed_is_refused_before_aws_sees_it(place, aws):
    sqs, ssm, s3 = working(place, "sqs"), working(place, "ssm"), working(place, "s3")
    working(place, "sqs").receive_message(QueueUrl=place.queues[QUEUES[0]])
    before = sum(len(sent) for sent, _ in aws.streams)
    assert refused(sqs.send_message, QueueUrl=place.queues[QUEUES[0]], MessageBody="x") == "action-not-allowed"
    assert refused(sqs.receive_message, QueueUrl=place.queues[QUEUES[1]]) == "resource-not-allowed"
    assert refused(sqs.list_queues) == "action-not-allowed"
    assert refused(working(place, "sqs", "other").list_queues) == "resource-not-allowed", "it is about nothing in particular"
    assert refused(ssm.get_parameter, Name="/private/limit") == "resource-not-allowed"
    assert refused(ssm.get_parameters, Names=["/shared/limit", "/private/limit"]) == "resource-not-allowed"
    assert refused(ssm.get_parameters_by_path, Path="/") == "resource-not-allowed"
    assert refused(ssm.put_parameter, Name="/shared/limit", Value="1", Overwrite=True) == "action-not-allowed"
    assert refused(s3.get_object, Bucket=BUCKET, Key="acme/hello.txt") == "action-not-allowed"
    assert sum(len(sent) for sent, _ in aws.streams) == before


# Headers of a request for the queue, where P is the workload's token, O another workload's, J a passport, and what comes of it.
NAME, KEY = "x-palisade-workload", "key"
NO_TENANTS = {"token-malformed", "proof-not-accepted", "passport-unknown", "tenant-missing", "token-missing"}
ATTACKS = [
    ("a tenant in the header", {KEY: "workload.poller", "x-tenant-token": "P", "x-tenant-id": "acme"}, {"workload-ambiguous"}),
    ("a tenant in the key", {KEY: "tenant.acme", NAME: "poller", "x-tenant-token": "P"}, {"workload-ambiguous"}),
    ("a passport and its tenant", {KEY: "tenant.acme", NAME: "poller", "x-tenant-token": "J"}, {"workload-ambiguous"}),
    ("a passport for the token", {KEY: "workload.poller", "x-tenant-token": "J"}, {"workload-unproved"}),
    ("another workload's token", {KEY: "workload.poller", "x-tenant-token": "O"}, {"workload-unproved"}),
    ("two tokens", {KEY: "workload.poller", "x-tenant-token": "P", "x-amz-security-token": "O"}, {"token-ambiguous"}),
    ("two names", {KEY: "workload.poller", NAME: "other", "x-tenant-token": "P"}, {"workload-ambiguous"}),
    ("the name in another case", {KEY: "x", NAME: "Poller", "x-tenant-token": "P"}, {"workload-unproved"}),
    ("the key's name in another case", {KEY: "workload.POLLER", "x-tenant-token": "P"}, {"workload-unproved"}),
    ("the prefix in another case", {KEY: "Workload.poller", "x-tenant-token": "P"}, NO_TENANTS),
    ("the header spelled otherwise", {KEY: "x", "x_palisade_workload": "poller", "x-tenant-token": "P"}, NO_TENANTS),
    ("the header as one of the hop", {KEY: "x", NAME: "poller", "Connection": NAME, "x-tenant-token": "P"}, NO_TENANTS),
    ("no name", {KEY: "x", "x-tenant-token": "P"}, NO_TENANTS),
    ("no name, for a tenant", {KEY: "tenant.acme", "x-tenant-token": "P"}, NO_TENANTS),
    ("no token", {KEY: "workload.poller"}, {"workload-unproved"}),
    ("an empty token", {KEY: "workload.poller", "x-tenant-token": ""}, {"token-missing", "workload-unproved"}),
    ("the token in a cookie", {KEY: "workload.poller", "Cookie": "token=P"}, {"workload-unproved"}),
    ("a part of the token", {KEY: "workload.poller", "x-tenant-token": "P[:-1]"}, {"workload-unproved"}),
    ("nobody's name", {KEY: "workload.nobody", "x-tenant-token": "P"}, {"workload-unproved"}),
]


@pytest.mark.parametrize(("headers", "reasons"), [row[1:] for row in ATTACKS], ids=[row[0] for row in ATTACKS])
def test_no_request_is_both_and_none_is_a_workload_s_by_accident(place, aws, headers, reasons):
    body = json.dumps({"QueueUrl": place.queues[QUEUES[0]]}).encode()
    values = {"P": place.tokens["poller"], "P[:-1]": place.tokens["poller"][:-1], "O": place.tokens["other"], "token=P": f"token={place.tokens['poller']}"}
    with place.visit() as visit:
        said = {name: values.get(value, visit.passport if value == "J" else value) for name, value in headers.items() if name != KEY}
        signed = {"x-amz-target": "AmazonSQS.ReceiveMessage"}
        signed |= {"x-amz-security-token": said.pop("x-amz-security-token")} if "x-amz-security-token" in said else {}
        lines = placeholder("x", None, "sqs", signed)
        lines["Authorization"] = lines["Authorization"].replace("tenant.x/", f"{headers[KEY]}/")
        before = sum(len(sent) for sent, _ in aws.streams)
        request = wire.request("POST", "/", {"Host": "127.0.0.1:8180", "Content-Type": "application/x-amz-json-1.0"} | lines | said, body)
        answer = wire.exchange(place.palisade.port("egress"), request)
    assert answer.status >= 400 and answer.reason in reasons, (answer.status, answer.reason, answer.body)
    assert sum(len(sent) for sent, _ in aws.streams) == before, "something reached AWS"


def test_palisade_s_own_paths_are_for_tenants(place):
    with place.visit() as visit:
        for proof in (place.tokens["poller"], visit.passport):
            request = wire.request("GET", "/_palisade/credentials", {"Host": "127.0.0.1:8180", "x-palisade-workload": "poller", "x-tenant-token": proof})
            assert wire.exchange(place.palisade.port("egress"), request).reason == "workload-ambiguous"


def test_a_tenant_s_passport_takes_the_tenant_s_role_to_a_workload_s_queue(place):
    with place.visit() as visit:
        sqs = client("sqs", place.palisade.url, "acme", visit.passport)
        assert refused(sqs.receive_message, QueueUrl=place.queues[QUEUES[0]]) == "aws-denied"
        assert client("s3", place.palisade.url, "acme", visit.passport).get_object(Bucket=BUCKET, Key="acme/hello.txt")["Body"].read() == b"hello acme"


def test_a_document_that_names_two_queues_names_none(place):
    own, other = (place.queues[name] for name in QUEUES)
    for body in (f'{{"QueueUrl":"{own}","QueueUrl":"{other}"}}', f'{{"QueueUrl":"{own}","queueUrl":"{other}"}}', f'{{"queueurl":"{own}"}}'):
        lines = placeholder("x", place.tokens["poller"], "sqs", {"x-amz-target": "AmazonSQS.ReceiveMessage"})
        lines["Authorization"] = lines["Authorization"].replace("tenant.x/", "workload.poller/")
        request = wire.request("POST", "/", {"Host": "127.0.0.1:8180", "Content-Type": "application/x-amz-json-1.0"} | lines, body.encode())
        assert wire.exchange(place.palisade.port("egress"), request).reason == "resource-not-allowed", body


def test_each_has_limits_of_its_own(place):
    slow, url = working(place, "sqs", "slow"), place.queues[QUEUES[0]]
    for _ in range(2):
        slow.receive_message(QueueUrl=url)
    assert refused(slow.receive_message, QueueUrl=url) == "rate-limited"
    working(place, "sqs").receive_message(QueueUrl=url)
    assert place.palisade.metric("palisade_rate_limited_total", tenant="_workload:slow") == 1


def test_a_token_is_replaced_without_a_restart(place):
    new, file, url = secrets.token_hex(32), place.files / "other.token", place.queues[QUEUES[0]]

    def works(token: str) -> bool:
        try:
            working(place, "sqs", "other", token).receive_message(QueueUrl=url)
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPHeaders"]["x-palisade-reason"] == "workload-unproved"
            return False
        return True

    old = place.tokens["other"]
    assert works(old) and not works(new)
    file.write_text(f"{new}\n{old}\n")
    wait_until(lambda: works(new), 10, "the new token")
    assert works(old)
    file.write_text("too short\n")
    wait_until(lambda: "a workload's token cannot be used" in place.palisade.stderr.read_text(), 10, "the warning")
    assert works(new)
    file.write_text(f"{new}\n")
    wait_until(lambda: not works(old), 10, "the end of the old token")


def test_a_certificate_is_a_workload_s_or_a_tenant_s(start, setting, pool, ministack, authority, workloads, queues, directory):
    tls = {"certificate": str(authority.certificate), "private_key": str(authority.key), "client_auth": "optional", "client_ca": str(workloads.authority.ca)}
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUES[0]}"
    work = workload("poller", actions="sqs:*", resources=queue) | {"spiffe_id": SPIFFE}
    del work["token_file"]
    identity = setting.identity()
    identity["identity"]["workloads"] = [mapping for mapping in workloads.mappings["workloads"] if mapping["tenant"] == "globex"]
    palisade = start("certified", setting.egress({"sqs": at(ministack.port)}, tls=tls), identity, setting.pooled(pool, ministack.port),
                     {"workloads": {"poller": work}})

    def sqs(holder, token=None):
        config = Config(client_cert=(str(holder.certificate), str(holder.key)) if holder else None, retries={"total_max_attempts": 1})
        return boto3.client("sqs", endpoint_url=f"https://localhost:{palisade.port('egress')}", region_name=REGION, verify=str(authority.ca),
                            aws_access_key_id="workload.poller", aws_secret_access_key="unused", aws_session_token=token, config=config)

    url = queues[QUEUES[0]]
    sqs(workloads.acme).receive_message(QueueUrl=url)
    assert refused(sqs(workloads.acme, "x" * 40).receive_message, QueueUrl=url) == "workload-unproved"
    assert refused(sqs(workloads.nobody).receive_message, QueueUrl=url) == "workload-unproved"
    assert refused(sqs(None).receive_message, QueueUrl=url) == "workload-unproved"
    assert refused(sqs(workloads.globex).receive_message, QueueUrl=url) == "workload-ambiguous"


def over(path: Path, request: bytes) -> wire.Message:
    """One exchange over a Unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(path))
        connection.sendall(request)
        received = b""
        while data := connection.recv(65_536):
            received += data
            with contextlib.suppress(wire.Incomplete):
                return wire.parse(received)[0]
    raise AssertionError(f"no answer: {received!r}")


def test_a_user_of_this_machine_is_a_workload_on_the_socket_alone(start, setting, authority, application, idp, pool, ministack, queues, tmp_path):
    path, me = tmp_path / "egress.sock", os.geteuid()
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUES[0]}"

    def work(role: str, uid: int) -> dict:
        made = workload(role, actions="sqs:ReceiveMessage", resources=queue) | {"uid": uid}
        del made["token_file"]
        return made

    # Left by a process that has died.
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    palisade = start("by-user", setting.ingress(authority.certificate, authority.key, application.port),
                     setting.egress({name: at(ministack.port) for name in ("s3", "sqs")}, socket={"path": str(path), "mode": "0600"}), setting.identity(),
                     setting.pooled(pool, ministack.port), {"workloads": {"poller": work("poller", me), "other": work("other", me + 1)}})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def receive(name: str, **more: str) -> bytes:
        lines = placeholder("x", None, "sqs", {"x-amz-target": "AmazonSQS.ReceiveMessage"})
        lines["Authorization"] = lines["Authorization"].replace("tenant.x/", f"workload.{name}/")
        body = json.dumps({"QueueUrl": queues[QUEUES[0]]}).encode()
        return wire.request("POST", "/", {"Host": "localhost", "Content-Type": "application/x-amz-json-1.0"} | lines | more, body)

    assert over(path, receive("poller")).status == 200
    for name, more in (("other", {}), ("poller", {"x-tenant-token": "x" * 40})):
        assert over(path, receive(name, **more)).reason == "workload-unproved", name
    assert over(path, receive("poller", **{"x-tenant-id": "acme"})).reason == "workload-ambiguous"
    assert wire.exchange(palisade.port("egress"), receive("poller")).reason == "workload-unproved", "over TCP nobody is a user"
    with application.visit(palisade.port("ingress"), authority.client(), idp.token("acme"), "acme") as visit:
        assert over(path, receive("poller", **{"x-tenant-token": visit.passport})).reason == "workload-unproved"
        request = wire.request("GET", f"/{BUCKET}/acme/hello.txt", {"Host": "localhost"} | placeholder("acme", visit.passport))
        answer = over(path, request)
    assert (answer.status, answer.body) == (200, b"hello acme"), "tenants' requests come over it as well"
    lines = wait_until(lambda: [line for line in palisade.log() if line.get("workload") == "poller" and line["status"] == 200], 5, "the log's line")
    assert lines[0]["peer"] == f"uid {me} (process {os.getpid()})"
