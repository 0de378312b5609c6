"""The guard's rules for DynamoDB, against tables that everybody may do everything to: what they stop is what would have happened without them."""

import json
import os
from pathlib import Path

import botocore.session
import pytest
import yaml
from botocore.exceptions import ClientError
from harness import unguarded, wire
from harness.backends import ACCOUNT, REGION, allow, base_user, role
from harness.clients import client
from harness.configs import RECORDS, at
from harness.process import wait_until

GUARD = Path(__file__).parents[1] / "guard"
CATALOGUE = json.loads((GUARD / "dynamodb.json").read_text())
HOST = f"dynamodb.{REGION}.amazonaws.com"
POOL, INDEX = "guarded-pool", "by-owner"
RULES = {"dynamodb": [{"tables": [POOL], "leading_key": "{tenant.id}#", "key": "pk", "indexes": {INDEX: "owner"}}, {"tables": ["guarded-{tenant.id}"]}]}
MINE, THEIRS = ({"pk": {"S": f"{tenant}#1"}, "sk": {"S": "x"}} for tenant in ("acme", "globex"))


@pytest.fixture(scope="module")
def store(ministack, pool):
    user = ministack.client("iam").get_user(UserName="palisade")["User"]["Arn"]
    role(ministack, "tenant-open-tables", user, [allow("dynamodb:*", "*")])
    tables = ministack.client("dynamodb")
    for name in (POOL, "guarded-acme", "guarded-globex"):
        tables.create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "owner")],
            GlobalSecondaryIndexes=[{"IndexName": INDEX, "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}])
        for tenant in ("acme", "globex"):
            tables.put_item(TableName=name, Item={"pk": {"S": f"{tenant}#1"}, "sk": {"S": "x"}, "owner": {"S": f"{tenant}#o"}})
    return ministack


@pytest.fixture(scope="module")
def run(start, setting, store, pool, sts, directory):
    (directory / "numbered-tenants.yaml").write_text(yaml.safe_dump({"tenants": RECORDS | {"acme": {"attributes": {"number": "42"}}}}))
    tenants = {"tenants": {"directory": {"file": "numbered-tenants.yaml"}}}

    def run(name: str, **parts):
        assume = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-open-tables", "session_tags": {"TenantID": "{tenant.id}"}}
        services = {"dynamodb": at(store.port), "dynamodbstreams": at(store.port)}
        return start(name, setting.egress(services), setting.identity(), setting.credentials(pool, sts.port, assume), tenants, parts)

    return run


@pytest.fixture(scope="module")
def guarded(run):
    return run("guarded-tables", guard=RULES)


@pytest.fixture(scope="module")
def watched(run):
    return run("watched-tables", guard=RULES | {"mode": "audit"})


@pytest.fixture(scope="module")
def open_door(run):
    return run("open-tables")


def ask(palisade, idp, line: str, headers, body: bytes, host: str = HOST) -> wire.Message:
    method, path = line.split(" ", 1)
    own = [("Host", host), ("x-tenant-id", "acme"), ("x-tenant-token", idp.token("acme"))]
    return wire.exchange(palisade.port("egress"), wire.request(method, path, [*own, *headers], body))


def call(palisade, idp, operation: str, body: dict) -> wire.Message:
    usual = [("x-amz-target", f"DynamoDB_20120810.{operation}"), ("content-type", "application/x-amz-json-1.0")]
    return ask(palisade, idp, "POST /", usual, json.dumps(body).encode())


def send(palisade, idp, case: dict) -> wire.Message:
    """The request of a case of the catalogue."""
    usual = [("x-amz-target", case["ask"]), ("content-type", "application/x-amz-json-1.0")] if "ask" in case else []
    body = case.get("body", "")
    body = (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).encode()
    return ask(palisade, idp, case.get("do", "POST /"), [*usual, *case.get("headers", ())], body, case.get("host", HOST))


def test_requests_of_the_catalogue_meet_on_the_wire_what_they_meet_in_the_unit_tests(run, idp):
    palisade = run("catalogue-tables", guard=yaml.safe_load(CATALOGUE["rules"]))
    wrong = []
    for case in CATALOGUE["cases"]:
        answer = send(palisade, idp, case)
        # What passes the guard is DynamoDB's to answer.
        if answer.reason != (None if case["is"] in ("allowed", "watched") else case["is"]):
            wrong.append((case["why"], case["is"], answer.status, answer.reason))
    assert not wrong


@pytest.mark.parametrize("operation,body", [
    ("GetItem", {"TableName": POOL, "Key": THEIRS}),
    ("Query", {"TableName": POOL, "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": THEIRS["pk"]}}),
    ("Query", {"TableName": POOL, "IndexName": INDEX, "KeyConditionExpression": "#o = :o", "ExpressionAttributeNames": {"#o": "owner"},
               "ExpressionAttributeValues": {":o": {"S": "globex#o"}}}),
    ("Scan", {"TableName": POOL}),
    ("Scan", {"TableName": "guarded-globex"}),
    ("PutItem", {"TableName": POOL, "Item": THEIRS | {"owner": {"S": "globex#o"}}}),
    ("PutItem", {"TableName": POOL, "Item": MINE | {"owner": {"S": "globex#o"}}}),
    ("UpdateItem", {"TableName": POOL, "Key": MINE, "UpdateExpression": "SET #o = :o", "ExpressionAttributeNames": {"#o": "owner"},
                    "ExpressionAttributeValues": {":o": {"S": "globex#o"}}}),
    ("BatchGetItem", {"RequestItems": {POOL: {"Keys": [MINE, THEIRS]}}}),
    ("BatchWriteItem", {"RequestItems": {POOL: [{"PutRequest": {"Item": MINE}}, {"PutRequest": {"Item": THEIRS}}]}}),
    ("TransactWriteItems", {"TransactItems": [{"Put": {"TableName": POOL, "Item": MINE}}, {"Put": {"TableName": POOL, "Item": THEIRS}}]}),
    ("ListTables", {}),
])
def test_what_is_refused_would_have_happened(guarded, watched, open_door, idp, operation, body):
    answer = call(guarded, idp, operation, body)
    assert (answer.status, answer.reason) == (403, "guard-denied")
    assert b"AccessDeniedException" in answer.body
    assert call(open_door, idp, operation, body).status == 200, "nobody else would have stopped it"
    passed = call(watched, idp, operation, body)
    assert passed.status == 200
    found = lambda: [line for line in watched.log() if line["request_id"] == passed.header("x-request-id")]  # noqa: E731
    seen = wait_until(found, 5, "the log has it")[0]
    assert seen["decision"] == "allowed" and seen["would_deny"].startswith("guard.dynamodb") and "globex#" not in seen["would_deny"]


@pytest.fixture
def ruins(start, setting, doomed):
    """A door without a guard before tables of its own, as the catalogue's rules have them, and what puts those in order."""
    user, key = base_user(doomed)
    role(doomed, "tenant-open-tables", user, [allow("dynamodb:*", "*")])
    assume = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-open-tables", "session_tags": {"TenantID": "{tenant.id}"}}
    services = {"dynamodb": at(doomed.port), "dynamodbstreams": at(doomed.port)}
    palisade = start("no-guard-tables", setting.egress(services), setting.identity(), setting.credentials(key, doomed.port, assume))
    tables = doomed.client("dynamodb")
    ranged = {name: (("pk", "S"), ("sk", "S")) for name in ("orders-eu", "data-acme", "data-globex")}
    hashed = {"exact": (("tenant", "S"),), "numbers": (("nr", "N"),)} | {name: (("pk", "S"),) for name in ("assets", "nobodys", "of-region", "watched")}

    def make(name: str, keys: tuple):
        indexes = {"by-date": "gsi1pk", "by-id": "id.of", "any": "gsi1pk"} if len(keys) == 2 else {}
        more = {"GlobalSecondaryIndexes": [
            {"IndexName": index, "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}} for index, key in indexes.items()],
        } if indexes else {}
        tables.create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": key, "KeyType": kind} for (key, _), kind in zip(keys, ("HASH", "RANGE"), strict=False)],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in (*keys, *((key, "S") for key in sorted(set(indexes.values()))))], **more)

    def repair():
        there = tables.list_tables()["TableNames"]
        for name, keys in (ranged | hashed).items():
            if name not in there:
                make(name, keys)
        for name in ranged:
            for tenant in ("acme", "globex"):
                tables.put_item(TableName=name, Item={"pk": {"S": f"{tenant}#1"}, "sk": {"S": "1"}, "gsi1pk": {"S": f"{tenant}#1"}, "id.of": {"S": f"{tenant}#1"}})

    repair()
    return palisade, repair


def test_the_catalogue_is_what_would_have_happened(ruins, idp):
    palisade, repair = ruins
    reads = ("BatchGetItem", "GetItem", "Query", "Scan", "TransactGetItems")

    def spoil(case: dict) -> wire.Message:
        answer = send(palisade, idp, case)
        if answer.status < 300 and not case.get("ask", "").endswith(tuple(f".{name}" for name in reads)):
            repair()
        return answer

    done = unguarded.record("unguarded-dynamodb", CATALOGUE["cases"], lambda case: case.get("ask") or case["do"], spoil)
    assert len(done) >= 110, len(done)


def test_sdks_raise_their_own_error(guarded, store, idp):
    tables = client("dynamodb", guarded.url, "acme", idp.token("acme"))

    def refused(call, **request):
        with pytest.raises(ClientError) as error:
            call(**request)
        assert error.value.response["Error"]["Code"] == "AccessDeniedException"

    tables.put_item(TableName=POOL, Item=MINE | {"owner": {"S": "acme#o"}, "note": {"S": "mine"}})
    assert tables.get_item(TableName=POOL, Key=MINE)["Item"]["note"]["S"] == "mine"
    refused(tables.get_item, TableName=POOL, Key=THEIRS)

    def query(value):
        return {"TableName": POOL, "KeyConditionExpression": "#p = :p and begins_with(sk, :s)", "ExpressionAttributeNames": {"#p": "pk"},
                "ExpressionAttributeValues": {":p": {"S": value}, ":s": {"S": "x"}}}

    assert tables.query(**query("acme#1"))["Count"] == 1
    refused(tables.query, **query("globex#1"))

    assert tables.scan(TableName="guarded-acme")["Count"] == 2
    refused(tables.scan, TableName=POOL)

    batch = lambda *keys: {POOL: [{"PutRequest": {"Item": {"pk": {"S": key}, "sk": {"S": "batch"}}}} for key in keys]}  # noqa: E731
    tables.batch_write_item(RequestItems=batch("acme#1", "acme#2"))
    refused(tables.batch_write_item, RequestItems=batch("acme#3", "globex#1"))
    kept = {item["pk"]["S"] for item in store.client("dynamodb").scan(TableName=POOL)["Items"] if item["sk"]["S"] == "batch"}
    assert kept == {"acme#1", "acme#2"}, "nothing of the request was carried out"
    pages = tables.get_paginator("query").paginate(**query("acme#1"), PaginationConfig={"PageSize": 1})
    assert sum(page["Count"] for page in pages) == 1, "a page goes on where the last one ended"


def test_members_of_requests_are_those_of_the_model():
    """What the guard does not know it refuses, so it has to know all that there is."""
    session = botocore.session.get_session()
    lines = ["# What the models of botocore have of DynamoDB: members of operations, and of what stands in them. PALISADE_BLESS=1 and "
             "tests/clients/test_guard_dynamodb.py write it anew."]
    for service in ("dynamodb", "dynamodbstreams"):
        model = session.get_service_model(service)
        lines += [" ".join([service, name, *model.operation_model(name).input_shape.members]) for name in model.operation_names]
    model = session.get_service_model("dynamodb")
    shapes = ("KeysAndAttributes", "WriteRequest", "PutRequest", "DeleteRequest", "TransactGetItem", "TransactWriteItem", "ConditionCheck", "Put", "Delete",
              "Update", "Get", "Condition", "AttributeValueUpdate")
    lines += [" ".join(["shape", name, *model.shape_for(name).members]) for name in shapes]
    text = "\n".join(lines) + "\n"
    if os.environ.get("PALISADE_BLESS"):
        (GUARD / "dynamodb.api").write_text(text)
    assert (GUARD / "dynamodb.api").read_text() == text
