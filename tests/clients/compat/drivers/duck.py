"""DuckDB with its extension for files over HTTP and S3."""

from pathlib import Path

import duckdb
import duckdb_extension_httpfs
from commands import TOLD, serve

db = duckdb.connect()
extension = Path(duckdb_extension_httpfs.__file__).parent / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"
db.execute(f"LOAD '{extension}'")
db.execute("SET http_retries = 0")
# Parts are a ten-thousandth of this, and no smaller than five mebibytes.
db.execute("SET s3_uploader_max_filesize = '50GB'")
db.execute(f"""CREATE SECRET (TYPE s3, KEY_ID '{TOLD["key"]}', SECRET 'unused', SESSION_TOKEN '{TOLD["proof"]}', REGION '{TOLD["region"]}',
               ENDPOINT '{TOLD["host"]}', URL_STYLE 'path', USE_SSL {TOLD["scheme"] == "https"})""")
HOME = f"s3://{TOLD['bucket']}/"


def quoted(key: str) -> str:
    return "'" + (HOME + key).replace("'", "''") + "'"


def put(source: str, key: str):
    db.execute(f"COPY (SELECT content FROM read_blob('{source}')) TO {quoted(key)} (FORMAT blob)")


def get(key: str, destination: str):
    (content,) = db.execute(f"SELECT content FROM read_blob({quoted(key)})").fetchone()
    Path(destination).write_bytes(content)


def found(prefix: str) -> list:
    return [name.removeprefix(HOME) for (name,) in db.execute(f"SELECT file FROM glob({quoted(prefix + '**')})").fetchall()]


def table(prefix: str, rows: int) -> list:
    """Writes a table as a folder of Parquet files and reads one column of a part of it, which asks for ranges."""
    db.execute(f"""COPY (SELECT n, n % 2 AS park, 'n° ' || n AS name FROM range({rows}) AS t(n))
                   TO {quoted(prefix)} (FORMAT parquet, PARTITION_BY (park), OVERWRITE_OR_IGNORE)""")
    half = f"read_parquet({quoted(prefix + '/**/*.parquet')}, hive_partitioning = true) WHERE park = 1"
    return list(db.execute(f"SELECT count(n), sum(n)::BIGINT FROM {half}").fetchone())


serve({"version": lambda: duckdb.__version__, "put": put, "get": get, "list": found, "table": table})
