"""Objects, by every S3 client against every backend: written and read back, awkward keys, parts, and the crossing that is refused."""

import contextlib
import hashlib
import random
import re
from pathlib import Path

import pytest

from . import s3
from .ledger import REFUSED, S3

SEED = random.Random(11)
SMALL = SEED.randbytes(70_001)
SIZE = 20 << 20


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="session")
def large(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("large") / "large.bin"
    file.write_bytes(SEED.randbytes(SIZE))
    return file


@pytest.fixture
def build(wanted, connect, ledger, tmp_path):
    """Makes clients, and ends them."""
    with contextlib.ExitStack() as stack:

        def client(kind, place, **how) -> s3.Client:
            new = stack.enter_context(contextlib.closing(kind(connect(place, **how), tmp_path, **wanted(kind))))
            if kind.name not in ledger.versions:
                ledger.versions[kind.name] = new.version()
            new.title = kind.name + (", https" if how.get("tls") else "")
            new.home = re.sub(r"\W+", "-", new.title.lower())
            return new

        yield client


@pytest.fixture(params=[*((c, False) for c in s3.ALL), *((c, True) for c in s3.TLS)], ids=lambda p: p[0].name + (", https" if p[1] else ""))
def make(request, build):
    """Makes the client for a place."""
    kind, tls = request.param
    return lambda place: build(kind, place, tls=tls)


@pytest.fixture
def client(make, place) -> s3.Client:
    return make(place)


def discard(client: s3.Client, place, key: str):
    if client.deletes:
        client.delete(key)
    else:
        place.boto3("s3", "acme").delete_object(Bucket=place.bucket, Key=key)


def test_put_get_list_delete(client, place, ledger, tmp_path):
    what = "put, get, list" + (", delete" if client.deletes else "")
    with ledger.entry(S3, client.title, what, place.name) as row:
        source, back, prefix = tmp_path / "source", tmp_path / "back", f"acme/{client.home}/"
        source.write_bytes(SMALL)
        keys = [f"{prefix}{n}/file.bin" for n in range(client.objects)]
        for key in keys:
            client.put(source, key)
        assert sorted(client.list(prefix)) == keys
        client.get(keys[0], back)
        assert digest(back.read_bytes()) == digest(SMALL)
        # What another client finds under the key: nothing of how it was sent is in it.
        other = place.boto3("s3", "acme")
        assert digest(other.get_object(Bucket=place.bucket, Key=keys[-1])["Body"].read()) == digest(SMALL)
        row.seen |= client.line.requests.payloads()
        for key in keys:
            discard(client, place, key)
        left = other.list_objects_v2(Bucket=place.bucket, Prefix=prefix).get("Contents", [])
        assert not {found["Key"] for found in left} & set(keys)


def test_awkward_keys(client, place, ledger, tmp_path):
    with ledger.entry(S3, client.title, "keys: " + " ".join(f"`{key}`" for key in client.keys), place.name):
        prefix, back = f"acme/{client.home}-keys/", tmp_path / "back"
        other = place.boto3("s3", "acme")
        for number, key in enumerate(client.keys):
            source = tmp_path / f"source-{number}"
            source.write_bytes(key.encode())
            client.put(source, prefix + key)
            client.get(prefix + key, back)
            assert back.read_text() == key
            assert other.get_object(Bucket=place.bucket, Key=prefix + key)["Body"].read() == key.encode()
        assert sorted(client.list(prefix)) == sorted(prefix + key for key in client.keys)
        for key in client.keys:
            discard(client, place, prefix + key)


def test_parts(client, place, ledger, tmp_path, large):
    with ledger.entry(S3, client.title, f"{SIZE >> 20} MiB in {client.parts} parts", place.name) as row:
        key, back = f"acme/{client.home}-large.bin", tmp_path / "back"
        client.put(large, key)
        other = place.boto3("s3", "acme")
        assert other.head_object(Bucket=place.bucket, Key=key)["ETag"].strip('"').endswith(f"-{client.parts}")
        client.get(key, back)
        assert digest(back.read_bytes()) == digest(large.read_bytes())
        assert digest(other.get_object(Bucket=place.bucket, Key=key)["Body"].read()) == digest(large.read_bytes())
        row.seen |= client.line.requests.payloads()
        other.delete_object(Bucket=place.bucket, Key=key)


@pytest.mark.parametrize("kind", s3.TLS, ids=lambda kind: kind.name)
def test_nothing_between(build, place, ledger, tmp_path, large, kind):
    """The certificate that the client trusts is that of Palisade itself."""
    client = build(kind, place, tls=True, is_straight=True)
    with ledger.entry(S3, client.title, "TLS from end to end: put, get, list, delete, 20 MiB in parts", place.name) as row:
        small, back, prefix = tmp_path / "small", tmp_path / "back", f"acme/{client.home}-straight/"
        small.write_bytes(SMALL)
        for source, key in ((small, prefix + "small"), (large, prefix + "large")):
            client.put(source, key)
            client.get(key, back)
            assert digest(back.read_bytes()) == digest(source.read_bytes())
        assert sorted(client.list(prefix)) == [prefix + "large", prefix + "small"]
        for name in ("small", "large"):
            client.delete(prefix + name)
        left = place.boto3("s3", "acme").list_objects_v2(Bucket=place.bucket, Prefix=prefix).get("Contents", [])
        assert not {found["Key"] for found in left} & {prefix + "large", prefix + "small"}
        row.seen.add(f"not looked at; {client.line.hello.protocol()}")


def test_another_tenants_prefix(client, place, ledger, tmp_path):
    with ledger.entry(REFUSED, client.title, "read, write and list under another tenant's prefix", place.name) as row:
        source, back = tmp_path / "source", tmp_path / "back"
        source.write_bytes(b"mine now")
        attempts = [lambda: client.get("globex/hello.txt", back), lambda: client.put(source, "globex/hello.txt"), lambda: client.list("globex/")]
        for attempt, refusal in zip(attempts, client.refusals, strict=True):
            with pytest.raises(s3.Failed) as caught:
                attempt()
            assert refusal in str(caught.value)
            row.seen.add(f"`{refusal}`")
        assert not back.exists() or not back.read_bytes()
        theirs = place.boto3("s3", "globex")
        assert theirs.get_object(Bucket=place.bucket, Key="globex/hello.txt")["Body"].read() == b"hello globex"
        assert len(theirs.list_objects_v2(Bucket=place.bucket, Prefix="globex/hello")["Contents"]) == 1
