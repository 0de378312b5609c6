"""The examples for ECS: the task definition, its two other spellings, and the configurations that go with it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from string import Template

import boto3
import hcl2
import pytest
import yaml
from botocore.config import Config

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
PARAMETERS = {"PalisadeImage": VALUES["palisade_image"], "ApplicationImage": VALUES["application_image"], "ConfigParameter": CONFIG_NAME, "SecretArn": SECRET}


def definition() -> dict:
    """The task definition with every placeholder filled in, as `envsubst` and Terraform do it."""
    return json.loads(Template((ECS / "task-definition.json").read_text()).substitute(VALUES))


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
    assert not {v["name"] for v in application["environment"]} & {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"}
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
