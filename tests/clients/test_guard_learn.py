"""Keys of tables that Palisade asks DynamoDB for, with tenants' own sessions: against tables that everybody may do everything to."""

import pytest
from botocore.exceptions import ClientError
from harness.backends import ACCOUNT, allow, role
from harness.clients import client
from harness.configs import at
from harness.process import wait_until

POOL, OTHER = "learnt-pool", "learnt-other"
RULE = {"tables": [POOL, OTHER], "leading_key": "{tenant.id}#", "learn": True, "open_indexes": ["by-status"]}
MINE, THEIRS = ({"tenant_key": {"S": f"{tenant}#1"}, "sk": {"S": "x"}} for tenant in ("acme", "globex"))


def keys(hash_key: str, range_key: str | None = None) -> list[dict]:
    names = [(hash_key, "HASH")] + ([(range_key, "RANGE")] if range_key else [])
    return [{"AttributeName": name, "KeyType": kind} for name, kind in names]


@pytest.fixture(scope="module")
def store(ministack, pool):
    user = ministack.client("iam").get_user(UserName="palisade")["User"]["Arn"]
    role(ministack, "tenant-learning", user, [allow("dynamodb:*", "*")])
    role(ministack, "tenant-untold", user, [allow(["dynamodb:GetItem", "dynamodb:PutItem"], "*")])
    tables = ministack.client("dynamodb")
    everything = {"ProjectionType": "ALL"}
    tables.create_table(
        TableName=POOL, BillingMode="PAY_PER_REQUEST", KeySchema=keys("tenant_key", "sk"),
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("tenant_key", "sk", "owner", "status", "date")],
        GlobalSecondaryIndexes=[{"IndexName": "by-owner", "KeySchema": keys("owner", "sk"), "Projection": everything},
                                {"IndexName": "by-status", "KeySchema": keys("status"), "Projection": everything}],
        LocalSecondaryIndexes=[{"IndexName": "by-date", "KeySchema": keys("tenant_key", "date"), "Projection": everything}])
    # The same words the other way round.
    tables.create_table(TableName=OTHER, BillingMode="PAY_PER_REQUEST", KeySchema=keys("sk", "tenant_key"),
                        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("tenant_key", "sk")])
    for tenant in ("acme", "globex"):
        item = {"tenant_key": {"S": f"{tenant}#1"}, "sk": {"S": "x"}, "owner": {"S": f"{tenant}#o"}, "status": {"S": "OPEN"}, "date": {"S": "1"}}
        tables.put_item(TableName=POOL, Item=item)
        tables.put_item(TableName=OTHER, Item=item | {"sk": {"S": f"{tenant}#x"}})
    return ministack


@pytest.fixture(scope="module")
def run(start, setting, store, pool, sts):
    def run(name: str, role_name: str, **guard):
        assume = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/{role_name}", "session_tags": {"TenantID": "{tenant.id}"}}
        parts = {"guard": {"dynamodb": [RULE], **guard}}
        return start(name, setting.egress({"dynamodb": at(store.port)}), setting.identity(), setting.credentials(pool, sts.port, assume), parts)

    return run


@pytest.fixture(scope="module")
def learning(run):
    return run("learning", "tenant-learning")


def acme(palisade, idp):
    return client("dynamodb", palisade.url, "acme", idp.token("acme"))


def refused(call, **request):
    with pytest.raises(ClientError) as error:
        call(**request)
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"


def noted(palisade, text: str):
    wait_until(lambda: [line for line in palisade.log() if text in (line.get("note") or "") + (line.get("would_deny") or "")], 5, f"the log says {text}")


def query(attribute: str, value: str, index: str | None = None) -> dict:
    named = {"IndexName": index} if index else {}
    return {"TableName": POOL, "KeyConditionExpression": "#k = :v", "ExpressionAttributeNames": {"#k": attribute},
            "ExpressionAttributeValues": {":v": {"S": value}}, **named}


def test_items_are_told_apart_by_the_key_that_the_table_has(learning, idp):
    tables = acme(learning, idp)
    assert tables.get_item(TableName=POOL, Key=MINE)["Item"]["owner"]["S"] == "acme#o"
    refused(tables.get_item, TableName=POOL, Key=THEIRS)
    refused(tables.put_item, TableName=POOL, Item=THEIRS)
    refused(tables.batch_get_item, RequestItems={POOL: {"Keys": [MINE, THEIRS]}})
    refused(tables.scan, TableName=POOL)
    # In the other table the very same key is another tenant's, or nobody's.
    refused(tables.get_item, TableName=OTHER, Key={"tenant_key": {"S": "acme#1"}, "sk": {"S": "globex#x"}})
    assert "Item" in tables.get_item(TableName=OTHER, Key={"tenant_key": {"S": "acme#1"}, "sk": {"S": "acme#x"}})
    theirs = client("dynamodb", learning.url, "globex", idp.token("globex"))
    assert theirs.get_item(TableName=POOL, Key=THEIRS)["Item"]["owner"]["S"] == "globex#o"
    refused(theirs.get_item, TableName=POOL, Key=MINE)


def test_indexes_are_held_to_their_own_keys(learning, store, idp):
    tables = acme(learning, idp)
    assert tables.query(**query("tenant_key", "acme#1"))["Count"] >= 1
    assert tables.query(**query("tenant_key", "acme#1", "by-date"))["Count"] >= 1
    assert tables.query(**query("owner", "acme#o", "by-owner"))["Count"] >= 1
    refused(tables.query, **query("tenant_key", "globex#1", "by-date"))
    refused(tables.query, **query("owner", "globex#o", "by-owner"))
    refused(tables.query, **query("status", "OPEN", "by-status"))
    assert store.client("dynamodb").query(**query("status", "OPEN", "by-status"))["Count"] >= 2, "it would have been everybody's"
    new = {"tenant_key": {"S": "acme#2"}, "sk": {"S": "y"}, "status": {"S": "OPEN"}}
    tables.put_item(TableName=POOL, Item=new)
    refused(tables.put_item, TableName=POOL, Item=new | {"owner": {"S": "globex#o"}})
    change = {"TableName": POOL, "Key": {name: new[name] for name in ("tenant_key", "sk")}, "UpdateExpression": "SET #a = :v"}
    tables.update_item(**change, ExpressionAttributeNames={"#a": "status"}, ExpressionAttributeValues={":v": {"S": "DONE"}})
    refused(tables.update_item, **change, ExpressionAttributeNames={"#a": "owner"}, ExpressionAttributeValues={":v": {"S": "globex#o"}})
    theirs = store.client("dynamodb").query(**query("owner", "globex#o", "by-owner"))["Items"]
    assert [item["tenant_key"]["S"] for item in theirs] == ["globex#1"]


def test_a_role_that_may_not_describe_tables_is_refused_and_the_log_says_what_to_do(run, idp):
    untold = run("untold", "tenant-untold")
    refused(acme(untold, idp).get_item, TableName=POOL, Key=MINE)
    noted(untold, "give dynamodb:DescribeTable to the tenant's role")
    watching = run("untold-watching", "tenant-untold", mode="audit")
    assert acme(watching, idp).get_item(TableName=POOL, Key=MINE)["Item"]["owner"]["S"] == "acme#o", "nothing but the question was denied"
    noted(watching, "give dynamodb:DescribeTable to the tenant's role")


def test_a_table_that_is_not_there_is_refused_until_it_is(run, store, idp):
    tables = acme(run("learning-late", "tenant-learning"), idp)
    store.client("dynamodb").delete_table(TableName=OTHER)
    key = {"tenant_key": {"S": "acme#1"}}
    refused(tables.get_item, TableName=OTHER, Key=key)
    store.client("dynamodb").create_table(TableName=OTHER, BillingMode="PAY_PER_REQUEST", KeySchema=keys("tenant_key"),
                                          AttributeDefinitions=[{"AttributeName": "tenant_key", "AttributeType": "S"}])

    def answered():
        try:
            return tables.get_item(TableName=OTHER, Key=key)
        except ClientError:
            return None

    wait_until(answered, 10, "the table is asked for again")
    refused(tables.get_item, TableName=OTHER, Key={"tenant_key": {"S": "globex#1"}})
