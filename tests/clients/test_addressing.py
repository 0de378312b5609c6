"""Where requests are sent, as whom the server there has to prove itself, and which host is signed."""

import contextlib
import re

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import wire
from harness.application import Script
from harness.backends import BUCKET, REGION
from harness.clients import placeholder

AWS, GATEWAY = f"s3.{REGION}.amazonaws.com", "gateway.example.com"
PATH = f"/{BUCKET}/acme/a%20b"


@pytest.fixture
def sent(start, setting, pool, sts, authority, idp, request):
    """Sends a request through an egress whose S3 is a TLS server for `name` alone, and yields the answer and that server."""
    with contextlib.ExitStack() as stack:

        def send(name: str, **service: str) -> tuple[wire.Message, Script]:
            server = stack.enter_context(contextlib.closing(Script(authority.server(name))))
            s3 = {"endpoint": f"https://127.0.0.1:{server.port}", "ca": str(authority.ca), **service}
            palisade = start(f"{request.node.name}-{server.port}", setting.egress({"s3": s3}), setting.identity(), setting.pooled(pool, sts.port))
            stack.callback(palisade.stop)
            headers = {"Host": f"127.0.0.1:{palisade.port('egress')}"} | placeholder("acme", idp.token("acme"))
            return wire.exchange(palisade.port("egress"), wire.request("GET", PATH, headers)), server

        yield send


def is_signed_for(host: str, headers: dict, sts) -> bool:
    """Whether botocore, with the credentials that STS issued, comes to the same signature when the host is `host`."""
    authorization = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/\S+, SignedHeaders=(\S+), Signature=(\w+)", headers["authorization"])
    key_id, names, signature = authorization.groups()
    assert "host" in names.split(";")
    issued = next(r.body.decode() for _, r in reversed(sts.exchanges()) if f"<AccessKeyId>{key_id}</AccessKeyId>".encode() in r.body)
    secret, token = (re.search(f"<{name}>([^<]+)</{name}>", issued)[1] for name in ("SecretAccessKey", "SessionToken"))
    auth = S3SigV4Auth(Credentials(key_id, secret, token), "s3", REGION)
    request = AWSRequest("GET", f"https://{host}{PATH}", headers={n: headers[n] for n in names.split(";") if n != "host"})
    request.context["timestamp"] = headers["x-amz-date"]
    return auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request) == signature


def test_the_server_may_be_elsewhere_and_has_to_be_who_it_is_called(sent, sts):
    answer, server = sent(AWS, host=AWS)
    assert answer.status == 200, answer
    ((method, path, headers, _),) = server.requests
    headers = {k.lower(): v for k, v in headers.items()}
    assert (method, path, headers["host"]) == ("GET", PATH, AWS)
    assert is_signed_for(AWS, headers, sts) and not is_signed_for(GATEWAY, headers, sts)


def test_a_gateway_gets_its_own_host_and_aws_gets_the_one_that_was_signed(sent, sts):
    answer, server = sent(GATEWAY, host=GATEWAY, signed_host=AWS)
    assert answer.status == 200, answer
    ((_, _, headers, _),) = server.requests
    headers = {k.lower(): v for k, v in headers.items()}
    assert headers["host"] == GATEWAY
    assert is_signed_for(AWS, headers, sts) and not is_signed_for(GATEWAY, headers, sts)


@pytest.mark.parametrize("name,service", [
    pytest.param(GATEWAY, {"host": AWS}, id="a certificate for another name"),
    pytest.param("127-0-0-1.example.com", {"host": AWS, "signed_host": "127-0-0-1.example.com"}, id="a certificate for the signed host"),
    pytest.param(AWS, {}, id="a certificate for the name, and the address is dialled"),
])
def test_another_server_gets_nothing(sent, name, service):
    answer, server = sent(name, **service)
    assert (answer.status, answer.reason) == (503, "upstream-unavailable"), answer
    assert not server.requests
