"""The recipes of `examples/` as processes: how each is started, and what it needs that this machine may not have."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")

# The recipes that are applications for many tenants, and those of them that keep orders in DynamoDB besides objects in S3.
APPLICATIONS = ["python/app.py", "python/shared_client.py", "javascript/objects.mjs", "go/main.go", "rust/objects.rs"]
KEEP_ORDERS = ["python/shared_client.py", "javascript/objects.mjs"]


def command(recipe: str, directory: Path) -> list:
    """What starts a recipe, compiled first where it has to be."""
    source = EXAMPLES / recipe
    return {".py": python, ".mjs": javascript, ".go": go, ".rs": rust}[source.suffix](source, directory)


def python(source: Path, _) -> list:
    return [sys.executable, source]


def javascript(source: Path, _) -> list:
    if not shutil.which("node"):
        pytest.skip("not run: node is not here")
    if not javascript_sdk():
        pytest.skip("not run: the AWS SDK for JavaScript is not here; PALISADE_AWS_SDK_JS says where it is")
    return ["node", "--import", Path(__file__).with_name("aws_sdk_js.mjs"), source]


def javascript_sdk() -> Path | None:
    """`PALISADE_AWS_SDK_JS` (a CommonJS file, or a directory with `node_modules`), or what was installed under the build directory."""
    if chosen := os.environ.get("PALISADE_AWS_SDK_JS"):
        return Path(chosen)
    installed = TARGET / "tools" / "js"
    return installed if (installed / "node_modules" / "@aws-sdk" / "client-s3").is_dir() else None


def go(source: Path, directory: Path) -> list:
    """Debian's SDK is of 2022 and knows `BaseEndpoint` by its predecessor; nothing else in the recipe is touched."""
    if not (TARGET / "tools" / "go" / "done").exists():
        if os.environ.get("CI"):
            pytest.fail("Go and its AWS SDK are missing: `make go`")
        pytest.skip("Go and its AWS SDK are not there: `make go` gets them from Debian's packages")
    setting, predecessor = "BaseEndpoint: aws.String(", "EndpointResolver: s3.EndpointResolverFromURL("
    text = source.read_text()
    assert text.count(setting) == 1
    older = directory / "main.go"
    older.write_text(text.replace(setting, predecessor))
    subprocess.run([sys.executable, ROOT / "tests" / "tools" / "golang.py", older, directory / "go-objects"], check=True)
    return [directory / "go-objects"]


def rust(_, __) -> list:
    built = TARGET / "debug" / "examples" / "objects"
    assert built.exists(), "the recipe is not built: `cargo build --example objects`"
    return [built]
