// What an application does with `x-palisade-context` before it believes who is asking. Prints the claims, or why not.
//
// usage: CONTEXT=... [PALISADE_KEYS=http://127.0.0.1:8191/.well-known/jwks.json] [AUDIENCE=app] [ISSUER=palisade] node verify.mjs
// needs: Node.js 18 or later, and nothing else

import { createPublicKey, verify } from "node:crypto";

const KEYS = process.env.PALISADE_KEYS ?? "http://127.0.0.1:8191/.well-known/jwks.json";
const { AUDIENCE = "app", ISSUER = "palisade" } = process.env;
const TYPE = "palisade-context+jwt";
// The algorithm that a key is for; what a header says is only compared with it.
const DIGEST = { ES256: "sha256", EdDSA: null };
const REFETCH = 30_000; // milliseconds: an id that nobody knows must not make us fetch each time

let known = new Map();
let fetched = 0;

async function keyOf(id) {
  if (!known.has(id) && Date.now() - fetched > REFETCH) {
    fetched = Date.now();
    const { keys } = await (await fetch(KEYS, { signal: AbortSignal.timeout(5_000) })).json();
    known = new Map(keys.map((jwk) => [jwk.kid, { algorithm: jwk.alg, key: createPublicKey({ key: jwk, format: "jwk" }) }]));
  }
  const found = known.get(id);
  if (!found || !(found.algorithm in DIGEST)) throw new Error("no such key");
  return found;
}

/** The claims of a good context; throws for any other. */
export async function caller(context) {
  const parts = context.split(".");
  if (parts.length !== 3) throw new Error("not three parts");
  const [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url")));
  if (header.typ !== TYPE) throw new Error("not a context");
  const { algorithm, key } = await keyOf(header.kid);
  if (header.alg !== algorithm) throw new Error("another algorithm than its key's");
  const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
  // JWS has the two numbers of ECDSA one behind the other; other protocols put them into DER.
  const good = verify(DIGEST[algorithm], signed, { key, dsaEncoding: "ieee-p1363" }, Buffer.from(parts[2], "base64url"));
  if (!good) throw new Error("the signature is wrong");
  if (claims.iss !== ISSUER || claims.aud !== AUDIENCE) throw new Error("meant for another");
  // Both sides are on one host, and so have one clock: no leeway.
  if (!(Date.now() / 1_000 < claims.exp)) throw new Error("expired");
  for (const name of ["sub", "idp", "tenant", "jti"]) if (typeof claims[name] !== "string") throw new Error(`no ${name}`);
  if (!Array.isArray(claims.roles)) throw new Error("no roles");
  return claims;
}

try {
  console.log(JSON.stringify(await caller(process.env.CONTEXT ?? "")));
} catch (error) {
  console.error(`refused: ${error.message}`);
  process.exit(1);
}
