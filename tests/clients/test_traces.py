"""Traces, as a collector gets them: one tree from the caller to AWS, whoever lies about it, and never at a request's expense."""

import contextlib
import json
import secrets
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from botocore.exceptions import ClientError

from harness import wire
from harness.backends import BUCKET, REGION
from harness.clients import client
from harness.collector import KIND, Grpc, Http, Span
from harness.process import closed_port, wait_until
from harness.tap import Tap, ignore

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{}"


@pytest.fixture(scope="module")
def collector():
    with contextlib.closing(Grpc()) as collector:
        yield collector


@pytest.fixture
def traced(run, collector):
    """A sidecar whose every request is recorded, and a collector that has forgotten what came before."""
    palisade = run("traced", collector.port, {"sampling": {"per_second": 10_000}})
    wait_until(lambda: not unsent(palisade), 5, "the last test's spans")
    collector.forget()
    return palisade


@pytest.fixture(scope="module")
def run(start, setting, authority, application, pool, sts, pooled_services):
    """Starts a sidecar with traces, once under each name."""
    running = {}

    def run(name: str, port: int, traces: dict | None = None, ingress: dict | None = None, proofs: tuple = ("passport",), through: Tap = sts):
        if name not in running:
            traces = {"otlp": f"http://127.0.0.1:{port}", "insecure": True, "delay": "20ms"} | (traces or {})
            running[name] = start(name, setting.ingress(authority.certificate, authority.key, application.port, **(ingress or {})),
                                  setting.egress(pooled_services, proofs=list(proofs)), setting.identity(), setting.pooled(pool, through.port),
                                  {"telemetry": {"traces": traces}})
        return running[name]

    return run


def get(palisade, authority, token: str, tenant: str = "acme", target: str = "/echo", **headers: str) -> wire.Message:
    pairs = {"Authorization": f"Bearer {token}", "x-tenant-id": tenant} | headers
    return wire.exchange(palisade.port("ingress"), wire.request("GET", target, pairs), authority.client())


def told(answer: wire.Message) -> str:
    """The `traceparent` that the application was told, which echoes what it gets."""
    return dict(json.loads(answer.body)["headers"])["traceparent"]


def unsent(palisade) -> bool:
    """Whether spans are still on the way: nothing has moved for a few rounds of the exporter."""
    count = lambda: palisade.metric("palisade_trace_spans_total")  # noqa: E731
    before = count()
    time.sleep(0.15)
    return count() != before


def stating(s3, traceparent: str, **headers: str):
    """An application that says of itself which trace its calls belong to. The headers are not signed, as those of instrumentations are not."""
    def state(request, **_):
        for name, value in {"traceparent": traceparent, **headers}.items():
            request.headers[name] = value

    s3.meta.events.register("before-send.s3", state)
    return s3


def tree(spans: list[Span]) -> dict:
    """Each span's name under that of its parent, roots under None. All parents are there."""
    ids = {span.id: span for span in spans}
    assert len(ids) == len(spans), "two spans have one id"
    shape: dict = {}
    for span in sorted(spans, key=lambda span: span.began):
        parent = ids.get(span.parent)
        assert not span.parent or parent, f"{span.name} has a parent that nobody has sent"
        shape.setdefault(parent and parent.name, []).append(span.name)
    return shape


def one(spans: list[Span], name: str) -> Span:
    (found,) = [span for span in spans if span.name == name]
    return found


def arrived(collector, trace: str, *names: str) -> list[Span]:
    """The spans of a trace, once these are there, and that of the caller's request, which ends last."""
    def all_there():
        spans = collector.trace(trace)
        is_over = any(span.attributes.get("palisade.listener") == "ingress" for span in spans)
        return spans if is_over and set(names) <= {span.name for span in spans} else None

    return wait_until(all_there, 5, f"{names} of {trace}, where there are {[(s.trace[:6], s.name) for s in collector.spans]}")


@pytest.fixture
def visit(traced, authority, idp, application):
    """Brings a request into the application, and yields what that is told."""
    return lambda tenant="acme", **claims: application.visit(traced.port("ingress"), authority.client(), idp.token(tenant, **claims), tenant)


def test_a_request_is_one_tree_from_the_caller_to_sts(traced, visit, collector):
    """The application passes nothing on: the passport knows the trace."""
    traced.admin("/tenants/acme/evict", "POST")
    with visit() as inside:
        trace, call = inside.headers["traceparent"].split("-")[1:3]
        s3 = client("s3", traced.url, "acme", inside.passport)
        s3.get_object(Bucket=BUCKET, Key="acme/hello.txt")["Body"].read()
    spans = arrived(collector, trace, "GET", "GET s3:GetObject", "S3.GetObject")
    outer = one([span for span in spans if not span.parent], "GET")
    inner = one([span for span in spans if span.id == call], "GET")
    assert (outer.kind, inner.kind, inner.parent) == (KIND.SPAN_KIND_SERVER, KIND.SPAN_KIND_CLIENT, outer.id)
    egress = one(spans, "GET s3:GetObject")
    assert (egress.kind, egress.parent, egress.links) == (KIND.SPAN_KIND_SERVER, call, [])
    of = {span.name: span.parent for span in spans if span.parent == egress.id}
    assert set(of) == {"verify", "guard", "credentials", "S3.GetObject"}
    assert one(spans, "STS.AssumeRole").parent == one(spans, "credentials").id
    assert sum(span.name == "verify" for span in spans) == 2 and len(spans) == 9, tree(spans)
    for span in spans:
        parent = {other.id: other for other in spans}.get(span.parent)
        assert not parent or parent.began <= span.began, f"{span.name} began before {parent.name}"

    assert outer.attributes | {"palisade.tenant": "acme", "palisade.decision": "allowed", "palisade.listener": "ingress", "url.scheme": "https",
                               "http.request.method": "GET", "http.response.status_code": 200, "network.protocol.version": "1.1",
                               "network.peer.address": "127.0.0.1", "client.address": "127.0.0.1"} == outer.attributes
    assert inner.attributes["http.response.status_code"] == 200 and inner.attributes["server.address"] == "127.0.0.1"
    assert egress.attributes | {"palisade.tenant": "acme", "palisade.service": "s3", "palisade.operation": "GetObject", "cloud.region": REGION,
                                "palisade.for_request": outer.attributes["palisade.request_id"]} == egress.attributes
    aws, sts = one(spans, "S3.GetObject"), one(spans, "STS.AssumeRole")
    for span, service, method in ((aws, "S3", "GetObject"), (sts, "STS", "AssumeRole")):
        assert span.kind == KIND.SPAN_KIND_CLIENT and span.attributes["rpc.system"] == "aws-api", span
        assert (span.attributes["rpc.service"], span.attributes["rpc.method"], span.attributes["cloud.region"]) == (service, method, REGION)
        assert span.attributes["aws.request_id"], span
    assert aws.attributes["http.response.status_code"] == 200
    assert one(spans, "credentials").attributes == {"palisade.credentials": "fetched"}
    assert not any(span.is_error or span.events for span in spans)
    assert outer.resource["service.name"] == "palisade" and len(outer.resource["service.instance.id"]) == 32 and outer.resource["service.version"]


def test_the_application_s_own_span_comes_between(traced, visit, collector):
    with visit() as inside:
        trace = inside.headers["traceparent"].split("-")[1]
        own = secrets.token_hex(8)
        s3 = stating(client("s3", traced.url, "acme", inside.passport), f"00-{trace}-{own}-01")
        s3.get_object(Bucket=BUCKET, Key="acme/hello.txt")["Body"].read()
    egress = one(arrived(collector, trace, "GET s3:GetObject"), "GET s3:GetObject")
    assert egress.parent == own and egress.links == []


@pytest.mark.parametrize("flags", ["00", "01"])
def test_an_application_cannot_choose_its_trace(traced, visit, collector, flags):
    """Neither into another tenant's, nor out of its own; what it says is kept as a link."""
    with visit() as inside:
        trace, call = inside.headers["traceparent"].split("-")[1:3]
        theirs, span = secrets.token_hex(16), secrets.token_hex(8)
        s3 = stating(client("s3", traced.url, "acme", inside.passport), f"00-{theirs}-{span}-{flags}")
        s3.get_object(Bucket=BUCKET, Key="acme/hello.txt")["Body"].read()
    egress = one(arrived(collector, trace, "GET s3:GetObject"), "GET s3:GetObject")
    assert egress.parent == call and egress.links == [(theirs, span, "application")]
    assert not collector.trace(theirs)


def test_what_traces_carry_along_does_not_go_to_aws(traced, visit, aws):
    with visit() as inside:
        aws.clear()
        s3 = stating(client("s3", traced.url, "acme", inside.passport), inside.headers["traceparent"], tracestate="a=1", baggage="user=find-me-nowhere")
        s3.get_object(Bucket=BUCKET, Key="acme/hello.txt")["Body"].read()
    (sent,) = [request for request, _ in aws.exchanges() if request.method == "GET"]
    assert not {name.lower() for name, _ in sent.headers} & {"traceparent", "tracestate", "baggage"}
    assert b"find-me-nowhere" not in aws.sent


def test_one_call_of_sts_is_linked_from_all_who_waited(run, authority, idp, application, collector, ministack):
    """STS answers when all of them are there."""
    go = threading.Event()

    def hold(sent: bytes):
        if b"Action=AssumeRole" in sent:
            go.wait(20)

    with contextlib.closing(Tap(ministack.port, watch=lambda: (hold, ignore))) as sts:
        palisade = run("awaiting", collector.port, {"sampling": {"per_second": 10_000}}, through=sts)
        with application.visit(palisade.port("ingress"), authority.client(), idp.token("acme"), "acme") as inside, ThreadPoolExecutor(8) as pool:
            trace = inside.headers["traceparent"].split("-")[1]
            clients = [client("s3", palisade.url, "acme", inside.passport) for _ in range(8)]
            heads = [pool.submit(s3.head_object, Bucket=BUCKET, Key="acme/hello.txt") for s3 in clients]
            wait_until(lambda: palisade.metric("palisade_inflight_requests", listener="egress", tenant="acme") == 8, 15, "all eight wait")
            go.set()
            assert {head.result()["ContentLength"] for head in heads} == {len("hello acme")}
    wait_until(lambda: sum(span.name == "S3.HeadObject" for span in collector.trace(trace)) == 8, 5, "eight calls")
    spans = arrived(collector, trace, "STS.AssumeRole", "GET")
    sts, steps = one(spans, "STS.AssumeRole"), [span for span in spans if span.name == "credentials"]
    how = {kind: [span for span in steps if span.attributes["palisade.credentials"] == kind] for kind in ("fetched", "awaited", "cached")}
    assert [span.id for span in how["fetched"]] == [sts.parent] and how["awaited"], {kind: len(spans) for kind, spans in how.items()}
    assert all(span.links == [(sts.trace, sts.id, "sts")] for span in how["awaited"])


def test_a_caller_s_trace_is_linked_and_not_joined(traced, authority, idp, collector):
    """Without a trusted proxy in front nobody outside decides which trace a request is part of."""
    answer = get(traced, authority, idp.token("acme"), traceparent=CALLER.format("01"), tracestate="a=" + "x" * 600, baggage="user=1")
    trace = told(answer).split("-")[1]
    assert trace != CALLER.split("-")[1] and told(answer).endswith("-01")
    root = one([span for span in arrived(collector, trace, "GET") if not span.parent], "GET")
    assert root.links == [("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "caller")]
    assert not collector.trace("4bf92f3577b34da6a3ce929d0e0e4736")


@pytest.fixture(scope="module")
def behind(run, collector):
    """A sidecar behind a trusted proxy, which says what is recorded."""
    return run("traced-behind", collector.port, {"sampling": {"ratio": 0, "per_second": 10_000}}, {"trusted_hops": 1, "trace_context": "continue"})


def sent_so_far(behind, authority, idp, collector):
    """Returns when a later request's spans are there: those of the ones before it, if there are any, have been sent."""
    trace = secrets.token_hex(16)
    get(behind, authority, idp.token("acme"), traceparent=f"00-{trace}-{secrets.token_hex(8)}-01", **{"x-forwarded-for": "198.51.100.7"})
    arrived(collector, trace, "GET", "verify")


def test_a_trusted_proxy_s_trace_goes_on(behind, authority, idp, collector):
    via = {"x-forwarded-for": "198.51.100.7"}
    ours = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    answer = get(behind, authority, idp.token("acme"), traceparent=ours, **via)
    _, trace, parent, _ = ours.split("-")
    assert told(answer).split("-")[1] == trace and told(answer).endswith("-01")
    spans = arrived(collector, trace, "GET", "verify")
    root = one([span for span in spans if span.kind == KIND.SPAN_KIND_SERVER], "GET")
    assert root.parent == parent and root.links == [] and root.attributes["client.address"] == "198.51.100.7"


def test_what_is_not_sampled_is_not_sent_and_the_application_is_told(behind, authority, idp, collector):
    via = {"x-forwarded-for": "198.51.100.7"}
    before = behind.metric("palisade_traces_total", decision="not_sampled")
    quiet = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
    assert told(get(behind, authority, idp.token("acme"), traceparent=quiet, **via)).startswith(quiet[:36])
    # Not from a proxy: `ratio` decides, which is 0.
    fresh = told(get(behind, authority, idp.token("acme"), traceparent=CALLER.format("01")))
    assert fresh.endswith("-00")
    wait_until(lambda: behind.metric("palisade_traces_total", decision="not_sampled") == before + 2, 5, "two decisions")
    sent_so_far(behind, authority, idp, collector)
    assert not collector.trace(quiet.split("-")[1]) and not collector.trace(fresh.split("-")[1])


def test_an_unrecorded_request_s_calls_are_not_recorded_either(behind, authority, idp, application, collector):
    """Whatever the application says of them."""
    with application.visit(behind.port("ingress"), authority.client(), idp.token("acme"), "acme") as inside:
        trace = inside.headers["traceparent"].split("-")[1]
        s3 = stating(client("s3", behind.url, "acme", inside.passport), f"00-{trace}-{secrets.token_hex(8)}-01")
        s3.get_object(Bucket=BUCKET, Key="acme/hello.txt")["Body"].read()
    sent_so_far(behind, authority, idp, collector)
    assert not collector.trace(trace)


def test_a_flood_is_recorded_up_to_the_bound(run, authority, idp, collector):
    """Each request carries a flag that says it is to be recorded, by way of a proxy that is believed."""
    palisade = run("flooded", collector.port, {"sampling": {"per_second": 5}}, {"trusted_hops": 1, "trace_context": "continue"})
    token, began = idp.token("acme"), time.monotonic()
    for _ in range(60):
        assert get(palisade, authority, token, traceparent=f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01", **{"x-forwarded-for": "198.51.100.7"}).status == 200
    bound = 5 * (time.monotonic() - began + 1) + 1
    count = lambda decision: palisade.metric("palisade_traces_total", decision=decision)  # noqa: E731
    wait_until(lambda: count("recorded") + count("limited") == 60, 5, "sixty decisions")
    assert 5 <= count("recorded") <= bound and count("limited") >= 60 - bound
    assert count("not_sampled") == 0


def test_a_refusal_says_why_and_whose_fault_it_is(traced, authority, idp, visit, collector):
    denied = get(traced, authority, idp.token("acme"), "globex")
    assert denied.status == 403

    def refused(name: str, reason: str):
        return [span for span in collector.spans if span.name == name and span.attributes.get("palisade.reason") == reason]

    (span,) = wait_until(lambda: [s for s in refused("GET", "tenant-mismatch") if s.kind == KIND.SPAN_KIND_SERVER], 5, "the refusal")
    assert span.events == [("palisade.refusal", {"palisade.reason": "tenant-mismatch"})] and not span.is_error, "what a caller does wrong is no error"
    assert span.attributes["palisade.decision"] == "refused" and "palisade.tenant" not in span.attributes
    (step,) = refused("verify", "tenant-mismatch")
    assert step.parent == span.id and not step.is_error
    with visit() as inside, pytest.raises(ClientError, match="AccessDenied"):
        client("s3", traced.url, "acme", inside.passport).get_object(Bucket=BUCKET, Key="globex/hello.txt")
    (call,) = wait_until(lambda: [s for s in collector.spans if s.name == "S3.GetObject"], 5, "a call that AWS denied")
    assert call.is_error and call.attributes["error.type"] == "403", "to a client every error is one"
    (span,) = wait_until(lambda: refused("GET s3:GetObject", "aws-denied"), 5, "its request")
    assert span.id == call.parent and not span.is_error


def test_no_secret_and_no_key_is_in_any_span(traced, authority, idp, visit, collector, pool, sts, no_credentials_in):
    traced.admin("/tenants/acme/evict", "POST")
    token = idp.token("acme", jti="find-me-nowhere", sub="somebody-in-person", email="somebody@example.com")
    get(traced, authority, token, target="/echo/find-this-path?token=find-this-query", cookie="find-this-cookie", traceparent=CALLER.format("01"))
    get(traced, authority, token[:-8] + "AAAAAAAA")
    with visit(sub="somebody-in-person") as inside:
        s3 = stating(client("s3", traced.url, "acme", inside.passport), inside.headers["traceparent"], baggage="find=this-baggage")
        s3.put_object(Bucket=BUCKET, Key="acme/find-this-key", Body=b"find-this-body", Metadata={"find": "this-metadata"})
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.get_object(Bucket=BUCKET, Key="globex/find-that-key")
        passport = inside.passport
    wait_until(lambda: {"S3.PutObject", "S3.GetObject", "STS.AssumeRole"} <= {span.name for span in collector.spans}, 5, "what there is to look at")
    wait_until(lambda: not unsent(traced), 5, "the last spans")
    sent = b"\n".join(collector.raw)
    for secret in (token, token.split(".")[2], passport, pool.secret_access_key, pool.access_key_id, BUCKET, "find-", "this-baggage", "this-metadata",
                   "somebody", "find-me-nowhere", "authorization", "Bearer"):
        assert secret.encode() not in sent, f"{secret} is in a span"
    no_credentials_in(sent.decode("latin-1"))


@pytest.mark.parametrize("trouble", ["absent", "refusing", "silent", "flaky"])
def test_a_collector_in_trouble_costs_spans_and_no_request(run, authority, idp, trouble):
    with contextlib.closing(Grpc()) as collector:
        port = closed_port() if trouble == "absent" else collector.port
        palisade = run(f"trouble-{trouble}", port, {"queue": 64, "batch": 16, "timeout": "100ms", "sampling": {"per_second": 10_000}})
        if trouble == "refusing":
            collector.status = grpc.StatusCode.UNAUTHENTICATED
        elif trouble == "flaky":
            collector.status = grpc.StatusCode.UNAVAILABLE
        elif trouble == "silent":
            collector.hold.clear()
        token, times = idp.token("acme"), []
        for _ in range(100):
            began = time.monotonic()
            assert get(palisade, authority, token).status == 200
            times.append(time.monotonic() - began)
        assert sorted(times)[90] < 0.5, "requests wait for the collector"
        count = lambda result: palisade.metric("palisade_trace_spans_total", result=result)  # noqa: E731
        if trouble == "flaky":
            # Sent again, until it is taken.
            collector.status = grpc.StatusCode.OK
            wait_until(lambda: collector.spans, 10, "spans after the trouble")
            return
        wait_until(lambda: count("failed") >= 16, 15, "a batch that is given up")
        if trouble == "refusing":
            assert collector.calls >= 2 and not collector.spans
        else:
            # Nothing drains the queue while one batch is tried again.
            assert count("queue_full") > 0
        assert count("exported") == 0 and count("failed") + count("queue_full") <= 300
        collector.hold.set()


def test_what_a_collector_rejects_is_counted(run, authority, idp):
    with contextlib.closing(Grpc()) as collector:
        collector.rejected = 1
        palisade = run("rejecting", collector.port)
        assert get(palisade, authority, idp.token("acme")).status == 200
        wait_until(lambda: palisade.metric("palisade_trace_spans_total", result="rejected") >= 1, 5, "a rejected span")
        wait_until(lambda: palisade.metric("palisade_trace_spans_total") == 3, 5, "three spans, taken or not")
        assert palisade.metric("palisade_trace_spans_total", result="failed") == 0


@pytest.mark.parametrize("spoken", ["grpc", "http by its path", "http by name"])
def test_a_service_that_takes_traces_over_tls_with_a_key(start, setting, authority, application, directory, idp, spoken):
    """As vendors want it: HTTPS, and a header with a key, which is in no log and not in `/config`."""
    (directory / "collector.key").write_text("key-of-the-collector\n")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority.certificate, authority.key)
    path = {"grpc": "", "http by its path": "/ingest/traces", "http by name": ""}[spoken]
    said = {"protocol": "http/protobuf"} if spoken == "http by name" else {}
    with contextlib.closing(Grpc(authority) if spoken == "grpc" else Http(server)) as collector:
        place = f"https://localhost:{collector.port}{path}"
        traces = {"otlp": place, "ca": str(authority.ca), "headers": {"x-api-key": {"file": "collector.key"}}, "delay": "20ms",
                  "service_name": "parks", "resource": {"deployment.environment.name": "test"}} | said
        palisade = start(f"vendor-{spoken.replace(' ', '-')}", setting.ingress(authority.certificate, authority.key, application.port), setting.identity(),
                         {"telemetry": {"traces": traces}})
        assert get(palisade, authority, idp.token("acme")).status == 200
        spans = wait_until(lambda: collector.spans, 5, "spans")
        assert {"service.name": "parks", "deployment.environment.name": "test"}.items() <= spans[0].resource.items()
        assert collector.heads[0]["x-api-key"] == "key-of-the-collector"
        if spoken != "grpc":
            assert set(collector.paths) == {path or "/v1/traces"} and collector.heads[0]["content-type"] == "application/x-protobuf"
        assert "key-of-the-collector" not in palisade.everything_written() + palisade.admin("/config")[1].decode()


def test_the_last_spans_are_sent_before_the_process_ends(start, setting, authority, application, idp):
    with contextlib.closing(Grpc()) as collector:
        traces = {"otlp": f"http://127.0.0.1:{collector.port}", "insecure": True, "delay": "60s"}
        palisade = start("ending", setting.ingress(authority.certificate, authority.key, application.port), setting.identity(), {"telemetry": {"traces": traces}})
        trace = told(get(palisade, authority, idp.token("acme"))).split("-")[1]
        assert not collector.spans
        assert palisade.stop() == 0
        assert {span.name for span in collector.trace(trace)} == {"GET", "verify"}


def test_endpoint_rules_name_the_spans(start, setting, authority, application, idp):
    """The rule's pattern, never the path."""
    with contextlib.closing(Grpc()) as collector:
        rules = {"endpoints": [{"path": "/at/{park}/echo"}, {"path": "/hooks/*", "auth": "none"}]}
        traces = {"otlp": f"http://127.0.0.1:{collector.port}", "insecure": True, "delay": "20ms"}
        palisade = start("routed-traces", setting.ingress(authority.certificate, authority.key, application.port, **rules), setting.identity(),
                         {"telemetry": {"traces": traces}})
        trace = told(get(palisade, authority, idp.token("acme"), target="/at/find-this-park/echo")).split("-")[1]
        span = one(arrived(collector, trace, "GET /at/{park}/echo"), "GET /at/{park}/echo")
        assert span.attributes["http.route"] == "/at/{park}/echo"
        public = told(wire.exchange(palisade.port("ingress"), wire.request("GET", "/hooks/1", {}), authority.client())).split("-")[1]
        span = one(arrived(collector, public, "GET /hooks/*"), "GET /hooks/*")
        assert span.attributes["palisade.decision"] == "public" and "palisade.tenant" not in span.attributes
        assert b"find-this-park" not in b"".join(collector.raw)
