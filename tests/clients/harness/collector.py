"""A collector of traces. What it is sent is taken apart by OpenTelemetry's own classes, over grpcio, or over HTTP as it came."""

import http.server
import ssl
import threading
from concurrent import futures
from dataclasses import dataclass

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as rpc
from opentelemetry.proto.trace.v1 import trace_pb2

from .pki import Authority

KIND = trace_pb2.Span.SpanKind
ERROR = trace_pb2.Status.STATUS_CODE_ERROR


def plain(attributes) -> dict:
    """Attributes as a dictionary. Keys are there once."""
    pairs = [(pair.key, getattr(pair.value, pair.value.WhichOneof("value"))) for pair in attributes]
    assert len(dict(pairs)) == len(pairs), f"a key is there twice: {pairs}"
    return dict(pairs)


@dataclass(frozen=True)
class Span:
    """One span, with its ids in hex."""

    trace: str
    id: str
    parent: str
    name: str
    kind: int
    began: int
    ended: int
    is_error: bool
    attributes: dict
    events: list
    links: list
    resource: dict

    @classmethod
    def of(cls, span: trace_pb2.Span, resource: dict) -> "Span":
        assert len(span.trace_id) == 16 and any(span.trace_id) and len(span.span_id) == 8 and any(span.span_id), span
        assert len(span.parent_span_id) in (0, 8) and span.name and span.kind and span.flags & 1, span
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano, span
        return cls(span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.name, span.kind, span.start_time_unix_nano,
                   span.end_time_unix_nano, span.status.code == ERROR, plain(span.attributes),
                   [(event.name, plain(event.attributes)) for event in span.events],
                   [(link.trace_id.hex(), link.span_id.hex(), plain(link.attributes).get("palisade.link")) for link in span.links], resource)


class Received:
    """What has come, in order."""

    def __init__(self):
        self.raw: list[bytes] = []
        self.heads: list[dict] = []

    def take(self, request: service.ExportTraceServiceRequest, head: dict):
        self.raw.append(request.SerializeToString())
        self.heads.append(head)

    @property
    def spans(self) -> list[Span]:
        found = []
        for raw in list(self.raw):
            for resource in service.ExportTraceServiceRequest.FromString(raw).resource_spans:
                about = plain(resource.resource.attributes)
                found += [Span.of(span, about) for scope in resource.scope_spans for span in scope.spans]
        return found

    def trace(self, trace: str) -> list[Span]:
        return [span for span in self.spans if span.trace == trace]

    def forget(self):
        self.raw.clear()
        self.heads.clear()


class Grpc(rpc.TraceServiceServicer, Received):
    """OTLP/gRPC, over TLS where it has a certificate. `status` is what calls end with, `rejected` how many spans are not taken; while `hold` is not set calls wait."""

    def __init__(self, authority: Authority | None = None):
        super().__init__()
        self.status, self.rejected, self.calls = grpc.StatusCode.OK, 0, 0
        self.hold = threading.Event()
        self.hold.set()
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        rpc.add_TraceServiceServicer_to_server(self, self.server)
        if authority:
            pair = (authority.key.read_bytes(), authority.certificate.read_bytes())
            self.port = self.server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        else:
            self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def Export(self, request, context):  # noqa: N802
        self.calls += 1
        self.hold.wait(30)
        if self.status != grpc.StatusCode.OK:
            context.abort(self.status, "not now")
        self.take(request, dict(context.invocation_metadata()))
        answer = service.ExportTraceServiceResponse()
        if self.rejected:
            answer.partial_success.rejected_spans, answer.partial_success.error_message = self.rejected, "too many"
        return answer

    def close(self):
        self.hold.set()
        self.server.stop(None)


class Http(Received):
    """OTLP/HTTP with protocol buffers, over TLS."""

    def __init__(self, tls: ssl.SSLContext):
        super().__init__()
        collector = self
        self.paths: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802
                collector.paths.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(service.ExportTraceServiceRequest.FromString(body), {k.lower(): v for k, v in self.headers.items()})
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
