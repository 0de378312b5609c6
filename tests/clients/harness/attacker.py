"""A process that has been given everything that the application has, and tries what it can.

`python -m harness.attacker` reads its loot from standard input, as JSON, and writes what came of each attempt: a name, a status and
a reason. It knows nothing else: no token of the administrator, no key of the identity provider, no file of Palisade's.
"""

import json
import ssl
import sys
import urllib.parse

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from . import wire
from .clients import placeholder

S3 = "s3.eu-west-1.amazonaws.com"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class Attacker:
    def __init__(self, loot: dict):
        self.loot = loot
        self.results: list[tuple] = []

    def try_(self, name: str, data: bytes, listener: str = "egress", tls=None):
        answer = wire.exchange(self.loot["ports"][listener], data, tls, timeout=30)
        self.results.append((name, answer.status, answer.reason, answer.body.decode("latin-1")))

    def get(self, name: str, tenant: str, headers: dict, target: str | None = None, **more):
        self.try_(name, wire.request("GET", target or f"/pool-data/{tenant}/work.txt", {"Host": S3} | headers), **more)

    def everywhere(self, name: str, tenant: str, passport: str):
        """One passport in each of the places that a proof can have."""
        for place, headers in {"header": {"x-tenant-token": passport}, "bearer": {"Authorization": f"Bearer {passport}"},
                               "session token": placeholder(tenant, passport)}.items():
            self.get(f"{name}, {place}", tenant, headers)

    def with_keys(self, name: str, document: dict, tenant: str):
        keys = Credentials(document["AccessKeyId"], document["SecretAccessKey"], document["Token"])
        request = AWSRequest("GET", f"http://127.0.0.1:8180/pool-data/{tenant}/work.txt")
        S3SigV4Auth(keys, "s3", "eu-west-1").add_auth(request)
        self.get(f"{name}, signed", tenant, {"Host": "127.0.0.1:8180"} | {k: v for k, v in request.headers.items()})
        url = AWSRequest("GET", f"http://127.0.0.1:8180/pool-data/{tenant}/work.txt")
        S3SigV4QueryAuth(keys, "s3", "eu-west-1", expires=600).add_auth(url)
        split = urllib.parse.urlsplit(url.prepare().url)
        self.get(f"{name}, presigned now", tenant, {"Host": "127.0.0.1:8180"}, f"{split.path}?{split.query}")
        self.get(f"{name}, token alone", tenant, {"x-tenant-token": document["Token"]})

    def for_others(self, live: dict):
        """A passport that is good, and the name of everybody else wherever a name can stand."""
        passport, own = live["passport"], live["tenant"]
        for other in self.loot["tenants"]:
            if other == own:
                continue
            self.get("other tenant, header", other, {"x-tenant-token": passport, "x-tenant-id": other})
            self.get("other tenant, access key", other, placeholder(other, passport))
            self.get("other tenant, both names", other, placeholder(own, passport) | {"x-tenant-id": other})
            self.get("other tenant, keys", other, {"Host": "127.0.0.1:8180", "Authorization": passport}, f"/_palisade/credentials?tenant={other}")
            self.get("other tenant, its object", other, {"x-tenant-token": passport})

    def changed(self, live: dict):
        """Every byte, one at a time."""
        passport = live["passport"]
        for at, byte in enumerate(passport):
            other = ALPHABET[(ALPHABET.index(byte) + 4) % 64]
            name = "changed prefix" if at < len("psp1_") else "changed byte"
            self.get(name, live["tenant"], {"x-tenant-token": passport[:at] + other + passport[at + 1 :]})
        for name, text in {"cut": passport[:-1], "longer": passport + "A", "padded": passport + "=", "bare": passport[5:], "twice": passport + "," + passport}.items():
            self.get(f"changed: {name}", live["tenant"], {"x-tenant-token": text})

    def other_doors(self, live: dict):
        """A live passport where none is asked for."""
        passport, tls = live["passport"], ssl._create_unverified_context()
        self.get("ingress", live["tenant"], {"Host": "localhost", "Authorization": f"Bearer {passport}", "x-tenant-id": live["tenant"]}, "/work", listener="ingress", tls=tls)
        for listener in ("admin", "probes"):
            for method, path in (("GET", "/config"), ("GET", "/tenants"), ("GET", "/metrics"), ("POST", "/drain"), ("POST", "/quit"), ("GET", "/_palisade/credentials"),
                                 ("POST", f"/tenants/{live['tenant']}/evict")):
                self.try_(f"{listener}", wire.request(method, path, {"Authorization": f"Bearer {passport}"}), listener)

    def pipelined(self, live: dict, dead: str):
        """Behind a request that is good, on the same connection and in the same packet."""
        good = wire.request("GET", f"/pool-data/{live['tenant']}/work.txt", {"Host": S3, "x-tenant-token": live["passport"]})
        bad = wire.request("GET", f"/pool-data/{live['tenant']}/work.txt", {"Host": S3, "x-tenant-token": dead})
        none = wire.request("GET", f"/pool-data/{live['tenant']}/work.txt", {"Host": S3})
        with wire.Connection(self.loot["ports"]["egress"], timeout=30) as connection:
            connection.send(good + bad + none)
            for name in ("pipelined: good", "pipelined: ended", "pipelined: nothing"):
                answer = connection.receive()
                self.results.append((name, answer.status, answer.reason, ""))

    def run(self) -> list:
        for one in self.loot["ended"]:
            self.everywhere("ended", one["tenant"], one["passport"])
        for one in self.loot["expired"]:
            self.everywhere(f"expired, {one['name']}", one["tenant"], one["passport"])
        for one in self.loot["keys"]:
            self.with_keys("ended keys", one["keys"], one["tenant"])
            self.get("ended keys, presigned before", one["tenant"], {"Host": "127.0.0.1:8180"}, one["url"])
        if live := self.loot["live"]:
            self.for_others(live)
            self.changed(live)
            self.other_doors(live)
            self.pipelined(live, self.loot["ended"][0]["passport"])
        return self.results


if __name__ == "__main__":
    json.dump(Attacker(json.load(sys.stdin)).run(), sys.stdout)
