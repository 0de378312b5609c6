"""Reads every refusal in every dialect with botocore's own parsers.

`dialects.json` is written by a Rust unit test (`aws::dialect::tests::refusals_are_as_recorded`), which also fails when the
file is out of date. Here it is checked that each refusal becomes the error that it is meant to become in a client.
"""

import functools
import json
from pathlib import Path

import pytest

botocore = pytest.importorskip("botocore")
import botocore.loaders  # noqa: E402
import botocore.model  # noqa: E402
import botocore.parsers  # noqa: E402
import botocore.retries.standard  # noqa: E402

RECORDED = json.loads((Path(__file__).parent / "dialects.json").read_text())
# dialect: botocore's protocol, and a client and an operation that speak it
SPEAKERS = {
    "AwsJson10": ("json", "dynamodb", "GetItem"),
    "AwsJson10Compatible": ("json", "sqs", "SendMessage"),
    "AwsJson11": ("json", "kms", "Encrypt"),
    "Cbor": ("smithy-rpc-v2-cbor", "cloudwatch", "PutMetricData"),
    "Ec2Query": ("ec2", "ec2", "DescribeInstances"),
    "Query": ("query", "sns", "Publish"),
    "RestJson": ("rest-json", "lambda", "Invoke"),
    "RestXml": ("rest-xml", "route53", "ListHostedZones"),
    "S3Xml": ("rest-xml", "s3", "GetObject"),
}
THROTTLED = botocore.retries.standard.ThrottledRetryableChecker._THROTTLED_ERROR_CODES
# What services that spoke Query before call their errors still.
QUERY_CODES = {reason: entry["code"] for entry in RECORDED if entry["dialect"] == "Query" for reason in entry["reasons"]}


@functools.cache
def output(client, operation):
    service = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model(client, "service-2"), client)
    return service.operation_model(operation).output_shape


def parsed(entry):
    protocol, client, operation = SPEAKERS[entry["dialect"]]
    shape = output(client, operation)
    response = {"status_code": entry["status"], "headers": entry["headers"], "body": bytes.fromhex(entry["body"])}
    return botocore.parsers.create_parser(protocol).parse(response, shape)


def test_every_reason_is_recorded_in_every_dialect():
    recorded = {(entry["dialect"], reason) for entry in RECORDED for reason in entry["reasons"]}
    assert recorded == {(dialect, reason) for dialect in SPEAKERS for reason in QUERY_CODES}


@pytest.mark.parametrize("entry", RECORDED, ids=lambda entry: f"{entry['dialect']}-{entry['code']}-{entry['status']}")
def test_a_refusal_is_the_error_it_is_meant_to_be(entry):
    answer = parsed(entry)
    expected = QUERY_CODES[entry["reasons"][0]] if entry["dialect"] == "AwsJson10Compatible" else entry["code"]
    assert answer["Error"]["Code"] == expected
    assert answer["Error"]["Message"] == entry["message"]
    metadata = answer["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == entry["status"]
    # EC2's parser has the id from the body, the others from the header or the body.
    assert metadata["RequestId"] == "11111111-2222"
    assert metadata["HTTPHeaders"]["x-palisade-reason"] == entry["reasons"][0]


@pytest.mark.parametrize("dialect", SPEAKERS)
def test_clients_back_off_when_a_limit_is_hit(dialect):
    entry = next(entry for entry in RECORDED if entry["dialect"] == dialect and "rate-limited" in entry["reasons"])
    assert parsed(entry)["Error"]["Code"] in THROTTLED
