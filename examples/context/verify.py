#!/usr/bin/env python3
"""What an application does with `x-palisade-context` before it believes who is asking. Prints the claims, or why not.

usage: CONTEXT=... [PALISADE_KEYS=http://127.0.0.1:8191/.well-known/jwks.json] [AUDIENCE=app] [ISSUER=palisade] verify.py
needs: pip install pyjwt cryptography
"""

import json
import os
import sys

import jwt

# Kept for the life of the process: it fetches a key only when it meets an id that it does not know, and again after five minutes.
KEYS = jwt.PyJWKClient(os.environ.get("PALISADE_KEYS", "http://127.0.0.1:8191/.well-known/jwks.json"), lifespan=300, timeout=5)
AUDIENCE, ISSUER = os.environ.get("AUDIENCE", "app"), os.environ.get("ISSUER", "palisade")
TYPE, ALGORITHMS = "palisade-context+jwt", ["ES256", "EdDSA"]


def caller(context: str) -> dict:
    """The claims of a good context; raises `jwt.PyJWTError` for any other."""
    # The type first: an access token that happens to be signed with a key of the same set is no context.
    if jwt.get_unverified_header(context).get("typ") != TYPE:
        raise jwt.InvalidTokenError("not a context")
    key = KEYS.get_signing_key_from_jwt(context)
    required = ["iss", "aud", "sub", "idp", "tenant", "roles", "jti", "iat", "exp"]
    # Both sides are on one host, and so have one clock: no leeway.
    return jwt.decode(context, key, algorithms=ALGORITHMS, audience=AUDIENCE, issuer=ISSUER, options={"require": required})


if __name__ == "__main__":
    try:
        print(json.dumps(caller(os.environ["CONTEXT"])))
    except jwt.PyJWTError as error:
        sys.exit(f"refused: {error}")
