#!/usr/bin/env bash
# The AWS CLI through Palisade, for one tenant. The CLI is not changed and knows nothing of Palisade: an endpoint, a tenant
# in the place of the access key id, and the proof (a passport, or a JWT for an egress-only sidecar) as session token.
#
# usage: PROOF=... objects.sh BUCKET TENANT
set -euo pipefail
bucket=$1 tenant=$2

export AWS_ENDPOINT_URL=${PALISADE_EGRESS:-http://127.0.0.1:8180}
export AWS_REGION=${AWS_REGION:-eu-west-1} AWS_DEFAULT_REGION=${AWS_REGION:-eu-west-1}
export AWS_ACCESS_KEY_ID=tenant.$tenant AWS_SECRET_ACCESS_KEY=unused AWS_SESSION_TOKEN=$PROOF

echo "written by $tenant" | aws s3 cp --only-show-errors - "s3://$bucket/$tenant/from-the-cli.txt"
aws s3 ls "s3://$bucket/$tenant/"
aws s3 cp --only-show-errors "s3://$bucket/$tenant/from-the-cli.txt" -
aws s3 rm --only-show-errors "s3://$bucket/$tenant/from-the-cli.txt"
