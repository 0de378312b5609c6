"""Cedar policies on top of the guard's rules: the examples of config/examples/cedar, and files that change while Palisade runs."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from botocore.exceptions import ClientError
from harness.backends import ACCOUNT, REGION, allow, role
from harness.clients import client
from harness.configs import at
from harness.palisade import binary
from harness.process import wait_until

EXAMPLES = Path(__file__).parents[2] / "config/examples/cedar"
TENANTS = ("acme", "globex")
RULES = {"s3": [{"buckets": ["cedar-{tenant.id}"]}]}


@pytest.fixture(scope="module")
def run(start, setting, ministack, pool, sts):
    user = ministack.client("iam").get_user(UserName="palisade")["User"]["Arn"]
    role(ministack, "tenant-cedar", user, [allow("s3:*", "*")])
    s3 = ministack.client("s3")
    for tenant in TENANTS:
        s3.create_bucket(Bucket=f"cedar-{tenant}", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=f"cedar-{tenant}", Key="exports/1", Body=b"everything")

    def run(name: str, policies: Path):
        assume = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-cedar", "session_tags": {"TenantID": "{tenant.id}"}}
        guard = {"guard": RULES | {"cedar": {"policies": str(policies)}}}
        # Of the tenants, acme is of the tier gold.
        return start(name, setting.egress({"s3": at(ministack.port)}), setting.identity(), setting.credentials(pool, sts.port, assume), guard)

    return run


@pytest.fixture(scope="module")
def governed(run):
    return run("cedar", EXAMPLES)


def code(call, *arguments, **members) -> str | None:
    """What an SDK calls the refusal; `None` where there is none."""
    try:
        call(*arguments, **members)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def s3(palisade, idp, tenant: str, *roles: str):
    return client("s3", palisade.url, tenant, idp.token(tenant, roles=list(roles)))


def notes(palisade) -> list[str]:
    return [line["note"] for line in palisade.log() if line.get("reason") == "guard-denied"]


def test_support_reads_and_changes_nothing(governed, idp):
    support, editor = s3(governed, idp, "acme", "support", "editor"), s3(governed, idp, "acme", "editor")
    bucket = {"Bucket": "cedar-acme"}
    assert code(editor.put_object, **bucket, Key="kept", Body=b"x") is None
    assert code(support.get_object, **bucket, Key="kept") is None
    assert code(support.list_objects_v2, **bucket) is None
    assert code(support.put_object, **bucket, Key="kept", Body=b"y") == "AccessDenied"
    assert code(support.delete_objects, **bucket, Delete={"Objects": [{"Key": "kept"}]}) == "AccessDenied"
    assert editor.get_object(**bucket, Key="kept")["Body"].read() == b"x"
    wait_until(lambda: "guard.cedar: policy support-reads forbids s3:PutObject of Object" in notes(governed), 5, "the log names the policy")
    assert not any("kept" in note for note in notes(governed))


def test_exports_are_for_the_gold_tier(governed, idp):
    gold, other = s3(governed, idp, "acme"), s3(governed, idp, "globex")
    assert gold.get_object(Bucket="cedar-acme", Key="exports/1")["Body"].read() == b"everything"
    assert code(other.get_object, Bucket="cedar-globex", Key="exports/1") == "AccessDenied"
    assert code(other.put_object, Bucket="cedar-globex", Key="exports/2", Body=b"made") is None
    copied = {"Bucket": "cedar-globex", "Key": "out", "CopySource": "cedar-globex/exports/1"}
    assert code(other.copy_object, **copied) == "AccessDenied"
    # What the rules deny no policy gives: another tenant's bucket.
    assert code(gold.get_object, Bucket="cedar-globex", Key="exports/1") == "AccessDenied"


def test_contractors_work_in_office_hours(governed, idp):
    def is_open() -> bool:
        now = datetime.now(UTC)
        return now.isoweekday() <= 5 and 7 <= now.hour < 18

    before = is_open()
    refused = code(s3(governed, idp, "acme", "contractor").get_object, Bucket="cedar-acme", Key="exports/1")
    if before == is_open():
        assert refused == (None if before else "AccessDenied")
    assert code(s3(governed, idp, "acme", "editor").get_object, Bucket="cedar-acme", Key="exports/1") is None


def test_files_are_followed_while_they_can_be_used(run, idp, tmp_path):
    file = tmp_path / "policies.cedar"

    def write(text: str):
        new = tmp_path / "new"
        new.write_text(text)
        new.rename(file)

    permit = '@id("everybody") permit (principal, action, resource);\n'
    write(permit)
    palisade = run("cedar-followed", file)
    acme = s3(palisade, idp, "acme")
    get = lambda: code(acme.get_object, Bucket="cedar-acme", Key="exports/1")  # noqa: E731
    assert get() is None
    write(permit + '@id("closed") forbid (principal in Palisade::Tenant::"acme", action, resource);\n')
    wait_until(lambda: get() == "AccessDenied", 10, "a change holds")
    assert code(s3(palisade, idp, "globex").get_object, Bucket="cedar-globex", Key="exports/1") is None
    write(permit + "forbid (principal, action, resource) when { context.hours > 3 };\n")
    wait_until(lambda: palisade.metric("palisade_config_reloads_total", result="rejected") == 1, 10, "a mistake is counted")
    assert get() == "AccessDenied", "the old policies stay"
    write(permit)
    wait_until(lambda: get() is None, 10, "what is put right is taken")


def test_policies_that_are_wrong_are_errors_of_the_configuration(run, governed, tmp_path):
    """`check` and `explain` read them as a start does."""
    folder = tmp_path / "policies"
    shutil.copytree(EXAMPLES, folder)
    config = tmp_path / "palisade.yaml"
    written = yaml.safe_load((governed.directory / "cedar.yaml").read_text())
    written["guard"]["cedar"]["policies"] = "policies"
    config.write_text(yaml.safe_dump(written))
    shutil.copy(governed.directory / "tenants.yaml", tmp_path)
    ask = lambda *words: subprocess.run([binary(), *words], capture_output=True, text=True)  # noqa: E731
    explain = ["explain", "--config", config, "--tenant", "globex", "--value", "claims.x=y", "GET", f"https://cedar-globex.s3.{REGION}.amazonaws.com/exports/1"]
    told = ask(*explain)
    assert told.returncode == 1 and "forbidden by export-is-gold" in told.stdout, told
    (folder / "wrong.cedar").write_text('permit (\n  principal, action == Palisade::Action::"s3:Fly", resource);\n')
    told = ask("check", "--config", config, "--without-files")
    assert told.returncode == 2 and f"{folder}/wrong.cedar:2:24: " in told.stderr, told
    assert "s3:Fly" in told.stderr
