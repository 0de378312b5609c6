"""Large bodies are streamed: 64 MiB each way, in a process that grows by less than a quarter of that.

How memory goes with the size of a body, in each payload mode, is in `test_capacity.py`.
"""

import hashlib
import http.client

import pytest

from harness.application import BLOCK
from harness.backends import BUCKET
from harness.clients import client
from harness.payloads import digest

MIB = 1 << 20
SIZE, GROWTH = 64 * MIB, 16 * MIB


class Source:
    """A file of `SIZE` bytes that is never in memory as a whole, and that can be read again (SDKs hash first)."""

    def __init__(self):
        self.position = 0

    def read(self, amount=-1) -> bytes:
        left = SIZE - self.position
        amount = left if amount is None or amount < 0 else min(amount, left)
        start = self.position % len(BLOCK)
        self.position += amount
        return (BLOCK * (amount // len(BLOCK) + 2))[start : start + amount]

    def seek(self, offset, whence=0) -> int:
        self.position = {0: 0, 1: self.position, 2: SIZE}[whence] + offset
        return self.position

    def tell(self) -> int:
        return self.position

    def seekable(self) -> bool:
        return True

    def __len__(self) -> int:
        return SIZE


@pytest.fixture
def bounded():
    """Fails when the process's peak grows by more than `GROWTH` while the test runs."""

    def watch(palisade):
        palisade.forget_peak()
        watched.append((palisade, palisade.memory()))

    watched = []
    yield watch
    for palisade, before in watched:
        growth = palisade.memory("VmHWM") - before
        assert growth < GROWTH, f"{palisade.name} grew by {growth / MIB:.1f} MiB"


@pytest.fixture
def connection(sidecar, authority):
    made = http.client.HTTPSConnection("localhost", sidecar.port("ingress"), context=authority.client(), timeout=60)
    yield made
    made.close()


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_an_upload_through_the_ingress(sidecar, connection, idp, bounded, framing):
    bounded(sidecar)
    headers = {"Authorization": f"Bearer {idp.token('acme')}", "x-tenant-id": "acme"}
    blocks = (BLOCK for _ in range(SIZE // len(BLOCK)))
    if framing == "content-length":
        headers["Content-Length"] = str(SIZE)
    connection.request("POST", "/upload", body=blocks, headers=headers, encode_chunked=framing == "chunked")
    answer = connection.getresponse()
    assert answer.status == 200 and digest(SIZE) in answer.read().decode()


def test_a_download_through_the_ingress(sidecar, connection, idp, bounded):
    bounded(sidecar)
    connection.request("GET", f"/download?bytes={SIZE}", headers={"Authorization": f"Bearer {idp.token('acme')}", "x-tenant-id": "acme"})
    answer, value = connection.getresponse(), hashlib.sha256()
    while block := answer.read(MIB):
        value.update(block)
    assert answer.status == 200 and value.hexdigest() == digest(SIZE)


def test_an_object_up_and_down(egress, idp, bounded):
    bounded(egress)
    s3 = client("s3", egress.url, "acme", idp.token("acme"))
    s3.put_object(Bucket=BUCKET, Key="acme/large", Body=Source())
    value = hashlib.sha256()
    for block in s3.get_object(Bucket=BUCKET, Key="acme/large")["Body"].iter_chunks(MIB):
        value.update(block)
    assert value.hexdigest() == digest(SIZE)
    s3.delete_object(Bucket=BUCKET, Key="acme/large")
