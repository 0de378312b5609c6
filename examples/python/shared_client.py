#!/usr/bin/env python3
"""One boto3 client for all tenants of a process: the credentials are looked up when a request is signed.

For handlers that are too busy to make a client a request. The current tenant lives in a context variable, which follows
threads and asyncio tasks; where none is set (a worker thread of a multipart transfer, say) signing fails instead of
using somebody else's.

usage: PROOF_A=... PROOF_B=... shared_client.py BUCKET TENANT_A TENANT_B      needs: pip install boto3
"""

import contextvars
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
import botocore.session
from botocore.credentials import Credentials, ReadOnlyCredentials

# (tenant, passport) of the request that is being handled; a framework's middleware sets it.
CURRENT: contextvars.ContextVar[tuple[str, str]] = contextvars.ContextVar("palisade")


class OfTheRequest(Credentials):
    """Asked by botocore each time it signs."""

    def __init__(self):
        super().__init__("placeholder", "unused")

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        tenant, passport = CURRENT.get()
        return ReadOnlyCredentials(f"tenant.{tenant}", "unused", passport)


def client(service: str):
    core = botocore.session.get_session()
    core._credentials = OfTheRequest()
    return boto3.session.Session(botocore_session=core).client(
        service, endpoint_url=os.environ.get("PALISADE_EGRESS", "http://127.0.0.1:8180"), region_name=os.environ.get("AWS_REGION", "eu-west-1"))


def main():
    bucket, *tenants = sys.argv[1:]
    s3 = client("s3")

    def handle(tenant: str, passport: str) -> str:
        CURRENT.set((tenant, passport))
        page = s3.list_objects_v2(Bucket=bucket, Prefix=f"{tenant}/")
        return f"{tenant}: {len(page.get('Contents', []))} objects"

    requests = zip(tenants, (os.environ["PROOF_A"], os.environ["PROOF_B"]))
    with ThreadPoolExecutor(len(tenants)) as pool:
        for future in [pool.submit(contextvars.copy_context().run, handle, *request) for request in requests]:
            print(future.result())


if __name__ == "__main__":
    main()
