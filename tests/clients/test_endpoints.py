"""Endpoint rules, public paths, tokens in cookies, tenants in hosts and paths, scripts of other origins, gRPC: what is said and what is passed on.

Statuses and reasons are in the matrix; here is what stands beside them, and what reaches the application.
"""

import json
import re
import sys
import unicodedata
from pathlib import Path

import httpx
import pytest

from harness import wire
from harness.application import Visit
from harness.process import wait_until

ROOT = Path(__file__).resolve().parents[2]
APP = "https://app.example.com"


@pytest.fixture
def call(ruled, authority):
    def call(method="GET", target="/echo", headers=(), body=b"", palisade=None):
        port = (palisade or ruled).port("ingress")
        return wire.exchange(port, wire.request(method, target, list(headers), body), authority.client())

    return call


@pytest.fixture
def signed(idp):
    """Headers of a user of acme."""
    return lambda **claims: [("Authorization", f"Bearer {idp.token('acme', **claims)}"), ("x-tenant-id", "acme")]


def seen(answer: wire.Message) -> tuple[str, dict]:
    """The target and the headers that the application got."""
    assert answer.status == 200, (answer.status, answer.reason)
    got = json.loads(answer.body)
    assert len({k for k, _ in got["headers"]}) == len(got["headers"])
    return got["target"], dict(got["headers"])


# Rules and paths


def test_what_was_matched_is_what_the_application_gets(call, signed):
    for target, forwarded in {
        "/parks/7?x=%2F..;": "/parks/7?x=%2F..;",
        "/%70arks/%37/?%61": "/parks/7/?%61",
        "/parks/a%20b/%C3%A9%40": "/parks/a%20b/%C3%A9%40",
        "/parks/%7Euser": "/parks/~user",
    }.items():
        assert seen(call(target=target, headers=signed()))[0] == forwarded


def test_a_refused_path_does_not_reach_the_application(call, signed, application):
    before = application.requests
    for target in ("/parks/../premium", "/parks%2f7", "/hooks/..%5cparks", "/parks//7", "/parks;/7", "/elsewhere"):
        assert call(target=target, headers=signed()).status in (400, 403)
    assert application.requests == before


def test_a_token_without_the_scope_is_told_so(call, signed):
    """RFC 6750, section 3.1."""
    short = call(target="/reports/1", headers=signed(scope="openid"))
    assert (short.status, short.reason, short.header("www-authenticate")) == (403, "scope-insufficient", 'Bearer error="insufficient_scope"')
    assert call(target="/premium/1", headers=signed()).status == 200
    refused = call(target="/elsewhere", headers=signed())
    assert refused.header("www-authenticate") is None and refused.header("content-type") == "application/problem+json"


def test_the_log_says_which_rule_refused(ruled, call, signed):
    answer = call("DELETE", "/parks/7", signed())
    line = logged(ruled, answer)
    assert (line["decision"], line["reason"], line["tenant"]) == ("refused", "endpoint-not-allowed", "acme")
    assert line["note"] == "ingress.endpoints[3] wants another role"


def logged(palisade, answer: wire.Message) -> dict:
    """The access-log line of a request."""
    (line,) = palisade.logged([answer.header("x-request-id")]).values()
    return line


# Public paths


def test_a_public_request_is_nobodys(ruled, call, idp):
    spoofed = [("x-tenant-id", "acme"), ("X_Tenant_Id", "acme"), ("x-palisade-passport", "p"), ("x-palisade-subject", "root"), ("x-palisade-roles", '"admin"'),
               ("x-user-email", "root@acme.test"), ("Authorization", f"Bearer {idp.token('acme')}"), ("x-tenant-token", "T"), ("x-amz-security-token", "T"),
               ("Cookie", "a=1; __Host-token=T; b=2"), ("x-signature", "sha256=1")]
    answer = call("POST", "/hooks/a?b=c", spoofed, b"event")
    target, headers = seen(answer)
    assert target == "/hooks/a?b=c" and headers["x-signature"] == "sha256=1" and headers["cookie"] == "a=1; b=2"
    assert headers["x-request-id"] == answer.header("x-request-id") and headers["x-forwarded-proto"] == "https"
    gone = {"x-tenant-id", "x_tenant_id", "x-palisade-passport", "x-palisade-subject", "x-palisade-roles", "x-user-email", "authorization", "x-tenant-token", "x-amz-security-token"}
    assert not gone & headers.keys()
    line = logged(ruled, answer)
    assert line["decision"] == "public" and "tenant" not in line and line["bytes_received"] == 5
    assert ruled.metric("palisade_requests_total", listener="ingress", tenant="_none", decision="public", status_class="2xx") >= 1
    record = next(record for record in ruled.records("public") if record["request_id"] == line["request_id"])
    assert record["listener"] == "ingress" and "tenant" not in record


def test_a_password_of_the_applications_own_passes_a_public_path(call):
    assert seen(call("POST", "/hooks/a", [("Authorization", "Basic YTpi")]))[1]["authorization"] == "Basic YTpi"


def test_public_requests_have_room_of_their_own(ruled, authority, application, call, signed):
    visits = {name: Visit() for name in ("public-1", "public-2")}
    application.visits |= visits
    open_ = []
    try:
        for name in visits:
            open_.append(wire.Connection(ruled.port("ingress"), authority.client()))
            open_[-1].send(wire.request("PUT", f"/hold/{name}"))
            assert visits[name].arrived.wait(10)
        full = call("POST", "/hooks/a")
        assert (full.status, full.reason, full.header("retry-after")) == (503, "overloaded", "1")
        assert call(target="/parks/7", headers=signed()).status == 200, "a tenant's request needs no room of theirs"
        for visit in visits.values():
            visit.release.set()
        assert all(connection.receive().status == 200 for connection in open_)
        wait_until(lambda: call("POST", "/hooks/a").status == 200, 5, "the room is given back")
    finally:
        for visit in visits.values():
            visit.release.set()
        for connection in open_:
            connection.close()
        for name in visits:
            del application.visits[name]


# Cookies


def test_the_tokens_cookie_stays_here(call, idp):
    token = idp.token("acme")
    answer = call(headers=[("Cookie", f"a=1; __Host-token={token}; b=2"), ("x-tenant-id", "acme")])
    _, headers = seen(answer)
    assert headers["cookie"] == "a=1; b=2" and headers["x-palisade-subject"] == "user-1" and token not in answer.body.decode()
    alone = call(headers=[("Cookie", f"__Host-token={token}"), ("x-tenant-id", "acme")])
    assert "cookie" not in seen(alone)[1]


def test_cookies_that_http2_splits_are_one(ruled, authority, idp):
    with httpx.Client(http2=True, http1=False, verify=authority.client(), base_url=f"https://localhost:{ruled.port('ingress')}") as http:
        pairs = [("x-tenant-id", "acme"), ("cookie", "a=1"), ("cookie", f"__Host-token={idp.token('acme')}"), ("cookie", "b=2")]
        answer = http.get("/echo", headers=pairs)
    assert answer.http_version == "HTTP/2" and answer.status_code == 200
    assert [v for k, v in answer.json()["headers"] if k == "cookie"] == ["a=1; b=2"]


# Tenants in hosts and paths


def test_the_tenant_of_the_host_and_of_the_path_are_the_applications(call, idp):
    token = ("Authorization", f"Bearer {idp.token('acme')}")
    for headers, target in (([("Host", "acme.app.example.com"), token], "/echo"), ([token], "/t/acme/x"), ([token], "/at/acme/echo")):
        assert seen(call(target=target, headers=headers))[1]["x-tenant-id"] == "acme"


# Scripts of other origins


def values(answer: wire.Message, name: str) -> list[str]:
    return [v for k, v in answer.headers if k == name]


def test_a_preflight_is_answered_without_the_application(ruled, call, application):
    before = application.requests
    answer = call("OPTIONS", "/parks/7", [("Origin", APP), ("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "authorization")])
    assert answer.status == 204 and application.requests == before
    assert values(answer, "access-control-allow-origin") == [APP] and values(answer, "access-control-allow-credentials") == ["true"]
    assert set(values(answer, "access-control-allow-headers")[0].split(", ")) == {"authorization", "content-type", "x-tenant-id", "x-tenant-token"}
    assert "DELETE" in values(answer, "access-control-allow-methods")[0] and values(answer, "access-control-max-age") == ["600"]
    assert "origin" in ", ".join(values(answer, "vary")) and values(answer, "x-request-id")
    line = logged(ruled, answer)
    assert line["decision"] == "preflight" and "tenant" not in line


def test_scripts_of_an_allowed_origin_may_read_answers_and_refusals(call, signed):
    for answer in (call(headers=[("Origin", APP), *signed()]), call(headers=[("Origin", APP)]), call(target="/elsewhere", headers=[("Origin", APP), *signed()]),
                   call("TRACE", headers=[("Origin", APP)]), call("POST", "/hooks/a", [("Origin", APP)])):
        assert values(answer, "access-control-allow-origin") == [APP] and values(answer, "access-control-allow-credentials") == ["true"], answer.start
        assert "x-palisade-reason" in values(answer, "access-control-expose-headers")[0] and "origin" in values(answer, "vary")
    for origin in ("https://evil.test", "null", APP + "/", APP.upper()):
        for answer in (call(headers=[("Origin", origin), *signed()]), call(headers=[("Origin", origin)])):
            assert not [k for k, _ in answer.headers if k.startswith("access-control-")] and values(answer, "vary") == ["origin"]


def test_without_cors_nothing_is_said_of_it(sidecar, call, signed):
    answer = call(headers=[("Origin", APP), *signed()], palisade=sidecar)
    assert answer.status == 200 and not [k for k, _ in answer.headers if k.startswith("access-control-") or k == "vary"]


def test_preflights_can_be_the_applications(start, setting, authority, application, call, signed):
    access = {"endpoints": [{"path": "/echo", "roles": "admin"}], "cors": {"pass": {}}}
    passing = start("passing", setting.ingress(authority.certificate, authority.key, application.port, **access), setting.identity())
    preflight = [("Origin", "https://anybody.test"), ("Access-Control-Request-Method", "PUT")]
    answer = call("OPTIONS", "/echo", [*preflight, ("x-tenant-id", "acme"), ("x-tenant-token", "T")], palisade=passing)
    _, headers = seen(answer)
    assert headers["origin"] == "https://anybody.test" and not {"x-tenant-id", "x-tenant-token", "x-palisade-passport"} & headers.keys()
    assert logged(passing, answer)["decision"] == "public"
    assert call("OPTIONS", "/echo", preflight[:1], palisade=passing).reason == "token-missing"
    assert call("OPTIONS", "/a%2fb", preflight, palisade=passing).reason == "path-ambiguous"
    assert call("GET", "/echo", [*preflight, *signed()], palisade=passing).reason == "endpoint-not-allowed"


# gRPC


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc+proto", "application/grpc-web+proto", "application/grpc-web-text"])
def test_a_refused_call_is_refused_as_grpc_does(ruled, authority, idp, kind):
    good = {"authorization": f"Bearer {idp.token('acme')}", "x-tenant-id": "acme"}
    with httpx.Client(http2=True, http1=False, verify=authority.client(), base_url=f"https://localhost:{ruled.port('ingress')}") as http:
        def refused(path: str, **headers) -> tuple:
            answer = http.post(path, content=b"\0\0\0\0\0", headers={"content-type": kind, "te": "trailers"} | headers)
            assert answer.status_code == 200 and answer.content == b"" and answer.headers["content-type"] == kind.split("+")[0]
            assert answer.headers["grpc-message"] and answer.headers["x-request-id"]
            return answer.headers["grpc-status"], answer.headers["x-palisade-reason"]

        assert refused("/parks.Parks/Get") == ("16", "token-missing")
        assert refused("/parks.Parks/Get", **good) == ("7", "endpoint-not-allowed")
        assert refused("/reports/x", **good) == ("7", "scope-insufficient")
        assert refused("/a%2fb", **good) == ("3", "path-ambiguous")
        assert refused("/parks.Parks/Get", **good | {"x-tenant-id": "globex"}) == ("7", "tenant-mismatch")
        # Refused before any handler sees it.
        assert refused("/" + "a" * 17_000, **good) == ("8", "uri-too-long")
        assert refused("/parks.Parks/Get", **{f"x-{n}": "1" for n in range(110)}) == ("8", "headers-too-large")
        plain = http.post("/parks.Parks/Get", headers={"content-type": "application/json"})
        assert plain.status_code == 401 and plain.headers["content-type"] == "application/problem+json"


# The table of look-alikes


def test_the_table_of_look_alikes_is_that_of_unicode():
    source = (ROOT / "src" / "authorise" / "path" / "folding.rs").read_text()
    ranges = [(int(a, 16), int(b, 16)) for a, b in re.findall(r"\((0x[0-9a-f]+), (0x[0-9a-f]+)\)", source)]
    assert len(ranges) > 100
    known = {code for first, last in ranges for code in range(first, last + 1)}

    def folds(character: str) -> bool:
        form = unicodedata.normalize("NFKC", character)
        forms = {form, character.lower(), character.upper(), character.casefold(), form.lower(), form.upper(), form.casefold()}
        return unicodedata.category(character) in ("Cc", "Zs", "Zl", "Zp") or any(ord(c) < 128 for form in forms for c in form)

    every = [code for code in range(0x80, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    assert not [hex(code) for code in every if code not in known and folds(chr(code))], "these fold into ASCII"
    # What is in it without folding is invisible, or newer than this Python's tables.
    invisible = {"Cf", "Mn", "Lo", "Cn"}
    assert not [hex(code) for code in every if code in known and not folds(chr(code)) and unicodedata.category(chr(code)) not in invisible]
