#!/usr/bin/env python3
"""The producer: an application that puts off work, and the authority that the work needs, while it has a request in hand.

  POST /reports/NAME   orders a report about the caller's object NAME; a worker makes it later

Its Palisade seals a context out of the request's passport (`egress.defer`), which goes into the message beside the order. The
application cannot read or change it, and holds no credential for the queue either: the message is sent under the passport.

usage: QUEUE_URL=... [PORT=8080] [PALISADE_EGRESS=http://127.0.0.1:8180] producer.py      needs: pip install boto3
"""

import json
import os
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3

EGRESS = os.environ.get("PALISADE_EGRESS", "http://127.0.0.1:8180")
QUEUE = os.environ["QUEUE_URL"]
# No more than the work needs, for no longer than it may wait.
WANTED = {"purpose": "report", "audience": "reports", "actions": ["s3:GetObject", "s3:PutObject"], "lifetime": "15m"}


def defer(passport: str) -> dict:
    """A sealed context: `{context, id, expires}`. Raises `HTTPError`, whose `x-palisade-reason` says why not."""
    request = urllib.request.Request(f"{EGRESS}/_palisade/defer", json.dumps(WANTED).encode(), {"x-tenant-token": passport}, method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def order(tenant: str, passport: str, name: str) -> str:
    """Puts an order into the queue; the context's id, which the worker's log will show as well."""
    sealed = defer(passport)
    sqs = boto3.client("sqs", endpoint_url=EGRESS, region_name=os.environ.get("AWS_REGION", "eu-west-1"),
                       aws_access_key_id=f"tenant.{tenant}", aws_secret_access_key="unused", aws_session_token=passport)
    # Who reads the queue can use the context while it lasts, beside a worker's Palisade: encrypt the queue, and let nobody read it but workers.
    sqs.send_message(QueueUrl=QUEUE, MessageBody=json.dumps({"tenant": tenant, "name": name}),
                     MessageAttributes={"palisade-context": {"DataType": "String", "StringValue": sealed["context"]}})
    return sealed["id"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        name = self.path.removeprefix("/reports/")
        body = order(self.headers["x-tenant-id"], self.headers["x-palisade-passport"], name).encode()
        self.send_response(202)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
