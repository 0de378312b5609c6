"""Values that the chart does not take, and what it says of them."""

import pytest

from .render import CHART, example

REFUSED = {
    "unknown value": ({"replicaCount": 3}, "additional properties 'replicaCount' not allowed"),
    "misspelt value": ({"networkPolicy": {"enable": False}}, "at '/networkPolicy': additional properties 'enable' not allowed"),
    "no configuration": ({"config": None}, "at '/config': missing properties 'admin', 'identity', 'tenants'"),
    "no metrics token": ({"config": {"admin": {"metrics_token": None}}}, "at '/config/admin': missing property 'metrics_token'"),
    "no admin token": ({"config": {"admin": {"token": None}}}, "at '/config/admin': missing property 'token'"),
    "token from elsewhere": ({"config": {"admin": {"token": {"file": "/tmp/x"}}}}, "at '/config/admin/token/file': value must be 'secrets/admin-token'"),
    "web identity from elsewhere": ({"config": {"credentials": {"source": {"web_identity": {"token_file": "/x"}}}}},
                                    "at '/config/credentials/source/web_identity/token_file': value must be 'secrets/token'"),
    "TLS from elsewhere": ({"config": {"ingress": {"tls": {"private_key": "/x"}}}}, "at '/config/ingress/tls/private_key': value must be 'tls/tls.key'"),
    "wrong type": ({"deployment": {"replicas": "two"}}, "at '/deployment/replicas': got string, want null or integer"),
    "port": ({"service": {"port": 70000}}, "at '/service/port': maximum: got 70,000, want 65,535"),
    "tag as digest": ({"image": {"digest": "v1"}}, "at '/image/digest': 'v1' does not match pattern"),
    "file over the configuration": ({"files": {"palisade.yaml": "x"}}, "palisade.yaml"),
    "data as a file": ({"files": {"policy.json": {"Version": "2012-10-17"}}}, "at '/files/policy.json': got object, want string"),
    "a tenant that YAML takes for a boolean": ({"tenants": {False: {}}}, "false"),
    "file outside": ({"files": {"../x": "x"}}, "does not match pattern"),
    "privileged application": ({"application": {"securityContext": {"privileged": True}}}, "at '/application/securityContext/privileged': value must be false"),
    "no Secret of tokens": ({"tokens": {"secretName": ""}}, "tokens.secretName: name the Secret"),
    "no Secret for TLS": ({"tls": {"secretName": ""}}, "tls.secretName: name the Secret (type kubernetes.io/tls) with the certificate of config.ingress"),
    "no application": ({"application": {"image": None}}, "application.image: name the image"),
    "readiness that waits for the application": ({"config": {"ingress": {"health": {"path": "/healthz", "readiness": True}}}},
                                                 "config.ingress.health.readiness: the application's container starts when Palisade is ready"),
    "probes on loopback": ({"config": {"probes": {"listen": "127.0.0.1:8191"}}}, "config.probes.listen: 127.0.0.1:8191 cannot be reached by the kubelet"),
    "no probes": ({"config": {"probes": {"listen": "none"}}}, "config.probes.listen: none cannot be reached"),
    "open egress": ({"config": {"egress": {"listen": "0.0.0.0:8180"}}}, "config.egress.listen: 0.0.0.0:8180 is not loopback"),
    "one open egress": ({"config": {"egress": {"listen": ["127.0.0.1:8180", "[::]:8180"]}}}, "config.egress.listen: [::]:8180 is not loopback"),
    "a gateway": ({"config": {"ingress": {"upstream": "http://orders.store.svc:8080"}}}, "config.ingress.upstream: http://orders.store.svc:8080 is not in the pod"),
    "a gateway by a look-alike": ({"config": {"ingress": {"upstream": "http://localhost.store.svc:8080"}}}, "is not in the pod"),
    "a gateway to one of several": ({"config": {"ingress": {"upstream": ["http://127.0.0.1:8080", "https://orders.store.svc"]}}}, "https://orders.store.svc is not in the pod"),
    "a socket": ({"config": {"ingress": {"upstream": "unix:/run/app.sock"}}}, "config.ingress.upstream: a Unix socket needs a folder"),
    "a socket of the egress": ({"config": {"egress": {"socket": {"path": "/run/egress.sock"}}}}, "config.egress.socket: a Unix socket needs a folder"),
    "a socket for some": ({"config": {"ingress": {"routes": [{"tenants": ["acme"], "upstream": ["unix:/run/app.sock"]}]}}}, "a Unix socket needs a folder"),
    "no records": ({"tenants": None}, "tenants: config.tenants.directory.file is set"),
    "records for nobody": ({"config": {"tenants": {"directory": {"file": None, "any": {}}}}}, "tenants: nothing reads the records"),
    "two sources of records": ({"tenantsConfigMap": "tenants"}, "tenants, tenantsConfigMap: give one of them"),
    "two configurations": ({"configFrom": {"configMap": "a", "secret": "b"}}, "configFrom: give configMap or secret, not both"),
    "no listener": ({"config": {"ingress": None, "egress": None}}, "config: has neither ingress nor egress"),
    "a file over the configuration from elsewhere": ({"filesFrom": [{"secret": {"name": "x", "items": [{"key": "a", "path": "palisade.yaml"}]}}]},
                                                     "at '/filesFrom/0/secret/items/0/path'"),
    "a key over a token": ({"filesFrom": [{"secret": {"name": "x", "items": [{"key": "a", "path": "secrets/admin-token"}]}}]},
                           "at '/filesFrom/0/secret/items/0/path'"),
    "a path that leaves": ({"filesFrom": [{"secret": {"name": "x", "items": [{"key": "a", "path": "a/../../x"}]}}]}, "does not match pattern"),
    "all of a Secret": ({"filesFrom": [{"secret": {"name": "x"}}]}, "missing property 'items'"),
    "a source that is two": ({"filesFrom": [{"secret": {"name": "x", "items": [{"key": "a", "path": "b"}]}, "configMap": {}}]}, "at '/filesFrom/0'"),
    "one path twice": ({"filesFrom": [{"configMap": {"name": "x", "items": [{"key": "a", "path": "session-policy.json"}]}}]},
                       "filesFrom: session-policy.json is there twice"),
    "a certificate of nobody": ({"tls": {"certManager": {"enabled": True}}}, "tls.certManager.issuerRef: name the Issuer"),
    "TLS of the egress from elsewhere": ({"config": {"egress": {"tls": {"certificate": "x", "private_key": "y"}}}}, "at '/config/egress/tls/certificate'"),
    "one user": ({"podSecurityContext": {"runAsUser": 58190}}, "podSecurityContext.runAsUser: 58190 is Palisade's own user"),
    "the user of Palisade": ({"application": {"securityContext": {"runAsUser": 58190}}}, "application.securityContext.runAsUser: 58190 is Palisade's own user"),
    "a probe by an open port": ({"application": {"readinessProbe": {"httpGet": {"port": 8080}}}}, "application.readinessProbe: the kubelet reaches port 8080"),
    "a port of the node": ({"application": {"ports": [{"containerPort": 8080, "hostPort": 8080}]}}, "application.ports: hostPort 8080 is a way past Palisade"),
    "a way out of a route": ({"config": {"ingress": {"routes": [{"tenants": ["acme"], "upstream": "https://acme.store.svc"}]}}}, "https://acme.store.svc is not in the pod"),
    "a way out by a template": ({"config": {"ingress": {"upstream": "http://app.{tenant.cell}.internal"}}}, "http://app.{tenant.cell}.internal is not in the pod"),
    "a way out without passports": ({"config": {"egress": None, "credentials": None, "ingress": {"upstream": "https://orders.store.svc"}}}, "mode: gateway"),
    "tokens in the application's environment": (
        {"application": {"env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "orders-palisade", "key": "admin-token"}}}]}},
        "application.env: orders-palisade is a Secret of Palisade's"),
    "all tokens in the application's environment": ({"application": {"envFrom": [{"secretRef": {"name": "orders-palisade"}}]}},
                                                    "application.envFrom: orders-palisade is a Secret of Palisade's"),
    "the key as a volume": ({"volumes": [{"name": "x", "secret": {"secretName": "orders-tls"}}]}, "volumes: orders-tls is a Secret of Palisade's"),
    "the key in a volume": ({"volumes": [{"name": "x", "projected": {"sources": [{"secret": {"name": "orders-tls"}}]}}]}, "volumes: orders-tls is a Secret"),
    "a key of a file as a volume": ({"filesFrom": [{"secret": {"name": "keys", "items": [{"key": "a", "path": "b"}]}}],
                                     "volumes": [{"name": "x", "secret": {"secretName": "keys"}}]}, "volumes: keys is a Secret of Palisade's"),
    "a variable of Palisade's": ({"env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}],
                                  "application": {"envFrom": [{"secretRef": {"name": "keys"}}]}}, "application.envFrom: keys is a Secret of Palisade's"),
    "a token for STS": ({"volumes": [{"name": "x", "projected": {"sources": [{"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "t"}}]}}]},
                        "volumes: x has a token for sts.amazonaws.com"),
    "scaling by nothing": ({"autoscaling": {"enabled": True}, "application": {"resources": None}}, "application.resources.requests.cpu: autoscaling goes by"),
    "scaling of another's pods": ({"autoscaling": {"enabled": True}, "deployment": {"enabled": False}}, "autoscaling.enabled: there is no Deployment of this chart to scale"),
    "a label that selects": ({"podLabels": {"palisade": "x"}}, "at '/podLabels/palisade'"),
    "a label of the chart's": ({"podLabels": {"app.kubernetes.io/name": "x"}}, "at '/podLabels/app.kubernetes.io~1name'"),
    "an annotation of the chart's": ({"podAnnotations": {"checksum/palisade": "x"}}, "at '/podAnnotations/checksum~1palisade'"),
    "containers to skip by annotation": ({"podAnnotations": {"eks.amazonaws.com/skip-containers": "x"}}, "at '/podAnnotations/eks.amazonaws.com~1skip-containers'"),
    "a label of the chart's on a monitor": ({"podMonitor": {"labels": {"helm.sh/chart": "x"}}}, "at '/podMonitor/labels/helm.sh~1chart'"),
    "a mode": ({"mode": "daemonset"}, "at '/mode': value must be one of 'sidecar', 'gateway'"),
    "keys for the application": ({"application": {"env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}]}}, "application.env: AWS_SECRET_ACCESS_KEY"),
    "a role for the application": ({"application": {"env": [{"name": "AWS_ROLE_ARN", "value": "x"}]}}, "application.env: AWS_ROLE_ARN"),
    "another endpoint": ({"application": {"env": [{"name": "AWS_ENDPOINT_URL_S3", "value": "x"}]}}, "application.env: AWS_ENDPOINT_URL_S3"),
    "Palisade's volume for the application": ({"application": {"volumeMounts": [{"name": "palisade", "mountPath": "/x"}]}},
                                              "application.volumeMounts: the volume palisade"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_values_are_refused_in_words_that_help(chart, case):
    change, message = REFUSED[case]
    assert message in chart.refused("service", change)


# A gateway takes no passports and makes none, and there is no application in it.
TLS = {"certificate": "tls/tls.crt", "private_key": "tls/tls.key"}
INGRESS = {"tls": TLS, "upstream": "https://orders.shop.svc"}
REFUSED_GATEWAYS = {
    "passports": ({"config": {"ingress": INGRESS, "egress": {"proofs": ["passport"]}}}, "config.egress.proofs: takes passports"),
    "passports besides": ({"config": {"ingress": INGRESS, "egress": {"proofs": ["jwt", "passport"]}}}, "config.egress.proofs: takes passports"),
    "passports alone": ({"config": {"egress": {"proofs": "passport"}}}, "config.egress.proofs: takes passports"),
    "passports by default": ({"config": {"ingress": INGRESS, "egress": {"proofs": None}}}, "(the default beside config.ingress)"),
    "how passports are": ({"config": {"ingress": INGRESS, "identity": {"passport": {"max_age": "1m"}}}}, "config.identity.passport: a passport works in the process"),
    "passports of a rule": ({"config": {"ingress": INGRESS | {"endpoints": [{"path": "/a"}, {"path": "/b", "passport": {"max_uses": 1}}]}}},
                            "config.ingress.endpoints: /b says what passports are worth"),
    "deferred work": ({"config": {"egress": {"defer": {"audiences": {}}}}}, "config.egress.defer: contexts are sealed out of live passports"),
    "tokens in clear": ({"config": {"egress": {"tls": None}}}, "config.egress.tls: applications come from other pods"),
    "an egress for nobody": ({"config": {"egress": {"listen": None}}}, "config.egress.listen: 127.0.0.1:8180 can be reached by nobody"),
    "an egress for nobody besides": ({"config": {"egress": {"listen": ["0.0.0.0:8180", "[::1]:8180"]}}}, "config.egress.listen: [::1]:8180 can be reached by nobody"),
    "an egress without a name": ({"config": {"egress": {"hosts": None}}}, "config.egress.hosts: list the names by which applications call the gateway, such as shop-palisade.store.svc"),
    "an application in the pod": ({"config": {"ingress": INGRESS | {"upstream": "http://127.0.0.1:8080"}}}, "http://127.0.0.1:8080 is in the gateway's own pod"),
    "an application in the pod for some": ({"config": {"ingress": INGRESS | {"routes": [{"tiers": ["gold"], "upstream": ["https://[::1]:8443"]}]}}},
                                           "https://[::1]:8443 is in the gateway's own pod"),
    "an application": ({"application": {"image": "orders:1"}}, "application.image: there is no application in a gateway"),
    "its volumes": ({"volumes": [{"name": "x", "emptyDir": {}}]}, "volumes: there is no application in a gateway"),
    "its ports": ({"networkPolicy": {"ports": [8080]}}, "networkPolicy.ports: there is no application in a gateway"),
    "its containers": ({"skipContainers": ["x"]}, "skipContainers: there is no application in a gateway"),
    "another's pod": ({"deployment": {"enabled": False}}, "deployment.enabled: a gateway has a pod of its own"),
    "one port for both": ({"config": {"ingress": INGRESS}, "service": {"egressPort": 443}}, "service.egressPort: is the ingress's as well"),
    "no pause": ({"gateway": {"preStopSeconds": 0}}, "at '/gateway/preStopSeconds': minimum: got 0, want 1"),
    "a socket": ({"config": {"egress": {"socket": {"path": "/run/x.sock"}}}}, "config.egress.socket: a Unix socket needs a folder"),
    "a socket of the application": ({"config": {"ingress": INGRESS | {"upstream": "unix:/run/app.sock"}}}, "config.ingress.upstream: a Unix socket needs a folder"),
    "no TLS": ({"tls": {"certManager": {"enabled": False}}}, "tls.secretName: name the Secret (type kubernetes.io/tls) with the certificate of config.egress.tls"),
    "whatever may call": ({"networkPolicy": {"from": [{"everybody": {}}]}}, "at '/networkPolicy/from/0'"),
}


@pytest.mark.parametrize("case", REFUSED_GATEWAYS)
def test_what_makes_no_gateway_is_refused(chart, case):
    change, message = REFUSED_GATEWAYS[case]
    assert message in chart.refused("gateway", change)


def test_an_empty_configuration_is_refused(chart):
    """`config:` with everything below it commented out."""
    done = chart.template("", values=example("service") | {"config": None})
    assert done.returncode != 0 and "missing property 'config'" in done.stderr


def test_a_cluster_without_native_sidecars_is_refused(helm):
    done = helm("template", "shop", CHART, "--kube-version", "1.28", "-f", CHART / "examples" / "service.yaml")
    assert done.returncode != 0 and "kubeVersion" in done.stderr
