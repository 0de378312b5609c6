"""The commands of the container, with the real process."""

import contextlib
import http.client

from harness.process import Child, answers, clean_environment, free_port

from .render import run


def test_probes_and_hooks_work_with_the_real_process(chart, outside, authority, idp, tmp_path):
    """An ingress alone, so that nothing but keys is needed to be ready."""
    ports = {listener: free_port() for listener in ("ingress", "admin", "probes")}
    jwks = idp.write(tmp_path / "keys.json").read_text()
    change = {"config": {"egress": None, "credentials": None, **{listener: {"listen": f"127.0.0.1:{port}"} for listener, port in ports.items()},
                         "identity": {"issuers": [{"issuer": idp.issuer, "audience": ["x"], "jwks": {"file": "jwks.json"}}]}},
              "files": {"jwks.json": jwks}, "application": {"readinessProbe": {"httpGet": {"port": ports["ingress"]}}}}
    change["config"]["probes"]["listen"] = f"0.0.0.0:{ports['probes']}"
    release = chart.render("service", change)
    folder = tmp_path / "mounted"
    release.mount(folder, outside)
    palisade = release.palisade
    startup = release.command(palisade["startupProbe"]["exec"]["command"], folder)
    assert run(startup).returncode == 1, "nothing runs yet"
    process = Child("charted", release.command(palisade["command"] + palisade["args"], folder), tmp_path, clean_environment())
    try:
        process.wait_ready(lambda: run(startup).returncode == 0)
        for probe in ("livenessProbe", "readinessProbe"):
            get = palisade[probe]["httpGet"]
            (port,) = [port["containerPort"] for port in palisade["ports"] if port["name"] == get["port"]]
            assert answers(port, get["path"]), probe
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", ports["admin"], timeout=5)) as connection:
            connection.request("GET", "/metrics")
            assert connection.getresponse().status in (401, 403), "the application shares this port"
        hook = run(release.command(palisade["lifecycle"]["preStop"]["exec"]["command"], folder))
        assert hook.returncode == 0 and "drained" in hook.stdout, hook.stderr
        assert not answers(port, "/readyz") and answers(port, "/livez"), "it drains, and is not killed for it"
        assert process.stop() == 0
    finally:
        process.stop()
