"""What is in the binary: a CycloneDX 1.6 document, out of the record that Cargo keeps of the very build.

A list made from `Cargo.lock` alone names crates of other systems, of tests and of features that are off. The record names those that were compiled.
"""

import datetime
import hashlib
import json
import os
import re
import subprocess
import tomllib
import uuid
from dataclasses import dataclass, field
from pathlib import Path

# The namespace of serial numbers: the same build has the same one.
NAMESPACE = uuid.UUID("8c1f3a4e-8a5c-5e0b-9f57-6f0d6c2b8b1d")


@dataclass
class Crate:
    name: str
    version: str
    licence: str
    folder: Path
    repository: str | None
    checksum: str | None
    # Whether its code is in the binary, or only helped to make it: a build script's, a macro's.
    linked: bool = False
    needs: list[str] = field(default_factory=list)

    @property
    def purl(self) -> str:
        return f"pkg:cargo/{self.name}@{self.version}"


@dataclass
class Runtime:
    """What the toolchain adds to the crates."""

    name: str
    version: str
    licence: str
    purl: str
    texts: list[Path]


def crates(root: Path, record: Path, features: list[str], triple: str) -> tuple[Crate, list[Crate]]:
    """The package itself and the crates that were compiled for it, by name and version."""
    shipped = linked(root, features, triple)
    lock = {(p["name"], p["version"]): p for p in tomllib.loads((root / "Cargo.lock").read_text())["package"]}
    messages = [json.loads(line) for line in record.read_text().splitlines() if line.startswith("{")]
    built = sorted({Path(message["manifest_path"]) for message in messages if message["reason"] == "compiler-artifact"})
    made, manifests = {}, {}
    for path in built:
        manifest = tomllib.loads(path.read_text())
        p = manifest["package"]
        name, version = p["name"], p["version"]
        made[name, version] = Crate(name, version, spdx(p.get("license")), path.parent, p.get("repository"), lock[name, version].get("checksum"))
        manifests[name, version] = manifest
    for identity, crate in made.items():
        manifest = manifests[identity]
        uses = set()
        for table in [manifest, *manifest.get("target", {}).values()]:
            for kind in ("dependencies", "build-dependencies"):
                uses.update(given.get("package", name) if isinstance(given, dict) else name for name, given in table.get(kind, {}).items())
        needed = [other for other in map(lambda text: named(text, lock), lock[identity].get("dependencies", [])) if other in made]
        crate.needs = sorted(made[other].purl for other in needed if other[0] in uses)
        crate.linked = identity in shipped
    (own,) = [identity for identity in made if made[identity].folder == root]
    made[own].linked = True
    return made.pop(own), sorted(made.values(), key=lambda crate: (crate.name, crate.version))


def named(text: str, lock: dict) -> tuple[str, str]:
    """What the lock file calls a dependency: its name, with its version where there are several."""
    name, _, version = text.partition(" ")
    return (name, version.split(" ")[0]) if version else next(identity for identity in lock if identity[0] == name)


def linked(root: Path, features: list[str], triple: str) -> set[tuple[str, str]]:
    """What is reached by ordinary dependencies without passing through a macro, which runs in the compiler: that is in the binary.

    Cargo's record of a build does not say so. A crate may be compiled twice, for the binary and for a build script, and have more dependencies in one of them.
    """
    command = [*os.environ.get("CARGO", "cargo").split(), "tree", "--locked", "--prefix", "none", "--format", "{p}", "--edges", "normal,no-proc-macro",
               "--no-default-features", "--features", ",".join(features), "--target", triple]
    told = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"^(\S+) v(\S+)", told, re.MULTILINE))


def spdx(licence: str | None) -> str:
    """Older manifests write `MIT/Apache-2.0`."""
    return re.sub(r"\s*/\s*", " OR ", licence or "NOASSERTION")


def runtime() -> list[Runtime]:
    """The C library, the unwinder and Rust's own library: linked statically, so they are in the file."""
    def say(*command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    rust = re.search(r"rustc (\S+)", say("rustc", "--version"))[1]
    documents = Path(say("rustc", "--print", "sysroot")) / "share" / "doc" / "rust" / "licenses"
    glibc = say("ldd", "--version").splitlines()[0].split()[-1]
    gcc = say("gcc", "-dumpfullversion")
    return [
        Runtime("glibc", glibc, "LGPL-2.1-or-later", f"pkg:generic/glibc@{glibc}", [Path("/usr/share/doc/libc6/copyright"), Path("/usr/share/common-licenses/LGPL-2.1")]),
        Runtime("libgcc", gcc, "GPL-3.0-or-later WITH GCC-exception-3.1", f"pkg:generic/gcc@{gcc}", [Path(f"/usr/share/doc/gcc-{gcc.split('.')[0]}-base/copyright")]),
        Runtime("rust-std", rust, "MIT OR Apache-2.0", f"pkg:generic/rust@{rust}", [documents / "MIT.txt", documents / "Apache-2.0.txt"]),
    ]


def document(own: Crate, others: list[Crate], around: list[Runtime], binary: Path, moment: int) -> dict:
    components = [component(crate) for crate in others] + [
        {"type": "library", "bom-ref": r.purl, "name": r.name, "version": r.version, "scope": "required", "licenses": [{"expression": r.licence}], "purl": r.purl}
        for r in around
    ]
    graph = [{"ref": own.purl, "dependsOn": sorted(own.needs + [r.purl for r in around])}]
    graph += [{"ref": crate.purl, "dependsOn": crate.needs} for crate in others]
    subject = component(own) | {"type": "application", "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(binary.read_bytes()).hexdigest()}]}
    del subject["scope"]
    body = {
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lifecycles": [{"phase": "build"}],
            "component": subject,
        },
        "components": components,
        "dependencies": graph,
    }
    serial = uuid.uuid5(NAMESPACE, json.dumps(body, sort_keys=True))
    return {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1} | body


def component(crate: Crate) -> dict:
    made = {
        "type": "library", "bom-ref": crate.purl, "name": crate.name, "version": crate.version,
        # `excluded` is CycloneDX's word for what is used and not shipped.
        "scope": "required" if crate.linked else "excluded",
        "licenses": [{"expression": crate.licence}], "purl": crate.purl,
    }
    if crate.checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": crate.checksum}]
    if crate.repository:
        made["externalReferences"] = [{"type": "vcs", "url": crate.repository}]
    return made


def moment(root: Path) -> int:
    """When the source was committed, unless SOURCE_DATE_EPOCH says otherwise: the same source makes the same document."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(epoch)
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=root, capture_output=True, text=True)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else 0
