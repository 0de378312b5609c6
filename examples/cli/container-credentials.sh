#!/usr/bin/env bash
# A process that serves one tenant can leave the credentials to the SDK: it fetches placeholder keys from the egress, with
# the proof as its authorization. Every SDK knows these variables from ECS.
#
# usage: PROOF=... container-credentials.sh BUCKET TENANT
set -euo pipefail
bucket=$1 tenant=$2
egress=${PALISADE_EGRESS:-http://127.0.0.1:8180}

unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
export AWS_ENDPOINT_URL=$egress AWS_REGION=${AWS_REGION:-eu-west-1}
export AWS_CONTAINER_CREDENTIALS_FULL_URI=$egress/_palisade/credentials
export AWS_CONTAINER_AUTHORIZATION_TOKEN=$PROOF

aws s3 ls "s3://$bucket/$tenant/"
