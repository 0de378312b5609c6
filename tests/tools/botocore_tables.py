"""Writes the tables of src/aws that are facts about AWS, out of botocore's models.

    python3 -m venv /tmp/tables && /tmp/tables/bin/pip install botocore==1.44.5
    /tmp/tables/bin/python tests/tools/botocore_tables.py && cargo fmt

Written are src/aws/service/table.rs, src/aws/service/places.rs, src/aws/partition/table.rs, src/aws/operation/s3_table.rs,
src/aws/operation/refused_table.rs, src/aws/operation/models.txt, and with src/aws/target/hosts.tsv what the tests of src/aws/target.rs compare them to: where
botocore's endpoint rules send each service. Nothing else is taken from botocore, and nothing is needed of it at run time.

Which operations are refused is decided by hand, in refused_operations.txt beside this file; the script adds method and
path, and fails on a name that botocore does not know. `--candidates` prints the operations whose answers have members that
look like credentials and that the list does not have: read it when botocore moves.
"""

import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import botocore
import botocore.loaders
import botocore.model
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError, EndpointResolutionError

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
    "s3express": {"signing": "s3express", "labels": ["s3express-control"], "hosting": "Regional", "protocols": ["S3Xml"], "targets": []},
}
REGIONS = [region for p in PARTITIONS["partitions"] for region in p["regions"] if not region.endswith("-global")]
# For the tests: every partition, a region that opted in, the newest, and where global services are signed for.
SAMPLE = ["eu-west-1", "us-east-1", "us-west-2", "ap-southeast-7", "cn-north-1", "cn-northwest-1", "us-gov-west-1", "us-gov-east-1", "us-iso-east-1",
          "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1", "eusc-de-east-1"]
FLAGS = [("p", False, False), ("f", True, False), ("d", False, True), ("b", True, True)]
ACCOUNT = "111122223333"
STREAM = f"arn:aws:kinesis:REGION:{ACCOUNT}:stream/name"
# What makes the rules put an account before the host.
ACCOUNTS = {
    "dynamodb": [{"AccountId": ACCOUNT, "AccountIdEndpointMode": "preferred"}],
    "kinesis": [{"StreamARN": STREAM, "OperationType": kind} for kind in ("control", "data")],
    "s3control": [{"AccountId": ACCOUNT, "RequiresAccountId": True}],
}
# Operations of one client that are another service's by our names: what they say to the rules.
OTHERS = {"s3-object-lambda": ("s3", {"UseObjectLambdaEndpoint": True}), "s3express": ("s3", {"UseS3ExpressControlEndpoint": True})}
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


class Rules:
    """A client's endpoint rules."""

    def __init__(self, client, variants=None):
        self.model = LOADER.load_service_model(client, "service-2")
        self.meta = self.model["metadata"]
        self.key = key(client, self.meta["endpointPrefix"])
        rules = LOADER.load_service_model(client, "endpoint-rule-set-1")
        self.parameters = rules["parameters"]
        self.provider = EndpointProvider(rules, PARTITIONS)
        self.signing = self.meta.get("signingName") or self.meta["endpointPrefix"]
        self.variants = variants or [{}, *(dict(given) for given, _ in self.operations()), *ACCOUNTS.get(client, [])]

    def operations(self):
        """What operations say to the rules, with what they put before the host, the most usual first."""
        if self.key in ("s3", "s3-control"):  # see OTHERS
            return [((), "")]
        said = Counter()
        for operation in self.model["operations"].values():
            static = operation.get("staticContextParams", {}).items()
            said[tuple((n, p["value"]) for n, p in static if isinstance(p["value"], (str, bool))), operation.get("endpoint", {}).get("hostPrefix", "")] += 1
        return [variant for variant, _ in said.most_common()]

    def resolve(self, region, fips, dual, given):
        """(host, signing name, signing region) that the rules give, or None. What signs with SigV4A alone is left out."""
        builtin = {"AWS::Region": region, "AWS::UseFIPS": fips, "AWS::UseDualStack": dual}
        known = {n: p["default"] for n, p in self.parameters.items() if "default" in p}
        known |= {n: builtin[p["builtIn"]] for n, p in self.parameters.items() if p.get("builtIn") in builtin} | given
        try:
            endpoint = self.provider.resolve_endpoint(**known)
        except (EndpointProviderError, EndpointResolutionError):
            return None  # not offered there, or the rules want to know more than that
        schemes = (endpoint.properties or {}).get("authSchemes") or [{}]
        scheme = next((s for s in schemes if s.get("name", "sigv4") == "sigv4"), None)
        if scheme is None or endpoint.url.startswith("http://"):
            return None
        return endpoint.url.removeprefix("https://"), scheme.get("signingName") or self.signing, scheme.get("signingRegion") or region

    def plain(self, region):
        """The host for most operations."""
        usual = [dict(given) for given, _ in sorted(self.operations(), key=lambda variant: bool(variant[1]))]
        for given in usual if {} in self.variants else self.variants:
            if found := self.resolve(region, False, False, given):
                return found
        return None

    @cache
    def hosts(self):
        """(flags, region, host, signing name, signing region) of everything that the rules can yield."""
        found = []
        for region in REGIONS:
            for given in self.variants:
                here = {name: value.replace("REGION", region) if isinstance(value, str) else value for name, value in given.items()}
                at = [(flags, region, self.resolve(region, fips, dual, here)) for flags, fips, dual in FLAGS]
                found += [(flags, region, *host) for flags, region, host in at if host]
        return list(dict.fromkeys(found))

    def prefixes(self):
        """What operations put before the host (`management.deadline`, `analytics-omics`), as far as it is always the same."""
        return sorted({before for _, before in self.operations() if before and "{" not in before})


def outputs(region):
    return next(p["outputs"] for p in PARTITIONS["partitions"] if region in p["regions"])


def suffixes(region):
    return outputs(region)["dnsSuffix"], outputs(region)["dualStackDnsSuffix"]


def label(host, region, signed):
    """What a host calls the service: the name without suffix, region, account and FIPS."""
    for suffix in sorted((s for p in PARTITIONS["partitions"] for s in (p["outputs"]["dnsSuffix"], p["outputs"]["dualStackDnsSuffix"])), key=len, reverse=True):
        if host.endswith("." + suffix):
            name = host.removesuffix("." + suffix)
            break
    else:
        return None
    for place in ("global", "us-gov", region, signed, "dualstack"):
        name = name.removesuffix("." + place)
    return name.removeprefix(ACCOUNT + ".").removeprefix(region + ".").removesuffix("-fips")


def shape(host, owners):
    """(service, region) as src/aws/target/host.rs reads a host by its shape alone."""
    name, suffix = max(
        ((host.removesuffix("." + s), s) for r in REGIONS for s in suffixes(r) if host.endswith("." + s)), key=lambda found: len(found[1]), default=(None, None)
    )
    if name is None:
        return None
    name, _, region = name.rpartition(".")
    if region == "neptune-graph":
        name, region = region, name
    if region not in REGIONS or suffix not in suffixes(region):
        return None
    return owners.get(name.removesuffix(".dualstack").removeprefix(ACCOUNT + ".").removesuffix("-fips")), region


def key(client, prefix):
    if prefix == "portal.sso":
        return "awsssoportal"  # `sso` is the endpoint prefix of another client
    return prefix if re.fullmatch(r"[a-z0-9-]+", prefix) else client


def services():
    rows = {}
    for client in CLIENTS:
        rules = Rules(client)
        meta, name = rules.meta, rules.key
        row = rows.setdefault(name, {"rules": [], "labels": [], "protocols": [], "targets": [], "prefixed": [], "signing": None})
        host, signing, signed = rules.plain("eu-west-1") or (None, rules.signing, None)
        assert row["signing"] in (None, signing), name
        row["signing"] = signing
        row["rules"].append(rules)
        own = label(host, "eu-west-1", signed) if host else None
        found = [own or meta["endpointPrefix"], meta["endpointPrefix"], *(label(h, r, s) for _, r, h, _, s in rules.hosts())]
        row["labels"] += [l for l in dict.fromkeys(found) if l and l not in row["labels"]]
        row.setdefault("hosting", "DualStack" if host and host.endswith(".api.aws") else "Regional")
        row["prefixed"] += [before + found[0] for before in rules.prefixes()]
        row["protocols"] += [p for p in protocols(meta) if p not in row["protocols"]]
        target = meta.get("targetPrefix")
        row["targets"] += [target] if target and target not in row["targets"] else []
    # A host may be one service's own and another's with something before it (`places.geo`): then it is the former's.
    own = {label for row in rows.values() for label in row["labels"]}
    for row in rows.values():
        row["labels"] += [label for label in dict.fromkeys(row["prefixed"]) if label not in own]
    extra = {name: row | {"rules": [Rules(client, [variant])]} for (name, row), (client, variant) in zip(EXTRA.items(), OTHERS.values(), strict=True)}
    return rows | extra


def places(name, row):
    """(partition or region, host with `{region}`, region to sign for) wherever the service is not at `label.region.suffix`."""
    for partition in PARTITIONS["partitions"]:
        at = {r: row["rules"][0].plain(r) for r in partition["regions"] if r in REGIONS}
        at = {r: (found[0], found[2]) for r, found in at.items() if found and label(found[0], r, found[2])}
        if not at:
            continue
        usual = f"{row['labels'][0]}.{{region}}.{partition['outputs']['dualStackDnsSuffix' if row['hosting'] == 'DualStack' else 'dnsSuffix']}"
        one = len(at) > 1 and len(set(at.values())) == 1
        where = Counter(found if one else (found[0].replace(r, "{region}"), "" if found[1] == r else found[1]) for r, found in at.items())
        ordinary = where.most_common(1)[0][0]
        # With a single region there is no telling; the rules name a region to sign for where the service is a global one.
        if (usual, "") in where and not one and where[usual, ""] == where[ordinary]:
            ordinary = usual, ""
        if "{region}" in ordinary[0] and ordinary[1]:
            continue  # one endpoint a region, all of which sign for one region (`sustainability`): only their hosts can say so
        if ordinary != (usual, ""):
            yield partition["id"], *ordinary
        if not one:
            for region, (host, signed) in at.items():
                here = host.replace(region, "{region}"), "" if signed == region else signed
                if here != ordinary:
                    yield region, *here


def other_hosts(rows):
    """(host, partition, service, region to sign for) of the hosts whose shape does not say it all."""
    owners = {label: name for name, row in rows.items() for label in row["labels"]}
    found = {}
    for name, row in rows.items():
        globally = {within: signed for within, _, signed in places(name, row) if signed}
        for rules in row["rules"]:
            for _, region, host, _, signed in rules.hosts():
                partition = next(p["id"] for p in PARTITIONS["partitions"] if region in p["regions"])
                known, place = shape(host, owners), globally.get(partition)
                # Where a service has one place, the rules make names up for other regions, as if there were endpoints.
                made_up = known == (name, region) and place not in (region, None)
                fits = made_up or known == (name, signed) and place in (signed, None)
                if not fits and label(host, region, signed):
                    found.setdefault((host, partition, name), set()).add((region, signed))
    for (host, partition, name), regions in sorted(found.items()):
        signed = {signed for _, signed in regions}
        if len(signed) > 1:
            assert all(region == signed for region, signed in regions), host
        yield host, partition, name, signed.pop() if len(signed) == 1 else ""


def write_services():
    rows = services()
    lines = [HEAD, "use super::{Hosting::*, Service, row};\nuse crate::aws::dialect::Dialect::*;\n\n"]
    lines += ["/// Sorted by key.\n", "#[rustfmt::skip]\n", "pub(super) const SERVICES: &[Service] = &[\n"]
    for name, row in sorted(rows.items()):
        labels, targets = (listed(row[field]) for field in ("labels", "targets"))
        said = "&[" + ", ".join(row["protocols"]) + "]"
        lines.append(f"    row({text(name)}, {text(row['signing'])}, {labels}, {row['hosting']}, {said}, {targets}),\n")
    lines.append("];\n")
    (ROOT / "src/aws/service/table.rs").write_text("".join(lines))
    lines = [HEAD, "use super::{Host, Place, host, place};\n\n", "/// Where a service is not at `label.region.suffix`. Sorted by service, then partition or region.\n"]
    lines += ["#[rustfmt::skip]\n", "pub(super) const PLACES: &[Place] = &[\n"]
    for name, row in sorted(rows.items()):
        for at in sorted(places(name, row)):
            lines.append(f"    place({text(name)}, {', '.join(map(text, at))}),\n")
    lines += ["];\n\n", "/// Hosts whose shape does not say service and region. Sorted by name, then partition.\n"]
    lines += ["#[rustfmt::skip]\n", "pub(super) const HOSTS: &[Host] = &[\n"]
    lines += [f"    host({', '.join(map(text, row))}),\n" for row in other_hosts(rows)]
    lines.append("];\n")
    (ROOT / "src/aws/service/places.rs").write_text("".join(lines))
    write_vectors(rows)


def write_vectors(rows):
    """Every host of every service in some regions of every partition: one line for all regions where the name differs in region and suffix alone."""
    letters = dict(zip(SAMPLE, "abcdefghijklmnopqrstuvwxyz"))
    lines = [
        f"# Written by tests/tools/botocore_tables.py from the endpoint rules of botocore {botocore.__version__}; do not edit.\n",
        "# Regions: letter, name, suffix, dual-stack suffix.\n",
        *(f"@\t{letter}\t{region}\t{suffixes(region)[0]}\t{suffixes(region)[1]}\n" for region, letter in letters.items()),
        "# Service, name to sign for, host (`*` is the region, `~` its suffix, `^` its dual-stack suffix), then for each way of asking (p plain,\n",
        "# f FIPS, d dual stack, b both, P what an endpoint override stands for) the regions, and the region to sign for where it is another one.\n",
    ]
    for name, row in sorted(rows.items()):
        found = {}
        for rules in row["rules"]:
            usual = {region: rules.plain(region) for region in SAMPLE} if rules is row["rules"][0] else {}
            vectors = [vector for vector in rules.hosts() if vector[1] in SAMPLE]
            vectors += [("P", region, *plain) for region, plain in usual.items() if plain]
            prefixed = [before for before in rules.prefixes() if before + row["labels"][0] in row["labels"]]
            vectors += [("p", region, before + plain[0], *plain[1:]) for region, plain in usual.items() if plain for before in prefixed]
            for flags, region, host, signing, signed in vectors:
                short = host if signed != region or f".{region}." not in host else host.replace(f".{region}.", ".*.")
                for sign, suffix in sorted(zip("~^", suffixes(region)), key=lambda pair: -len(pair[1])):
                    if short.endswith("." + suffix):
                        short = short.removesuffix(suffix) + sign
                        break
                at = found.setdefault((signing, short, "" if signed == region else letters.get(signed, signed)), {})
                at.setdefault(flags, set()).add(letters[region])
        for (signing, host, signed), at in sorted(found.items()):
            asked = " ".join(f"{flags}{''.join(sorted(where))}" for flags, where in sorted(at.items()))
            lines.append("\t".join([name, signing, host, asked, signed]).rstrip("\t") + "\n")
    (ROOT / "src/aws/target/hosts.tsv").write_text("".join(lines))


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


def models():
    """{service: [(operation, method, template)]}; method and template are empty for operations that are named."""
    found = {name: [] for name in services()}
    for client in CLIENTS:
        service = model(client)
        rest = any(protocol.startswith("rest") for protocol in service.metadata.get("protocols") or [service.metadata["protocol"]])
        # Where S3's operations are, s3_table.rs says.
        located = rest and service.endpoint_prefix != "s3"
        rows = found[key(client, service.endpoint_prefix)]
        for name in service.operation_names:
            http = service.operation_model(name).http
            rows.append((name, http["method"], checked_template(http["requestUri"])) if located else (name, "", ""))
    found |= {name: found["s3"] for name in EXTRA}
    return {name: distinct(rows) for name, rows in found.items()}


def checked_template(uri):
    """A template in the form that src/aws/operation/route.rs reads: whole segments, at most one greedy label, nothing but literals behind it."""
    path, _, query = uri.partition("?")
    segments = path.split("/")[1:]
    greedy = [index for index, segment in enumerate(segments) if segment.endswith("+}")]
    behind = segments[greedy[0] + 1 :] if greedy else []
    sound = path.startswith("/") and all(re.fullmatch(r"\{[\w.-]+\+?\}|[\w.:@$-]+", segment) for segment in segments[: -1 if path.endswith("/") else None])
    assert sound and len(greedy) < 2 and not any("{" in segment for segment in behind), uri
    assert "{" not in query and not re.search(r"[%+; ]", query), uri
    return uri


def distinct(rows):
    """Rows without those that say what an earlier one says, but for the names of labels: two versions of a client share some operations."""
    shaped = lambda row: (row[0], row[1], re.sub(r"\{[^}+]*", "{", row[2]).rstrip("/"))
    return sorted({shaped(row): row for row in reversed(rows)}.values())


def write_models():
    lines = [
        f"# Written by tests/tools/botocore_tables.py from the models of botocore {botocore.__version__}; do not edit.\n",
        "# A service's key in brackets, then its operations: name, and for REST services method and URI template.\n",
    ]
    for name, rows in sorted(models().items()):
        lines += [f"[{name}]\n", *(" ".join(row).rstrip() + "\n" for row in rows)]
    (ROOT / "src/aws/operation/models.txt").write_text("".join(lines))


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
        write_models()
        write_refused()
