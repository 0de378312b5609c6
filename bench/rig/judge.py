"""An S3 that answers one question: is this request signed, by keys that it knows, as SigV4 has it?

Stands behind the upstream and is asked before anything is measured, so that no figure is of requests that AWS would refuse. Written
from "Create a signed AWS API request" in the IAM user guide, and shares nothing with what it judges.
"""

import hashlib
import hmac
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote

from .configs import ENVOYS, SESSION, Keys

KNOWN = {keys.access_key_id: keys for keys in (ENVOYS, SESSION)}


def verdict(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> str:
    """Whose keys signed it: `by ID`; or what is wrong."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(" ".join(value.split()))
    algorithm, _, rest = values.get("authorization", [""])[0].partition(" ")
    if algorithm != "AWS4-HMAC-SHA256":
        return "no signature"
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    access_key_id, *scope = fields["Credential"].split("/")
    keys, signed = KNOWN.get(access_key_id), fields["SignedHeaders"].split(";")
    if keys is None:
        return f"unknown key {access_key_id}"
    if values.get("x-amz-security-token") != [keys.session_token]:
        return "another session token"
    missing = {"host", *(n for n in values if n.startswith("x-amz-"))} - set(signed)
    if missing:
        return f"not signed: {', '.join(sorted(missing))}"
    announced = values.get("x-amz-content-sha256", [""])[0]
    if not announced.startswith(("UNSIGNED-", "STREAMING-")) and announced != hashlib.sha256(body).hexdigest():
        return "another body"
    path, _, query = target.partition("?")
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(query, keep_blank_values=True))
    canonical = "\n".join([method, path, "&".join(f"{k}={v}" for k, v in pairs), *(f"{n}:{','.join(values[n])}" for n in signed), "",
                           ";".join(signed), announced])
    text = "\n".join([algorithm, values["x-amz-date"][0], "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()])
    return f"by {access_key_id}" if hmac.compare_digest(_signature(keys, scope, text), fields["Signature"]) else "another signature"


def _signature(keys: Keys, scope: list[str], text: str) -> str:
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


class Judge:
    """Answers 200 with `by ID`, or 400 with what is wrong."""

    def __init__(self, port: int):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                said = verdict(self.command, self.path, self.headers.items(), body)
                self.send_response(200 if said.startswith("by ") else 400)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said.encode())

            do_GET = do_PUT = answer

            def log_message(self, *_):
                pass

        threading.Thread(target=ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever, daemon=True).start()
