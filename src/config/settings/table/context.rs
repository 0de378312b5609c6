//! `ingress.context`

use std::time::Duration;

use super::{Form, Kind, Setting, TEXT, default, optional, required};

pub(super) const CONTEXT: &[Setting] = &[
    required("audience", TEXT, "The claim `aud`: the application, which must refuse what is meant for another."),
    default("issuer", TEXT, "palisade", "The claim `iss`: Palisade, as the application knows it."),
    default(
        "lifetime",
        Kind::Scalar(Form::Duration { least: Duration::from_secs(1), most: Duration::from_secs(3600) }),
        "60s",
        "From `iat` to `exp`, and never past the token's end. It is verified when a request begins, so it need not last for the whole of one.",
    ),
    default(
        "algorithm",
        Kind::Scalar(Form::OneOf(&["ES256", "EdDSA"])),
        "ES256",
        "ECDSA on P-256, which every JWT library verifies, or Ed25519.",
    ),
    optional(
        "keys",
        Kind::List(&Kind::Secret),
        "Private keys, PEM of PKCS#8. The first signs; the public halves of all are at `/.well-known/jwks.json` on the probes listener. \
         Without any, one is drawn at start: then each replica has its own.",
    ),
];
