"""Child processes that are always stopped, by their own pid, and waits that always end."""

import itertools
import os
import random
import socket
import subprocess
import time
from pathlib import Path

# Below the kernel's range for outgoing connections (32768 and up), so that no client socket can take a port between its
# choice here and the server's bind. Tests that run beside each other have ports of their own, for the same reason.
PROCESSES, EACH = 4, 3_000
FIRST = 20_000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PROCESSES * EACH
# Each once before any comes again: two that are asked for together are not bound yet, and must not be one.
PORTS = itertools.cycle(random.sample(range(FIRST, FIRST + EACH), EACH))


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on now, and that was not handed out lately."""
    for port in itertools.islice(PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port among 200 tried")


# Bound for as long as this process lives, and never listened on.
_closed: list[socket.socket] = []


def closed_port() -> int:
    """A port on 127.0.0.1 that refuses connections until this process ends: unlike a free one, no server of another test can take it meanwhile."""
    _closed.append(socket.socket())
    _closed[-1].bind(("127.0.0.1", 0))
    return _closed[-1].getsockname()[1]


def free_ports(count: int) -> int:
    """The first of `count` free ports in a row."""
    for _ in range(50):
        base = free_port()
        try:
            for port in range(base, base + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise RuntimeError("no free ports in a row")


def wait_until(probe, seconds: float, what: str):
    """Calls `probe` until it returns something true; the exception says `what` never came."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := probe():
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def settled(seconds: float = 0.05):
    """A moment for what happens after an answer is out (a log line, a revocation)."""
    time.sleep(seconds)


class Child:
    """A server process. Its output goes to two files, which a failure to start quotes."""

    def __init__(self, name: str, argv: list, directory: Path, env: dict | None = None):
        self.name = name
        self.stdout, self.stderr = directory / f"{name}.stdout", directory / f"{name}.stderr"
        with self.stdout.open("wb") as out, self.stderr.open("wb") as err:
            self.process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env)

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_ready(self, probe, seconds: float = 30):
        """Waits for `probe`; a process that ends first is an error with its last words."""

        def step():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.last_words()}")
            return probe()

        try:
            wait_until(step, seconds, f"{self.name} is ready")
        except TimeoutError as error:
            self.stop()
            raise TimeoutError(f"{error}\n{self.last_words()}") from None

    def last_words(self) -> str:
        return "".join(f.read_text(errors="replace")[-4000:] for f in (self.stdout, self.stderr))

    def stop(self, grace: float = 10) -> int:
        """Asks, then insists. Returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(grace)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(grace)
        return self.process.returncode


def clean_environment(**extra: str) -> dict:
    """This process's environment without anything that could point an SDK somewhere else."""
    proxies = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_") and k.lower() not in proxies}
    return kept | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull} | extra


def answers(port: int, path: str) -> bool:
    """Whether a GET on `port` is answered with 200."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
