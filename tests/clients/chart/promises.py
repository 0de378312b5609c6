"""What is promised of every pod that the chart renders, or that another chart renders with its templates."""

import re

# The Pod Security Standard `restricted`, which has all of `baseline` as well. What it allows by exception is not used, and so not allowed here.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
LAST_WORDS = 4


def containers(pod: dict) -> list[dict]:
    return pod.get("initContainers", []) + pod["containers"]


def restricted(pod: dict):
    context = pod["securityContext"]
    assert not {field for field in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace") if pod.get(field)}
    assert not {"seLinuxOptions", "windowsOptions", "sysctls", "appArmorProfile"} & set(context)
    assert context.get("runAsUser") != 0
    for volume in pod.get("volumes", []):
        assert set(volume) - {"name"} <= VOLUMES, volume
    for container in containers(pod):
        own = container["securityContext"]
        assert not own.get("privileged") and own["allowPrivilegeEscalation"] is False, container["name"]
        assert own["capabilities"] == {"drop": ["ALL"]}, container["name"]
        assert own.get("runAsNonRoot", context.get("runAsNonRoot")) is True and own.get("runAsUser") != 0, container["name"]
        assert own.get("seccompProfile", context.get("seccompProfile")) == {"type": "RuntimeDefault"}, container["name"]
        assert not {"seLinuxOptions", "windowsOptions", "appArmorProfile", "procMount"} & set(own), container["name"]
        assert not [port for port in container.get("ports", []) if port.get("hostPort")], container["name"]
        handlers = [container[probe] for probe in PROBES if probe in container] + list(container.get("lifecycle", {}).values())
        assert not [handler for handler in handlers for action in handler.values() if isinstance(action, dict) and action.get("host")]
    (palisade,) = [container for container in containers(pod) if container["name"] == "palisade"]
    own = palisade["securityContext"]
    assert own["readOnlyRootFilesystem"] is True and own["runAsUser"] >= 10000
    users = [container["securityContext"].get("runAsUser", context.get("runAsUser")) for container in containers(pod) if container is not palisade]
    assert own["runAsUser"] not in users, "Palisade has a user of its own"


def secrets_are_kept(pod: dict):
    """Whatever is secret is Palisade's: no other container mounts it, or has it in its environment."""
    assert pod["automountServiceAccountToken"] is False
    secret = {volume["name"] for volume in pod["volumes"] if secrets(volume)}
    assert "palisade" in secret, "nothing secret was found, so nothing was looked for"
    ours = {name for volume in pod["volumes"] if volume["name"] == "palisade" for name in secrets(volume)}
    for container in containers(pod):
        mounts = {mount["name"]: mount for mount in container.get("volumeMounts", [])}
        if container["name"] == "palisade":
            assert mounts == {"palisade": {"name": "palisade", "mountPath": "/etc/palisade", "readOnly": True}}
            continue
        assert "palisade" not in mounts, container["name"]
        mounted = {name for volume in pod["volumes"] if volume["name"] in mounts for name in secrets(volume)}
        named = {variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name") for variable in container.get("env", [])}
        named |= {source.get("secretRef", {}).get("name") for source in container.get("envFrom", [])}
        assert not (mounted | named) & ours, container["name"]


def secrets(volume: dict) -> set[str]:
    """Names of the Secrets in it, and the audiences of tokens."""
    found = {volume["secret"]["secretName"]} if "secret" in volume else set()
    for source in volume.get("projected", {}).get("sources", []):
        if "secret" in source:
            found.add(source["secret"]["name"])
        if "serviceAccountToken" in source:
            found.add("token for " + source["serviceAccountToken"]["audience"])
    return found


def ends_in_time(pod: dict):
    """Every hook is over before the pod is killed, and there is time left for what comes behind it."""
    grace = pod["terminationGracePeriodSeconds"]
    for container in containers(pod):
        hook = container.get("lifecycle", {}).get("preStop", {})
        if "sleep" in hook:
            assert 0 < hook["sleep"]["seconds"] <= grace - LAST_WORDS, container["name"]
        for argument in hook.get("exec", {}).get("command", []):
            if seconds := re.fullmatch("([0-9]+)s", argument):
                assert int(seconds[1]) <= grace - LAST_WORDS, container["name"]
