"""The examples for ECS: the task definition, its two other spellings, and the configurations that go with it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from string import Template

import boto3
import hcl2
import pytest
import yaml
from botocore.config import Config

from harness import documents
from harness.palisade import binary
from harness.process import clean_environment

ECS = Path(__file__).resolve().parents[2] / "examples" / "ecs"
REGION, ACCOUNT = "eu-west-1", "111122223333"
# A parameter of SSM in the standard tier.
PARAMETER_BYTES = 4096
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:palisade/orders-AbCdEf"
CONFIG_NAME = "/palisade/orders/config"
VALUES = {
    "palisade_image": "registry.example.com/palisade:0.1.0",
    "application_image": "registry.example.com/orders:1.4.2",
    "execution_role_arn": f"arn:aws:iam::{ACCOUNT}:role/orders-execution",
    "config_arn": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{CONFIG_NAME}",
    "secret_arn": SECRET,
    "log_group": "/ecs/orders",
    "region": REGION,
}
GATEWAY = VALUES | {"task_role_arn": f"arn:aws:iam::{ACCOUNT}:role/palisade-gateway"}
PARAMETERS = {"PalisadeImage": VALUES["palisade_image"], "ApplicationImage": VALUES["application_image"], "ConfigParameter": CONFIG_NAME, "SecretArn": SECRET}


def definition() -> dict:
    """The task definition with every placeholder filled in, as `envsubst` and Terraform do it."""
    return json.loads(Template((ECS / "task-definition.json").read_text()).substitute(VALUES))


def gateway() -> dict:
    return json.loads(Template((ECS / "task-definition.gateway.json").read_text()).substitute(GATEWAY))


class Loader(yaml.SafeLoader):
    """CloudFormation's short forms, worked out for the values above."""


PSEUDO = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": ACCOUNT} | PARAMETERS
Loader.add_constructor("!Ref", lambda loader, node: PSEUDO.get(node.value, f"<{node.value}>"))
Loader.add_constructor("!GetAtt", lambda loader, node: f"<{node.value}>")
Loader.add_constructor("!Sub", lambda loader, node: re.sub(r"\$\{([^}]+)\}", lambda found: PSEUDO[found[1]], node.value))


def template() -> dict:
    resources = yaml.load((ECS / "cloudformation.yaml").read_text(), Loader)["Resources"]
    properties = resources["TaskDefinition"]["Properties"]
    text = json.dumps(properties).replace("<LogGroup>", resources["LogGroup"]["Properties"]["LogGroupName"])
    return json.loads(text.replace("<ExecutionRole.Arn>", VALUES["execution_role_arn"])) | {"__service__": resources["Service"]["Properties"]}


def camel(value, free: bool = False):
    """CloudFormation's names as the API has them. The keys of log options are anybody's."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key if free else key[0].lower() + key[1:]: camel(item, free=key == "Options") for key, item in value.items()}


def container(name: str) -> dict:
    (found,) = [c for c in definition()["containerDefinitions"] if c["name"] == name]
    return found


def test_cloudformation_says_the_same():
    made = template()
    service = made.pop("__service__")
    assert camel(made) == definition()
    assert service["EnableExecuteCommand"] is False


def test_terraform_reads_the_same_file():
    told = hcl2.loads((ECS / "terraform" / "main.tf").read_text())
    ((task,),) = [[local["task"]] for local in told["locals"]]
    assert '${path.module}/../task-definition.json' in task
    given = set(re.findall(r"(\w+) = ", task))
    assert given == set(VALUES), "placeholders of the file and values for them"
    resources = {kind.strip('"'): body for resource in told["resource"] for kind, body in resource.items()}
    (body,) = resources["aws_ecs_task_definition"].values()
    of_the_file = {"family": "family", "network_mode": "networkMode", "requires_compatibilities": "requiresCompatibilities", "cpu": "cpu", "memory": "memory"}
    for own, theirs in of_the_file.items():
        assert body[own] == f"${{local.task.{theirs}}}"
    assert body["container_definitions"] == "${jsonencode(local.task.containerDefinitions)}"
    known = set(of_the_file.values()) | {"executionRoleArn", "containerDefinitions"}
    assert set(definition()) == known, "a key that Terraform would leave out"
    assert "task_role_arn" not in body
    (service,) = resources["aws_ecs_service"].values()
    assert service["enable_execute_command"] in (False, "false")


def test_no_container_can_ask_for_palisades_identity():
    task = definition()
    assert "taskRoleArn" not in task and "pidMode" not in task and "volumes" not in task
    assert task["networkMode"] == "awsvpc", "loopback is shared, and metadata can be blocked"
    application = container("application")
    assert "secrets" not in application and "mountPoints" not in application and "volumesFrom" not in application
    assert application["dependsOn"] == [{"containerName": "palisade", "condition": "HEALTHY"}]
    environment = {variable["name"]: variable["value"] for variable in application["environment"]}
    assert environment["HOST"] == "127.0.0.1" and "portMappings" not in application, "there is no way to it but through Palisade"
    assert not environment.keys() & {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"}
    palisade = container("palisade")
    assert palisade["essential"] and palisade["readonlyRootFilesystem"] and palisade["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
    assert palisade["healthCheck"]["command"] == ["CMD", "/usr/local/bin/palisade", "health"]
    # Longer than a drain, or it would be killed in one. The greatest that Fargate takes is 120.
    assert 25 < palisade["stopTimeout"] <= 120


def test_the_template_is_clean():
    done = subprocess.run([Path(sys.executable).parent / "cfn-lint", "--include-checks", "W", "--", ECS / "cloudformation.yaml"], capture_output=True, text=True, timeout=120,
                          env=clean_environment(AWS_DEFAULT_REGION=REGION))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def aws(open_moto):
    def client(service: str):
        return boto3.client(service, endpoint_url=open_moto.url, region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing",
                            config=Config(retries={"max_attempts": 0}))

    return client


@pytest.fixture(params=["json", "cloudformation"])
def spelled(request) -> dict:
    """Each spelling; Terraform reads the first."""
    if request.param == "json":
        return definition()
    made = template()
    del made["__service__"]
    return camel(made)


def test_it_is_registered(aws, spelled):
    ecs = aws("ecs")
    told = ecs.register_task_definition(**spelled)["taskDefinition"]
    assert told["family"] == "orders" and told["status"] == "ACTIVE" and not told.get("taskRoleArn")
    known = ecs.describe_task_definition(taskDefinition="orders")["taskDefinition"]
    palisade, application = known["containerDefinitions"]
    assert palisade["healthCheck"] == container("palisade")["healthCheck"]
    assert {secret["name"] for secret in palisade["secrets"]} == {secret["name"] for secret in container("palisade")["secrets"]}
    assert application["dependsOn"] == container("application")["dependsOn"]


def test_a_gateway_is_palisade_alone_and_otherwise_the_same(aws):
    beside, alone = definition(), gateway()
    (palisade,) = alone["containerDefinitions"]
    own = {"containerDefinitions", "family", "taskRoleArn"}
    assert {key: value for key, value in alone.items() if key not in own} == {key: value for key, value in beside.items() if key not in own}
    differs = {key for key in palisade.keys() | container("palisade").keys() if palisade.get(key) != container("palisade").get(key)}
    assert differs == {"portMappings", "secrets"}
    config = yaml.safe_load((ECS / "palisade.gateway.yaml").read_text())
    assert config["egress"]["listen"] == "0.0.0.0:8180"
    assert [(port["name"], port["containerPort"]) for port in palisade["portMappings"]] == [("egress", 8180), ("probes", 8191)]
    used = set(re.findall(r"\{env: (\w+)\}", (ECS / "palisade.gateway.yaml").read_text())) | {"PALISADE_CONFIG"}
    assert {secret["name"] for secret in palisade["secrets"]} == used
    assert [secret for secret in container("palisade")["secrets"] if secret["name"] in used] == palisade["secrets"]
    told = aws("ecs").register_task_definition(**alone)["taskDefinition"]
    assert told["status"] == "ACTIVE" and told["taskRoleArn"] == GATEWAY["task_role_arn"]
    (known,) = aws("ecs").describe_task_definition(taskDefinition="palisade-gateway")["taskDefinition"]["containerDefinitions"]
    assert known["healthCheck"] == palisade["healthCheck"] and known["logConfiguration"] == palisade["logConfiguration"]


@pytest.mark.skipif(not shutil.which("jq") or not shutil.which("openssl"), reason="jq or openssl is not here")
def test_the_commands_of_the_readme_register_it(aws, open_moto, authority, tmp_path):
    """All blocks that say so, in their order, with the AWS CLI of the tests: parameter, secret, log group, and both task definitions."""
    (tmp_path / "examples").symlink_to(ECS.parent)
    shutil.copy(authority.certificate, tmp_path / "tls.crt")
    shutil.copy(authority.key, tmp_path / "tls.key")
    tools = tmp_path / "tools"
    tools.mkdir()
    if not shutil.which("envsubst"):
        # gettext's is the real one. What is asked of it here is this much.
        (tools / "envsubst").write_text(f"#!{sys.executable}\nimport os, string, sys\nsys.stdout.write(string.Template(sys.stdin.read()).substitute(os.environ))\n")
        (tools / "envsubst").chmod(0o755)
    environment = clean_environment(AWS_ENDPOINT_URL=open_moto.url, AWS_DEFAULT_REGION=REGION, AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing",
                                    BASE_SECRET_ACCESS_KEY="b" * 40)
    environment["PATH"] = f"{tools}:{Path(sys.executable).parent}:{environment['PATH']}"
    own = "tests/clients/test_ecs.py::test_the_commands_of_the_readme_register_it"
    blocks = [block for block in documents.commands() if block.run_by == own]
    assert len(blocks) == 3
    for block in blocks:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block.text], capture_output=True, text=True, timeout=120, cwd=tmp_path, env=environment)
        assert done.returncode == 0, f"{block}: {done.stderr}"
    assert aws("ssm").get_parameter(Name=CONFIG_NAME)["Parameter"]["Value"] == (ECS / "palisade.yaml").read_text()
    secret = json.loads(aws("secretsmanager").get_secret_value(SecretId="palisade/orders")["SecretString"])
    assert secret["tls_certificate"] == authority.certificate.read_text() and secret["base_secret_access_key"] == "b" * 40
    assert len(secret["admin_token"]) == len(secret["metrics_token"]) == 64
    asked = {known["valueFrom"].removeprefix(f"{SECRET}:").removesuffix("::") for known in container("palisade")["secrets"]} - {VALUES["config_arn"]}
    assert asked == secret.keys()
    (group,) = aws("logs").describe_log_groups(logGroupNamePrefix="/ecs/")["logGroups"]
    for family, written in (("orders", definition()), ("palisade-gateway", gateway())):
        known = aws("ecs").describe_task_definition(taskDefinition=family)["taskDefinition"]
        assert [c["name"] for c in known["containerDefinitions"]] == [c["name"] for c in written["containerDefinitions"]]
        for registered in known["containerDefinitions"]:
            assert registered["logConfiguration"]["options"]["awslogs-group"] == group["logGroupName"], "ECS makes none by itself"


@pytest.mark.parametrize("name", sorted(file.name for file in ECS.glob("palisade*.yaml")))
def test_the_configuration_comes_from_the_variables_of_the_task(name, authority):
    text = (ECS / name).read_text()
    assert len(text.encode()) <= PARAMETER_BYTES
    given = {"PALISADE_CONFIG": text, "TLS_CERTIFICATE": authority.certificate.read_text(), "TLS_KEY": authority.key.read_text(),
             "ADMIN_TOKEN": "a" * 32, "METRICS_TOKEN": "m" * 32, "BASE_SECRET_ACCESS_KEY": "b" * 40}
    assert set(given) == {secret["name"] for secret in container("palisade")["secrets"]}
    used = set(re.findall(r"\{env: (\w+)\}", text)) | {"PALISADE_CONFIG"}
    assert used <= set(given)
    done = check(**{name: value for name, value in given.items() if name in used})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("env:PALISADE_CONFIG: ok")
    for missing in used:
        done = check(**{name: value for name, value in given.items() if name in used - {missing}})
        assert done.returncode == 2 and missing in done.stderr, missing
        assert "PRIVATE KEY" not in done.stderr


def check(**variables: str) -> subprocess.CompletedProcess:
    environment = clean_environment(**variables)
    return subprocess.run([binary(), "check", "--config", "env:PALISADE_CONFIG"], capture_output=True, text=True, timeout=30, env=environment)


def test_the_gateway_alone_may_have_a_task_role():
    """Where an application is beside, a chain that leads to the task's credentials is refused at start."""
    sources = {file.name: yaml.safe_load(file.read_text()) for file in ECS.glob("palisade*.yaml")}
    beside = {name for name, config in sources.items() if "ingress" in config}
    chained = {name for name, config in sources.items() if "default_chain" in config["credentials"].get("source", {})}
    assert chained == {"palisade.gateway.yaml"} and not chained & beside


def test_the_readme_names_every_file():
    text = (ECS / "README.md").read_text()
    for file in ECS.rglob("*"):
        if file.is_file() and file.name != "README.md":
            assert file.name in text, file
