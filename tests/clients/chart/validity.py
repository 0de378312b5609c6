"""Whether Kubernetes would take a document: by its own schemas, and for what is not its own by the fields that the others publish."""

import functools
import json

import jsonschema
import kubernetes_validate

# The oldest that has what the chart needs, the newest that there are schemas of, and one between.
VERSIONS = ["1.30", "1.33", "1.37"]


def validate(document: dict):
    """Raises where it is not valid, or has a field that nobody knows."""
    if shape := SHAPES.get((document["apiVersion"], document["kind"])):
        jsonschema.validate(document["spec"], shape)
        native(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": document["metadata"]}, sort_keys=True))
        assert set(document) == {"apiVersion", "kind", "metadata", "spec"}
        return
    native(json.dumps(document, sort_keys=True))


@functools.cache
def native(document: str):
    """Most documents are the same in most renders, and each takes the reading of some large schemas."""
    for version in VERSIONS:
        kubernetes_validate.validate(json.loads(document), version, strict=True)


def closed(required: list[str], **properties) -> dict:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


TEXT, SWITCH, COUNT = {"type": "string"}, {"type": "boolean"}, {"type": "integer"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
SPAN = {"type": "string", "pattern": "^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"}
SELECTOR = closed([], matchLabels=TEXTS)
# Of the custom resources of prometheus-operator, as its version 0.87 defines them: what the chart may come to use.
ENDPOINT = {
    "port": TEXT, "path": TEXT, "interval": SPAN, "scrapeTimeout": SPAN, "honorLabels": SWITCH,
    "authorization": closed([], type=TEXT, credentials=closed(["key"], name={"type": "string", "minLength": 1}, key=TEXT, optional=SWITCH)),
    "relabelings": {"type": "array", "items": closed([], action=TEXT, regex=TEXT, sourceLabels={"type": "array", "items": TEXT}, targetLabel=TEXT)},
}
RULE = closed(["expr"], alert=TEXT, record=TEXT, expr={"type": ["string", "integer"]}, **{"for": SPAN, "keep_firing_for": SPAN}, labels=TEXTS, annotations=TEXTS)
GROUP = closed(["name"], name={"type": "string", "minLength": 1}, interval=SPAN, limit=COUNT, rules={"type": "array", "items": RULE})
GO_SPAN = {"type": "string", "pattern": "^([0-9]+(h|m|s))+$"}

SHAPES = {
    ("monitoring.coreos.com/v1", "PodMonitor"): closed(
        ["selector", "podMetricsEndpoints"], selector=SELECTOR, podMetricsEndpoints={"type": "array", "minItems": 1, "items": closed(["port"], **ENDPOINT)}),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): closed(
        ["selector", "endpoints"], selector=SELECTOR, endpoints={"type": "array", "minItems": 1, "items": closed(["port"], **ENDPOINT)}),
    ("monitoring.coreos.com/v1", "PrometheusRule"): closed(["groups"], groups={"type": "array", "minItems": 1, "items": GROUP}),
    # Of cert-manager's, in the version of its API that has been stable since 1.0.
    ("cert-manager.io/v1", "Certificate"): closed(
        ["secretName", "issuerRef", "dnsNames"], secretName=TEXT, issuerRef=closed(["name"], name=TEXT, kind=TEXT, group=TEXT),
        dnsNames={"type": "array", "minItems": 1, "items": TEXT, "uniqueItems": True}, duration=GO_SPAN, renewBefore=GO_SPAN,
        usages={"type": "array", "items": {"enum": ["digital signature", "server auth"]}},
        privateKey=closed([], algorithm={"enum": ["RSA", "ECDSA", "Ed25519"]}, size=COUNT, rotationPolicy={"enum": ["Never", "Always"]}, encoding=TEXT)),
}
