"""Steady load over connections that are kept, by clients that do what their RFC says when a server ends one, and count what they lose."""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections import Counter

import hpack
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Http1:
    """One connection, made anew when the server has said `Connection: close`; nothing is sent twice."""

    def __init__(self, port: int, tls: ssl.SSLContext):
        self.port, self.tls, self.connection = port, tls, None

    def get(self, path: str, headers: dict) -> int:
        self.connection = self.connection or http.client.HTTPSConnection("localhost", self.port, context=self.tls, timeout=10)
        try:
            self.connection.request("GET", path, headers=headers)
            answer = self.connection.getresponse()
            answer.read()
        except BaseException:
            self.close()
            raise
        if answer.will_close:
            self.close()
        return answer.status

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class Http2:
    """One connection, which is left when the server has said GOAWAY; a request that it says it has not taken is sent again (RFC 9113, section 6.8).

    By hand, frame by frame: the h2 package takes nothing more from a connection after a GOAWAY, the answer to what is in progress included."""

    def __init__(self, port: int, tls: ssl.SSLContext):
        self.port, self.tls, self.socket = port, tls, None

    def _open(self):
        self.socket = self.tls.wrap_socket(socket.create_connection(("localhost", self.port), timeout=10), server_hostname="localhost")
        assert self.socket.selected_alpn_protocol() == "h2"
        self.encoder, self.decoder, self.unread, self.stream, self.last = hpack.Encoder(), hpack.Decoder(), b"", -1, None
        self.socket.sendall(PREFACE + SettingsFrame(0).serialize())

    def get(self, path: str, headers: dict) -> int:
        while True:
            if not self.socket:
                self._open()
            status = self._get(path, headers)
            if self.last is not None:
                self.close()
            if status:
                return status

    def _get(self, path: str, headers: dict) -> int | None:
        """The status; None where the server has not taken the request."""
        self.stream += 2
        pairs = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path), *((k.lower(), v) for k, v in headers.items())]
        frame = HeadersFrame(self.stream, self.encoder.encode(pairs), flags=["END_HEADERS", "END_STREAM"])
        try:
            self.socket.sendall(frame.serialize())
        except OSError:
            # What the server said before it went is still to be read.
            pass
        status = None
        while True:
            frame = self._frame()
            if isinstance(frame, GoAwayFrame):
                self.last = frame.last_stream_id
                if self.stream > self.last:
                    return None
            if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                self.socket.sendall(SettingsFrame(0, flags=["ACK"]).serialize())
            if isinstance(frame, PingFrame) and "ACK" not in frame.flags:
                self.socket.sendall(PingFrame(0, frame.opaque_data, flags=["ACK"]).serialize())
            if isinstance(frame, RstStreamFrame) and frame.stream_id == self.stream:
                raise ConnectionError(f"the stream was reset: {frame.error_code}")
            if isinstance(frame, HeadersFrame):
                assert "END_HEADERS" in frame.flags
                decoded = dict(self.decoder.decode(frame.data))
                status = int(decoded.get(":status", status)) if frame.stream_id == self.stream else status
            if isinstance(frame, DataFrame) and frame.flow_controlled_length:
                self.socket.sendall(WindowUpdateFrame(0, frame.flow_controlled_length).serialize())
            if frame.stream_id == self.stream and "END_STREAM" in getattr(frame, "flags", ()):
                return status

    def _frame(self) -> Frame:
        head = self._exactly(9)
        frame, length = Frame.parse_frame_header(memoryview(head))
        frame.parse_body(memoryview(self._exactly(length)))
        return frame

    def _exactly(self, length: int) -> bytes:
        while len(self.unread) < length:
            data = self.socket.recv(65_536)
            if not data:
                raise ConnectionError("the connection ended in the middle of a request")
            self.unread += data
        taken, self.unread = self.unread[:length], self.unread[length:]
        return taken

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None


class Load:
    """Some clients of each kind, each with one request after the other on its way until the block ends. `lost` says what went wrong."""

    def __init__(self, port: int, authority, path: str, headers, each: int = 3):
        self.done, self.lost, self.over = Counter(), [], threading.Event()
        clients = [kind(port, authority.client(alpn)) for kind, alpn in ((Http1, ["http/1.1"]), (Http2, ["h2"])) for _ in range(each)]
        self.threads = [threading.Thread(target=self._run, args=(client, path, headers), daemon=True) for client in clients]

    def _run(self, client, path: str, headers):
        name = type(client).__name__
        with contextlib.closing(client):
            while not self.over.is_set():
                try:
                    status = client.get(path, headers())
                except Exception as error:  # noqa: BLE001
                    self.lost.append(f"{name}: {error!r}")
                    client.close()
                    time.sleep(0.05)
                    continue
                if status == 200:
                    self.done[name] += 1
                else:
                    self.lost.append(f"{name}: {status}")
                time.sleep(0.005)

    def more(self, count: int = 50):
        """Waits until each kind of client has had so many more answers."""
        before, deadline = self.done.copy(), time.monotonic() + 30
        while any(self.done[kind] - before[kind] < count for kind in ("Http1", "Http2")):
            assert time.monotonic() < deadline, (self.done, self.lost[:5])
            time.sleep(0.02)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.more(20)
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(15)
