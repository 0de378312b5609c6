"""An open loop: sends requests when they are due, on whichever connection is idle, whether or not answers have come.

A request that is due while every connection is busy waits for one, and its latency counts from when it was due: so an upstream that
stands still for a second shows in every request of that second, and not in as many as there are connections (coordinated omission).

usage: pace.py PORT REQUESTS HOST CONNECTIONS RATE SECONDS
"""

import collections
import ctypes
import gc
import json
import select
import socket
import sys
import time


def requests(file: str, host: str) -> list[bytes]:
    made = []
    for line in open(file):
        path, tenant, token = line.split()
        made.append(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nx-tenant-id: {tenant}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return made


def complete(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length)


def run(port: int, what: list[bytes], connections: int, rate: int, seconds: float) -> dict:
    sockets = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(connections)]
    poll = select.epoll()
    for one in sockets:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(one, select.EPOLLIN)
    by_number = {one.fileno(): one for one in sockets}
    idle, busy, late = collections.deque(sockets), {}, collections.deque()
    latencies, refused, sent, total = [], 0, 0, int(rate * seconds)
    begun = time.perf_counter()
    while len(latencies) < total:
        now = time.perf_counter()
        # As many as are due by now.
        for number in range(sent + len(late), min(total, int((now - begun) * rate) + 1)):
            late.append(begun + number / rate)
        while late and idle:
            one = idle.popleft()
            busy[one.fileno()] = (late.popleft(), b"")
            one.sendall(what[sent % len(what)])
            sent += 1
        # epoll's own timeout is in milliseconds; it can be waited for like a socket, with one in microseconds.
        select.select([poll], [], [], max(0, begun + (sent + len(late)) / rate - time.perf_counter()))
        for number, _ in poll.poll(0):
            since, answer = busy[number]
            data = by_number[number].recv(65_536)
            if not data:
                raise SystemExit("a connection was closed")
            answer += data
            if not complete(answer):
                busy[number] = (since, answer)
                continue
            latencies.append(time.perf_counter() - since)
            refused += not answer.startswith(b"HTTP/1.1 200")
            del busy[number]
            idle.append(by_number[number])
        if time.perf_counter() - begun > seconds + 30:
            raise SystemExit("answers stopped coming")
    ended = time.perf_counter()
    latencies.sort()
    at = lambda share: latencies[min(total - 1, int(total * share))] * 1e3  # noqa: E731
    return {"requests": total, "refused": refused, "seconds": ended - begun, "rps": total / (ended - begun), "p50_ms": at(0.5), "p99_ms": at(0.99),
            "p999_ms": at(0.999)}


if __name__ == "__main__":
    port, file, host, connections, rate, seconds = sys.argv[1:]
    what = requests(file, host)
    gc.disable()
    # PR_SET_TIMERSLACK: wakes up when it is time, and not up to 50 microseconds later.
    ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)
    print(json.dumps(run(int(port), what, int(connections), int(rate), float(seconds))))
