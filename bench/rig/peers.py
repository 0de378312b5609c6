"""What is compared: one proxy at a time on its CPU, and the upstream that all forward to."""

import json
from dataclasses import dataclass
from pathlib import Path

from .configs import Shape, envoy, nginx, palisade
from .identities import Issuer, certificates
from .judge import Judge
from .place import Place
from .process import Process, answering, listening
from .sink import Sink


@dataclass(frozen=True)
class Nginx:
    """The proxy that only passes on."""

    shape: Shape = Shape()
    http2: bool = False


Peer = palisade.Variant | envoy.Variant | Nginx
NAMES = {palisade.Variant: "Palisade", envoy.Variant: "Envoy", Nginx: "nginx"}


class Lab:
    """The upstream, running, and the means to start a proxy in front of it."""

    def __init__(self, place: Place, envoy_binary: Path | None):
        self.place, self.envoy_binary = place, envoy_binary
        self.ports = place.ports
        certificates(place.work)
        self.issuer = Issuer()
        self.jwks = self.issuer.jwks()
        self.judge = Judge(self.ports["judge"])
        self.sinks = [Sink(self.ports["sink"]), Sink(self.ports["sink_tls"], place.work / "tls.crt", place.work / "tls.key")]
        config = self._write("upstream.conf", nginx.upstream(self.ports, place.work, place.memory))
        self.upstream = Process("upstream", ["nginx", "-p", place.work / "upstream", "-c", config], place.other_cpu, place.work / "upstream.log",
                                listening(self.ports["up"]))

    def start(self, peer: Peer) -> Process:
        """The proxy, once it is ready."""
        place, log = self.place, self.place.work / "proxy.log"
        match peer:
            case palisade.Variant():
                config = self._write("palisade.json", json.dumps(palisade.config(peer, self.ports, place.work, self.jwks), indent=1))
                # The access log is written, and not kept.
                return Process("palisade", [place.binary, "run", "--config", config], place.proxy_cpu, log,
                               answering(self.ports["probes"], "/readyz"), stdout=Path("/dev/null"), BASE_SECRET="unused")
            case envoy.Variant():
                config = self._write("envoy.json", json.dumps(envoy.config(peer, self.ports, place.work, self.jwks), indent=1))
                argv = [self.envoy_binary, "-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
                return Process("envoy", argv, place.proxy_cpu, log, answering(self.ports["admin"], "/ready"))
            case Nginx():
                config = self._write("nginx.conf", nginx.passing(peer.shape, self.ports, place.work, peer.http2))
                return Process("nginx", ["nginx", "-p", place.work / "nginx", "-c", config], place.proxy_cpu, log, listening(self.ports["proxy"]))

    def _write(self, name: str, text: str) -> Path:
        file = self.place.work / name
        file.write_text(text)
        return file
