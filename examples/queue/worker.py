#!/usr/bin/env python3
"""The worker: takes orders from the queue and carries each out for the tenant, and with the authority, that its context has.

Two identities, which never mix. The queue it reads with one of its own, which may receive and delete messages and nothing else
(here: AWS's default chain). Everything of a tenant's goes through the Palisade beside it (`egress.redeem`), with the message's context
as session token. What the message says of its tenant is only compared: a message that names another tenant is refused.

usage: QUEUE_URL=... BUCKET=... [QUEUE_ENDPOINT=...] [PALISADE_EGRESS=http://127.0.0.1:8180] worker.py [MESSAGES]      needs: pip install boto3
"""

import json
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

EGRESS = os.environ.get("PALISADE_EGRESS", "http://127.0.0.1:8180")
REGION = os.environ.get("AWS_REGION", "eu-west-1")
QUEUE, BUCKET = os.environ["QUEUE_URL"], os.environ["BUCKET"]
# What no second try will change.
FINAL = {"AccessDenied", "ExpiredToken"}


def s3_for(tenant: str, context: str):
    """A client a message: an SDK's client keeps its credentials."""
    return boto3.client("s3", endpoint_url=EGRESS, region_name=REGION, aws_access_key_id=f"tenant.{tenant}", aws_secret_access_key="unused",
                        aws_session_token=context, config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard"}))


def report(tenant: str, name: str, context: str):
    s3 = s3_for(tenant, context)
    text = s3.get_object(Bucket=BUCKET, Key=f"{tenant}/{name}")["Body"].read()
    s3.put_object(Bucket=BUCKET, Key=f"{tenant}/reports/{name}", Body=f"{name} has {len(text)} bytes\n".encode())


def work(sqs, message: dict):
    try:
        order = json.loads(message["Body"])
        tenant, name, context = order["tenant"], order["name"], message["MessageAttributes"]["palisade-context"]["StringValue"]
    except (KeyError, TypeError, ValueError):
        outcome = "refused: no order"
    else:
        try:
            report(tenant, name, context)
            outcome = "done"
        except ClientError as error:
            if error.response["Error"]["Code"] not in FINAL:
                # It comes again, and then goes to the queue for what cannot be done.
                print(f"{tenant} {name}: put back: {error.response['Error']['Code']}", flush=True)
                return
            outcome = f"refused: {error.response['ResponseMetadata']['HTTPHeaders'].get('x-palisade-reason', error.response['Error']['Code'])}"
    sqs.delete_message(QueueUrl=QUEUE, ReceiptHandle=message["ReceiptHandle"])
    print(f"{message['Body']}: {outcome}", flush=True)


def main(messages: int):
    sqs = boto3.client("sqs", region_name=REGION, endpoint_url=os.environ.get("QUEUE_ENDPOINT"))
    while messages > 0:
        received = sqs.receive_message(QueueUrl=QUEUE, WaitTimeSeconds=5, MaxNumberOfMessages=1, MessageAttributeNames=["palisade-context"])
        for message in received.get("Messages", []):
            work(sqs, message)
            messages -= 1


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else sys.maxsize)
