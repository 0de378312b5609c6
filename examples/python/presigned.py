#!/usr/bin/env python3
"""A presigned URL for something beside the application that speaks HTTP and no SDK: curl, a converter, a report generator.

It is signed with the keys that the egress vended, which are nothing to AWS: the URL works through the egress and nowhere else,
for the tenant that the keys were vended for, and no longer than they do. It is no link to give to a browser.

usage: presigned.py get_object|put_object BUCKET KEY      needs: pip install boto3; in the environment what one_tenant.py needs
"""

import sys

import boto3
from botocore.config import Config


def main():
    operation, bucket, key = sys.argv[1:]
    # Left to itself, boto3 presigns with version 2 of the signature, which Palisade does not take.
    s3 = boto3.client("s3", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    print(s3.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key}, ExpiresIn=300))


if __name__ == "__main__":
    main()
