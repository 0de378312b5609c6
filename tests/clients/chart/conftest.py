"""Helm, and what a release finds in its namespace."""

import os
import shutil
import subprocess

import pytest

from harness.process import clean_environment

from .render import Chart


@pytest.fixture(scope="session")
def helm(directory):
    """`make helm` gets it; CI has to have it."""
    executable = shutil.which("helm")
    if not executable and not os.environ.get("CI"):
        pytest.skip("helm is not there: `make helm` gets it")
    assert executable, "helm is missing: `make helm`"
    home = {f"HELM_{kind}_HOME": str(directory / "helm") for kind in ("CACHE", "CONFIG", "DATA")}

    def run(*arguments) -> subprocess.CompletedProcess:
        return subprocess.run([executable, *map(str, arguments)], capture_output=True, text=True, timeout=60, env=clean_environment(**home))

    return run


@pytest.fixture(scope="session")
def kubectl() -> str:
    """The same; it is asked for nothing that takes a cluster."""
    executable = shutil.which("kubectl")
    if not executable and not os.environ.get("CI"):
        pytest.skip("kubectl is not there: `make helm` gets it")
    assert executable, "kubectl is missing: `make helm`"
    return executable


@pytest.fixture
def chart(helm, tmp_path):
    return Chart(helm, tmp_path)


@pytest.fixture
def outside(authority) -> dict:
    """The objects that the examples expect to find."""
    tokens = {"admin-token": "admin\n", "metrics-token": "metrics\n"}
    tls = {"tls.crt": authority.certificate.read_text(), "tls.key": authority.key.read_text()}
    tenants = {"tenants.yaml": "tenants: {acme: {}}\n"}
    return {"orders-palisade": tokens, "thumbnails-palisade": tokens, "palisade-tokens": tokens, "palisade-metrics": tokens, "orders-tls": tls,
            "shop-palisade-tls": tls, "front-tls": tls, "tenants": tenants}
