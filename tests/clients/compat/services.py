"""Calls to any service, by three clients that know them all. Operations and members are named as in the API reference."""

import base64
import contextlib
import itertools
import json

from botocore import xform_name
from botocore.exceptions import ClientError

from harness.clients import client

from .s3.base import Client, Failed
from .s3.drivers import JavaScript
from .s3.python import AwsExecutable


class Boto3(Client):
    name = "boto3"

    def call(self, service: str, operation: str, **members) -> dict:
        line = self.line
        try:
            with contextlib.closing(client(service, line.endpoint, line.tenant, line.proof)) as calls:
                return getattr(calls, xform_name(operation))(**members)
        except ClientError as error:
            raise Failed(str(error)) from None

    @staticmethod
    def blob(value) -> bytes:
        return value if isinstance(value, bytes) else value.read()


class AwsCli(AwsExecutable):
    """The endpoint goes in as an option: version 1 has a host of its own for SQS, which wins over AWS_ENDPOINT_URL."""

    def start(self, aws_cli):
        super().start(aws_cli)
        self.files = (self.directory / f"blob-{n}" for n in itertools.count())

    def program(self) -> list[str]:
        return ["--endpoint-url", self.line.endpoint]

    def option(self, value) -> str:
        if isinstance(value, bytes):
            file = next(self.files)
            file.write_bytes(value)
            return f"fileb://{file}"
        return value if isinstance(value, str) else json.dumps(value)

    def call(self, service: str, operation: str, **members) -> dict:
        options = ((f"--{xform_name(name, '-')}", value) for name, value in members.items())
        arguments = [text for name, value in options for text in ((name,) if value is True else (name, self.option(value)))]
        output = [next(self.files)] if service == "lambda" else []
        said = self.run(service, xform_name(operation, "-"), *arguments, *output)
        answer = json.loads(said) if said else {}
        return answer | ({"Payload": base64.b64encode(output[0].read_bytes())} if output else {})

    @staticmethod
    def blob(value) -> bytes:
        return base64.b64decode(value)


class JavaScriptServices(JavaScript):
    PACKAGES = {"secretsmanager": "secrets-manager"}

    def start(self, sdk_js):
        super().start(sdk_js)
        self.send = self.call
        self.call = self.of_service

    def of_service(self, service: str, operation: str, **members) -> dict:
        members = {k: {"bytes": base64.b64encode(v).decode()} if isinstance(v, bytes) else v for k, v in members.items()}
        return self.send("call", service=self.PACKAGES.get(service, service), command=operation, input=members)

    @staticmethod
    def blob(value) -> bytes:
        return base64.b64decode(value["bytes"])


ALL = (Boto3, AwsCli, JavaScriptServices)
