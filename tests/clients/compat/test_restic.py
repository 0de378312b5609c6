"""restic (minio-go), which signs every chunk of what it uploads over http, and nothing of a body over https."""

import random
import re

import pytest

from harness.backends import REGION

from . import s3
from .ledger import REFUSED, S3
from .s3.base import Executable
from .test_more import contents


class Restic(Executable):
    name = "restic"

    def start(self, tool):
        self.path = tool("restic")

    def program(self) -> list[str]:
        trust = ["--cacert", str(self.line.ca)] if self.line.ca else []
        return [self.path, "--no-cache", "-o", f"s3.region={REGION}", "-o", "s3.bucket-lookup=path", *trust]

    def environment(self) -> dict:
        return super().environment() | {"RESTIC_PASSWORD": "not a secret"}

    def version(self) -> str:
        return self.run("version").split()[1]

    def at(self, path: str) -> list[str]:
        return ["-r", f"s3:{self.line.endpoint}/{path}"]


@pytest.fixture
def make(connect, ledger, tmp_path, tool):
    def restic(place, **how) -> Restic:
        client = Restic(connect(place, **how), tmp_path, tool=tool)
        ledger.versions[client.name] = client.version()
        return client

    return restic


@pytest.fixture
def source(tmp_path):
    """20 MiB in five files."""
    home, data = tmp_path / "source" / "b c", random.Random(3)
    home.mkdir(parents=True)
    for number in range(5):
        (home / f"ü {number}").write_bytes(data.randbytes(4 << 20))
    return home


@pytest.mark.parametrize("how", [{}, {"tls": True}, {"tls": True, "is_straight": True}], ids=["http", "https", "https, straight"])
def test_a_repository_under_a_prefix(make, place, ledger, tmp_path, source, how):
    """`init` asks for the bucket itself, which no tenant of a shared one may: so the repository is made here and copied there."""
    restic, home = make(place, **how), f"acme/restic-{len(how)}"
    what = "backup of 20 MiB, check of all data, restore, forget and prune"
    if "is_straight" in how:
        what = f"TLS from end to end: {what}"
    with ledger.entry(S3, restic.name + (", https" if how else ""), what, place.name) as row:
        restic.run("-r", tmp_path / "new", "init")
        for file in (tmp_path / "new").rglob("*"):
            if file.is_file():
                key = f"{home}/{file.relative_to(tmp_path / 'new')}"
                place.boto3("s3", "acme").put_object(Bucket=place.bucket, Key=key, Body=file.read_bytes())
        there = restic.at(f"{place.bucket}/{home}")
        try:
            restic.run(*there, "backup", source)
            restic.run(*there, "check", "--read-data")
            restic.run(*there, "restore", "latest", "--target", tmp_path / "back")
            assert contents(tmp_path / "back" / source.relative_to("/")) == contents(source)
            (source / "ü 0").unlink()
            restic.run(*there, "backup", source)
            restic.run(*there, "forget", "--keep-last", "1", "--prune")
            assert len(re.findall(r"^[0-9a-f]{8}  ", restic.run(*there, "snapshots"), re.MULTILINE)) == 1
        finally:
            row.seen |= {f"not looked at; {hello.protocol()}"} if (hello := restic.line.hello) else restic.line.requests.payloads()


def test_a_repository_in_a_bucket_of_its_own(make, ministack_place, ledger, tmp_path, source):
    restic = make(ministack_place)
    with ledger.entry(S3, restic.name, "init, backup and restore in a bucket of the tenant's own", ministack_place.name) as row:
        there = restic.at("backups-acme/restic")
        try:
            restic.run(*there, "init")
            restic.run(*there, "backup", source)
            restic.run(*there, "restore", "latest", "--target", tmp_path / "back")
            assert contents(tmp_path / "back" / source.relative_to("/")) == contents(source)
        finally:
            row.seen |= restic.line.requests.payloads()


def test_another_tenants_repository(make, place, ledger):
    restic = make(place)
    with ledger.entry(REFUSED, restic.name, "init, and a look at a repository, under another tenant's prefix", place.name) as row:
        for attempt in ("init", "snapshots"):
            with pytest.raises(s3.Failed) as caught:
                restic.run(*restic.at(f"{place.bucket}/globex/restic"), attempt)
            assert "Access Denied" in str(caught.value)
        row.seen.add("`Access Denied`")
        assert place.boto3("s3", "globex").list_objects_v2(Bucket=place.bucket, Prefix="globex/restic")["KeyCount"] == 0
