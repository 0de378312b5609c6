"""What `palisade iam` prints is given to an IAM that enforces it, and is then enough for tenants and too little for crossing over.

MiniStack evaluates trust, role and session policies with tags and external ids; it knows neither policy variables nor
`dynamodb:LeadingKeys`. So roles of single tenants and session policies are tried here; what pooled roles say of tags in resources is
decided upon in the unit tests, by an evaluator written from AWS's documentation.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import hcl2
import pytest
import yaml
from botocore.exceptions import ClientError
from harness.backends import ACCOUNT, REGION, Key
from harness.clients import client
from harness.configs import at
from harness.palisade import binary
from harness.process import clean_environment

BUCKET = "printed-data"
TENANTS = ("acme", "acme-eu", "globex")


def iam(config, *arguments, code: int = 0) -> subprocess.CompletedProcess:
    ran = subprocess.run([binary(), "iam", "--config", config, *arguments], capture_output=True, text=True, timeout=30, env=clean_environment(),
                         stdin=subprocess.DEVNULL)
    assert ran.returncode == code, ran.stderr
    return ran


def tenants(*ids: str) -> list[str]:
    return [argument for tenant in ids for argument in ("--tenant", tenant)]


@pytest.fixture(scope="module")
def base(ministack, pool) -> tuple[str, Key]:
    """Palisade's own identity, without any policy yet; and the data."""
    iam, s3, dynamodb = (ministack.client(name) for name in ("iam", "s3", "dynamodb"))
    arn = iam.create_user(UserName="printed-base")["User"]["Arn"]
    made = iam.create_access_key(UserName="printed-base")["AccessKey"]
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for tenant in TENANTS:
        s3.put_object(Bucket=BUCKET, Key=f"{tenant}/hello.txt", Body=tenant.encode())
        dynamodb.create_table(TableName=f"printed-{tenant}", BillingMode="PAY_PER_REQUEST",
                              KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}], AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}])
        dynamodb.put_item(TableName=f"printed-{tenant}", Item={"pk": {"S": f"{tenant}#1"}})
    return arn, Key(made["AccessKeyId"], made["SecretAccessKey"])


def apply(ministack, documents: dict):
    """As an operator would: the base identity's policy, and the roles with theirs."""
    iam = ministack.client("iam")
    iam.put_user_policy(UserName="printed-base", PolicyName="assume", PolicyDocument=json.dumps(documents["base"]["policy"]))
    for role in documents["roles"]:
        name = role["role_arn"].rsplit("/", 1)[1]
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(role["trust"]))
        # What IAM fills in when it decides: the trust policy takes no other tenant's tag.
        data = json.dumps(role["data"]).replace("${aws:PrincipalTag/TenantID}", role.get("tenant") or "nobody")
        iam.put_role_policy(RoleName=name, PolicyName="data", PolicyDocument=data)


def code(call, *arguments, **keywords) -> str | None:
    try:
        call(*arguments, **keywords)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def the_story(palisade, idp):
    """Each tenant reaches what is its own, and AWS denies the rest."""
    for tenant in TENANTS:
        s3 = client("s3", palisade.url, tenant, idp.token(tenant))
        assert s3.get_object(Bucket=BUCKET, Key=f"{tenant}/hello.txt")["Body"].read() == tenant.encode()
        s3.put_object(Bucket=BUCKET, Key=f"{tenant}/new.txt", Body=b"new")
        assert {o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{tenant}/")["Contents"]} >= {f"{tenant}/hello.txt", f"{tenant}/new.txt"}
        for other in TENANTS:
            if other != tenant:
                assert code(s3.get_object, Bucket=BUCKET, Key=f"{other}/hello.txt") == "AccessDenied", (tenant, other)
                assert code(s3.list_objects_v2, Bucket=BUCKET, Prefix=f"{other}/") == "AccessDenied", (tenant, other)
        assert code(s3.list_objects_v2, Bucket=BUCKET) == "AccessDenied"
        assert code(s3.list_buckets) == "AccessDenied"


def test_roles_of_single_tenants_work_with_what_is_printed_and_with_no_more(start, setting, ministack, base, idp):
    arn, key = base
    plan = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/printed-{{tenant.id}}", "external_id": "{tenant.external_id}",
            "session_tags": {"TenantID": "{tenant.id}"}}
    palisade = start("printed", setting.egress({"s3": at(ministack.port), "dynamodb": at(ministack.port)}), setting.identity(),
                     setting.credentials(key, ministack.port, plan))
    printed = iam(palisade.directory / "printed.yaml", *tenants(*TENANTS), "--base-arn", arn, "--bucket", BUCKET, "--table", "printed-{tenant.id}")
    documents = json.loads(printed.stdout)
    assert [role["tenant"] for role in documents["roles"]] == list(TENANTS)
    apply(ministack, documents)

    the_story(palisade, idp)
    for tenant in TENANTS:
        dynamodb = client("dynamodb", palisade.url, tenant, idp.token(tenant))
        assert dynamodb.get_item(TableName=f"printed-{tenant}", Key={"pk": {"S": f"{tenant}#1"}})["Item"]
        assert code(dynamodb.scan, TableName=f"printed-{tenant}") == "AccessDeniedException"
        for other in TENANTS:
            if other != tenant:
                assert code(dynamodb.get_item, TableName=f"printed-{other}", Key={"pk": {"S": f"{other}#1"}}) == "AccessDeniedException"

    # The base identity itself: nothing but these roles, and these in no other way.
    sts = ministack.client("sts", key)
    role = f"arn:aws:iam::{ACCOUNT}:role/printed-acme"
    right = {"RoleArn": role, "RoleSessionName": "acme", "ExternalId": "external-acme", "Tags": [{"Key": "TenantID", "Value": "acme"}]}
    assert code(sts.assume_role, **right) is None
    for wrong in ({"ExternalId": "external-globex"}, {"Tags": [{"Key": "TenantID", "Value": "globex"}]}, {"Tags": []},
                  {"Tags": [*right["Tags"], {"Key": "Admin", "Value": "yes"}]}, {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/tenant-pool"}):
        assert code(sts.assume_role, **(right | wrong)) == "AccessDenied", wrong
    assert code(sts.assume_role, RoleArn=role, RoleSessionName="acme", Tags=right["Tags"]) == "AccessDenied", "no external id"
    assert code(ministack.client("s3", key).get_object, Bucket=BUCKET, Key="acme/hello.txt") == "AccessDenied"


def test_a_role_for_all_works_with_the_session_policy_that_is_proposed(start, setting, ministack, base, idp, tmp_path):
    arn, key = base
    plan = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/printed-pool", "session_policy": {"inline": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Action": "*", "Resource": "{tenant.id}"}]}}}
    services = setting.egress({"s3": at(ministack.port)})
    # First without a policy of its own, to see the one that is proposed; a tag stands for what tells tenants apart.
    tagged = setting.credentials(key, ministack.port, {"role_arn": plan["role_arn"], "session_tags": {"TenantID": "{tenant.id}"}})
    draft = start("printed-draft", dict(services), setting.identity(), tagged)
    proposed = json.loads(iam(draft.directory / "printed-draft.yaml", "--what", "session", "--bucket", BUCKET).stdout)["session"][0]["policy"]
    plan["session_policy"]["inline"] = proposed
    palisade = start("printed-pool", setting.egress({"s3": at(ministack.port)}), setting.identity(), setting.credentials(key, ministack.port, plan))
    printed = iam(palisade.directory / "printed-pool.yaml", "--what", "base,trust,data", "--base-arn", arn, "--bucket", BUCKET)
    assert "session_policy alone keeps them apart" in printed.stderr
    apply(ministack, json.loads(printed.stdout))
    the_story(palisade, idp)


MODELS = {
    "pooled": {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/path/pool", "session_tags": {"TenantID": "{tenant.id}", "App": "palisade"},
               "transitive_tag_keys": ["TenantID"], "source_identity": "{subject}"},
    "own-role": {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-{{tenant.id}}"},
    "own-account": {"role_arn": "arn:aws:iam::{tenant.account}:role/data", "external_id": "{tenant.external_id}"},
}


@pytest.fixture(params=MODELS)
def written(request, tmp_path, setting) -> tuple:
    """A configuration of a model, that is only read."""
    text = yaml.safe_dump(setting.egress({"s3": {}, "dynamodb": {}, "aoss": {"endpoint": f"https://abc123.{REGION}.aoss.amazonaws.com"}}) | setting.identity()
                          | setting.credentials(Key("AKIAIOSFODNN7EXAMPLE", "unused"), 1, MODELS[request.param]))
    path = setting.directory / f"iam-{request.param}.yaml"
    path.write_text(text)
    what = "base,trust,data,kms" if request.param == "pooled" else "base,trust,data,kms,aoss"
    return path, ["--what", what, "--index", "index-v1-{tenant.id}"]


def test_the_template_is_one_to_cloudformation(written, tmp_path):
    config, arguments = written
    template = tmp_path / "template.json"
    template.write_text(iam(config, *arguments, "--format", "cloudformation").stdout)
    lint = subprocess.run([Path(sys.executable).parent / "cfn-lint", "--regions", REGION, "--", template], capture_output=True, text=True, timeout=60)
    assert lint.returncode == 0, lint.stdout + lint.stderr
    parsed = json.loads(template.read_text())
    assert {"PalisadeBase", "TenantRole", "TenantRoleData", "TenantKey"} <= set(parsed["Resources"])
    assert all("Default" not in parameter for parameter in parsed["Parameters"].values()), "nothing is applied by mistake"


def test_the_resources_are_ones_to_terraform(written, tmp_path):
    config, arguments = written
    text = iam(config, *arguments, "--format", "terraform").stdout
    parsed = hcl2.loads(text)
    kinds = {kind.strip('"') for resource in parsed["resource"] for kind in resource}
    assert {"aws_iam_policy", "aws_iam_role", "aws_iam_role_policy", "aws_kms_key"} <= kinds
    declared = {name.strip('"') for variable in parsed["variable"] for name in variable}
    assert set(re.findall(r"\bvar\.(\w+)", text)) == declared
    # Where Terraform itself is at hand, its own opinion of the form.
    if terraform := shutil.which("terraform"):
        form = subprocess.run([terraform, "fmt", "-check", "-diff", "-"], input=text, capture_output=True, text=True, timeout=60)
        assert form.returncode == 0, form.stdout + form.stderr


def test_what_is_open_is_said_and_stops_a_document_from_being_used(written):
    config, arguments = written
    if "pooled" in config.name:
        printed = iam(config, "--what", "base,trust,data").stdout
        assert "<give --bucket NAME>" in printed and "<give --base-arn ARN>" in printed
    else:
        assert "--tenant ID" in iam(config, *arguments, code=2).stderr
    wrong = iam(config, *arguments, "--prefix", "data/", code=2).stderr
    assert "--prefix" in wrong and "{tenant.id}" in wrong
