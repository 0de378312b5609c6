#!/usr/bin/env python3
"""A worker that serves one tenant: nothing of Palisade in the code, boto3's default chain asks the egress for credentials.

Not for a process that serves many tenants: the chain keeps what it got, for everybody.

usage: one_tenant.py BUCKET TENANT      needs: pip install boto3; in the environment
  AWS_ENDPOINT_URL=http://127.0.0.1:8180
  AWS_DEFAULT_REGION=eu-west-1
  AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:8180/_palisade/credentials     with ?tenant=TENANT for a JWT that names several
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=...     a file with the proof and no final newline; or _TOKEN=... with the proof itself
"""

import sys

import boto3


def main():
    bucket, tenant = sys.argv[1:]
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key=f"{tenant}/from-a-worker.txt", Body=f"written by {tenant}\n".encode())
    for item in s3.list_objects_v2(Bucket=bucket, Prefix=f"{tenant}/")["Contents"]:
        print(item["Key"])
    print(s3.get_object(Bucket=bucket, Key=f"{tenant}/from-a-worker.txt")["Body"].read().decode(), end="")


if __name__ == "__main__":
    main()
