"""PyArrow, which brings the AWS SDK for C++."""

import shutil

import pyarrow
from commands import TOLD, serve
from pyarrow import dataset, fs

s3 = fs.S3FileSystem(access_key=TOLD["key"], secret_key="unused", session_token=TOLD["proof"], region=TOLD["region"], scheme=TOLD["scheme"],
                     endpoint_override=TOLD["host"], **({"tls_ca_file_path": TOLD["ca"]} if TOLD["ca"] else {}))


def path(key: str) -> str:
    return f"{TOLD['bucket']}/{key}"


def put(source: str, key: str):
    with open(source, "rb") as data, s3.open_output_stream(path(key)) as sink:
        shutil.copyfileobj(data, sink, TOLD["part"])


def get(key: str, destination: str):
    with s3.open_input_stream(path(key)) as source, open(destination, "wb") as sink:
        shutil.copyfileobj(source, sink, TOLD["part"])


def found(prefix: str) -> list:
    entries = s3.get_file_info(fs.FileSelector(path(prefix), recursive=True))
    return [entry.path.removeprefix(TOLD["bucket"] + "/") for entry in entries if entry.type == fs.FileType.File]


def table(prefix: str, rows: int) -> list:
    """Writes a table as a dataset of files and reads one column of a part of it, which asks for ranges."""
    data = pyarrow.table({"n": range(rows), "park": [n % 2 for n in range(rows)], "name": [f"n° {n}" for n in range(rows)]})
    dataset.write_dataset(data, path(prefix), filesystem=s3, format="parquet", partitioning=["park"], partitioning_flavor="hive",
                          create_dir=False)
    # A path would be asked for by HEAD, and whoever may list a prefix alone is told 403 if there is no such object.
    partitioned = dataset.FileSystemFactoryOptions(partitioning=dataset.partitioning(pyarrow.schema([("park", pyarrow.int64())]), flavor="hive"))
    found = dataset.FileSystemDatasetFactory(s3, fs.FileSelector(path(prefix), recursive=True), dataset.ParquetFileFormat(), partitioned).finish()
    read = found.to_table(columns=["n"], filter=dataset.field("park") == 1)
    return [read.num_rows, sum(read["n"].to_pylist())]


serve({"version": lambda: pyarrow.__version__, "put": put, "get": get, "list": found, "delete": lambda key: s3.delete_file(path(key)),
       "table": table})
