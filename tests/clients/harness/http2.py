"""HTTP/2 by prior knowledge, one request a connection: what a client library would refuse to send goes out as it is."""

import socket
import time
from http import HTTPStatus

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

from .wire import Closed, Message

# Of HTTP/1.1 alone (RFC 9113, section 8.2.2); `Host` is `:authority` here.
NOT_SENT = {"connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}


class Exchange:
    """A request on its way, and what has come of its answer."""

    def __init__(self, port: int, timeout: float):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="latin-1", validate_outbound_headers=False))
        self.connection.initiate_connection()
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.over = False

    def flush(self):
        self.socket.sendall(self.connection.data_to_send())

    def send(self, method: str, target: str, headers: list, body: bytes, whole: bool):
        said = [(name.lower(), value) for name, value in headers]
        pseudo = [(":method", method), (":scheme", "http"), (":authority", dict(said)["host"]), (":path", target)]
        self.connection.send_headers(1, [*pseudo, *((name, value) for name, value in said if name not in NOT_SENT)], end_stream=whole and not body)
        self.flush()
        while body and not self.over:
            room = min(self.connection.local_flow_control_window(1), self.connection.max_outbound_frame_size)
            if not room:
                self.read()
                continue
            piece, body = body[:room], body[room:]
            self.connection.send_data(1, piece, end_stream=whole and not body)
            self.flush()
        if not whole and not self.over:
            # Of all codes the one that could pass for an end, and only once what was sent has been read.
            time.sleep(0.05)
            self.connection.reset_stream(1, h2.errors.ErrorCodes.NO_ERROR)
            self.flush()
            self.over = True

    def read(self):
        data = self.socket.recv(65_536)
        if not data:
            self.over = True
        for event in self.connection.receive_data(data) if data else ():
            if isinstance(event, h2.events.ResponseReceived):
                self.headers = list(event.headers)
            if isinstance(event, h2.events.DataReceived):
                self.body += event.data
                self.connection.acknowledge_received_data(event.flow_controlled_length, 1)
            if isinstance(event, h2.events.StreamEnded | h2.events.StreamReset | h2.events.ConnectionTerminated):
                self.over = True
        self.flush()


def exchange(port: int, method: str, target: str, headers: list, body: bytes = b"", whole: bool = True, timeout: float = 20) -> Message:
    """The answer, its first line as HTTP/1.1 would have it. Without `whole` the stream is reset behind the body."""
    going = Exchange(port, timeout)
    with going.socket:
        going.send(method, target, headers, body, whole)
        while not going.over:
            going.read()
    said = dict(going.headers)
    if ":status" not in said:
        raise Closed(going.body[:200])
    status = HTTPStatus(int(said[":status"]))
    return Message(f"HTTP/1.1 {status.value} {status.phrase}", [(k, v) for k, v in going.headers if not k.startswith(":")], going.body)
