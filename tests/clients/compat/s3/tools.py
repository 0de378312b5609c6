"""Command-line tools with S3 implementations of their own, or of other SDKs."""

import json
import shutil
import tempfile
from pathlib import Path

from harness.backends import REGION

from .base import ONE_KEY, PART, Client, Executable, Failed

PART_MIB = PART >> 20


class Rclone(Executable):
    """Go, with the AWS SDK for Go v1."""

    name = "rclone"
    keys = [key for key in Client.keys if "//" not in key]
    refusals = ("AccessDenied",) * 3

    def start(self, tool):
        self.path = tool("rclone")

    def program(self) -> list[str]:
        return [self.path, "--retries=1", "--low-level-retries=1"]

    def environment(self) -> dict:
        line, r = self.line, "RCLONE_CONFIG_R_"
        # Without NO_CHECK_BUCKET it would create the bucket, which no tenant may.
        return super().environment() | {
            "RCLONE_CONFIG": "", r + "TYPE": "s3", r + "PROVIDER": "Other", r + "ENDPOINT": line.endpoint, r + "REGION": REGION,
            r + "ACCESS_KEY_ID": f"tenant.{line.tenant}", r + "SECRET_ACCESS_KEY": "unused", r + "SESSION_TOKEN": line.proof,
            r + "NO_CHECK_BUCKET": "true", r + "UPLOAD_CUTOFF": f"{PART_MIB}Mi", r + "CHUNK_SIZE": f"{PART_MIB}Mi",
        }

    def remote(self, key: str) -> str:
        return f"r:{self.line.bucket}/{key}"

    def version(self) -> str:
        return self.run("version").split()[1].removeprefix("v")

    def put(self, source: Path, key: str):
        """From folder to folder. For one file (`copyto`) it first asks for the object, and whoever may list a prefix alone is told 403 if there is none."""
        to, _, name = key.rpartition("/")
        with tempfile.TemporaryDirectory(dir=self.directory) as folder:
            shutil.copyfile(source, Path(folder) / name)
            self.run("copy", folder, self.remote(to))

    def get(self, key: str, destination: Path):
        self.run("copyto", self.remote(key), destination)

    def list(self, prefix: str) -> list[str]:
        return [prefix + name for name in self.run("lsf", "-R", "--files-only", self.remote(prefix)).splitlines()]

    def delete(self, key: str):
        self.run("deletefile", self.remote(key))


class S3cmd(Executable):
    """Python, with an S3 implementation of its own."""

    name = "s3cmd"
    keys = ONE_KEY
    # A read asks for the length first, and HEAD has no error body.
    refusals = ("403 (Forbidden)", "403 (AccessDenied)", "403 (AccessDenied)")

    def start(self, tool):
        self.path = tool("s3cmd")

    def program(self) -> list[str]:
        line = self.line
        host = f"{line.host}:{line.port}"
        return [self.path, "--config=/dev/null", "--no-ssl", f"--host={host}", f"--host-bucket={host}", f"--region={REGION}",
                f"--access_key=tenant.{line.tenant}", "--secret_key=unused", f"--access_token={line.proof}", "--no-progress", "--max-retries=1"]

    def version(self) -> str:
        return self.run("--version").split()[-1]

    def put(self, source: Path, key: str):
        self.run("put", f"--multipart-chunk-size-mb={PART_MIB}", source, f"{self.uri}/{key}")

    def get(self, key: str, destination: Path):
        self.run("get", "--force", f"{self.uri}/{key}", destination)

    def list(self, prefix: str) -> list[str]:
        return [line.split(maxsplit=3)[3].removeprefix(f"{self.uri}/") for line in self.run("ls", "--recursive", f"{self.uri}/{prefix}").splitlines()]

    def delete(self, key: str):
        self.run("del", f"{self.uri}/{key}")


class S5cmd(Executable):
    """Go, with the AWS SDK for Go v1."""

    name = "s5cmd"
    keys = ONE_KEY
    refusals = ("AccessDenied",) * 3

    def start(self, tool):
        self.path = tool("s5cmd")

    def program(self) -> list[str]:
        return [self.path, "--json", "--retry-count=0", "--endpoint-url", self.line.endpoint]

    def version(self) -> str:
        return self.run("version").strip()

    def put(self, source: Path, key: str):
        self.run("cp", "--raw", f"--part-size={PART_MIB}", source, f"{self.uri}/{key}")

    def get(self, key: str, destination: Path):
        self.run("cp", "--raw", f"--part-size={PART_MIB}", f"{self.uri}/{key}", destination)

    def list(self, prefix: str) -> list[str]:
        try:
            found = [json.loads(line) for line in self.run("ls", f"{self.uri}/{prefix}*").splitlines()]
        except Failed as error:
            if "no object found" in str(error):
                return []
            raise
        return [entry["key"].removeprefix(f"{self.uri}/") for entry in found]

    def delete(self, key: str):
        self.run("rm", "--raw", f"{self.uri}/{key}")
