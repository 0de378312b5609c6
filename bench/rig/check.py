"""Before anything is measured: each proxy does what it is measured for. Right tokens pass, wrong ones do not, and what arrives is signed."""

import http.client
import socket
import ssl

from .configs import ENVOYS, HOST, SESSION, envoy, palisade
from .identities import path, tenant
from .peers import NAMES, Lab, Nginx, Peer
from .process import Process


def check(lab: Lab, peer: Peer, proxy: Process | None = None):
    """Starts the proxy unless it runs, and asks it; anything unexpected ends the run."""
    if proxy is None:
        with lab.start(peer) as started:
            return check(lab, peer, started)
    own, other = tenant(0), tenant(1)
    tokens = {algorithm: lab.issuer.token(own, algorithm) for algorithm in ("ES256", "RS256")}
    altered = tokens["ES256"][:-8] + ("AAAAAAAA" if tokens["ES256"][-8:] != "AAAAAAAA" else "BBBBBBBB")
    signer, refusals = None, {}
    match peer:
        case Nginx():
            pass
        case palisade.Variant():
            signer = None if peer.ingress else SESSION.access_key_id
            refusals = {"tenant mismatch": 403, "no token": 401 if peer.ingress else 403, "altered token": 401 if peer.ingress else 403}
        case envoy.Variant():
            signer, refusals = ENVOYS.access_key_id, {"tenant mismatch": 403, "no token": 401, "altered token": 401}
    asked = {
        "ES256": (path(0), own, tokens["ES256"]), "RS256": (path(0), own, tokens["RS256"]), "tenant mismatch": (path(1), other, tokens["ES256"]),
        "no token": (path(0), own, None), "altered token": (path(0), own, altered),
    }
    name, http2 = NAMES[type(peer)], isinstance(peer, Nginx) and peer.http2
    if http2 or peer.shape.upstream != "up":
        # The same proxy is asked over HTTP/1.1, and with the common upstream; here the load itself has to be a success.
        return
    for what, (target, who, token) in asked.items():
        status, said = ask(lab, peer.shape.tls_in, target, who, token)
        if status != refusals.get(what, 200):
            raise SystemExit(f"{name}, {what}: {status} instead of {refusals.get(what, 200)}: {said[:300]}\n{peer}")
    if signer:
        for method, body in (("GET", b""), ("PUT", b"some bytes")):
            status, said = ask(lab, peer.shape.tls_in, path(0, "judge"), own, tokens["ES256"], method, body)
            if (status, said) != (200, f"by {signer}"):
                raise SystemExit(f"{name}, {method}: what arrived upstream is not signed as it should be: {status} {said[:300]}\n{peer}")
    if isinstance(peer, palisade.Variant) and peer.guard != "off":
        status, said = ask(lab, peer.shape.tls_in, path(1), own, tokens["ES256"])
        if status != 403:
            raise SystemExit(f"{name}: the guard lets another tenant's key pass: {status}")


def ask(lab: Lab, tls: bool, target: str, who: str, token: str | None, method: str = "GET", body: bytes = b"") -> tuple[int, str]:
    """One request on a connection of its own: status and body of the answer."""
    port = lab.ports["proxy"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    if tls:
        context = ssl.create_default_context(cafile=str(lab.place.work / "ca.crt"))
        connection.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20), server_hostname="localhost")
    try:
        authorization = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request(method, target, body or None, {"Host": HOST, "x-tenant-id": who, **authorization})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()
