"""The images of `make images`: what is in them, and that they run as they are meant to be run."""

import contextlib
import datetime
import hashlib
import json
import os
import re
import ssl
import struct
import subprocess
import tomllib
import zlib
from pathlib import Path

import httpx
import pytest
import yaml

from harness import docker
from harness.docker import HARDENED, Containers, files, inspect, logs, published

ROOT = Path(__file__).resolve().parents[2]
# In MiB, what a node pulls and what it unpacks. CI makes images of the profile dev.
SIZES = {"release": (10, 20), "dev": (60, 150)}
BINARY = "usr/local/bin/palisade"
SHARE = "usr/share/palisade"
CONTENT = {BINARY, "etc/ssl/certs/ca-certificates.crt", f"{SHARE}/sbom.cdx.json", f"{SHARE}/licences.txt"}
RUNTIME = {"glibc", "libgcc", "rust-std"}
FEATURES = {"": "cedar", "-sandbox": "cedar,sandbox"}


@pytest.fixture(scope="module")
def image() -> str:
    return docker.image()


@pytest.fixture(scope="module")
def content(image):
    return files(image)


@pytest.fixture
def containers():
    with contextlib.closing(Containers()) as made:
        yield made


def test_it_is_small(image):
    saved = subprocess.run(["docker", "save", image], stdout=subprocess.PIPE, check=True, timeout=60).stdout
    sizes = [size / 2**20 for size in (len(zlib.compress(saved)), inspect("image", image)["Size"])]
    assert all(size < limit for size, limit in zip(sizes, SIZES[os.environ["PALISADE_IMAGE_PROFILE"]], strict=True)), sizes


def test_it_is_for_a_numeric_user_without_rights(image):
    config = inspect("image", image)["Config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == [f"/{BINARY}"] and config["Cmd"] == ["run", "--config", "/etc/palisade/palisade.yaml"]
    assert config["Healthcheck"]["Test"] == ["CMD", f"/{BINARY}", "health"]
    # A volume would be writable whatever the root is.
    assert not config.get("Volumes") and not config.get("ExposedPorts")


def test_it_holds_one_static_binary_and_nothing_to_run_a_command_with(content):
    held = {name for name, (member, _) in content.items() if not member.isdir()}
    assert held == CONTENT
    executable = {name for name, (member, _) in content.items() if member.isfile() and member.mode & 0o111}
    assert executable == {BINARY}
    assert not [name for name, (member, _) in content.items() if member.mode & 0o7022 and not member.issym()], "somebody else can write there"
    assert {(member.uid, member.gid) for member, _ in content.values()} == {(0, 0)}, "what runs could change it"
    assert interpreter(content[BINARY][1]) is None, "it asks for a loader"


def interpreter(binary: bytes) -> int | None:
    """Where an ELF file names its loader (System V ABI: a program header of type PT_INTERP, 3)."""
    assert binary[:5] == b"\x7fELF\x02"
    (begin,), (size, count) = struct.unpack_from("<Q", binary, 0x20), struct.unpack_from("<HH", binary, 0x36)
    headers = range(begin, begin + size * count, size)
    return next((at for at in headers if struct.unpack_from("<I", binary, at)[0] == 3), None)


def test_labels_say_what_it_is(image, containers):
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in inspect("image", image)["Config"]["Labels"].items()}
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    assert labels["title"] == "palisade" and labels["licenses"] == "Apache-2.0" and labels["base.name"] == "scratch" and labels["description"]
    assert labels["version"] == version
    assert re.fullmatch("[0-9a-f]{40}|unknown", labels["revision"])
    assert datetime.datetime.strptime(labels["created"], "%Y-%m-%dT%H:%M:%SZ")
    assert containers.finished(image, "version").startswith(f"palisade {version} (rustc ")


def test_the_roots_are_public_authorities(content):
    bundle = content["etc/ssl/certs/ca-certificates.crt"][1].decode()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=bundle)
    subjects = str(context.get_ca_certs())
    # AWS's own, and as many as Mozilla has, but none that the building machine added.
    assert "Amazon Root CA 1" in subjects and bundle.count("BEGIN CERTIFICATE") > 100
    mozilla = {file.read_text().strip() for file in Path("/usr/share/ca-certificates/mozilla").glob("*.crt")}
    if mozilla:
        assert set(re.findall("-----BEGIN.*?-----END CERTIFICATE-----", bundle, re.DOTALL)) == mozilla


@pytest.mark.parametrize("suffix", FEATURES)
def test_the_bill_of_materials_lists_the_crates_of_the_build(image, suffix):
    held = files(image + suffix)
    document = json.loads(held[f"{SHARE}/sbom.cdx.json"][1])
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch("urn:uuid:[0-9a-f-]{36}", document["serialNumber"])
    subject = document["metadata"]["component"]
    assert subject["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(held[BINARY][1]).hexdigest()}]

    crates = {(c["name"], c["version"]): c for c in document["components"] if c["purl"].startswith("pkg:cargo/")}
    assert len(crates) + len(RUNTIME) == len(document["components"])
    assert {c["name"] for c in document["components"]} - {name for name, _ in crates} == RUNTIME
    assert set(crates) == resolved(FEATURES[suffix], "normal,build")
    shipped = {name for name, crate in crates.items() if crate["scope"] == "required"}
    assert shipped == resolved(FEATURES[suffix], "normal,no-proc-macro")
    lock = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]}
    for name, crate in crates.items():
        assert crate["hashes"] == [{"alg": "SHA-256", "content": lock[name]}] and crate["licenses"][0]["expression"] != "NOASSERTION", name
    known = {c["bom-ref"] for c in document["components"]} | {subject["bom-ref"]}
    assert {entry["ref"] for entry in document["dependencies"]} <= known
    assert {needed for entry in document["dependencies"] for needed in entry["dependsOn"]} <= known


def resolved(features: str, edges: str) -> set[tuple[str, str]]:
    """What Cargo's resolver says, which is not what the document was made from."""
    command = [*os.environ.get("CARGO", "cargo").split(), "tree", "--locked", "--prefix", "none", "--format", "{p}", "--edges", edges, "--no-default-features",
               "--features", features, "--target", "x86_64-unknown-linux-gnu"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout
    return set(re.findall(r"^(\S+) v(\S+)", told, re.MULTILINE)) - {("palisade", inspect("image", docker.image())["Config"]["Labels"]["org.opencontainers.image.version"])}


@pytest.mark.parametrize("suffix", FEATURES)
def test_every_component_has_its_licence_with_a_text(image, suffix):
    held = files(image + suffix)
    text = held[f"{SHARE}/licences.txt"][1].decode()
    document = json.loads(held[f"{SHARE}/sbom.cdx.json"][1])
    rows = {label: (licence, numbers) for label, licence, numbers in re.findall(r"^(\S+ \S+) {2,}(\S.*?) {2,}(\d[\d, ]*)$", text, re.MULTILINE)}
    texts = dict(re.findall(r"^=+\n\[(\d+)\]\n=+\n\n(.*?)(?=\n=+\n\[|\Z)", text, re.MULTILINE | re.DOTALL))
    for component in [document["metadata"]["component"], *document["components"]]:
        licence, numbers = rows.pop(f"{component['name']} {component['version']}")
        assert licence == component["licenses"][0]["expression"]
        # One of them may be a note that says which of the others to take.
        assert max(len(texts[number]) for number in numbers.split(", ")) > 500, f"{component['name']}: {numbers}"
    assert not rows, "what is not in the bill of materials"
    assert "Apache License" in text and "GNU" in text


def configuration(directory: Path, authority, idp, **changes) -> list[str]:
    """A configuration that is ready by itself, and the arguments that mount it. The user of the image reads it as anybody does."""
    for name, source in (("tls.crt", authority.certificate), ("tls.key", authority.key)):
        (directory / name).write_bytes(source.read_bytes())
    idp.write(directory / "keys.json")
    config = {
        "ingress": {"tls": {"certificate": "tls.crt", "private_key": "tls.key"}, "upstream": "http://127.0.0.1:8080"},
        "identity": {"issuers": [{"issuer": idp.issuer, "audience": "a", "jwks": {"file": "keys.json"}}]},
        "tenants": {"directory": {"any": {}}},
    } | changes
    (directory / "palisade.yaml").write_text(yaml.safe_dump(config))
    directory.chmod(0o755)
    for file in directory.iterdir():
        file.chmod(0o644)
    return ["--volume", f"{directory}:/etc/palisade:ro"]


def test_it_becomes_healthy_on_a_read_only_root_without_rights_and_ends_well(image, containers, authority, idp, tmp_path):
    palisade = containers.run(*HARDENED, "--network", "none", *configuration(tmp_path, authority, idp), image)
    containers.healthy(palisade)
    assert docker.docker("exec", palisade, f"/{BINARY}", "health") == "ready"
    with pytest.raises(RuntimeError, match="executable file not found|no such file"):
        docker.docker("exec", palisade, "sh", "-c", "true")
    docker.docker("stop", "--time", "20", palisade)
    assert inspect("container", palisade)["State"]["ExitCode"] == 0, logs(palisade)


def test_it_is_not_healthy_before_it_is_ready(image, containers, authority, idp, tmp_path):
    issuer = {"issuer": idp.issuer, "audience": "a", "jwks": {"uri": "http://127.0.0.1:9/keys", "insecure": True}}
    mounted = configuration(tmp_path, authority, idp, identity={"issuers": [issuer]})
    palisade = containers.run(*HARDENED, "--network", "none", "--health-interval", "1s", "--health-start-period", "0s", "--health-retries", "1", *mounted, image)
    docker.wait_until(lambda: inspect("container", palisade)["State"]["Health"]["Status"] == "unhealthy", 30, "it is unhealthy")
    assert "not ready" in inspect("container", palisade)["State"]["Health"]["Log"][-1]["Output"]


def test_everything_may_come_from_the_environment(image, containers, authority, idp, tmp_path):
    """As a task of ECS has it: no file, and no volume."""
    keys = idp.write(tmp_path / "keys.json").read_text()
    config = {
        "ingress": {"tls": {"certificate": {"env": "TLS_CERTIFICATE"}, "private_key": {"env": "TLS_KEY"}}, "upstream": "http://127.0.0.1:8080"},
        "identity": {"issuers": [{"issuer": idp.issuer, "audience": "a", "jwks": {"inline": keys}}]},
        "tenants": {"directory": {"any": {}}},
    }
    variables = {"PALISADE_CONFIG": json.dumps(config), "TLS_CERTIFICATE": authority.certificate.read_text(), "TLS_KEY": authority.key.read_text()}
    given = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
    palisade = containers.run(*HARDENED, "--network", "none", *given, image, "run", "--config", "env:PALISADE_CONFIG")
    containers.healthy(palisade)
    assert "PRIVATE KEY" not in logs(palisade)


def test_a_wrong_configuration_says_so_and_ends_with_2(image, containers):
    palisade = containers.run(*HARDENED, "--network", "none", image)
    docker.wait_until(lambda: not inspect("container", palisade)["State"]["Running"], 20, "it ends")
    assert inspect("container", palisade)["State"]["ExitCode"] == 2
    assert "/etc/palisade/palisade.yaml" in logs(palisade)


def test_it_runs_beside_an_application_that_shares_its_network(image, containers):
    """From the ingress by the application and the egress to AWS's double, in four containers of which the application has no file, no volume and no key."""
    own, sandbox = ROOT / "examples" / "compose", image + "-sandbox"
    network, shared = containers.network(f"palisade-test-{os.getpid()}"), containers.volume()
    containers.finished(*HARDENED, "--network", "none", "--volume", f"{shared}:/sandbox", sandbox, "dev", "files", "--into", "/sandbox")
    backends = containers.run(*HARDENED, "--network", network, "--network-alias", "backends", "--volume", f"{shared}:/sandbox:ro", "--no-healthcheck",
                              sandbox, "dev", "backends", "--files", "/sandbox", "--listen", "0.0.0.0", "--issuer", "http://backends:18446")
    palisade = containers.run(*HARDENED, "--network", network, "--publish", "127.0.0.1::8443", "--volume", f"{shared}:/sandbox:ro",
                              "--volume", f"{own}/palisade.sandbox.yaml:/etc/palisade/palisade.yaml:ro", "--volume", f"{own}/tenants.yaml:/etc/palisade/tenants.yaml:ro",
                              "--health-interval", "1s", image)
    application = containers.run(*HARDENED, "--network", f"container:{palisade}", "--no-healthcheck", sandbox, "dev", "application")
    containers.healthy(palisade)
    about = inspect("container", application)
    assert about["HostConfig"]["NetworkMode"] == f"container:{palisade}" and not about["Mounts"]
    assert not [variable for variable in about["Config"]["Env"] if variable.startswith("AWS_")]

    story(f"https://127.0.0.1:{published(palisade, 8443)}", lambda tenant: docker.docker("exec", backends, f"/{BINARY}", "dev", "token", "--tenant", tenant),
          docker.docker("cp", f"{backends}:/sandbox/ca.crt", "-"))


def story(url: str, token, authority_tar: str):
    """Two tenants store and read, and neither reaches the other, whatever the application does."""
    certificate = re.search("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", authority_tar, re.DOTALL)[0]
    trust = ssl.create_default_context(cadata=certificate)
    tokens = {tenant: token(tenant) for tenant in ("acme", "globex")}
    with httpx.Client(base_url=url, verify=trust, trust_env=False, timeout=20) as client:
        def ask(method: str, path: str, tenant: str, of: str | None = None, **more):
            return client.request(method, path, headers={"authorization": f"Bearer {tokens[of or tenant]}", "x-tenant-id": tenant}, **more)

        for tenant, other in (("acme", "globex"), ("globex", "acme")):
            stored = ask("PUT", "/objects/from-a-container.txt", tenant, content=tenant.encode())
            assert stored.status_code == 200, stored.text
            assert ask("GET", "/objects/from-a-container.txt", tenant).text == tenant
            assert ask("GET", "/whoami", tenant).json()["aws_credentials"] == "none"
            crossed = ask("GET", f"/as/{other}/objects/welcome.txt", tenant)
            assert crossed.status_code == 403, crossed.text
            mixed = ask("GET", "/objects", other, of=tenant)
            assert (mixed.status_code, mixed.headers["x-palisade-reason"]) == (403, "tenant-mismatch")


def test_the_sandbox_is_one_command(image, containers):
    """`docker run --publish 127.0.0.1:18443:18443 palisade:VERSION-sandbox`, as the README has it."""
    sandbox = containers.run("--publish", "127.0.0.1::18443", "--health-interval", "1s", image + "-sandbox")
    containers.healthy(sandbox)
    story(f"https://127.0.0.1:{published(sandbox, 18443)}", lambda tenant: docker.docker("exec", sandbox, f"/{BINARY}", "dev", "token", "--tenant", tenant),
          docker.docker("cp", f"{sandbox}:/tmp/palisade-dev-18443/ca.crt", "-"))
    docker.docker("stop", "--time", "20", sandbox)
    assert inspect("container", sandbox)["State"]["ExitCode"] == 0, logs(sandbox)
