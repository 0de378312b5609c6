"""What each S3 client does besides putting and getting: its own ways of copying, synchronising, batching and reading in ranges."""

import contextlib
import hashlib
import random

import pytest
from botocore.exceptions import ClientError

from . import s3
from .ledger import S3

DATA = random.Random(5).randbytes(300_000)
ROWS = 40_000


@pytest.fixture
def run(wanted, connect, place, ledger, tmp_path):
    """Makes a client and enters what is done with it into the table."""
    @contextlib.contextmanager
    def use(kind, what: str):
        client = kind(connect(place), tmp_path, **wanted(kind))
        with contextlib.closing(client), ledger.entry(S3, kind.name, what, place.name) as row:
            yield client
            row.seen |= client.line.requests.payloads()

    return use


@pytest.fixture
def folder(tmp_path):
    """A few files, some of them in folders."""
    home = tmp_path / "folder"
    for number, name in enumerate(["a.txt", "b c/d+e.bin", "b c/ü/f.bin"]):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(DATA[: 1000 + number])
    return home


def contents(directory) -> dict[str, str]:
    return {str(f.relative_to(directory)): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(directory.rglob("*")) if f.is_file()}


def test_boto3_and_every_other_call(run, place):
    with run(s3.Boto3, "ranges, conditions, checksums, copies, copied parts, batches, abort, both listings") as client:
        calls, bucket = client.s3, place.bucket
        for number in range(3):
            calls.put_object(Bucket=bucket, Key=f"acme/more/{number}", Body=DATA, ContentType="text/plain; charset=utf-8", Metadata={"of": "acme"},
                             ChecksumAlgorithm="SHA256")
        got = calls.get_object(Bucket=bucket, Key="acme/more/0", Range="bytes=100-199", ChecksumMode="ENABLED")
        assert got["Body"].read() == DATA[100:200] and got["Metadata"] == {"of": "acme"} and got["ContentType"] == "text/plain; charset=utf-8"
        for condition in ({"IfNoneMatch": got["ETag"]}, {"IfMatch": '"0"'}):
            with pytest.raises(ClientError) as caught:
                calls.get_object(Bucket=bucket, Key="acme/more/0", **condition)
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == (304 if "IfNoneMatch" in condition else 412)
        calls.put_object(Bucket=bucket, Key="acme/more/empty", Body=b"")
        assert calls.head_object(Bucket=bucket, Key="acme/more/empty")["ContentLength"] == 0
        calls.copy_object(Bucket=bucket, Key="acme/more/copy of 0", CopySource={"Bucket": bucket, "Key": "acme/more/0"})
        assert calls.get_object(Bucket=bucket, Key="acme/more/copy of 0")["Body"].read() == DATA

        upload = {"Bucket": bucket, "Key": "acme/more/pasted"}
        upload["UploadId"] = calls.create_multipart_upload(**upload)["UploadId"]
        first = calls.upload_part(**upload, PartNumber=1, Body=DATA * 18)["ETag"]
        second = calls.upload_part_copy(**upload, PartNumber=2, CopySource=f"{bucket}/acme/more/1")["CopyPartResult"]["ETag"]
        calls.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": n, "ETag": e} for n, e in ((1, first), (2, second))]})
        assert calls.get_object(Bucket=bucket, Key="acme/more/pasted")["Body"].read() == DATA * 19
        upload["UploadId"] = calls.create_multipart_upload(Bucket=bucket, Key="acme/more/pasted")["UploadId"]
        calls.abort_multipart_upload(**upload)

        assert [p["Prefix"] for p in calls.list_objects_v2(Bucket=bucket, Prefix="acme/mo", Delimiter="/")["CommonPrefixes"]] == ["acme/more/"]
        old = calls.list_objects(Bucket=bucket, Prefix="acme/more/", MaxKeys=2)
        keys = [o["Key"] for o in old["Contents"]]
        keys += [o["Key"] for o in calls.list_objects(Bucket=bucket, Prefix="acme/more/", Marker=keys[-1])["Contents"]]
        assert keys == [f"acme/more/{name}" for name in ("0", "1", "2", "copy of 0", "empty", "pasted")]
        gone = calls.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        assert len(gone["Deleted"]) == len(keys) and not gone.get("Errors")
        assert calls.list_objects_v2(Bucket=bucket, Prefix="acme/more/")["KeyCount"] == 0


def test_the_cli_synchronises(run, folder, tmp_path):
    with run(s3.AwsCli, "sync both ways, recursive removal") as client:
        client.run("s3", "sync", "--only-show-errors", folder, f"{client.uri}/acme/cli-sync")
        client.run("s3", "sync", "--only-show-errors", f"{client.uri}/acme/cli-sync", tmp_path / "back")
        assert contents(tmp_path / "back") == contents(folder)
        client.run("s3", "rm", "--only-show-errors", "--recursive", f"{client.uri}/acme/cli-sync/")
        assert not client.list("acme/cli-sync/")


def test_rclone_synchronises(run, folder, tmp_path):
    with run(s3.Rclone, "sync both ways, check, server-side copy, purge") as client:
        client.run("sync", folder, client.remote("acme/rclone-sync"))
        client.run("check", "--download", folder, client.remote("acme/rclone-sync"))
        client.run("copy", client.remote("acme/rclone-sync"), client.remote("acme/rclone-copy"))
        client.run("sync", client.remote("acme/rclone-copy"), tmp_path / "back")
        assert contents(tmp_path / "back") == contents(folder)
        for name in ("sync", "copy"):
            client.run("purge", client.remote(f"acme/rclone-{name}"))
            assert not client.list(f"acme/rclone-{name}/")


def test_s3cmd_synchronises(run, folder, tmp_path):
    with run(s3.S3cmd, "sync both ways, recursive removal") as client:
        client.run("sync", f"{folder}/", f"{client.uri}/acme/s3cmd-sync/")
        client.run("sync", f"{client.uri}/acme/s3cmd-sync/", f"{tmp_path / 'back'}/")
        assert contents(tmp_path / "back") == contents(folder)
        client.run("del", "--recursive", "--force", f"{client.uri}/acme/s3cmd-sync/")
        assert not client.list("acme/s3cmd-sync/")


def test_s5cmd_synchronises(run, folder, tmp_path):
    with run(s3.S5cmd, "sync both ways, removal by wildcard") as client:
        client.run("sync", f"{folder}/", f"{client.uri}/acme/s5cmd-sync/")
        client.run("sync", f"{client.uri}/acme/s5cmd-sync/*", f"{tmp_path / 'back'}/")
        assert contents(tmp_path / "back") == contents(folder)
        client.run("rm", f"{client.uri}/acme/s5cmd-sync/*")
        assert not client.list("acme/s5cmd-sync/")


@pytest.mark.parametrize("kind", [s3.PyArrow, s3.DuckDb], ids=lambda kind: kind.name)
def test_tables(run, place, kind):
    """Half of the rows, and of these one column: what is read are ranges of files."""
    with run(kind, "Parquet files by partition, read in ranges") as client:
        prefix = f"acme/tables-{kind.__name__.lower()}"
        assert client.call("table", prefix=prefix, rows=ROWS) == [ROWS // 2, sum(range(1, ROWS, 2))]
        ranges = [headers["range"] for method, _, headers in client.line.requests.seen if method == "GET" and "range" in headers]
        assert ranges, "nothing was read by range"
        other = place.boto3("s3", "acme")
        for found in other.list_objects_v2(Bucket=place.bucket, Prefix=prefix)["Contents"]:
            other.delete_object(Bucket=place.bucket, Key=found["Key"])


def test_javascript_streams(run, place, tmp_path):
    with run(s3.JavaScript, "put of a stream") as client:
        source, back = tmp_path / "source", tmp_path / "back"
        source.write_bytes(DATA)
        client.call("stream", source=str(source), key="acme/js-stream")
        client.get("acme/js-stream", back)
        assert back.read_bytes() == DATA == place.boto3("s3", "acme").get_object(Bucket=place.bucket, Key="acme/js-stream")["Body"].read()
        client.delete("acme/js-stream")
