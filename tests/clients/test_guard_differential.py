"""What the guard says of a request, against what stores make of it: of requests that are made up, with a fixed seed.

Every request is sent twice: to a Palisade with rules, and, about things of another name, past all rules: to moto as it is, to MiniStack, which wants
a signature, through a Palisade without any. What the store then has says what the request was about. What the rules let through has to have been the
tenant's; what they refused has to have been somebody else's, or to be among the exceptions, each of which has a name and a reason.
"""

import json
import random
import re
from collections import Counter
from dataclasses import dataclass
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import pytest
from harness import backends, wire
from harness.backends import ACCOUNT, REGION, Backend, allow, role
from harness.configs import at

SEED = 20_261_128
CASES = 120
# Pool and mirror, of buckets and of tables: rules are about the first alone, which is what nobody else may write to.
BUCKET, MIRROR = "pool-drawn", "drawn-pool"
POOL_TABLE, MIRROR_TABLE, INDEX = "drawn-pool", "drawn-open", "by-owner"
RULES = {
    "s3": [{"buckets": [BUCKET], "prefix": "{tenant.id}/"}],
    "dynamodb": [{"tables": [POOL_TABLE], "leading_key": "{tenant.id}#", "key": "pk", "indexes": {INDEX: "owner"}}],
}
PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/!$&'()*,;=:@"


@dataclass
class Stage:
    """A store, a Palisade with rules in front of it, and a way past all rules."""

    store: Backend
    guarded: object
    open_door: object | None
    token: str

    def ask(self, method: str, path: str, host: str, headers=(), body: bytes = b"") -> wire.Message:
        return self._through(self.guarded, method, path, host, headers, body)

    def past(self, method: str, path: str, host: str, headers=(), body: bytes = b"") -> wire.Message:
        if self.open_door:
            return self._through(self.open_door, method, path, host, headers, body)
        service = "dynamodb" if host.startswith("dynamodb") else "s3"
        signed = f"AWS4-HMAC-SHA256 Credential=testing/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature={'0' * 64}"
        own = [("Host", host), ("Authorization", signed), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]
        return wire.exchange(self.store.port, wire.request(method, path, [*own, *headers], body))

    def _through(self, palisade, method, path, host, headers, body) -> wire.Message:
        own = [("Host", host), ("x-tenant-id", "acme"), ("x-tenant-token", self.token)]
        return wire.exchange(palisade.port("egress"), wire.request(method, path, [*own, *headers], body))


@pytest.fixture(scope="module")
def stage_of(start, setting, idp):
    def build(name: str, store: Backend, key, is_strict: bool) -> Stage:
        user = store.client("iam").get_user(UserName="palisade")["User"]["Arn"]
        role(store, "tenant-drawn", user, [allow(["s3:*", "dynamodb:*"], "*")])
        provision(store)
        assume = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-drawn", "session_tags": {"TenantID": "{tenant.id}"}}
        services = {"s3": at(store.port), "dynamodb": at(store.port)}
        room = {"limits": {"default": {"requests_per_second": 5000, "burst": 5000}}}
        run = lambda name, **parts: start(name, setting.egress(services), setting.identity(), setting.credentials(key, store.port, assume), room, parts)  # noqa: E731
        return Stage(store, run(f"drawn-{name}", guard=RULES), run(f"drawn-open-{name}") if is_strict else None, idp.token("acme"))

    return build


def provision(store: Backend):
    s3, tables = store.client("s3"), store.client("dynamodb")
    have = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for bucket in {BUCKET, MIRROR} - have:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    for name in (POOL_TABLE, MIRROR_TABLE):
        tables.create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "owner")],
            GlobalSecondaryIndexes=[{"IndexName": INDEX, "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}])


@pytest.fixture(scope="module")
def ministack_stage(stage_of, ministack, pool) -> Stage:
    return stage_of("ministack", ministack, pool, is_strict=True)


@pytest.fixture(scope="module")
def moto_stage(stage_of, tmp_path_factory):
    """moto that checks no signatures, so that it can be asked for anything as it stands."""
    store = backends.moto(tmp_path_factory.mktemp("open-moto"))
    _, key = backends.base_user(store)
    yield stage_of("moto", store, key, is_strict=False)
    store.stop()


@pytest.fixture(params=["ministack", "moto"])
def stage(request) -> Stage:
    return request.getfixturevalue(f"{request.param}_stage")


def where(bucket: str, is_virtual: bool) -> tuple[str, str]:
    """The host, and how the path begins. The host that moto is asked for itself has to be one that it knows as S3's."""
    return (f"{bucket}.s3.{REGION}.amazonaws.com", "") if is_virtual else (f"s3.{REGION}.amazonaws.com", f"/{bucket}")


def spelt(text: str, chance: random.Random, plain: str = PLAIN) -> str:
    """One of the ways to write a text into a path, a query or a header."""
    return "".join(f"%{byte:02{chance.choice('xX')}}" if byte >= 0x80 or chance.random() < 0.2 or chr(byte) not in plain else chr(byte) for byte in text.encode())


PIECES = ["acme", "globex", "acme2", "/", "//", "%", "%2F", "%61", "+", " ", ".", "..", "é", "a", "-", "#", "?", "&", "\\", "\t", "ACME", "https:", "?versionId=1",
          "\u2028", "'", '"', "<", ">"]


def drawn_key(chance: random.Random) -> str:
    start = chance.choice(["", "acme/", "acme/", "acme", "/acme/", "acme2/", "globex/", "./acme/", "acme%2F"])
    return start + "".join(chance.choices(PIECES, k=chance.randrange(1, 5)))


def keys_in(s3, bucket: str) -> set[str]:
    return {found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


def emptied(s3, bucket: str) -> dict[str, bytes]:
    """What a bucket has in it, of which nothing stays."""
    found = {}
    for key in keys_in(s3, bucket):
        try:
            found[key] = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            s3.delete_object(Bucket=bucket, Key=key)
        except s3.exceptions.ClientError:
            # The store lists a key that it does not find again; the bucket is made anew.
            found[key] = b""
    return found


# What is refused although the store would have it as the tenant's, and why.
EXCEPTIONS = {
    "dots": "stores that keep keys as files would follow them",
    "hidden version": "some stores look for the version of a copy's source behind the decoding, and cut off whatever follows a question mark",
    "twice": "a listing's prefix, or a member of a body, that is there twice is one or the other",
    "unknown": "S3 has no such parameter, so some store could take it for anything, a prefix for one",
    "slash": "S3 keeps a slash that a key begins with; moto drops it behind a bucket's own host",
}


def exception(key: str, is_source: bool = False) -> str | None:
    if ".." in re.split(r"[/\\]", key):
        return "dots"
    if is_source and "?versionid=" in key.lower():
        return "hidden version"
    return None


def check(seen: Counter, nothing: str):
    """A comparison of both kinds, most of which took place, with no other exceptions than those above."""
    assert set(seen) <= EXCEPTIONS.keys() | {"mine", "theirs", nothing}, seen
    assert seen["mine"] > seen.total() // 10 and seen["theirs"] > seen.total() // 10 and seen[nothing] < seen.total() // 2, seen


def judged(answer: wire.Message) -> bool:
    """Whether the guard let it through. It says no in one way alone."""
    assert answer.reason in (None, "guard-denied"), answer.start
    return answer.reason is None


def test_what_is_put_is_under_the_key_that_was_judged(stage):
    chance, seen, s3 = random.Random(SEED), Counter(), stage.store.client("s3")
    emptied(s3, MIRROR)
    before = keys_in(s3, BUCKET)
    for number in range(CASES):
        key, body, is_virtual = drawn_key(chance), f"{number}".encode(), chance.random() < 0.5
        path = "/" + spelt(key, chance)
        host, start = where(MIRROR, is_virtual)
        made = stage.past("PUT", start + path, host, [], body)
        kept = emptied(s3, MIRROR)
        host, start = where(BUCKET, is_virtual)
        allowed = judged(stage.ask("PUT", start + path, host, [], body))
        if made.status != 200 or body not in kept.values():
            seen["not stored"] += 1
            continue
        (stored,) = kept
        mine, why = stored.startswith("acme/"), exception(stored)
        if key.startswith("/") and stored == key.lstrip("/"):
            why = why or "slash"
        assert allowed == (mine and why is None), (path, stored, allowed)
        seen[why if mine and why else "mine" if mine else "theirs"] += 1
    new = keys_in(s3, BUCKET) - before
    assert new and all(key.startswith("acme/") for key in new), new
    check(seen, "not stored")


def test_what_is_copied_is_the_source_that_was_judged(stage):
    """Each object has its own key in it, so that a copy says where it is from."""
    chance, seen, s3 = random.Random(SEED + 1), Counter(), stage.store.client("s3")
    names = ["acme/x", "acme/a b", "acme/a+b", "globex/x", "acme2/x", "/acme/x", "acme/%61", "acme/é", "acme/a?b", "globex/a+b", "acme", "acme/a#b", "acme//x"]
    for bucket in (BUCKET, MIRROR):
        for name in names:
            s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
    for _ in range(CASES):
        name = chance.choice(names)
        source = spelt(name, chance) + chance.choice(["", "", "", "?versionId=null", "%3FversionId=null", "?x=y"])
        slash = chance.choice(["", "/"])
        made = stage.past("PUT", f"/{MIRROR}/copied", where(MIRROR, False)[0], [("x-amz-copy-source", f"{slash}{MIRROR}/{source}")])
        allowed = judged(stage.ask("PUT", f"/{BUCKET}/acme/copied", where(BUCKET, False)[0], [("x-amz-copy-source", f"{slash}{BUCKET}/{source}")]))
        if made.status != 200 or b"<Error>" in made.body:
            seen["not copied"] += 1
            continue
        copied = s3.get_object(Bucket=MIRROR, Key="copied")["Body"].read().decode()
        mine, why = copied.startswith("acme/"), exception(copied, is_source=True)
        if "%3FversionId" in source or source.endswith("?x=y"):
            why = why or "hidden version"
        assert allowed == (mine and why is None), (source, copied, allowed)
        if allowed:
            assert s3.get_object(Bucket=BUCKET, Key="acme/copied")["Body"].read().decode() == copied
        seen[why if mine and why else "mine" if mine else "theirs"] += 1
    check(seen, "not copied")
    for name in {*names, "acme/copied"}:
        s3.delete_object(Bucket=BUCKET, Key=name)
    emptied(s3, MIRROR)


def escaped(key: str, chance: random.Random) -> str:
    """One of the ways to write a key into XML."""
    named = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
    ways = lambda c: [named[c]] if c in "&<" else [c, named.get(c, c)]  # noqa: E731
    numbered = lambda c: [f"&#{ord(c)};", f"&#x{ord(c):x};", f"&#x{ord(c):X};"]  # noqa: E731
    return "".join(chance.choice(numbered(c)) if chance.random() < 0.2 else chance.choice(ways(c)) for c in key)


def test_what_is_deleted_is_what_was_judged(stage):
    chance, seen, s3 = random.Random(SEED + 2), Counter(), stage.store.client("s3")
    names = ["acme/x", "acme/&", "acme/<b>", "acme/'\"", "acme/é ", " acme/x", "globex/x", "globex/&", "acme2/x", "acme/a\nb", "acme/\u2028"]
    # moto has no route for some of them.
    names = [name for name in names if stage.past("PUT", f"/{MIRROR}/{quote(name)}", where(MIRROR, False)[0], [], b"x").status == 200]
    assert len(names) > 8
    for _ in range(CASES // 2):
        for name in set(names) - keys_in(s3, MIRROR):
            s3.put_object(Bucket=MIRROR, Key=name, Body=b"x")
        chosen = chance.sample(names if chance.random() < 0.5 else [name for name in names if name.startswith("acme/")], chance.randrange(1, 4))
        blank = chance.choice(["", "", "\n  "])
        objects = "".join(f"{blank}<Object>{blank}<Key>{escaped(name, chance)}</Key>{blank}</Object>" for name in chosen)
        space = chance.choice(["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
        declaration = chance.choice(["", '<?xml version="1.0" encoding="UTF-8"?>'])
        body = f"{declaration}<Delete{space}>{objects}{blank}</Delete>".encode()
        before = keys_in(s3, MIRROR)
        made = stage.past("POST", f"/{MIRROR}?delete", where(MIRROR, False)[0], [("content-type", "application/xml")], body)
        gone = before - keys_in(s3, MIRROR)
        allowed = judged(stage.ask("POST", f"/{BUCKET}?delete", where(BUCKET, False)[0], [("content-type", "application/xml")], body))
        if made.status != 200 or len(gone) != len(chosen):
            seen["not deleted"] += 1
            continue
        assert allowed == all(key.startswith("acme/") for key in gone), (body, gone, allowed)
        seen["mine" if allowed else "theirs"] += 1
    emptied(s3, MIRROR)
    check(seen, "not deleted")


def test_what_is_listed_is_what_was_judged(stage):
    chance, seen, s3 = random.Random(SEED + 3), Counter(), stage.store.client("s3")
    names = ["acme/x", "acme/a b", "acme/é", "globex/x", "acme2/x", "acme"]
    for bucket in (BUCKET, MIRROR):
        for name in names:
            s3.put_object(Bucket=bucket, Key=name, Body=b"x")
    for _ in range(CASES):
        prefix = chance.choice(["acme/", "acme", "acme/a b", "acme/é", "globex/", "", "a", "acme2", "/acme/", "acme/%61", "ACME/", "acme//"])
        word = spelt("prefix", chance) if chance.random() < 0.3 else "prefix"
        pairs = [f"{word}={spelt(prefix, chance, PLAIN.replace('&', '').replace(';', ''))}"] if chance.random() < 0.9 else []
        pairs += chance.sample(["list-type=2", "max-keys=10", "delimiter=%2F", "start-after=a", "x=prefix", "Prefix=acme/", "encoding-type=url"], chance.randrange(3))
        if chance.random() < 0.1:
            pairs.append("prefix=globex/")
        chance.shuffle(pairs)
        query, is_virtual = "&".join(pairs), chance.random() < 0.5
        host, start = where(MIRROR, is_virtual)
        made = stage.past("GET", f"{start}/?{query}", host)
        host, start = where(BUCKET, is_virtual)
        answer = stage.ask("GET", f"{start}/?{query}", host)
        allowed = judged(answer)
        if made.status != 200 or (allowed and answer.status != 200):
            seen["not listed"] += 1
            continue
        found = [element.text or "" for element in ElementTree.fromstring(made.body).iter() if re.search(r"}(Key|Prefix)$", element.tag)]
        asked, listed = found[0] if found else "", {name.replace("%2F", "/") for name in found[1:]}
        twice = sum(unquote(pair.split("=")[0]) == "prefix" for pair in pairs) > 1
        if allowed:
            assert all(name.startswith("acme/") for name in listed), (query, found)
            here = [element.text or "" for element in ElementTree.fromstring(answer.body).iter() if re.search(r"}Key$", element.tag)]
            assert all(name.replace("%2F", "/").startswith("acme/") for name in here), (query, here)
        why = "twice" if twice else "unknown" if {"Prefix=acme/", "x=prefix"} & set(pairs) else None
        assert allowed == (why is None and asked.replace("%2F", "/").startswith("acme/")), (query, found, allowed)
        seen[why or ("mine" if allowed else "theirs")] += 1
    for name in names:
        s3.delete_object(Bucket=BUCKET, Key=name)
    emptied(s3, MIRROR)
    check(seen, "not listed")


def call(stage: Stage, table: str, operation: str, body: str) -> wire.Message:
    """About the pool by the rules, about the mirror past them. `TABLE` stands for its name."""
    headers = [("x-amz-target", f"DynamoDB_20120810.{operation}"), ("content-type", "application/x-amz-json-1.0")]
    send = stage.ask if table == POOL_TABLE else stage.past
    return send("POST", "/", f"dynamodb.{REGION}.amazonaws.com", headers, body.replace("TABLE", table).encode())


def scanned(tables, name: str) -> list[dict]:
    return tables.scan(TableName=name)["Items"]


def quoted(text: str, chance: random.Random) -> str:
    """One of the ways to write a text into JSON."""
    return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 and (chance.random() < 0.2 or c in '"\\' or c < " ") else c for c in text) + '"'


STARTS = ["acme#", "acme#", "acme#", "globex#", "acme", "acme-eu#", "ACME#", " acme#", "acme\0#", "аcme#"]


def drawn_hash(chance: random.Random) -> str:
    return chance.choice(STARTS) + "".join(chance.choices(["1", "a", "#", "/", "é", '"', "\\", "acme#"], k=chance.randrange(1, 3)))


def drawn_write(chance: random.Random, number: int) -> tuple[str, str]:
    """A request that writes items, each of which has `sk` and `by`."""
    key = lambda: f'"pk":{{"S":{quoted(drawn_hash(chance), chance)}}},"sk":{{"S":"{number}"}}'  # noqa: E731
    owner = f',"owner":{{"S":{quoted(drawn_hash(chance), chance)}}}' if chance.random() < 0.3 else ""
    item = lambda: f'{{{key()}{owner},"by":{{"S":"acme"}}}}'  # noqa: E731
    update = '"UpdateExpression":"SET #b = :b","ExpressionAttributeNames":{"#b":"by"},"ExpressionAttributeValues":{":b":{"S":"acme"}}'
    if owner:
        update = ('"UpdateExpression":"set #b=:b , #o = :o","ExpressionAttributeNames":{"#b":"by","#o":"owner"},'
                  f'"ExpressionAttributeValues":{{":b":{{"S":"acme"}},":o":{owner.split(":", 1)[1]}}}')
    puts = ",".join(f'{{"PutRequest":{{"Item":{item()}}}}}' for _ in range(chance.randrange(1, 4)))
    orders = ",".join(f'{{"Put":{{"TableName":"TABLE","Item":{item()}}}}}' for _ in range(chance.randrange(1, 3)))
    twice = f'{{{key()},{key()},"by":{{"S":"acme"}}}}'
    return chance.choice([
        ("PutItem", f'{{"TableName":"TABLE","Item":{item()}}}'),
        ("PutItem", f'{{"Item":{item()},"TableName":"TABLE"}}'),
        ("PutItem", f'{{"TableName":"TABLE","Item":{twice}}}'),
        ("UpdateItem", f'{{"TableName":"TABLE","Key":{{{key()}}},{update}}}'),
        ("BatchWriteItem", f'{{"RequestItems":{{"TABLE":[{puts}]}}}}'),
        ("TransactWriteItems", f'{{"TransactItems":[{orders}]}}'),
    ])


def is_mine(item: dict) -> bool:
    return all(item[name]["S"].startswith("acme#") for name in ("pk", "owner") if name in item)


def test_what_is_written_is_the_item_that_was_judged(stage):
    chance, seen, tables = random.Random(SEED + 4), Counter(), stage.store.client("dynamodb")
    for number in range(CASES):
        operation, body = drawn_write(chance, number)
        made = call(stage, MIRROR_TABLE, operation, body)
        written = scanned(tables, MIRROR_TABLE)
        for item in written:
            tables.delete_item(TableName=MIRROR_TABLE, Key={name: item[name] for name in ("pk", "sk")})
        allowed = judged(call(stage, POOL_TABLE, operation, body))
        if made.status != 200 or not written:
            seen["not written"] += 1
            continue
        twice = body.count('"pk"') > 1 and operation == "PutItem"
        assert allowed == (all(map(is_mine, written)) and not twice), (operation, body, written, allowed)
        seen["twice" if twice else "mine" if allowed else "theirs"] += 1
    kept = scanned(tables, POOL_TABLE)
    assert kept and all(map(is_mine, kept)), [item for item in kept if not is_mine(item)]
    check(seen, "not written")
    for item in kept:
        tables.delete_item(TableName=POOL_TABLE, Key={name: item[name] for name in ("pk", "sk")})


def cased(word: str, chance: random.Random) -> str:
    return chance.choice([word, word.lower(), word.capitalize()])


def drawn_query(chance: random.Random, is_simple: bool) -> tuple[dict, bool]:
    """A query, and whether it is one that an application of the tenant has a right to: it says `=` of the hash key once, with a value of the tenant's.

    `is_simple`: for a reader that wants one blank between words, and no parentheses around more than a test.
    """
    is_index = chance.random() < 0.3
    hash_name = "owner" if is_index else "pk"
    blank = lambda: "" if is_simple else chance.choice(["", " ", "  ", "\t", "\n"])  # noqa: E731
    own, other = chance.choice(["acme#1", "acme#2"]), chance.choice(["globex#1", "acme", "acme-eu#1", ""])
    value = own if chance.random() < 0.6 else other
    names, values = {}, {":h": {"S": value}}

    def name(attribute: str) -> str:
        if chance.random() < 0.5 and attribute != "owner":
            return attribute
        alias = chance.choice(["#a", "#pk", "#1", "#_x"]) + attribute[0]
        names[alias] = attribute
        return alias

    def group(text: str) -> str:
        return f"({blank()}{text}{blank()})" if chance.random() < 0.3 else text

    values |= {":s": {"S": "x"}, ":t": {"S": "z"}}
    of_hash = group(f"{name(hash_name)}{blank()}={blank()}:h")
    range_test = group(chance.choice([
        f"{name('sk')}{blank()}={blank()}:s", f"{name('sk')} {chance.choice(['<', '<=', '>', '>='])} :s", f"begins_with({blank()}{name('sk')},{blank()}:s)",
        f"{name('sk')} {cased('BETWEEN', chance)} :s {cased('AND', chance)} :t"]))
    odd = chance.choice([
        f"{of_hash} {cased('OR', chance)} {name('sk')} >= :s", f"begins_with({name(hash_name)}, :h)", f"{name(hash_name)} >= :h",
        f"{name(hash_name)} <> :h", f"{cased('NOT', chance)} {of_hash}", f"{of_hash} AND {name(hash_name)} = :other", f"{name(hash_name)} IN (:h, :other)",
        f"{name(hash_name)} BETWEEN :s AND :t", f"{name('sk')} = :s", f"({of_hash}) AND ({range_test} OR {of_hash})", f"{of_hash} AND", "", "pk.x = :h"])
    is_plain = chance.random() < 0.7
    if is_plain:
        tests = [of_hash, range_test] if chance.random() < 0.6 and not is_index else [of_hash]
        if chance.random() < 0.3:
            tests.reverse()
        text = f" {cased('AND', chance)} ".join(tests)
        text = text if is_simple else group(text)
    else:
        text = odd
        values[":other"] = {"S": "globex#1"}
    # DynamoDB wants to see every name and value used, which emulators see differently.
    used = lambda given: {name: given[name] for name in given if re.search(re.escape(name) + r"\b", text)}  # noqa: E731
    query = {"TableName": "TABLE", "KeyConditionExpression": blank() + text + blank(), "ExpressionAttributeValues": used(values)}
    if used(names):
        query["ExpressionAttributeNames"] = used(names)
    if is_index:
        query["IndexName"] = INDEX
    return query, is_plain and value == own


def test_what_is_found_is_what_was_judged(stage):
    chance, seen, tables = random.Random(SEED + 5), Counter(), stage.store.client("dynamodb")
    for table in (POOL_TABLE, MIRROR_TABLE):
        for pk in ("acme#1", "acme#2", "globex#1", "globex#2", "acme-eu#1", "acme"):
            for sk in ("a", "x", "y"):
                tables.put_item(TableName=table, Item={"pk": {"S": pk}, "sk": {"S": sk}, "owner": {"S": pk}})
    for _ in range(CASES * 2):
        query, is_right = drawn_query(chance, is_simple=stage.open_door is None)
        body = json.dumps(query)
        made = call(stage, MIRROR_TABLE, "Query", body)
        answer = call(stage, POOL_TABLE, "Query", body)
        allowed = judged(answer)
        assert allowed or not is_right, ("a right is refused", body)
        found = json.loads(made.body)["Items"] if made.status == 200 else []
        if allowed:
            here = json.loads(answer.body)["Items"] if answer.status == 200 else []
            assert all(map(is_mine, found + here)), (body, found, here)
        seen[("allowed" if allowed else "refused", "an error" if made.status != 200 else "some" if found else "none")] += 1
        if not allowed and found and all(map(is_mine, found)):
            seen["only by chance"] += 1
    assert seen[("allowed", "some")] > CASES // 10 and seen[("refused", "some")] > CASES // 20, seen
    # What is refused finds others' items, or finds nothing, or is no query; there may be some that find the tenant's own by chance, such as those with OR.
    assert seen["only by chance"] < CASES // 5, seen
    for table in (POOL_TABLE, MIRROR_TABLE):
        for item in scanned(tables, table):
            tables.delete_item(TableName=table, Key={name: item[name] for name in ("pk", "sk")})
