"""A TCP relay that keeps a copy of what passes: what a client really got, and what AWS was really sent."""

import contextlib
import socket
import threading
from collections.abc import Callable

from .process import wait_until
from .wire import Incomplete, Message, parse

# Of each direction of a connection. Bodies in the streaming tests are large; what the assertions look at comes first.
KEEP = 1 << 20

Watch = Callable[[bytes], None]


def ignore(_: bytes):
    pass


class Tap:
    """Relays 127.0.0.1:`port` to 127.0.0.1:`target`.

    `watch` makes, for each connection, two functions that see every byte before it is passed on: those sent, and those received.
    """

    def __init__(self, target: int, keep: int = KEEP, watch: Callable[[], tuple[Watch, Watch]] = lambda: (ignore, ignore)):
        self.target, self.keep, self.watch = target, keep, watch
        self.streams: list[tuple[bytearray, bytearray]] = []
        self.ends: list[socket.socket] = []
        # What was sent over connections that have ended.
        self.over: list[bytearray] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
                except OSError:
                    client.close()
                    continue
                server.settimeout(None)
                sent, received = bytearray(), bytearray()
                self.streams.append((sent, received))
                self.ends += [client, server]
                out, back = self.watch()
                for source, sink, copy, look in ((client, server, sent, out), (server, client, received, back)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._relay, args=(source, sink, copy, look), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, copy: bytearray, look: Watch):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                copy += data[: max(0, self.keep - len(copy))]
                look(data)
                sink.sendall(data)
        for side in (source, sink):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
        source.close()
        self.over.append(copy)

    @property
    def sent(self) -> bytes:
        """Everything that clients sent, connection after connection."""
        return b"\n".join(bytes(s) for s, _ in self.streams)

    @property
    def received(self) -> bytes:
        """Everything that the server answered."""
        return b"\n".join(bytes(r) for _, r in self.streams)

    def exchanges(self) -> list[tuple[Message, Message]]:
        """The complete requests and responses, in order for each connection."""
        pairs = []
        for sent, received in list(self.streams):
            requests, responses = bytes(sent), bytes(received)
            with contextlib.suppress(Incomplete):
                while requests:
                    request, requests = parse(requests)
                    response, responses = parse(responses, bodiless=request.method == "HEAD", ended=True)
                    while response.status < 200 and response.status != 101:
                        response, responses = parse(responses, ended=True)
                    pairs.append((request, response))
        return pairs

    def finish(self):
        """Returns when no request is half-way. One that is answered early goes on behind its answer, and what comes of it then would be taken for the next one's.

        A copy that is full does not tell."""
        def is_whole(sent: bytearray) -> bool:
            if len(sent) >= self.keep or any(over is sent for over in list(self.over)):
                return True
            rest = bytes(sent)
            with contextlib.suppress(Incomplete):
                while rest:
                    _, rest = parse(rest)
            return not rest

        wait_until(lambda: all(is_whole(sent) for sent, _ in list(self.streams)), 20, "the rest of a request")

    def clear(self):
        """Forgets what has passed, and what was half-way; open connections go on being copied."""
        self.finish()
        for sent, received in list(self.streams):
            sent.clear()
            received.clear()

    def cut(self):
        """The server is gone: no new connections, and the open ones end."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that is in accept()
        self.listener.close()
        for end in list(self.ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    close = cut
