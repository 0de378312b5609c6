#!/usr/bin/env python3
"""An application that serves many tenants behind Palisade: nothing in it knows a role, a key or a token of AWS's.

Each request arrives with its tenant and a passport. Both go into the credentials of the AWS client for that request: the
tenant as access key id, the passport as session token. Whatever this code gets wrong, the passport opens one tenant's data,
and it is worthless once the response is out.

usage: BUCKET=... [PORT=8080] [PALISADE_EGRESS=http://127.0.0.1:8180] app.py      needs: pip install boto3
  PUT /NAME with a body stores an object, GET /NAME reads it, GET / lists
"""

import os
import threading
from contextlib import closing
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = os.environ["BUCKET"]
# Making a client is cheap once a session has loaded its service models; sessions are not safe to share between threads.
SESSION, LOCK = boto3.session.Session(), threading.Lock()


def aws(service: str, environ: dict):
    """A client for the tenant of one request, to be closed with it. Kept for another request it would be the wrong tenant's."""
    with LOCK:
        return SESSION.client(
            service,
            endpoint_url=os.environ.get("PALISADE_EGRESS", "http://127.0.0.1:8180"),
            region_name=os.environ.get("AWS_REGION", "eu-west-1"),
            aws_access_key_id=f"tenant.{environ['HTTP_X_TENANT_ID']}",
            aws_secret_access_key="unused",
            aws_session_token=environ["HTTP_X_PALISADE_PASSPORT"],
            config=Config(retries={"mode": "standard"}),
        )


def application(environ: dict, start_response):
    tenant, name = environ["HTTP_X_TENANT_ID"], environ["PATH_INFO"].lstrip("/")
    status, body = "200 OK", b""
    try:
        with closing(aws("s3", environ)) as s3:
            if environ["REQUEST_METHOD"] == "PUT":
                s3.put_object(Bucket=BUCKET, Key=f"{tenant}/{name}", Body=environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
            elif name:
                body = s3.get_object(Bucket=BUCKET, Key=f"{tenant}/{name}")["Body"].read()
            else:
                page = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{tenant}/")
                body = "".join(o["Key"] + "\n" for o in page.get("Contents", [])).encode()
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
