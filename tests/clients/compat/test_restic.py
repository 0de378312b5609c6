"""restic (minio-go), which signs every chunk of what it uploads over http, and nothing of a body over https."""

import random
import subprocess

import pytest

from harness.backends import REGION
from harness.process import clean_environment

from . import s3
from .ledger import REFUSED, S3
from .s3.base import Executable
from .test_more import contents

PASSWORD = "not a secret"


class Restic(Executable):
    name = "restic"

    def start(self, tool):
        self.path = tool("restic")

    def program(self) -> list[str]:
        trust = ["--cacert", str(self.line.ca)] if self.line.ca else []
        return [self.path, "--no-cache", "-o", f"s3.region={REGION}", "-o", "s3.bucket-lookup=path", *trust]

    def environment(self) -> dict:
        return super().environment() | {"RESTIC_PASSWORD": PASSWORD}

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


@pytest.fixture(scope="session")
def repository(tool, tmp_path_factory) -> dict[str, bytes]:
    """A new one, by file. `init` asks for the bucket itself, which no tenant of a shared one may: so this is made here and copied there."""
    home = tmp_path_factory.mktemp("restic")
    environment = clean_environment(HOME=str(home), RESTIC_PASSWORD=PASSWORD)
    subprocess.run([tool("restic"), "-r", home / "new", "init"], env=environment, check=True, capture_output=True, timeout=60)
    return {str(file.relative_to(home / "new")): file.read_bytes() for file in (home / "new").rglob("*") if file.is_file()}


@pytest.fixture
def placed(make, place, repository):
    """Puts the new repository under a prefix; gives a restic and where that is."""

    def put(prefix: str, **how) -> tuple[Restic, list[str]]:
        bucket = place.boto3("s3", "acme")
        for name, content in repository.items():
            bucket.put_object(Bucket=place.bucket, Key=f"{prefix}/{name}", Body=content)
        restic = make(place, **how)
        return restic, restic.at(f"{place.bucket}/{prefix}")

    return put


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_repository_under_a_prefix(placed, place, ledger, tmp_path, source, tls):
    prefix = "acme/restic-" + ("https" if tls else "http")
    restic, there = placed(prefix, tls=tls)
    with ledger.entry(S3, restic.name + (", https" if tls else ""), "backup of 20 MiB, check of all data, restore, forget and prune", place.name) as row:
        try:
            restic.run(*there, "backup", source)
            restic.run(*there, "check", "--read-data")
            restic.run(*there, "restore", "latest", "--target", tmp_path / "back")
            assert contents(tmp_path / "back" / source.relative_to("/")) == contents(source)
            (source / "ü 0").unlink()
            restic.run(*there, "backup", source)
            restic.run(*there, "forget", "--keep-last", "1", "--prune")
            assert place.boto3("s3", "acme").list_objects_v2(Bucket=place.bucket, Prefix=f"{prefix}/snapshots/")["KeyCount"] == 1
        finally:
            row.seen |= restic.line.requests.payloads()


def test_nothing_between(placed, place, ledger, tmp_path, source):
    """The certificate that restic trusts is that of Palisade itself."""
    restic, there = placed("acme/restic-straight", tls=True, is_straight=True)
    with ledger.entry(S3, f"{restic.name}, https", "TLS from end to end: backup of 20 MiB, restore", place.name) as row:
        restic.run(*there, "backup", source)
        restic.run(*there, "restore", "latest", "--target", tmp_path / "back")
        assert contents(tmp_path / "back" / source.relative_to("/")) == contents(source)
        row.seen.add(f"not looked at; {restic.line.hello.protocol()}")


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
