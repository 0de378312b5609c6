#!/usr/bin/env python3
"""An application that serves many tenants with one boto3 client a service: credentials are looked up when a request is signed.

For handlers that are too busy to make a client a request. The tenant of the request that is being handled lives in a context
variable, of which every thread and every asyncio task has its own. Where none is set, signing fails instead of using somebody
else's: in the worker threads of a multipart transfer, say (give it `TransferConfig(use_threads=False)`).

usage: BUCKET=... [PORT=8080] [PALISADE_EGRESS=http://127.0.0.1:8180] shared_client.py      needs: pip install boto3
  PUT /NAME with a body stores an object, GET /NAME reads it, GET / lists; PUT and GET /orders/NAME: an item of the table orders-TENANT
"""

import contextvars
import os
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import boto3
import botocore.session
from botocore.credentials import CredentialResolver, Credentials, ReadOnlyCredentials
from botocore.exceptions import ClientError

# (tenant, passport) of the request that is being handled.
CURRENT: contextvars.ContextVar[tuple[str, str]] = contextvars.ContextVar("palisade")


class OfTheRequest(Credentials):
    """Asked by botocore each time it signs. It must not be a copy of credentials: botocore keeps this object, not what it answers."""

    def __init__(self):
        super().__init__("placeholder", "unused")

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        tenant, passport = CURRENT.get()
        return ReadOnlyCredentials(f"tenant.{tenant}", "unused", passport)


class Provider:
    """In the place of botocore's chain of providers, so that nothing in the environment is ever used instead."""

    METHOD = CANONICAL_NAME = "palisade"

    def load(self) -> Credentials:
        return OfTheRequest()


def clients(*services: str):
    core = botocore.session.get_session()
    core.register_component("credential_provider", CredentialResolver([Provider()]))
    session = boto3.session.Session(botocore_session=core, region_name=os.environ.get("AWS_REGION", "eu-west-1"))
    return [session.client(service, endpoint_url=os.environ.get("PALISADE_EGRESS", "http://127.0.0.1:8180")) for service in services]


BUCKET = os.environ["BUCKET"]
S3, DYNAMODB = clients("s3", "dynamodb")


def for_its_tenant(application):
    """Middleware: what is signed while a request is handled is signed for its tenant, and nothing after it."""

    def handle(environ, start_response):
        token = CURRENT.set((environ["HTTP_X_TENANT_ID"], environ["HTTP_X_PALISADE_PASSPORT"]))
        try:
            return application(environ, start_response)
        finally:
            CURRENT.reset(token)

    return handle


@for_its_tenant
def application(environ: dict, start_response):
    tenant, put = environ["HTTP_X_TENANT_ID"], environ["REQUEST_METHOD"] == "PUT"
    table, _, name = environ["PATH_INFO"].lstrip("/").rpartition("/")
    order = {"pk": {"S": f"{tenant}#{name}"}, "sk": {"S": "0"}}
    sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    status, body = "200 OK", b""
    try:
        match table, put:
            case "orders", True:
                DYNAMODB.put_item(TableName=f"orders-{tenant}", Item=order | {"text": {"S": sent.decode()}})
            case "orders", False:
                found = DYNAMODB.get_item(TableName=f"orders-{tenant}", Key=order)
                body = found["Item"]["text"]["S"].encode() if "Item" in found else b""
            case _, True:
                S3.put_object(Bucket=BUCKET, Key=f"{tenant}/{name}", Body=sent)
            case _ if not name:
                page = S3.list_objects_v2(Bucket=BUCKET, Prefix=f"{tenant}/")
                body = "".join(o["Key"] + "\n" for o in page.get("Contents", [])).encode()
            case _, False:
                body = S3.get_object(Bucket=BUCKET, Key=f"{tenant}/{name}")["Body"].read()
    except ClientError as error:
        # Refusals of Palisade's and of AWS's come as the same typed errors.
        status, body = f"{error.response['ResponseMetadata']['HTTPStatusCode']} Refused", error.response["Error"]["Code"].encode()
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


class Server(ThreadingMixIn, WSGIServer):
    """A thread a request."""

    daemon_threads = True
    request_queue_size = 128


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


if __name__ == "__main__":
    with make_server("127.0.0.1", int(os.environ.get("PORT", "8080")), application, Server, Quiet) as server:
        server.serve_forever()
