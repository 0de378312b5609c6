"""Writes the tables of src/aws that are facts about AWS, out of botocore's models.

    python3 -m venv /tmp/tables && /tmp/tables/bin/pip install botocore==1.44.5
    /tmp/tables/bin/python tests/tools/botocore_tables.py && cargo fmt

Written are src/aws/service/table.rs, src/aws/partition/table.rs, src/aws/operation/s3_table.rs and
src/aws/operation/refused_table.rs. Nothing else is taken from botocore, and nothing is needed of it at run time.

Which operations are refused is decided by hand, in refused_operations.txt beside this file; the script adds method and
path, and fails on a name that botocore does not know. `--candidates` prints the operations whose answers have members that
look like credentials and that the list does not have: read it when botocore moves.
"""

import re
import sys
from pathlib import Path

import botocore
import botocore.loaders
import botocore.model
from botocore.endpoint_provider import EndpointProvider

ROOT = Path(__file__).resolve().parents[2]
HEAD = f"//! Written by `tests/tools/botocore_tables.py` from the models of botocore {botocore.__version__}; do not edit.\n\n"
LOADER = botocore.loaders.Loader()
PARTITIONS = LOADER.load_data("partitions")
# The first version of sms-voice has its successor's names.
CLIENTS = [client for client in LOADER.list_available_services("service-2") if client not in ("pinpoint-sms-voice", "sms-voice")]
PROTOCOLS = {
    "ec2": ["Ec2Query"],
    "query": ["Query"],
    "rest-json": ["RestJson"],
    "rest-xml": ["RestXml"],
    "smithy-rpc-v2-cbor": ["Cbor"],
}
# What botocore reaches through another service's model.
EXTRA = {
    "s3-object-lambda": {"signing": "s3-object-lambda", "labels": ["s3-object-lambda"], "hosting": "Regional", "protocols": ["S3Xml"], "targets": []},
    "s3express": {"signing": "s3express", "labels": ["s3express"], "hosting": "Regional", "protocols": ["S3Xml"], "targets": []},
}
SECRET = re.compile(
    r"(secretaccesskey|secretkey|sessiontoken|accesstoken|authtoken|authorizationtoken|idtoken|jwt|password$|jointoken|privatekey$"
    r"|presignedurl|loginurl|streamurl|streamkey|tokenvalue|^token$)",
    re.I,
)


def model(client):
    return botocore.model.ServiceModel(LOADER.load_service_model(client, "service-2"), client)


def text(value):
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def listed(values):
    return "&[" + ", ".join(map(text, values)) + "]"


def protocols(meta):
    names = []
    for protocol in meta.get("protocols") or [meta["protocol"]]:
        if protocol == "json":
            compatible = meta.get("awsQueryCompatible") is not None
            names.append("AwsJson11" if meta.get("jsonVersion") != "1.0" else "AwsJson10Compatible" if compatible else "AwsJson10")
        else:
            names += PROTOCOLS[protocol]
    if meta["endpointPrefix"] == "s3":
        return ["S3Xml"]  # REST-XML without the wrapper around errors
    # A service may list CBOR first; what it says by default is what it said before CBOR.
    return sorted(names, key=lambda name: name == "Cbor")


def resolve(client, region):
    """The (host, signing region) that the endpoint rules give without any parameter but the region."""
    rules = LOADER.load_service_model(client, "endpoint-rule-set-1")
    known = {}
    for name, parameter in rules["parameters"].items():
        if parameter.get("builtIn") == "AWS::Region":
            known[name] = region
        elif "default" in parameter:
            known[name] = parameter["default"]
    try:
        endpoint = EndpointProvider(rules, PARTITIONS).resolve_endpoint(**known)
    except Exception:  # rules that want more than a region: the standard host is as good a guess as any
        return None, None
    schemes = (endpoint.properties or {}).get("authSchemes") or [{}]
    return endpoint.url.removeprefix("https://"), schemes[0].get("signingRegion")


def hosting(client, meta):
    prefix = meta["endpointPrefix"]
    host, signed = resolve(client, "eu-west-1")
    other, _ = resolve(client, "us-east-1")
    if host is None:
        return prefix, "Regional"
    if host == other:  # one place for the whole partition
        found = re.fullmatch(r"(.*?)\.([a-z]{2}-[a-z]+-\d)\.(?:amazonaws\.com|api\.aws)", host)
        region = signed or (found and found[2]) or "us-east-1"
        label = found[1] if found else re.sub(r"\.(amazonaws\.com|global\.api\.aws)$", "", host)
        return label, f"Global {{ host: {text(host)}, region: {text(region)} }}"
    for suffix, kind in ((".eu-west-1.amazonaws.com", "Regional"), (".eu-west-1.api.aws", "DualStack")):
        if host.endswith(suffix):
            return host.removesuffix(suffix), kind
    return prefix, "Regional"


def prefixes(client):
    """What operations put before the host (`management.deadline`, `analytics-omics`), as far as it is always the same."""
    operations = LOADER.load_service_model(client, "service-2")["operations"].values()
    found = {operation.get("endpoint", {}).get("hostPrefix", "") for operation in operations}
    return sorted(prefix for prefix in found if prefix and "{" not in prefix)


def key(client, prefix):
    if prefix == "portal.sso":
        return "awsssoportal"  # `sso` is the endpoint prefix of another client
    return prefix if re.fullmatch(r"[a-z0-9-]+", prefix) else client


def services():
    rows = {}
    for client in CLIENTS:
        meta = LOADER.load_service_model(client, "service-2")["metadata"]
        name = key(client, meta["endpointPrefix"])
        label, host = hosting(client, meta)
        row = rows.setdefault(name, {"clients": [], "labels": [], "protocols": [], "targets": [], "signing": None})
        signing = meta.get("signingName") or meta["endpointPrefix"]
        assert row["signing"] in (None, signing), name
        row["signing"], row["hosting"] = signing, host
        row["clients"] += [client]
        row["labels"] += [l for l in dict.fromkeys([label, meta["endpointPrefix"]]) if l not in row["labels"]]
        row.setdefault("prefixed", []).extend(before + label for before in prefixes(client))
        row["protocols"] += [p for p in protocols(meta) if p not in row["protocols"]]
        target = meta.get("targetPrefix")
        row["targets"] += [target] if target and target not in row["targets"] else []
    # A host may be one service's own and another's with something before it (`places.geo`): then it is the former's.
    own = {label for row in rows.values() for label in row["labels"]}
    for row in rows.values():
        row["labels"] += [label for label in dict.fromkeys(row["prefixed"]) if label not in own]
    return rows | EXTRA


def write_services():
    lines = [HEAD, "use super::{Hosting::*, Service, row};\nuse crate::aws::dialect::Dialect::*;\n\n"]
    lines += ["/// Sorted by key.\n", "#[rustfmt::skip]\n", "pub(super) const SERVICES: &[Service] = &[\n"]
    for name, row in sorted(services().items()):
        labels, targets = (listed(row[field]) for field in ("labels", "targets"))
        said = "&[" + ", ".join(row["protocols"]) + "]"
        lines.append(f"    row({text(name)}, {text(row['signing'])}, {labels}, {row['hosting']}, {said}, {targets}),\n")
    lines.append("];\n")
    (ROOT / "src/aws/service/table.rs").write_text("".join(lines))


def write_partitions():
    lines = [HEAD, "use super::Partition;\n\n", "/// Every partition and its regions.\n", "#[rustfmt::skip]\n"]
    lines.append("pub(super) const PARTITIONS: &[Partition] = &[\n")
    for partition in PARTITIONS["partitions"]:
        outputs = partition["outputs"]
        # `^(us|eu|ap)\-\w+\-\d+$`, `^us\-iso\-\w+\-\d+$`: what stands before the free part.
        shape = partition["regionRegex"].removeprefix("^").split(r"\-\w+")[0].replace("\\", "")
        starts = re.fullmatch(r"(.*?)\(([^)]*)\)", shape)
        prefixes = [starts[1] + s + "-" for s in starts[2].split("|")] if starts else [shape + "-"]
        regions = [r for r in sorted(partition["regions"]) if not r.endswith("-global")]
        lines.append(
            f"    Partition {{ id: {text(partition['id'])}, suffix: {text(outputs['dnsSuffix'])}, dual_stack_suffix: "
            f"{text(outputs['dualStackDnsSuffix'])},\n        prefixes: {listed(prefixes)},\n        regions: {listed(regions)} }},\n"
        )
    lines.append("];\n")
    (ROOT / "src/aws/partition/table.rs").write_text("".join(lines))


def write_s3():
    """Method, level and the query parameters that make an S3 operation."""
    rows = []
    service = model("s3")
    for name in service.operation_names:
        operation = service.operation_model(name)
        if operation.deprecated or name == "WriteGetObjectResponse":  # the latter has a host of its own
            continue
        path, _, query = operation.http["requestUri"].partition("?")
        level = {"/": "Service", "/{Bucket}": "Bucket", "/{Bucket}/{Key+}": "Object"}[path]
        wanted = [q for q in query.split("&") if q and not q.startswith("x-id=")]
        members = operation.input_shape.members if operation.input_shape else {}
        required = operation.input_shape.required_members if operation.input_shape else []
        wanted += [m.serialization["name"] for n, m in members.items() if n in required and m.serialization.get("location") == "querystring"]
        header = ""
        if any(n in required and m.serialization.get("name") == "x-amz-copy-source" for n, m in members.items()):
            header = "x-amz-copy-source"
        wanted = list(dict.fromkeys(wanted))
        rows.append((-len(wanted) - bool(header), level, operation.http["method"], name, wanted, header))
    lines = [HEAD, "use super::names::{Level::*, S3Operation, operation};\n\n", "/// The more a row asks for, the earlier it stands.\n", "#[rustfmt::skip]\n"]
    lines.append("pub(super) const S3_OPERATIONS: &[S3Operation] = &[\n")
    for _, level, method, name, wanted, header in sorted(rows):
        lines.append(f"    operation({text(name)}, {text(method)}, {level}, {listed(wanted)}, {text(header)}),\n")
    lines.append("];\n")
    (ROOT / "src/aws/operation/s3_table.rs").write_text("".join(lines))


def owner(service):
    """The service that a row of the list is for."""
    # S3 and S3 Control answer to one signing name, and an endpoint of one's own may serve both.
    return "s3" if service.signing_name == "s3" else key(service.service_name, service.endpoint_prefix)


def refused():
    """(service, operation, method, path) of every operation in the list; method and path are empty for RPC services."""
    rows = set()
    for line in (Path(__file__).parent / "refused_operations.txt").read_text().splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        client, _, names = line.partition(":")
        for name in names.split():
            name, _, by_hand = name.partition("=")
            if client.startswith("+"):  # unknown to botocore: +service: Name or Name=METHOD/path
                method, _, path = by_hand.partition("/")
                rows.add((client[1:], name, method, "/" + path if method else ""))
                continue
            service = model(client)
            operation = service.operation_model(name)
            rest = service.metadata["protocol"].startswith("rest")
            rows.add((owner(service), name, *((operation.http["method"], operation.http["requestUri"]) if rest else ("", ""))))
    return rows


def write_refused():
    lines = [HEAD, "use super::refuse::{Refused, refused};\n\n", "/// Sorted by service.\n", "#[rustfmt::skip]\n"]
    lines.append("pub(super) const REFUSED: &[Refused] = &[\n")
    for service, name, method, path in sorted(refused()):
        lines.append(f"    refused({text(service)}, {text(name)}, {text(method)}, {text(path)}),\n")
    lines.append("];\n")
    (ROOT / "src/aws/operation/refused_table.rs").write_text("".join(lines))


def secrets(shape, seen=frozenset(), depth=0):
    """The names of members of an answer that look like credentials."""
    if shape is None or shape.name in seen or depth > 5:
        return
    seen = seen | {shape.name}
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if member.type_name in ("string", "blob") and SECRET.search(name):
                yield name
            yield from secrets(member, seen, depth + 1)
    elif shape.type_name == "list":
        yield from secrets(shape.member, seen, depth + 1)
    elif shape.type_name == "map":
        yield from secrets(shape.value, seen, depth + 1)


def print_candidates():
    listed = {(service, name) for service, name, _, _ in refused()}
    for client in CLIENTS:
        service = model(client)
        for name in service.operation_names:
            found = sorted(set(secrets(service.operation_model(name).output_shape)))
            if found and (owner(service), name) not in listed:
                print(client, name, *found)


if __name__ == "__main__":
    if "--candidates" in sys.argv:
        print_candidates()
    else:
        write_services()
        write_partitions()
        write_s3()
        write_refused()
