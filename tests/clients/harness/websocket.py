"""WebSockets to an ingress.

The library of the tests reads and writes a TLS connection from two threads, which OpenSSL does not allow: a request that is written while the server's
session tickets are read may never leave the process. So it speaks plaintext here, and one thread of ours does its TLS."""

import asyncio
import contextlib
import socket
import ssl
import threading

from websockets.sync import client


def connect(port: int, tls: ssl.SSLContext, headers: dict, path: str = "/ws") -> client.ClientConnection:
    """An open WebSocket on 127.0.0.1:`port`, to be used in a `with`."""
    near, far = socket.socketpair()
    threading.Thread(target=lambda: asyncio.run(_carry(far, port, tls)), daemon=True).start()
    return client.connect(f"ws://localhost:{port}{path}", sock=near, additional_headers=headers)


async def _carry(plain: socket.socket, port: int, tls: ssl.SSLContext):
    inner = await asyncio.open_connection(sock=plain)
    try:
        outer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost")
    except OSError:
        inner[1].close()
        return
    await asyncio.gather(_copy(inner[0], outer[1]), _copy(outer[0], inner[1]))


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter):
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(OSError, ssl.SSLError):
        sink.close()
        await sink.wait_closed()
