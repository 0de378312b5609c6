"""Containers, networks and volumes that are always removed, by their own ids."""

import io
import json
import os
import shutil
import subprocess
import tarfile

import pytest

from .process import clean_environment, wait_until

# As an operator would run it: a read-only root, no capabilities, no way to gain any.
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def image() -> str:
    """The release image that `make image` made, by name. Its sandbox has the suffix `-sandbox`."""
    name = os.environ.get("PALISADE_IMAGE")
    if not name:
        pytest.skip("PALISADE_IMAGE is not set: `make images test-image` makes images and runs this, where a docker engine is")
    assert shutil.which("docker"), "PALISADE_IMAGE is set and docker is not there"
    return name


def docker(*arguments, check: bool = True, timeout: float = 60) -> str:
    """Standard output. Nothing is ever pulled: what is not there is an error."""
    done = subprocess.run(["docker", *map(str, arguments)], capture_output=True, text=True, timeout=timeout, env=clean_environment())
    if check and done.returncode:
        raise RuntimeError(f"docker {' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stderr}{done.stdout}")
    return done.stdout.strip()


def inspect(kind: str, name: str) -> dict:
    return json.loads(docker(kind, "inspect", name))[0]


def files(image_name: str) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """Everything in an image, by path; what the engine itself puts into a container is left out."""
    container = docker("create", "--pull", "never", image_name)
    try:
        exported = subprocess.run(["docker", "export", container], capture_output=True, timeout=60, check=True).stdout
    finally:
        docker("rm", container)
    engine = {".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc", "sys"}
    with tarfile.open(fileobj=io.BytesIO(exported)) as archive:
        members = [member for member in archive.getmembers() if member.name.rstrip("/") not in engine]
        return {m.name.rstrip("/"): (m, archive.extractfile(m).read() if m.isfile() else b"") for m in members}


class Containers:
    """What a test starts, in order; `close` removes it backwards."""

    def __init__(self):
        self.made: list[tuple[str, ...]] = []

    def network(self, name: str) -> str:
        made = docker("network", "create", name)
        self.made.append(("network", "rm", made))
        return made

    def volume(self) -> str:
        made = docker("volume", "create")
        self.made.append(("volume", "rm", made))
        return made

    def run(self, *arguments) -> str:
        """A container in the background."""
        made = docker("run", "--detach", "--pull", "never", *arguments)
        self.made.append(("rm", "--force", made))
        return made

    def finished(self, *arguments) -> str:
        """A container that has to end by itself, and well."""
        return docker("run", "--rm", "--pull", "never", *arguments)

    def healthy(self, container: str, seconds: float = 30):
        def probe():
            state = inspect("container", container)["State"]
            if not state["Running"]:
                raise RuntimeError(f"it ended with {state['ExitCode']}:\n{logs(container)}")
            return state["Health"]["Status"] == "healthy"

        try:
            wait_until(probe, seconds, "the container is healthy")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{inspect('container', container)['State']['Health']}\n{logs(container)}") from None

    def close(self):
        for command in reversed(self.made):
            docker(*command)


def logs(container: str) -> str:
    done = subprocess.run(["docker", "logs", container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    return done.stdout


def published(container: str, port: int) -> int:
    return int(docker("port", container, f"{port}/tcp").splitlines()[0].rsplit(":", 1)[1])
