"""From an audit to rules, and from a request to what would become of it: the commands that help with the guard's rules."""

import json
import subprocess

import pytest
import yaml
from botocore.exceptions import ClientError
from harness import wire
from harness.backends import ACCOUNT, BUCKET, REGION, allow, role
from harness.clients import client
from harness.configs import at
from harness.palisade import Plain, binary
from harness.process import wait_until

SECRET = "hunter2-of-the-tenant"
TENANTS = ("acme", "globex")
TABLE = "explain-orders"


@pytest.fixture(scope="module")
def run(start, setting, ministack, pool, sts):
    user = ministack.client("iam").get_user(UserName="palisade")["User"]["Arn"]
    role(ministack, "tenant-explain", user, [allow("s3:*", "*"), allow("dynamodb:*", "*")])
    s3 = ministack.client("s3")
    for tenant in TENANTS:
        s3.create_bucket(Bucket=f"explain-{tenant}", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.create_bucket(Bucket="explain-news", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="explain-news", Key="today", Body=b"news")

    names = {"pk": "HASH", "sk": "RANGE"}
    ministack.client("dynamodb").create_table(
        TableName=TABLE, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in names.items()],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names])

    def run(name: str, **parts):
        assume = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-explain", "session_tags": {"TenantID": "{tenant.id}"}}
        services = {"s3": at(ministack.port), "dynamodb": at(ministack.port)}
        return start(name, setting.egress(services), setting.identity(), setting.credentials(pool, sts.port, assume), parts)

    return run


@pytest.fixture(scope="module")
def watched(run):
    return run("explain-watched", guard={"mode": "audit"})


def work(palisade, idp, tenant: str, whose: str):
    """What an application does for a tenant, with the things of one; each of the calls that is refused, by name."""
    s3, dynamodb = (client(service, palisade.url, tenant, idp.token(tenant)) for service in ("s3", "dynamodb"))
    key = {"pk": {"S": f"{whose}#{SECRET}"}, "sk": {"S": SECRET}}
    calls = {
        "put": lambda: s3.put_object(Bucket=BUCKET, Key=f"{whose}/{SECRET}", Body=SECRET.encode()),
        "get": lambda: s3.get_object(Bucket=BUCKET, Key=f"{whose}/{SECRET}"),
        "list": lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{whose}/{SECRET}"),
        "own": lambda: s3.put_object(Bucket=f"explain-{whose}", Key=SECRET, Body=b"x"),
        "delete": lambda: s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": f"{whose}/{SECRET}"}]}),
        "put-item": lambda: dynamodb.put_item(TableName=TABLE, Item={**key, SECRET: {"S": SECRET}}),
        "get-item": lambda: dynamodb.get_item(TableName=TABLE, Key=key),
        "query": lambda: dynamodb.query(TableName=TABLE, KeyConditionExpression="#k = :k", ExpressionAttributeNames={"#k": "pk"},
                                        ExpressionAttributeValues={":k": key["pk"]}),
    }
    refused = []
    for name, call in calls.items():
        try:
            call()
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException"), error
            refused.append(name)
    return refused, set(calls)


def report(*args, stdin: str | None = None) -> str:
    done = subprocess.run([binary(), "guard", "report", *map(str, args)], input=stdin, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def explain(palisade, *args, tenant: str = "acme", code: int = 0) -> dict:
    config = palisade.directory / f"{palisade.name}.yaml"
    line = [binary(), "explain", "--config", config, "--tenant", tenant, "--json", *args]
    done = subprocess.run([str(word) for word in line], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout else {}


def test_rules_out_of_an_audit_allow_what_was_done_and_no_crossing(watched, run, idp):
    for tenant in TENANTS:
        assert work(watched, idp, tenant, tenant)[0] == []
        client("s3", watched.url, tenant, idp.token(tenant)).get_object(Bucket="explain-news", Key="today")
    seen = lambda: [line for line in watched.log() if "would_deny" in line]  # noqa: E731
    wait_until(lambda: len(seen()) == len(TENANTS) * 9, 5, "the log has all of it")
    log = "\n".join(json.dumps(line) for line in watched.log()) + "\nbroken\n"
    assert SECRET not in log
    found = report("--config", watched.directory / "explain-watched.yaml", "-", stdin=log)
    assert "1 malformed" in found and '# - {buckets: ["explain-news"], shared: true' in found
    assert "\ts3\tPutObject\tacme\t2" in found, found
    rules = yaml.safe_load(found)["guard"]
    assert {"buckets": [BUCKET], "prefix": "{tenant.id}/"} in rules["s3"] and {"buckets": ["explain-{tenant.id}"]} in rules["s3"]
    assert rules["dynamodb"] == [{"tables": [TABLE], "leading_key": "{tenant.id}#", "key": "pk"}]

    enforced = run("explain-enforced", guard=rules | {"mode": "enforce"})
    for tenant, other in (TENANTS, TENANTS[::-1]):
        assert work(enforced, idp, tenant, tenant)[0] == [], found
        refused, all_of_them = work(enforced, idp, tenant, other)
        assert set(refused) == all_of_them
    with pytest.raises(ClientError):
        client("s3", enforced.url, "acme", idp.token("acme")).get_object(Bucket="explain-news", Key="today")


@pytest.fixture(scope="module")
def guarded(run):
    return run("explain-guarded", guard={
        "s3": [{"buckets": ["explain-{tenant.id}"]}, {"buckets": [BUCKET], "prefix": "{tenant.id}/"}],
        "dynamodb": [{"tables": [TABLE], "leading_key": "{tenant.id}#", "key": "pk"}],
    })


@pytest.mark.parametrize("method,path,reason", [
    ("GET", f"/{BUCKET}/acme/x", None),
    ("GET", f"/{BUCKET}/globex/x", "guard-denied"),
    ("GET", f"/{BUCKET}?list-type=2&prefix=acme/", None),
    ("GET", f"/{BUCKET}?list-type=2", "guard-denied"),
    ("PUT", "/explain-acme/x", None),
    ("PUT", "/explain-globex/x", "guard-denied"),
    ("GET", "/", "guard-denied"),
    ("GET", f"/{BUCKET}?session", "operation-refused"),
    ("GET", f"/{BUCKET}/acme/../globex/x", "guard-denied"),
])
def test_what_is_explained_is_what_happens(guarded, idp, method, path, reason):
    host = f"s3.{REGION}.amazonaws.com"
    own = [("Host", host), ("x-tenant-id", "acme"), ("x-tenant-token", idp.token("acme"))]
    answer = wire.exchange(guarded.port("egress"), wire.request(method, path, own, b""))
    found = explain(guarded, method, f"https://{host}{path}", code=0 if reason is None else 1)
    assert (answer.reason, found["reason"], found["allowed"]) == (reason, reason, reason is None)


def test_every_stage_is_explained(guarded, tmp_path):
    item = tmp_path / "item.json"
    item.write_text(json.dumps({"TableName": TABLE, "Key": {"pk": {"S": "globex#1"}, "sk": {"S": "1"}}}))
    target = ("-H", "x-amz-target: DynamoDB_20120810.GetItem", "--body", item)
    found = explain(guarded, *target, "POST", f"https://dynamodb.{REGION}.amazonaws.com/", code=1)
    stages = {stage["stage"]: stage for stage in found["stages"]}
    assert list(stages) == ["tenant", "limits", "target", "operation", "guard", "session", "upstream"]
    assert stages["guard"]["denial"] == {"rule": "guard.dynamodb[0]", "why": "pk does not begin with {tenant.id}#", "mode": "enforce"}
    assert stages["operation"]["needed_actions"] == ["dynamodb:GetItem"]
    assert stages["session"]["session_tags"] == {"TenantID": "acme"}
    assert explain(guarded, "GET", f"https://s3.{REGION}.amazonaws.com/{BUCKET}/initech/x", tenant="initech", code=1)["reason"] == "tenant-suspended"
    assert explain(guarded, "GET", "no-url", code=2) == {}


def test_a_configuration_is_written_as_it_was_read(watched):
    """The rules are pasted by people: what the report prints loads as it stands."""
    config = watched.config | {"guard": yaml.safe_load(report("-", stdin='{"log": "access"}'))["guard"]}
    file = watched.directory / "explain-pasted.yaml"
    file.write_text(yaml.dump(config, Dumper=Plain, sort_keys=False))
    subprocess.run([binary(), "check", "--config", file], capture_output=True, timeout=60, check=True)


@pytest.mark.parametrize("log", ["", "listeners:\n  - a\n", '{"level": "INFO", "message": "ready"}\n'], ids=["empty", "yaml", "messages"])
def test_what_is_no_access_log_is_no_report(log):
    """Nothing in it would be against enforcing."""
    done = subprocess.run([binary(), "guard", "report", "-"], input=log, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "") and "no line of an access log" in done.stderr, done
