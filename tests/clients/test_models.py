"""The isolation models, each against policies that are enforced: what a tenant gets at, what it does not, and what STS was asked for.

What MiniStack does not evaluate (policy variables, leading keys, policies in AssumeRoleWithWebIdentity) is written out here tenant by
tenant, or only looked for in what STS received.
"""

import contextlib
import time
import urllib.parse

import pytest
import yaml
from botocore.exceptions import ClientError
from harness.backends import ACCOUNT, BUCKET, REGION, allow, document, role
from harness.clients import client
from harness.configs import RECORDS, at
from harness.idp import IdentityProvider
from harness.tap import Tap

ROLE = f"arn:aws:iam::{ACCOUNT}:role"
TENANTS = ("acme", "globex")
TAGS = "https://aws.amazon.com/tags"


def of(tenant: str, **more) -> dict:
    """What a tenant may do with its part of the pool."""
    return allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{BUCKET}/{tenant}/*", **more)


def trust(backend, name: str, statement: dict, statements: list):
    iam = backend.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document({"Effect": "Allow"} | statement))
    iam.put_role_policy(RoleName=name, PolicyName="data", PolicyDocument=document(*statements))


@pytest.fixture(scope="module")
def pods() -> IdentityProvider:
    """Who issues service account tokens."""
    return IdentityProvider("https://kubernetes.test")


@pytest.fixture(scope="module")
def world(ministack, pool, idp, pods, directory):
    """Roles, managed policies and records for every model, beside those of the pool."""
    iam = ministack.client("iam")
    user = iam.get_user(UserName="palisade")["User"]["Arn"]
    both = [of(tenant) for tenant in TENANTS]
    role(ministack, "tenant-tagged", user, [of(t, Condition={"StringEquals": {"aws:PrincipalTag/TenantID": t}}) for t in TENANTS],
         {"StringLike": {"aws:RequestTag/TenantID": "*"}})
    role(ministack, "tenant-managed", user, both)
    role(ministack, "tenant-hub", user, [allow(["sts:AssumeRole", "sts:TagSession"], f"{ROLE}/*")])
    role(ministack, "tenant-tables", user, [allow("dynamodb:GetItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders-*")])
    for tenant in TENANTS:
        iam.create_policy(PolicyName=f"data-{tenant}", PolicyDocument=document(of(tenant)))
        role(ministack, f"tenant-of-record-{tenant}", user, [of(tenant)], {"StringEquals": {"sts:ExternalId": f"external-{tenant}"}})
        # Whom the hub may lead to this role is what the hub's session is tagged with.
        role(ministack, f"behind-{tenant}", f"{ROLE}/tenant-hub", [of(tenant)])
        role(ministack, f"behind-tagged-{tenant}", f"{ROLE}/tenant-hub", [of(tenant)], {"StringEquals": {"aws:PrincipalTag/TenantID": tenant}})
        for prefix, issuer, condition in (
            ("web", "idp.test", {"idp.test:aud": "api"}),
            ("strict", "idp.test", {"idp.test:aud": "api", "idp.test:sub": "user-1"}),
            ("pod", "kubernetes.test", {"kubernetes.test:sub": "system:serviceaccount:prod:palisade"}),
        ):
            trust(ministack, f"{prefix}-{tenant}", {
                "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"}, "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": condition}}, [of(tenant)])
    accounts = {"acme": ACCOUNT, "globex": "222233334444"}
    records = {t: RECORDS[t] | {"account": accounts[t], "cell": "c1", "attributes": {"role_arn": f"{ROLE}/tenant-of-record-{t}"}} for t in TENANTS}
    records["single"] = RECORDS["single"] | {"attributes": {"role_arn": f"arn:aws:iam::{ACCOUNT}:user/palisade"}}
    (directory / "models.yaml").write_text(yaml.safe_dump({"tenants": records}))
    (directory / "pod-token").write_text(pods.token(None, aud="sts.amazonaws.com", sub="system:serviceaccount:prod:palisade") + "\n")
    return ministack


class Model:
    """A Palisade with one plan, and the wire between it and STS."""

    def __init__(self, palisade, sts: Tap, idp: IdentityProvider):
        self.palisade, self.sts, self.idp = palisade, sts, idp

    def s3(self, tenant: str, proof: str | None = None):
        return client("s3", self.palisade.url, tenant, proof or self.idp.token(tenant))

    def get(self, tenant: str, owner: str, proof: str | None = None) -> str:
        """The owner's object, or the code of the error."""
        try:
            return self.s3(tenant, proof).get_object(Bucket=BUCKET, Key=f"{owner}/hello.txt")["Body"].read().decode()
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPHeaders"].get("x-palisade-reason") or error.response["Error"]["Code"]

    def asked(self) -> list[dict]:
        """The parameters of every session that was asked for, in order, and whether the call was signed."""
        calls = []
        for request, _ in self.sts.exchanges():
            form = dict(urllib.parse.parse_qsl(request.body.decode()))
            if form["Action"].startswith("AssumeRole"):
                calls.append(form | {"signed": request.header("authorization") is not None})
        return calls

    def keeps_tenants_apart(self, proofs: dict | None = None):
        for tenant, other in (TENANTS, TENANTS[::-1]):
            proof = (proofs or {}).get(tenant)
            assert self.get(tenant, tenant, proof) == f"hello {tenant}"
            assert self.get(tenant, other, proof) == "aws-denied"


@pytest.fixture
def model(world, start, setting, pool, idp, pooled_services):
    """Starts a Palisade for a plan; with `identity=False` it has no credentials of its own."""
    with contextlib.ExitStack() as stack:
        def run(name: str, plans: dict, identity: bool = True, services: dict | None = None, front: dict | None = None) -> Model:
            tap = stack.enter_context(contextlib.closing(Tap(world.port)))
            credentials = setting.credentials(pool, tap.port, {})["credentials"] | plans
            if "assume_role" not in plans:
                del credentials["assume_role"]
            if not identity:
                del credentials["source"]
            identities = setting.identity() | {"tenants": {"directory": {"file": "models.yaml"}}}
            palisade = start(f"model-{name}", front or {}, setting.egress(services or pooled_services), identities, {"credentials": credentials})
            return Model(palisade, tap, idp)
        yield run


def test_a_pool_by_session_tags(model):
    tagged = model("tags", {"assume_role": {"role_arn": f"{ROLE}/tenant-tagged", "session_tags": {"TenantID": "{tenant.id}", "Cell": "{cell}"}}})
    tagged.keeps_tenants_apart()
    calls = tagged.asked()
    assert [(c["RoleArn"], c["Tags.member.1.Value"], c["Tags.member.2.Value"]) for c in calls] == [(f"{ROLE}/tenant-tagged", t, "c1") for t in TENANTS]
    assert not [c for c in calls if "Policy" in c or "PolicyArns.member.1.arn" in c]


def test_a_pool_by_managed_policies(model):
    arn = f"arn:aws:iam::{ACCOUNT}:policy/data"
    managed = model("managed", {"assume_role": {"role_arn": f"{ROLE}/tenant-managed", "policy_arns": [f"{arn}-{{tenant.id}}"]}})
    managed.keeps_tenants_apart()
    assert [c["PolicyArns.member.1.arn"] for c in managed.asked()] == [f"{arn}-{t}" for t in TENANTS]


def test_a_role_that_the_record_names(model):
    record = model("record", {"assume_role": {"role_arn": "{tenant.attributes.role_arn}", "external_id": "{tenant.external_id}"}})
    record.keeps_tenants_apart()
    assert [(c["RoleArn"], c["ExternalId"]) for c in record.asked()] == [(f"{ROLE}/tenant-of-record-{t}", f"external-{t}") for t in TENANTS]
    assert record.get("single", "single") == "plan-incomplete", "a user is no role"
    assert len(record.asked()) == 2


def test_an_account_a_tenant_with_its_external_id(model):
    account = model("account", {"assume_role": {"role_arn": "arn:aws:iam::{tenant.account}:role/tenant-of-record-acme",
                                                "external_id": "{tenant.external_id}"}})
    assert account.get("acme", "acme") == "hello acme"
    assert account.get("globex", "acme") == "credentials-denied", "the role is in another account"
    assert [c["RoleArn"].split(":")[4] for c in account.asked()] == [ACCOUNT, "222233334444"]
    confused = model("confused", {"assume_role": {"role_arn": f"{ROLE}/tenant-of-record-acme", "external_id": "{tenant.external_id}",
                                                  "session_tags": {"TenantID": "{tenant.id}"}}})
    assert confused.get("globex", "acme") == "credentials-denied", "it names another tenant's role, with its own external id"
    assert confused.get("acme", "acme") == "hello acme"


def test_a_hub_is_assumed_once_for_all_and_leads_to_roles_that_trust_it_alone(model):
    direct = model("direct", {"assume_role": {"role_arn": f"{ROLE}/behind-{{tenant.id}}"}})
    assert direct.get("acme", "acme") == "credentials-denied"
    hub = model("hub", {"assume_role": {"role_arn": f"{ROLE}/behind-{{tenant.id}}", "via": [{"role_arn": f"{ROLE}/tenant-hub"}]}})
    hub.keeps_tenants_apart()
    assert [(c["RoleArn"].rsplit("/", 1)[1], c["RoleSessionName"]) for c in hub.asked()] == [
        ("tenant-hub", "palisade"), ("behind-acme", "acme"), ("behind-globex", "globex")]


def test_a_hub_that_is_tagged_has_a_session_a_tenant_and_the_roles_behind_see_it(model):
    way = {"role_arn": f"{ROLE}/tenant-hub", "session_tags": {"TenantID": "{tenant.id}"}, "transitive_tag_keys": ["TenantID"]}
    tagged = model("hub-tagged", {"assume_role": {"role_arn": f"{ROLE}/behind-tagged-{{tenant.id}}", "via": [way]}})
    tagged.keeps_tenants_apart()
    hubs = [c for c in tagged.asked() if c["RoleArn"].endswith("/tenant-hub")]
    assert [(c["Tags.member.1.Value"], c["TransitiveTagKeys.member.1"]) for c in hubs] == [(t, "TenantID") for t in TENANTS]
    # The same tag twice would be refused by STS.
    assert not [c for c in tagged.asked() if "/behind-" in c["RoleArn"] and "Tags.member.1.Key" in c]


def web(role_arn: str, **more) -> dict:
    return {"assume_role_with_web_identity": {"token": {"caller": {}}, "role_arn": role_arn, **more}}


def test_the_caller_s_own_token_and_no_credentials_of_ones_own(model, idp):
    own = model("caller", web(f"{ROLE}/web-{{tenant.id}}", session_name="{tenant.id}"), identity=False)
    proofs = {tenant: idp.token(tenant) for tenant in TENANTS}
    for _ in range(2):
        own.keeps_tenants_apart(proofs)
    calls = own.asked()
    assert [(c["Action"], c["WebIdentityToken"], c["signed"]) for c in calls] == [("AssumeRoleWithWebIdentity", proofs[t], False) for t in TENANTS]
    # Another token is another session, of the same user too.
    assert own.get("acme", "acme", idp.token("acme", jti="another")) == "hello acme"
    assert len(own.asked()) == 3
    assert own.get("acme", "acme", idp.token("acme", exp=int(time.time()) + 4)) == "token-expired", "a session could not outlive it"
    assert len(own.asked()) == 3
    written = own.palisade.everything_written()
    assert not [token for token in proofs.values() if token in written]


def test_what_sts_judges_of_the_caller_s_token_counts_too(model, idp):
    strict = model("caller-strict", web(f"{ROLE}/strict-{{tenant.id}}"), identity=False)
    assert strict.get("acme", "acme") == "hello acme"
    assert strict.get("acme", "acme", idp.token("acme", sub="user-2")) == "credentials-denied", "the role trusts one user alone"


def test_tags_are_those_of_the_token_and_have_to_be_the_tenant_s(model, idp):
    tagged = model("caller-tags", web(f"{ROLE}/web-{{tenant.id}}", token_tags={"TenantID": "{tenant.id}"}), identity=False)
    said = lambda tenant: {TAGS: {"principal_tags": {"TenantID": [tenant]}}}  # noqa: E731
    assert tagged.get("acme", "acme", idp.token("acme", **said("acme"))) == "hello acme"
    assert len(tagged.asked()) == 1
    for proof in (idp.token("acme"), idp.token("acme", **said("globex")), idp.token("acme", **said("acme"), **{f"{TAGS}/principal_tags/tenantid": "globex"})):
        assert tagged.get("acme", "acme", proof) == "plan-incomplete"
    assert len(tagged.asked()) == 1, "STS was not asked"


def test_a_passport_carries_its_caller_s_token_and_the_application_does_not_see_it(model, setting, authority, application, idp):
    front = setting.ingress(authority.certificate, authority.key, application.port)
    own = model("caller-passport", web(f"{ROLE}/web-{{tenant.id}}"), identity=False, front=front)
    token = idp.token("acme")
    with application.visit(own.palisade.port("ingress"), authority.client(), token, "acme") as visit:
        assert token not in str(visit.headers)
        assert own.get("acme", "acme", visit.passport) == "hello acme"
        assert own.get("acme", "globex", visit.passport) == "aws-denied"
        passport = visit.passport
    assert [c["WebIdentityToken"] for c in own.asked()] == [token]
    assert own.get("acme", "acme", passport) == "passport-unknown"


def test_the_pod_s_token_for_each_tenant_s_role(model, directory):
    pod = model("pod", {"assume_role_with_web_identity": {
        "token": {"file": "pod-token"}, "role_arn": f"{ROLE}/pod-{{tenant.id}}", "session_name": "{tenant.id}", "duration": "2h",
        "session_policy": {"inline": {"Version": "2012-10-17", "Statement": [of("{tenant.id}")]}}}}, identity=False)
    pod.keeps_tenants_apart()
    sent = (directory / "pod-token").read_text().strip()
    calls = pod.asked()
    assert [(c["WebIdentityToken"], c["signed"], c["DurationSeconds"]) for c in calls] == [(sent, False, "7200")] * 2
    assert [f"{BUCKET}/{t}/*" in c["Policy"] for t, c in zip(TENANTS, calls, strict=True)] == [True, True]


def test_a_service_with_a_plan_of_its_own_is_reached_with_that_alone(model, idp, aws):
    plans = {"assume_role": {"role_arn": f"{ROLE}/tenant-tagged", "session_tags": {"TenantID": "{tenant.id}"}},
             "services": {"dynamodb": {"assume_role": {"role_arn": f"{ROLE}/tenant-tables", "session_policy": {"inline": {
                 "Version": "2012-10-17",
                 "Statement": [allow("dynamodb:*", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders-{{tenant.id}}")]}}}}}}
    split = model("services", plans, services={"s3": at(aws.port), "dynamodb": at(aws.port)})
    split.keeps_tenants_apart()
    table = client("dynamodb", split.palisade.url, "acme", idp.token("acme"))
    assert table.get_item(TableName="orders-acme", Key={"pk": {"S": "acme#1"}, "sk": {"S": "0"}})["Item"]["of"]["S"] == "acme"
    for refused in (lambda: table.get_item(TableName="orders-globex", Key={"pk": {"S": "globex#1"}, "sk": {"S": "0"}}),
                    lambda: table.put_item(TableName="orders-acme", Item={"pk": {"S": "acme#1"}, "sk": {"S": "0"}})):
        with pytest.raises(ClientError) as error:
            refused()
        assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    assert [c["RoleArn"].rsplit("/", 1)[1] for c in split.asked()] == ["tenant-tagged", "tenant-tagged", "tenant-tables"]
