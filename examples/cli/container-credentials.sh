#!/usr/bin/env bash
# The AWS CLI through Palisade in a process that serves one tenant and has no place for a proof: it is told where to ask for
# credentials, as in a container of AWS's. The egress vends placeholder keys for the proof in the file, and the CLI asks again
# before they expire, so the file may be renewed under it (a projected service-account token is).
#
# usage: PROOF_FILE=... container-credentials.sh BUCKET TENANT
# The file holds the proof, with or without `Bearer `, and no final newline: the CLI and boto3 refuse to send one.
set -euo pipefail
bucket=$1 tenant=$2

export AWS_ENDPOINT_URL=${PALISADE_EGRESS:-http://127.0.0.1:8180}
export AWS_REGION=${AWS_REGION:-eu-west-1} AWS_DEFAULT_REGION=${AWS_REGION:-eu-west-1}
# A JWT that names one tenant needs no `?tenant=`.
export AWS_CONTAINER_CREDENTIALS_FULL_URI=$AWS_ENDPOINT_URL/_palisade/credentials?tenant=$tenant
export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=$PROOF_FILE
# Keys and profiles in the environment would win.
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE

echo "written by $tenant" | aws s3 cp --only-show-errors - "s3://$bucket/$tenant/from-the-cli.txt"
aws s3 ls "s3://$bucket/$tenant/"
aws s3 cp --only-show-errors "s3://$bucket/$tenant/from-the-cli.txt" -
aws s3 rm --only-show-errors "s3://$bucket/$tenant/from-the-cli.txt"
