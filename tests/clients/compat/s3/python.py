"""boto3 and the AWS CLI."""

import json
import subprocess
import sys
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from harness.clients import client

from .base import ONE_KEY, PART, Client, Executable, Failed
from .drivers import DRIVERS

TRANSFER = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=3)


class Boto3(Client):
    name = "boto3"
    refusals = ("(AccessDenied)",) * 3

    def start(self):
        line = self.line
        self.s3 = client("s3", line.endpoint, line.tenant, line.proof, ca=line.ca)

    def close(self):
        self.s3.close()

    def version(self) -> str:
        return boto3.__version__

    def call(self, operation, *arguments, **named):
        try:
            return operation(*arguments, **named)
        except ClientError as error:
            raise Failed(str(error)) from None

    def put(self, source: Path, key: str):
        self.call(self.s3.upload_fileobj, source.open("rb"), self.line.bucket, key, Config=TRANSFER)

    def get(self, key: str, destination: Path):
        # A transfer asks for the length first, and HEAD has no error body: small objects are got as they are.
        self.call(self.s3.get_object, Bucket=self.line.bucket, Key=key, Range="bytes=0-0")
        self.s3.download_file(self.line.bucket, key, str(destination), Config=TRANSFER)

    def list(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.line.bucket, Prefix=prefix, PaginationConfig={"PageSize": 2})
        return self.call(lambda: [found["Key"] for page in pages for found in page.get("Contents", [])])

    def delete(self, key: str):
        self.call(self.s3.delete_object, Bucket=self.line.bucket, Key=key)


class AwsProcess:
    """A process that has loaded the AWS CLI and runs each command in a fork: loading takes as long as the command itself."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.process = subprocess.Popen([sys.executable, str(DRIVERS / "cli.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, arguments: list[str], environment: dict, directory: Path) -> subprocess.CompletedProcess:
        stdout, stderr = self.directory / "aws.stdout", self.directory / "aws.stderr"
        command = {"arguments": arguments, "environment": environment, "directory": str(directory), "stdout": str(stdout), "stderr": str(stderr)}
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        return subprocess.CompletedProcess(["aws", *arguments], code, stdout.read_text(), stderr.read_text())

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class AwsExecutable(Executable):
    name = "AWS CLI"

    def start(self, aws_cli: AwsProcess):
        self.aws = aws_cli

    def program(self) -> list[str]:
        return []

    def execute(self, arguments: list[str], environment: dict) -> subprocess.CompletedProcess:
        return self.aws.run([*self.program(), *arguments], environment, self.directory)


class AwsCli(AwsExecutable):
    keys = ONE_KEY
    objects = 1
    # A read asks for the length first, and HEAD has no error body.
    refusals = ("(403)", "(AccessDenied)", "(AccessDenied)")

    def start(self, aws_cli):
        super().start(aws_cli)
        config = self.directory / "aws-config"
        config.write_text(f"[default]\ns3 =\n  multipart_threshold = {PART}\n  multipart_chunksize = {PART}\n")
        self.config = str(config)

    def environment(self) -> dict:
        return super().environment() | {"AWS_CONFIG_FILE": self.config}

    def version(self) -> str:
        return self.run("--version").split()[0].removeprefix("aws-cli/")

    def put(self, source: Path, key: str):
        self.run("s3", "cp", "--only-show-errors", source, f"{self.uri}/{key}")

    def get(self, key: str, destination: Path):
        self.run("s3", "cp", "--only-show-errors", f"{self.uri}/{key}", destination)

    def list(self, prefix: str) -> list[str]:
        try:
            lines = self.run("s3", "ls", "--recursive", f"{self.uri}/{prefix}").splitlines()
        except Failed as error:
            if not str(error):
                return []  # that is how it says that there is nothing
            raise
        return [line.split(maxsplit=3)[3] for line in lines]

    def delete(self, key: str):
        self.run("s3", "rm", "--only-show-errors", f"{self.uri}/{key}")
