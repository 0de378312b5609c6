"""`palisade doctor`, against an STS and an IAM that decide: what is wrong is found, and what it says to add is what was missing."""

import copy
import http.server
import json
import subprocess
import threading
import time
from email.utils import formatdate

import pytest
import yaml
from harness.backends import ACCOUNT, BUCKET, Key, allow, document, role
from harness.configs import at
from harness.palisade import Plain, binary
from harness.process import clean_environment, closed_port, free_port

PROFILE = "[default]\n[operator]\naws_access_key_id = test\naws_secret_access_key = test\n"


class Ward:
    """Configurations that are looked at, and never run."""

    def __init__(self, setting, ministack, folder):
        self.setting, self.ministack, self.folder = setting, ministack, folder
        (folder / "aws").write_text(PROFILE)

    def config(self, name: str, credentials: dict, *more: dict):
        config = self.setting.egress({"s3": at(self.ministack.port), "dynamodb": at(self.ministack.port)}) | self.setting.identity() | credentials
        for part in more:
            config |= part
        path = self.setting.directory / f"doctor-{name}.yaml"
        path.write_text(yaml.dump(config, Dumper=Plain, sort_keys=False))
        return path

    def look(self, config, *arguments: str) -> tuple[int, list[dict]]:
        """The exit code and the findings. Nothing secret is in them, in either form."""
        environment = clean_environment(AWS_SHARED_CREDENTIALS_FILE=str(self.folder / "aws"), AWS_CONFIG_FILE=str(self.folder / "aws"))
        ran = subprocess.run([binary(), "doctor", "--config", config, "--json", *arguments], capture_output=True, text=True, timeout=60,
                             env=environment, stdin=subprocess.DEVNULL)
        assert ran.returncode in (0, 1), ran.stderr
        for secret in self.setting.directory.glob("*.secret"):
            assert secret.read_text().strip() not in ran.stdout + ran.stderr
        report = json.loads(ran.stdout)
        assert (report["worst"] == "failure") == (ran.returncode == 1)
        return ran.returncode, report["findings"]

    @property
    def simulated(self) -> list[str]:
        return ["--profile", "operator", "--iam-endpoint", self.ministack.url]


@pytest.fixture
def ward(setting, ministack, tmp_path) -> Ward:
    return Ward(setting, ministack, tmp_path)


def of(findings: list[dict], text: str, level: str) -> dict:
    """The finding that says `text`."""
    found = [f for f in findings if text in f["found"]]
    assert found and found[0]["level"] == level, (text, level, findings)
    return found[0]


def user(ministack, name: str, *statements: dict) -> Key:
    iam = ministack.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return Key(made["AccessKeyId"], made["SecretAccessKey"])


def test_a_sound_configuration_passes_and_says_what_it_saw(ward, ministack, setting, pool):
    config = ward.config("sound", setting.pooled(pool, ministack.port))
    code, findings = ward.look(config, "--tenant", "acme", *ward.simulated)
    assert code == 0, findings
    of(findings, f"Palisade is arn:aws:iam::{ACCOUNT}:user/palisade", "ok")
    of(findings, "s from STS's", "ok")
    of(findings, "s3:ListAllMyBuckets is denied", "ok")
    of(findings, "dynamodb:ListTables is denied", "ok")
    of(findings, "iam:ListRoles is denied", "ok")
    of(findings, "by IAM's simulator: 22 actions on * are denied", "ok")
    of(findings, "by IAM's simulator: 1 actions on arn:aws:iam::", "ok")
    of(findings, "the tenant acme is active", "ok")
    of(findings, "STS gives acme a session of", "ok")
    of(findings, "STS gives no session without session tags", "ok")
    of(findings, "4 keys of https://idp.test/, for RS256", "ok")
    of(findings, "kms:ListKeys", "warning")

    text = subprocess.run([binary(), "doctor", "--config", config, "--tenant", "acme"], capture_output=True, text=True, timeout=60,
                          env=clean_environment())
    assert text.returncode == 0 and text.stdout.splitlines()[-1].endswith(" 0 failures"), text
    assert "ok       credentials.assume_role: STS gives acme a session" in text.stdout

    for tenant, level, said in (("nobody", "failure", "has no tenant nobody"), ("initech", "warning", "initech is suspended")):
        of(ward.look(config, "--tenant", tenant)[1], said, level)
    of(ward.look(config)[1], "was not tried", "warning")


def test_too_many_rights_are_found_by_trying_and_by_the_simulator(ward, ministack, setting, pool):
    key = user(ministack, "doctor-mighty", allow(["sts:*", "s3:*"], "*"))
    code, findings = ward.look(ward.config("mighty", setting.pooled(key, ministack.port)), *ward.simulated)
    assert code == 1
    assert "iam --what base" in of(findings, "may s3:ListAllMyBuckets", "failure")["cure"]
    simulated = of(findings, "on *: ", "failure")["found"]
    assert "s3:GetObject" in simulated and "sts:GetFederationToken" in simulated and "dynamodb" not in simulated
    of(findings, "role/palisade-doctor-no-tenant: sts:AssumeRole", "failure")
    of(findings, "dynamodb:ListTables is denied", "ok")


def test_the_statement_that_is_printed_is_the_one_that_was_missing(ward, ministack, setting, pool):
    """The trust policy lets assume and not tag. What is said to be missing is added, and then nothing is."""
    iam = ministack.client("iam")
    base = f"arn:aws:iam::{ACCOUNT}:user/palisade"
    trust = [{"Effect": "Allow", "Principal": {"AWS": base}, "Action": "sts:AssumeRole"}]
    iam.create_role(RoleName="tenant-untaggable", AssumeRolePolicyDocument=document(*trust))
    plan = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-untaggable", "session_tags": {"TenantID": "{tenant.id}"}}
    config = ward.config("untaggable", setting.credentials(pool, ministack.port, plan))
    code, findings = ward.look(config, "--tenant", "acme")
    finding = of(findings, "acme gets no session", "failure")
    assert code == 1 and "may not be tagged" in finding["cure"]
    to_role, to_base = finding["statements"]
    assert "trust policy of" in to_role["to"] and to_role["statement"]["Action"] == ["sts:TagSession"]
    assert to_base["to"] == f"the policies of {base}" and to_base["statement"]["Resource"] == [plan["role_arn"]]

    iam.update_assume_role_policy(RoleName="tenant-untaggable", PolicyDocument=document(*trust, to_role["statement"]))
    code, findings = ward.look(config, "--tenant", "acme")
    assert code == 0
    # It works, and would without the tag as well: the statement that demands it is printed, and is right too.
    finding = of(findings, "can be assumed without session tags", "warning")
    demanding = finding["statements"][0]["statement"]
    iam.update_assume_role_policy(RoleName="tenant-untaggable", PolicyDocument=document(demanding, to_role["statement"]))
    code, findings = ward.look(config, "--tenant", "acme")
    assert code == 0
    of(findings, "STS gives no session without session tags", "ok")


def test_an_external_id_that_is_another_one_and_one_that_nobody_demands(ward, ministack, setting, pool):
    config = ward.config("siloed", setting.siloed(pool, ministack.port, external=True))
    assert "another sts:ExternalId" in of(ward.look(config, "--tenant", "estranged")[1], "estranged gets no session", "failure")["cure"]
    code, findings = ward.look(config, "--tenant", "acme")
    assert code == 0
    of(findings, "no session without the external id", "ok")
    of(ward.look(config, "--tenant", "bare")[1], "tenant.external_id has no value", "failure")
    role(ministack, "tenant-partner-1", f"arn:aws:iam::{ACCOUNT}:user/palisade", [allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/partner-1/*")])
    finding = of(ward.look(config, "--tenant", "partner-1")[1], "without the external id", "warning")
    assert finding["statements"][0]["statement"]["Condition"] == {"StringEquals": {"sts:ExternalId": "external-partner-1"}}


def test_what_callers_bring_can_be_given(ward, ministack, setting, pool):
    plan = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-pool", "session_tags": {"TenantID": "{tenant.id}", "Mail": "{claims.email}"}}
    config = ward.config("claims", setting.credentials(pool, ministack.port, plan))
    assert "--value" in of(ward.look(config, "--tenant", "acme")[1], "claims.email has no value", "failure")["cure"]
    assert ward.look(config, "--tenant", "acme", "--value", "claims.email=a@b.example")[0] == 0


class WrongClock:
    """STS, ten minutes ahead."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                body = b"<R><Arn>arn:aws:sts::111122223333:assumed-role/base/s</Arn></R>"
                self.send_response_only(200)
                self.send_header("Date", formatdate(time.time() + 600, usegmt=True))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


def test_what_cannot_be_reached_or_is_out_of_time(ward, ministack, setting, pool, idp, authority, tmp_path):
    config = ward.config("away", setting.pooled(pool, closed_port()))
    finding = of(ward.look(config)[1], "cannot be asked", "failure")
    assert finding["key"] == "credentials.sts" and "VPC endpoint" in finding["cure"]

    stranger = Key(pool.access_key_id, "wrong-secret")
    config = ward.config("stranger", setting.pooled(stranger, ministack.port))
    of(ward.look(config)[1], "does not accept the credentials: SignatureDoesNotMatch", "failure")

    ahead = WrongClock()
    try:
        config = ward.config("ahead", setting.pooled(pool, ahead.http.server_port))
        findings = ward.look(config)[1]
        assert of(findings, "AWS refuses signatures", "failure")["key"] == "clock"
        of(findings, "Palisade is arn:aws:sts::111122223333:assumed-role/base/s", "ok")
    finally:
        ahead.http.shutdown()
        ahead.http.server_close()
        # The right secret again, for whoever comes next.
        setting.pooled(pool, ministack.port)

    identity = copy.deepcopy(setting.identity())
    identity["identity"]["issuers"][0]["jwks"]["uri"] = f"http://127.0.0.1:{closed_port()}/jwks.json"
    identity["identity"]["issuers"][1]["algorithms"] = ["PS512"]
    listener = setting.ingress(authority.certificate, authority.key, free_port())
    findings = ward.look(ward.config("issuers", setting.pooled(pool, ministack.port), identity, listener))[1]
    assert "keys of https://idp.test/ cannot be had" in of(findings, "cannot be had", "failure")["found"]
    assert of(findings, "none of these is in algorithms", "failure")["key"] == "identity.issuers[1].jwks"
    assert of(findings, "for localhost 127.0.0.1, ends in", "warning")["key"] == "ingress.tls"

    other = tmp_path / "other.key"
    other.write_bytes(authority.key.read_bytes().replace(b"PRIVATE", b"PRIVAT"))
    listener = setting.ingress(authority.certificate, other, free_port())
    of(ward.look(ward.config("tls", setting.pooled(pool, ministack.port), listener))[1], "it holds no PEM private key", "failure")
