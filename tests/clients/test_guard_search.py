"""The guard's rules for OpenSearch, with the client that everybody uses, against an endpoint that answers whatever it is asked."""

import hashlib
import json
from pathlib import Path

import opensearchpy
import pytest
import yaml
from botocore.credentials import Credentials
from harness import wire
from harness.backends import ACCOUNT, REGION, allow, role
from harness.clients import placeholder
from harness.configs import RECORDS, at
from opensearchpy import helpers

KEYS = ("aoss", "es")
MINE, THEIRS = "index-v1-acme", "index-v1-globex"
CATALOGUES = {key: json.loads((Path(__file__).parents[1] / f"guard/{key}.json").read_text()) for key in KEYS}
FOUND = {"took": 1, "timed_out": False, "_shards": {"total": 1, "successful": 1, "failed": 0}, "hits": {"total": {"value": 0, "relation": "eq"}, "hits": []}}


@pytest.fixture(scope="module")
def run(start, setting, ministack, script, pool, sts, directory):
    (directory / "celled-tenants.yaml").write_text(yaml.safe_dump({"tenants": RECORDS | {"acme": {"cell": "c1"}}}))
    tenants = {"tenants": {"directory": {"file": "celled-tenants.yaml"}}}
    user = ministack.client("iam").get_user(UserName="palisade")["User"]["Arn"]
    role(ministack, "tenant-search", user, [allow(["aoss:APIAccessAll", "es:*"], "*")])

    def run(name: str, **parts):
        assume = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-search", "session_tags": {"TenantID": "{tenant.id}"}}
        return start(name, setting.egress({key: at(script.port) for key in KEYS}), setting.identity(), setting.credentials(pool, sts.port, assume), tenants, parts)

    return run


@pytest.fixture(scope="module")
def guarded(run):
    rules = [{"indexes": ["index-v1-{tenant.id}"]}, {"indexes": ["full-{tenant.id}"]}]
    return run("guarded-search", guard={"aoss": rules, "es": [rules[0], {**rules[1], "actions": "es:*"}]})


@pytest.fixture(params=KEYS)
def key(request) -> str:
    return request.param


@pytest.fixture
def search(key, guarded, idp):
    """An application's client: it signs with placeholder keys, as if for AWS."""
    keys = Credentials("tenant.acme", "placeholder", idp.token("acme"))
    return opensearchpy.OpenSearch(
        hosts=[{"host": "127.0.0.1", "port": guarded.port("egress")}], http_auth=opensearchpy.RequestsAWSV4SignerAuth(keys, REGION, key),
        connection_class=opensearchpy.RequestsHttpConnection, timeout=10, max_retries=0)


def test_what_is_the_tenants_own_arrives_signed_as_it_was_sent(search, script, key):
    script.says(200, json.dumps(FOUND).encode(), Content_Type="application/json")
    before = len(script.requests)
    query = {"query": {"bool": {"filter": [{"term": {"a": "b"}}]}}, "aggs": {"t": {"terms": {"field": "a"}}}}
    assert search.search(index=MINE, body=query, size=5)["hits"]["total"]["value"] == 0
    method, path, headers, body = script.requests[-1]
    assert (method, path.split("?")[0], json.loads(body)) == ("POST", f"/{MINE}/_search", query)
    sent = {name.lower(): value for name, value in headers.items()}
    scope = sent["authorization"].split("Credential=")[1].split(",")[0].split("/")
    assert scope[2:] == [REGION, key, "aws4_request"] and scope[0] != "tenant.acme" and sent["x-amz-security-token"].count(".") != 2
    if key == "aoss":
        assert sent["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()

    search.index(index=MINE, id="user@example.com", body={"a": 1}, refresh=True)
    search.get(index=MINE, id="_tpsmIBdwcYyG50zbtA")
    search.delete(index=MINE, id="1")
    search.update(index=MINE, id="1", body={"doc": {"a": 2}})
    search.count(index=[MINE, "full-acme"], body={"query": {"match_all": {}}})
    search.mget(body={"docs": [{"_index": MINE, "_id": "1"}]})
    search.mget(body={"ids": ["1"]}, index=MINE)
    search.msearch(body=[{"index": MINE}, {"query": {"match_all": {}}}, {"index": [MINE, "full-acme"]}, {}])
    search.indices.get_mapping(index=MINE)
    search.indices.get(index=MINE)
    search.explain(index=MINE, id="1", body={"query": {"match_all": {}}})
    search.field_caps(index=MINE, fields="*")
    assert search.info() == FOUND
    assert len(script.requests) - before == 14


def test_bulks_arrive_byte_for_byte(search, script):
    script.says(200, b'{"took":1,"errors":false,"items":[{"index":{"_index":"x","_id":"1","status":201}},{"delete":{"_index":"x","_id":"2","status":200}}]}',
                Content_Type="application/json")
    actions = [{"_op_type": "index", "_index": MINE, "_id": "1", "a": "\u00fc", "_routing": "r"}, {"_op_type": "delete", "_index": "full-acme", "_id": "2"}]
    assert helpers.bulk(search, actions) == (2, [])
    method, path, _, body = script.requests[-1]
    lines = [json.loads(line) for line in body.decode().splitlines()]
    assert (method, path) == ("POST", "/_bulk") and lines == [{"index": {"_id": "1", "_index": MINE, "routing": "r"}}, {"a": "\u00fc"},
                                                             {"delete": {"_id": "2", "_index": "full-acme"}}]


@pytest.mark.parametrize("call", [
    pytest.param(lambda c: c.search(index=THEIRS), id="another's index"),
    pytest.param(lambda c: c.search(index=f"{MINE},{THEIRS}"), id="a list"),
    pytest.param(lambda c: c.search(index="index-*"), id="a wildcard"),
    pytest.param(lambda c: c.search(index="_all"), id="all"),
    pytest.param(lambda c: c.search(), id="no index"),
    pytest.param(lambda c: c.search(index=MINE, body={"query": {"terms": {"a": {"index": THEIRS, "id": "1", "path": "a"}}}}), id="a lookup"),
    pytest.param(lambda c: c.search(index=MINE, body={"query": {"script_score": {"query": {"match_all": {}}, "script": {"source": "1"}}}}), id="a script"),
    pytest.param(lambda c: c.search(index=MINE, scroll="1m"), id="a scroll"),
    pytest.param(lambda c: c.scroll(scroll_id="x"), id="the next of a scroll"),
    pytest.param(lambda c: c.create_pit(index=MINE, keep_alive="1m"), id="a point in time"),
    pytest.param(lambda c: helpers.bulk(c, [{"_index": MINE, "a": 1}, {"_index": THEIRS, "a": 1}]), id="a bulk"),
    pytest.param(lambda c: c.mget(body={"docs": [{"_index": THEIRS, "_id": "1"}]}), id="a multi get"),
    pytest.param(lambda c: c.msearch(body=[{}, {"query": {"match_all": {}}}]), id="a multi search without an index"),
    pytest.param(lambda c: c.reindex(body={"source": {"index": THEIRS}, "dest": {"index": MINE}}), id="a reindex"),
    pytest.param(lambda c: c.cat.indices(), id="a listing"),
    pytest.param(lambda c: c.indices.put_alias(index=THEIRS, name=MINE), id="an alias"),
    pytest.param(lambda c: c.update(index=MINE, id="1", body={"script": {"source": "1"}}), id="a script in an update"),
    pytest.param(lambda c: c.index(index=MINE, body={"a": 1}, pipeline="p"), id="a pipeline"),
])
def test_what_is_refused_is_an_error_that_the_client_knows(search, script, guarded, call):
    before = len(script.requests)
    with pytest.raises(opensearchpy.exceptions.AuthorizationException) as refused:
        call(search)
    assert refused.value.status_code == 403 and len(script.requests) == before
    assert "AccessDenied" in str(refused.value.error) or "AccessDenied" in str(refused.value.info)
    assert not any("globex" in json.dumps(line) for line in guarded.log()), "names of others are in no log"


def test_what_changes_an_index_has_to_be_listed(search, script, key):
    script.says(200, b'{"acknowledged":true}', Content_Type="application/json")
    mapping = {"settings": {"index": {"knn": True}}, "mappings": {"properties": {"v": {"type": "knn_vector", "dimension": 2}}}}
    with pytest.raises(opensearchpy.exceptions.AuthorizationException):
        search.indices.create(index=MINE, body=mapping)
    if key == "es":
        assert search.indices.create(index="full-acme", body=mapping)["acknowledged"]
        assert search.indices.delete(index="full-acme")["acknowledged"]


@pytest.mark.parametrize("key", KEYS)
def test_requests_of_the_catalogue_meet_on_the_wire_what_they_meet_in_the_unit_tests(run, idp, script, key):
    script.says(200, b"{}", Content_Type="application/json")
    catalogue, wrong = CATALOGUES[key], []
    other = next(other for other in KEYS if other != key)
    palisade = run(f"catalogue-{key}", guard=yaml.safe_load(catalogue["rules"]) | {other: [{"indexes": ["x-{tenant.id}"]}]})
    host, token = ("Host", f"127.0.0.1:{palisade.port('egress')}"), idp.token("acme")
    for case in catalogue["cases"]:
        method, path = case["do"].split(" ", 1)
        body = case.get("body", "")
        body = (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).encode()
        own = case.get("headers", [])
        if not any(name == "content-type" for name, _ in own):
            own = [*own, ("content-type", catalogue["content_type"])]
        # What a client sends of AWS's own, it signs.
        signed = {name: value for name, value in own if name.startswith("x-amz-")}
        headers = [host, *placeholder("acme", token, key, signed).items(), *(pair for pair in own if pair[0] not in signed)]
        answer = wire.exchange(palisade.port("egress"), wire.request(method, path, headers, body))
        if answer.reason != (None if case["is"] in ("allowed", "watched") else case["is"]):
            wrong.append((case["do"], case["why"], case["is"], answer.status, answer.reason))
    assert not wrong
