//! The table itself.

use serde_json::json;

use super::{
    super::*,
    attempt::{Attempt, DOWN, From, Proof, Signer},
};

/// Where a check is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    Both,
    Ingress,
    Egress,
}

macro_rules! checks {
    ($( $check:ident = $name:literal, )*) => {
        /// Every check, in the order in which they are made.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Check { $( $check, )* }

        impl Check {
            pub(super) const ALL: &'static [Self] = &[ $( Self::$check, )* ];

            /// As the guide calls it.
            pub(super) fn name(self) -> &'static str {
                match self { $( Self::$check => $name, )* }
            }
        }
    };
}

checks! {
    TenantOnce = "tenant header once",
    TenantForm = "tenant header's form",
    AuthorizationOnce = "Authorization once",
    AuthorizationForm = "Authorization readable",
    ProofOnce = "one proof",
    ProofThere = "a proof at all",
    AccessKey = "access key id agrees",
    VendedKeys = "vended keys are ours",
    Kind = "kind of proof",
    Passport = "passport alive",
    PassportTenant = "passport's tenant",
    TenantThere = "a tenant at all",
    Length = "length",
    Budget = "source's budget",
    Parts = "three parts of strict JSON",
    Critical = "no critical extension",
    OwnContext = "no context of ours",
    Algorithm = "algorithm known",
    SignatureThere = "a signature in base64url",
    Words = "form of kid and typ",
    Issuer = "issuer known",
    IssuersAlgorithm = "issuer's algorithms",
    IssuersTypes = "issuer's token types",
    KeysThere = "keys at hand",
    KeyKnown = "key known",
    KeyType = "key's type",
    Signature = "signature",
    ExpiryType = "exp is a date",
    Expiry = "exp",
    DatesType = "nbf and iat are dates",
    NotYet = "nbf and iat",
    Lifetime = "lifetime",
    Bound = "bound to no key",
    Required = "required claims",
    Audience = "aud",
    Subject = "subject",
    TenantClaim = "tenant claim",
    Roles = "roles",
    Scopes = "scopes",
    TokenId = "jti",
    Tenant = "tenant in the token",
    IssuersTenants = "issuer's tenants",
    Known = "tenant known",
    Active = "tenant active",
}

/// One way to break one check.
pub(super) struct Fault {
    pub(super) check: Check,
    pub(super) name: &'static str,
    pub(super) on: On,
    pub(super) reason: Reason,
    /// The parts of a request that it changes.
    pub(super) touches: &'static [&'static str],
    pub(super) apply: fn(&mut Attempt),
}

macro_rules! faults {
    ($( $check:ident { $( $on:ident $reason:ident [$($part:literal)*] $name:literal => $apply:expr; )* } )*) => {
        pub(super) const FAULTS: &[Fault] = &[ $( $(
            Fault { check: Check::$check, name: $name, on: On::$on, reason: Reason::$reason, touches: &[$($part),*], apply: $apply },
        )* )* ];
    };
}

const GLOBEX: &[u8] =
    b"AWS4-HMAC-SHA256 Credential=tenant.globex/20270115/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-security-token, Signature=0";
const ANYBODY: &[u8] =
    b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20270115/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-security-token, Signature=0";

/// A member with a second one of the same name behind it.
fn twice(text: &str, part: usize, member: &str) -> String {
    let mut parts: Vec<_> = text.split('.').map(str::to_owned).collect();
    let object = String::from_utf8(B64.decode(&parts[part]).unwrap()).unwrap();
    parts[part] = B64.encode(format!("{},{member}}}", object.strip_suffix('}').unwrap()));
    parts.join(".")
}

fn replace(text: &str, part: usize, with: &str) -> String {
    let mut parts: Vec<_> = text.split('.').collect();
    parts[part] = with;
    parts.join(".")
}

faults! {
    TenantOnce {
        Both TenantAmbiguous ["tenants"] "the same tenant twice" => |a| a.tenants = vec![b"acme", b"acme"];
        Both TenantAmbiguous ["tenants"] "two tenants" => |a| a.tenants = vec![b"acme", b"globex"];
        Both TenantAmbiguous ["tenants"] "a tenant and an empty one" => |a| a.tenants = vec![b"acme", b""];
        Both TenantAmbiguous ["tenants"] "a tenant and a malformed one" => |a| a.tenants = vec![b"*", b"acme"];
    }
    TenantForm {
        Both TenantMalformed ["tenants"] "an empty tenant" => |a| a.tenants = vec![b""];
        Both TenantMalformed ["tenants"] "a list of tenants" => |a| a.tenants = vec![b"acme,globex"];
        Both TenantMalformed ["tenants"] "a list of tenants with a space" => |a| a.tenants = vec![b"acme, globex"];
        Both TenantMalformed ["tenants"] "one character" => |a| a.tenants = vec![b"a"];
        Both TenantMalformed ["tenants"] "65 characters" => |a| a.tenants = vec![&[b'a'; 65]];
        Both TenantMalformed ["tenants"] "a wildcard" => |a| a.tenants = vec![b"acm*"];
        Both TenantMalformed ["tenants"] "a question mark" => |a| a.tenants = vec![b"acm?"];
        Both TenantMalformed ["tenants"] "a policy variable" => |a| a.tenants = vec![b"${aws:username}"];
        Both TenantMalformed ["tenants"] "a template" => |a| a.tenants = vec![b"{tenant.id}"];
        Both TenantMalformed ["tenants"] "a slash" => |a| a.tenants = vec![b"acme/globex"];
        Both TenantMalformed ["tenants"] "two dots" => |a| a.tenants = vec![b"acme..globex"];
        Both TenantMalformed ["tenants"] "a leading dot" => |a| a.tenants = vec![b".acme"];
        Both TenantMalformed ["tenants"] "an escape" => |a| a.tenants = vec![b"acme%00"];
        Both TenantMalformed ["tenants"] "a space in front" => |a| a.tenants = vec![b" acme"];
        Both TenantMalformed ["tenants"] "a tab" => |a| a.tenants = vec![b"acme\t"];
        Both TenantMalformed ["tenants"] "Latin-1" => |a| a.tenants = vec![b"acm\xe9"];
        Both TenantMalformed ["tenants"] "UTF-8 of a look-alike" => |a| a.tenants = vec!["\u{430}cme".as_bytes()];
        Both TenantMalformed ["tenants"] "quotes" => |a| a.tenants = vec![b"\"acme\""];
    }
    AuthorizationOnce {
        Both TokenAmbiguous ["authorization"] "the same Authorization twice" => |a| a.places.extend([("authorization", "Bearer T"), ("authorization", "Bearer T")]);
        Both TokenAmbiguous ["authorization"] "a second Authorization" => |a| a.places.extend([("authorization", "Bearer T"), ("authorization", "Bearer x")]);
        Both TokenAmbiguous ["authorization"] "another scheme beside Bearer" => |a| a.places.extend([("authorization", "Basic eDp5"), ("authorization", "Bearer T")]);
    }
    AuthorizationForm {
        Both TokenMalformed ["authorization"] "Bearer with bytes that are no text" => |a| a.more.push(("authorization", b"Bearer \xff\xfe"));
        Egress SignatureMalformed ["authorization"] "a scheme that nobody knows" => |a| a.more.push(("authorization", b"Basic eDp5"));
        Egress SignatureMalformed ["authorization"] "Bearer without anything" => |a| a.more.push(("authorization", b"Bearer"));
        Egress SignatureMalformed ["authorization"] "a signature without fields" => |a| a.more.push(("authorization", b"AWS4-HMAC-SHA256 x"));
        Egress TenantMalformed ["authorization"] "an access key id with a malformed tenant" => |a| a.more.push((
            "authorization",
            b"AWS4-HMAC-SHA256 Credential=tenant.*/20270115/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0",
        ));
    }
    ProofOnce {
        Both TokenAmbiguous ["places"] "the token header twice" => |a| a.places.push(("x-tenant-token", "T"));
        Both TokenAmbiguous ["places"] "two token headers" => |a| a.places.push(("x-tenant-token", "x"));
        Both TokenAmbiguous ["places" "authorization"] "another proof in the session token" => |a| a.places.push(("x-amz-security-token", "Tx"));
        Both TokenAmbiguous ["places" "authorization"] "another proof in Authorization" => |a| a.places.push(("authorization", "Bearer Tx"));
        Both TokenAmbiguous ["places" "authorization"] "an empty proof beside one" => |a| a.places.push(("authorization", "Bearer "));
        Both TokenAmbiguous ["places" "authorization"] "the session token twice" => |a| {
            a.places = vec![("x-amz-security-token", "T"), ("x-amz-security-token", "T")];
        };
        Both TokenMalformed ["places" "authorization"] "a token header that is no text" => |a| {
            a.places.clear();
            a.more.push(("x-tenant-token", b"\xff"));
        };
        Both TokenMalformed ["places" "authorization"] "a session token that is no text" => |a| a.more.push(("x-amz-security-token", b"\xc3\xa9"));
    }
    ProofThere {
        Both TokenMissing ["places" "authorization"] "no proof" => |a| a.places.clear();
        Both TokenMissing ["places" "authorization"] "an empty proof" => |a| a.places = vec![("x-tenant-token", "")];
        Both TokenMissing ["places" "authorization"] "Bearer and a space" => |a| a.places = vec![("authorization", "Bearer ")];
        Ingress TokenMissing ["places" "authorization"] "another scheme" => |a| a.places = vec![("authorization", "Basic eDp5")];
    }
    AccessKey {
        Egress TenantAmbiguous ["authorization" "tenants"] "an access key id of another tenant" => |a| a.more.push(("authorization", GLOBEX));
    }
    VendedKeys {
        Egress KeysUnknown ["authorization" "places" "proof"] "keys of another process" => |a| {
            a.proof = Some(Proof::Vended);
            a.places = vec![("x-amz-security-token", "T")];
            a.more.push(("authorization", ANYBODY));
        };
    }
    Kind {
        Ingress ProofNotAccepted ["proof"] "a live passport from the outside" => |a| a.proof = Some(Proof::LivePassport);
        Ingress ProofNotAccepted ["proof"] "a made-up passport from the outside" => |a| a.proof = Some(Proof::MadeUpPassport);
        Both ProofNotAccepted ["proof"] "deferred work where none is taken" => |a| a.proof = Some(Proof::Deferred);
        Egress ProofNotAccepted ["proof"] "a vended session token without a signature" => |a| a.proof = Some(Proof::Vended);
    }
    Passport {
        Egress PassportUnknown ["proof"] "a made-up passport" => |a| a.proof = Some(Proof::MadeUpPassport);
        Egress PassportUnknown ["proof"] "a passport whose request has ended" => |a| a.proof = Some(Proof::EndedPassport);
        Egress PassportExpired ["proof"] "a passport past its longest life" => |a| a.proof = Some(Proof::ExpiredPassport);
        Egress PassportUnknown ["proof" "places" "authorization"] "a passport with a byte more" => |a| {
            a.proof = Some(Proof::LivePassport);
            a.places = vec![("x-tenant-token", "TA")];
        };
    }
    PassportTenant {
        Egress TenantMismatch ["proof" "tenants"] "a passport of another tenant" => |a| a.proof = Some(Proof::PassportOfAnother);
    }
    TenantThere {
        // A passport names its own, and needs no header.
        Both TenantMissing ["tenants" "proof"] "no tenant" => |a| a.tenants.clear();
    }
    Length {
        Both TokenMalformed ["text"] "17 kB of signature" => |a| a.text = Some(|token| format!("{token}{}", "A".repeat(17_000)));
        Both TokenMalformed ["claim:padding"] "17 kB of claims" => |a| a.claim("padding", json!("x".repeat(17_000)));
        Both TokenMalformed ["head:padding"] "17 kB of header" => |a| a.head("padding", json!("x".repeat(17_000)));
    }
    Budget {
        Ingress TooManyBadTokens ["source"] "a source that has sent its share of junk" => |a| a.source = From::ASourceOfJunk;
    }
    Parts {
        Both TokenMalformed ["text"] "garbage" => |a| a.text = Some(|_| "garbage".to_owned());
        Both TokenMalformed ["text"] "one part" => |a| a.text = Some(|token| token.split('.').next().unwrap().to_owned());
        Both TokenMalformed ["text"] "two parts" => |a| a.text = Some(|token| token.rsplit_once('.').unwrap().0.to_owned());
        Both TokenMalformed ["text"] "four parts" => |a| a.text = Some(|token| format!("{token}.e30"));
        Both TokenMalformed ["text"] "five parts, as an encrypted token has" => |a| a.text = Some(|token| format!("{token}.AA.AA"));
        Both TokenMalformed ["text"] "no header" => |a| a.text = Some(|token| replace(token, 0, ""));
        Both TokenMalformed ["text"] "no claims" => |a| a.text = Some(|token| replace(token, 1, ""));
        Both TokenMalformed ["text"] "a header that is no base64url" => |a| a.text = Some(|token| replace(token, 0, "e+30"));
        Both TokenMalformed ["text"] "claims that are no base64url" => |a| a.text = Some(|token| replace(token, 1, "e/30"));
        Both TokenMalformed ["text"] "padding" => |a| a.text = Some(|token| replace(token, 1, &format!("{}==", B64.encode("{}  "))));
        Both TokenMalformed ["text"] "a header that is no JSON" => |a| a.text = Some(|token| replace(token, 0, &B64.encode("{")));
        Both TokenMalformed ["text"] "claims that are no JSON" => |a| a.text = Some(|token| replace(token, 1, &B64.encode("{'a':1}")));
        Both TokenMalformed ["text"] "claims that are no UTF-8" => |a| a.text = Some(|token| replace(token, 1, &B64.encode(b"{\"a\":\"\xff\"}")));
        Both TokenMalformed ["text"] "claims that are an array" => |a| a.text = Some(|token| replace(token, 1, &B64.encode("[]")));
        Both TokenMalformed ["text"] "claims that are null" => |a| a.text = Some(|token| replace(token, 1, &B64.encode("null")));
        Both TokenMalformed ["text"] "something behind the claims" => |a| a.text = Some(|token| replace(token, 1, &B64.encode("{} {}")));
        Both TokenMalformed ["text" "alg"] "alg twice" => |a| a.text = Some(|token| twice(token, 0, "\"alg\":\"none\""));
        Both TokenMalformed ["text" "claim:tenant_id"] "the tenant claim twice" => |a| a.text = Some(|token| twice(token, 1, "\"tenant_id\":\"globex\""));
        Both TokenMalformed ["text" "claim:sub"] "the same claim twice, spelled differently" => |a| a.text = Some(|token| twice(token, 1, "\"\\u0073ub\":\"v\""));
        Both TokenMalformed ["text"] "a claim twice, further inside" => |a| a.text = Some(|token| twice(token, 1, "\"x\":{\"y\":1,\"y\":1}"));
        Both TokenMalformed ["text"] "a number out of range" => |a| a.text = Some(|token| twice(token, 1, "\"x\":1e400"));
        Both TokenMalformed ["claim:exp"] "exp is huge" => |a| a.claim("exp", json!(1e300));
        Both TokenMalformed ["claim:iat"] "iat of more digits than there are" => |a| a.claim("iat", json!(1e18));
        Both TokenMalformed ["text"] "nested too deeply" => |a| a.text = Some(|token| twice(token, 1, &format!("\"x\":{}{}", "[".repeat(40), "]".repeat(40))));
        Both TokenMalformed ["text"] "nested past any stack" => |a| a.text = Some(|token| replace(token, 1, &B64.encode("[".repeat(8_000))));
        Both TokenMalformed ["text"] "a half of a surrogate pair" => |a| a.text = Some(|token| twice(token, 1, "\"x\":\"\\ud800\""));
        Both TokenMalformed ["text"] "a space in front" => |a| a.text = Some(|token| format!(" {token}"));
    }
    Critical {
        Both TokenMalformed ["head:crit"] "crit" => |a| a.head("crit", json!(["exp"]));
        Both TokenMalformed ["head:crit"] "an empty crit" => |a| a.head("crit", json!([]));
        Both TokenMalformed ["head:crit"] "crit that is null" => |a| a.head("crit", Value::Null);
        Both TokenMalformed ["head:b64"] "b64" => |a| a.head("b64", json!(false));
        Both TokenMalformed ["head:zip"] "zip" => |a| a.head("zip", json!("DEF"));
        Both TokenMalformed ["head:enc"] "enc" => |a| a.head("enc", json!("A256GCM"));
    }
    OwnContext {
        Both ProofNotAccepted ["typ"] "a context that Palisade signed" => |a| a.head("typ", json!("palisade-context+jwt"));
        Both ProofNotAccepted ["typ"] "the same, as a media type in capitals" => |a| a.head("typ", json!("application/Palisade-Context+JWT"));
    }
    Algorithm {
        Both TokenAlgorithm ["alg"] "none" => |a| a.head("alg", json!("none"));
        Both TokenAlgorithm ["alg"] "None" => |a| a.head("alg", json!("nOnE"));
        Both TokenAlgorithm ["alg" "signer" "kid"] "HS256 with the public key" => |a| {
            a.head("alg", json!("HS256"));
            a.head("kid", json!("r"));
            a.signer = Signer::Hmac;
        };
        Both TokenAlgorithm ["alg"] "lower case" => |a| a.head("alg", json!("es256"));
        Both TokenAlgorithm ["alg"] "a final space" => |a| a.head("alg", json!("ES256 "));
        Both TokenAlgorithm ["alg"] "an encryption algorithm" => |a| a.head("alg", json!("RSA-OAEP"));
        Both TokenMalformed ["alg"] "no alg" => |a| a.head("alg", None);
        Both TokenMalformed ["alg"] "alg is a list" => |a| a.head("alg", json!(["ES256"]));
        Both TokenMalformed ["alg"] "alg is null" => |a| a.head("alg", Value::Null);
    }
    SignatureThere {
        Both TokenMalformed ["text"] "an empty signature" => |a| a.text = Some(|token| replace(token, 2, ""));
        Both TokenMalformed ["text"] "no base64url" => |a| a.text = Some(|token| replace(token, 2, "!!!!"));
        Both TokenMalformed ["text"] "with padding" => |a| a.text = Some(|token| format!("{token}=="));
        Both TokenMalformed ["text"] "bits that nobody reads" => |a| a.text = Some(|token| replace(token, 2, "AB"));
    }
    Words {
        Both TokenMalformed ["kid"] "kid is a number" => |a| a.head("kid", json!(7));
        Both TokenMalformed ["kid"] "kid is null" => |a| a.head("kid", Value::Null);
        Both TokenMalformed ["kid"] "kid is too long" => |a| a.head("kid", json!("e".repeat(257)));
        Both TokenMalformed ["kid"] "kid with a line's end" => |a| a.head("kid", json!("e\n"));
        Both TokenMalformed ["typ"] "typ is a number" => |a| a.head("typ", json!(7));
        Both TokenMalformed ["typ"] "typ is null" => |a| a.head("typ", Value::Null);
        Both TokenMalformed ["typ"] "typ is too long" => |a| a.head("typ", json!("t".repeat(257)));
    }
    Issuer {
        Both TokenIssuer ["claim:iss"] "a strange issuer" => |a| a.claim("iss", json!("https://evil.test/"));
        Both TokenIssuer ["claim:iss"] "without its final slash" => |a| a.claim("iss", json!("https://idp.test"));
        Both TokenIssuer ["claim:iss"] "in another case" => |a| a.claim("iss", json!("https://IDP.test/"));
        Both TokenIssuer ["claim:iss"] "with a longer path" => |a| a.claim("iss", json!("https://idp.test/x"));
        Both TokenIssuer ["claim:iss"] "no issuer" => |a| a.claim("iss", None);
        Both TokenIssuer ["claim:iss"] "an issuer that is null" => |a| a.claim("iss", Value::Null);
        Both TokenIssuer ["claim:iss"] "a list of issuers" => |a| a.claim("iss", json!([ISSUER]));
        Both TokenIssuer ["claim:iss"] "an empty issuer" => |a| a.claim("iss", json!(""));
    }
    IssuersAlgorithm {
        Both TokenAlgorithm ["alg" "kid"] "an algorithm that the issuer does not use" => |a| {
            a.head("alg", json!("PS256"));
            a.head("kid", json!("r"));
        };
        Both TokenAlgorithm ["alg" "kid"] "the like, of another kind of key" => |a| {
            a.head("alg", json!("EdDSA"));
            a.head("kid", json!("d"));
        };
    }
    IssuersTypes {
        Both TokenType ["typ"] "a logout token" => |a| a.head("typ", json!("logout+jwt"));
        Both TokenType ["typ"] "a proof of possession" => |a| a.head("typ", json!("dpop+jwt"));
        Both TokenType ["typ"] "an empty type" => |a| a.head("typ", json!(""));
        Both TokenType ["typ"] "a type of another tree" => |a| a.head("typ", json!("text/jwt"));
    }
    KeysThere {
        Both KeysUnavailable ["claim:iss"] "an issuer whose keys cannot be had" => |a| a.claim("iss", json!(DOWN));
    }
    KeyKnown {
        Both TokenKeyUnknown ["kid"] "a key that is not published" => |a| a.head("kid", json!("x"));
        Both TokenKeyUnknown ["kid"] "a key id in another case" => |a| a.head("kid", json!("E"));
        Both TokenKeyUnknown ["kid"] "an empty key id" => |a| a.head("kid", json!(""));
        Both TokenKeyUnknown ["kid"] "a path for a key id" => |a| a.head("kid", json!("../../dev/null"));
        Both TokenKeyUnknown ["kid"] "a query for a key id" => |a| a.head("kid", json!("x' UNION SELECT 'e"));
    }
    KeyType {
        Both TokenAlgorithm ["kid"] "an RSA key for ECDSA" => |a| a.head("kid", json!("r"));
        Both TokenAlgorithm ["alg" "kid"] "an EC key for RSA" => |a| a.head("alg", json!("RS256"));
        Both TokenAlgorithm ["kid"] "an Ed25519 key for ECDSA" => |a| a.head("kid", json!("d"));
    }
    Signature {
        Both TokenSignature ["signer"] "a stranger's" => |a| a.signer = Signer::Stranger;
        Both TokenSignature ["signer" "head:jwk"] "a stranger's, with the key inside" => |a| {
            a.signer = Signer::Stranger;
            a.head("jwk", json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}));
        };
        Both TokenSignature ["signer" "head:jku"] "a stranger's, with an address of keys" => |a| {
            a.signer = Signer::Stranger;
            a.head("jku", json!("https://evil.test/jwks.json"));
            a.head("x5u", json!("https://evil.test/cert.pem"));
        };
        Both TokenSignature ["signer" "kid"] "a stranger's, without a key id" => |a| {
            a.signer = Signer::Stranger;
            a.head("kid", None);
        };
        Both TokenSignature ["signer" "alg" "kid"] "a stranger's RSA" => |a| {
            a.signer = Signer::Stranger;
            a.head("alg", json!("RS256"));
            a.head("kid", json!("r"));
        };
        Both TokenSignature ["signer"] "of other claims" => |a| a.signer = Signer::ChangedSince;
        Both TokenSignature ["signer"] "in DER" => |a| a.signer = Signer::Der;
        Both TokenSignature ["signer"] "zero" => |a| a.signer = Signer::Zero;
        Both TokenSignature ["signer"] "a byte short" => |a| a.signer = Signer::Cut;
        Both TokenSignature ["signer"] "a byte long" => |a| a.signer = Signer::Extended;
        Both TokenSignature ["signer"] "an HMAC" => |a| a.signer = Signer::Hmac;
    }
    ExpiryType {
        Both TokenClaims ["claim:exp"] "no exp" => |a| a.claim("exp", None);
        Both TokenClaims ["claim:exp"] "exp is text" => |a| a.claim("exp", json!("4000000000"));
        Both TokenClaims ["claim:exp"] "exp is null" => |a| a.claim("exp", Value::Null);
        Both TokenClaims ["claim:exp"] "exp is a list" => |a| a.claim("exp", json!([NOW + 60]));
        Both TokenClaims ["claim:exp"] "exp is true" => |a| a.claim("exp", json!(true));
        Both TokenClaims ["claim:exp"] "exp is negative" => |a| a.claim("exp", json!(-1));
        Both TokenClaims ["claim:exp"] "exp is past all dates" => |a| a.claim("exp", json!(u64::MAX));
        Both TokenClaims ["claim:exp"] "exp is in milliseconds" => |a| a.claim("exp", json!((NOW + 60) * 1_000));
    }
    Expiry {
        Both TokenExpired ["claim:exp"] "expired" => |a| a.claim("exp", json!(NOW));
        Both TokenExpired ["claim:exp"] "expired at this moment" => |a| a.claim("exp", json!(NOW + 10));
        Both TokenExpired ["claim:exp"] "expired long ago" => |a| a.claim("exp", json!(0));
        Both TokenExpired ["claim:exp"] "expired a fraction ago" => |a| a.claim("exp", json!(NOW as f64 + 9.9));
    }
    DatesType {
        Both TokenClaims ["claim:nbf"] "nbf is text" => |a| a.claim("nbf", json!("0"));
        Both TokenClaims ["claim:nbf"] "nbf is null" => |a| a.claim("nbf", Value::Null);
        Both TokenClaims ["claim:nbf"] "nbf is negative" => |a| a.claim("nbf", json!(-5));
        Both TokenClaims ["claim:iat"] "iat is text" => |a| a.claim("iat", json!("0"));
        Both TokenClaims ["claim:iat"] "iat is an object" => |a| a.claim("iat", json!({}));
        Both TokenClaims ["claim:iat"] "iat is past all dates" => |a| a.claim("iat", json!(1_000_000_000_000_000_000_u64));
    }
    NotYet {
        Both TokenNotYetValid ["claim:nbf"] "not valid yet" => |a| a.claim("nbf", json!(NOW + 3_600));
        Both TokenNotYetValid ["claim:nbf"] "valid in a second" => |a| a.claim("nbf", json!(NOW + 11));
        Both TokenNotYetValid ["claim:iat"] "issued in the future" => |a| a.claim("iat", json!(NOW + 11));
    }
    Lifetime {
        Both TokenClaims ["claim:exp"] "a lifetime over the limit" => |a| a.claim("exp", json!(NOW + 3_600));
        Both TokenClaims ["claim:iat"] "no iat, which the limit needs" => |a| a.claim("iat", None);
    }
    Bound {
        Both TokenClaims ["claim:cnf"] "bound to a key" => |a| a.claim("cnf", json!({"jkt": "x"}));
        Both TokenClaims ["claim:cnf"] "bound to nothing" => |a| a.claim("cnf", Value::Null);
    }
    Required {
        Both TokenClaims ["claim:token_use"] "a required claim is absent" => |a| a.claim("token_use", None);
        Both TokenClaims ["claim:token_use"] "an id token" => |a| a.claim("token_use", json!("id"));
        Both TokenClaims ["claim:token_use"] "a required claim is an object" => |a| a.claim("token_use", json!({"access": true}));
        Both TokenClaims ["claim:token_use"] "a required claim in another case" => |a| a.claim("token_use", json!("Access"));
    }
    Audience {
        Both TokenAudience ["claim:aud"] "no audience" => |a| a.claim("aud", None);
        Both TokenAudience ["claim:aud"] "another audience" => |a| a.claim("aud", json!("billing"));
        Both TokenAudience ["claim:aud"] "an audience that begins alike" => |a| a.claim("aud", json!("api2"));
        Both TokenAudience ["claim:aud"] "an audience in another case" => |a| a.claim("aud", json!("API"));
        Both TokenAudience ["claim:aud"] "other audiences" => |a| a.claim("aud", json!(["billing", "api2"]));
        Both TokenAudience ["claim:aud"] "no audiences" => |a| a.claim("aud", json!([]));
        Both TokenClaims ["claim:aud"] "an audience that is null" => |a| a.claim("aud", Value::Null);
        Both TokenClaims ["claim:aud"] "an audience that is an object" => |a| a.claim("aud", json!({"api": true}));
        Both TokenClaims ["claim:aud"] "a number among audiences" => |a| a.claim("aud", json!(["api", 7]));
    }
    Subject {
        Both TokenClaims ["claim:sub"] "no subject" => |a| a.claim("sub", None);
        Both TokenClaims ["claim:sub"] "an empty subject" => |a| a.claim("sub", json!(""));
        Both TokenClaims ["claim:sub"] "a subject that is a number" => |a| a.claim("sub", json!(7));
        Both TokenClaims ["claim:sub"] "a subject that is a list" => |a| a.claim("sub", json!(["u"]));
        Both TokenClaims ["claim:sub"] "a subject that is null" => |a| a.claim("sub", Value::Null);
        Both TokenClaims ["claim:sub"] "a subject with a line's end" => |a| a.claim("sub", json!("u\nadmin"));
        Both TokenClaims ["claim:sub"] "a subject of 257 bytes" => |a| a.claim("sub", json!("u".repeat(257)));
    }
    TenantClaim {
        Both TenantNotInToken ["claim:tenant_id"] "no tenant claim" => |a| a.claim("tenant_id", None);
        Both TenantNotInToken ["claim:tenant_id"] "a tenant claim that is null" => |a| a.claim("tenant_id", Value::Null);
        Both TenantNotInToken ["claim:tenant_id"] "a tenant claim that is a number" => |a| a.claim("tenant_id", json!(7));
        Both TenantNotInToken ["claim:tenant_id"] "a tenant claim that is true" => |a| a.claim("tenant_id", json!(true));
        Both TenantNotInToken ["claim:tenant_id"] "a tenant claim that is an object" => |a| a.claim("tenant_id", json!({"acme": true}));
        Both TenantNotInToken ["claim:tenant_id"] "an empty list of tenants" => |a| a.claim("tenant_id", json!([]));
        Both TenantNotInToken ["claim:tenant_id"] "a number among tenants" => |a| a.claim("tenant_id", json!(["acme", 7]));
        Both TenantNotInToken ["claim:tenant_id"] "a list in a list of tenants" => |a| a.claim("tenant_id", json!([["acme"]]));
        Both TenantNotInToken ["claim:tenant_id"] "too many tenants" => |a| a.claim("tenant_id", json!(vec!["acme"; 257]));
        Both TenantNotInToken ["claim:tenant_id"] "a tenant of 257 bytes" => |a| a.claim("tenant_id", json!("a".repeat(257)));
        Both TenantNotInToken ["claim:tenant_id"] "a final NUL in the token" => |a| a.claim("tenant_id", json!("acme\0"));
        Both TenantNotInToken ["claim:tenant_id"] "the tenant in another claim" => |a| {
            a.claim("tenant_id", None);
            a.claim("tenant", json!("acme"));
        };
    }
    Roles {
        Both TokenClaims ["claim:roles"] "roles are a number" => |a| a.claim("roles", json!(7));
        Both TokenClaims ["claim:roles"] "a number among roles" => |a| a.claim("roles", json!(["admin", 7]));
        Both TokenClaims ["claim:roles"] "roles are an object" => |a| a.claim("roles", json!({"admin": true}));
        Both TokenClaims ["claim:roles"] "roles are null" => |a| a.claim("roles", Value::Null);
        Both TokenClaims ["claim:roles"] "a role with a line's end" => |a| a.claim("roles", json!(["reader", "a\r\nb"]));
        Both TokenClaims ["claim:roles"] "too many roles in a text" => |a| a.claim("roles", json!("r ".repeat(257)));
        Both TokenClaims ["claim:roles"] "too many roles" => |a| a.claim("roles", json!(vec!["r"; 257]));
    }
    Scopes {
        Both TokenClaims ["claim:scope"] "scopes are a number" => |a| a.claim("scope", json!(7));
        Both TokenClaims ["claim:scope"] "a list among scopes" => |a| a.claim("scope", json!(["read", ["write"]]));
        Both TokenClaims ["claim:scope"] "scopes are true" => |a| a.claim("scope", json!(true));
    }
    TokenId {
        Both TokenClaims ["claim:jti"] "jti is a number" => |a| a.claim("jti", json!(7));
        Both TokenClaims ["claim:jti"] "jti is empty" => |a| a.claim("jti", json!(""));
        Both TokenClaims ["claim:jti"] "jti is null" => |a| a.claim("jti", Value::Null);
        Both TokenClaims ["claim:jti"] "jti of 257 bytes" => |a| a.claim("jti", json!("j".repeat(257)));
    }
    Tenant {
        Both TenantMismatch ["claim:tenant_id"] "a token of another tenant" => |a| a.claim("tenant_id", json!("globex"));
        Both TenantMismatch ["claim:tenant_id"] "a token of other tenants" => |a| a.claim("tenant_id", json!(["globex", "acme-eu"]));
        Both TenantMismatch ["claim:tenant_id"] "a token of a tenant in another case" => |a| a.claim("tenant_id", json!("Acme"));
        Both TenantMismatch ["claim:tenant_id"] "a token of a tenant that begins alike" => |a| a.claim("tenant_id", json!("acme-eu"));
        Both TenantMismatch ["claim:tenant_id"] "a token of a shorter tenant" => |a| a.claim("tenant_id", json!("acm"));
        Both TenantMismatch ["claim:tenant_id"] "a final space in the token" => |a| a.claim("tenant_id", json!("acme "));
        Both TenantMismatch ["claim:tenant_id"] "a list in a text" => |a| a.claim("tenant_id", json!("acme,globex"));
        Both TenantMismatch ["claim:tenant_id"] "names with a space between" => |a| a.claim("tenant_id", json!("acme globex"));
        Both TenantMismatch ["claim:tenant_id"] "a wildcard in the token" => |a| a.claim("tenant_id", json!("*"));
        Both TenantMismatch ["claim:tenant_id"] "an empty tenant in the token" => |a| a.claim("tenant_id", json!(""));
        Both TenantMismatch ["claim:tenant_id"] "a look-alike in the token" => |a| a.claim("tenant_id", json!("\u{430}cme"));
        Both TenantMismatch ["tenants" "proof"] "the other tenant's name" => |a| a.tenants = vec![b"globex"];
    }
    IssuersTenants {
        Both IssuerNotForTenant ["claim:tenant_id" "tenants" "proof"] "a tenant that the issuer may not name" => |a| a.tenant("umbrella");
        Both IssuerNotForTenant ["claim:tenant_id" "tenants" "proof"] "a tenant that begins like one of the issuer's" => |a| a.tenant("acme-2");
    }
    Known {
        Both TenantUnknown ["claim:tenant_id" "tenants" "proof"] "a tenant without a record" => |a| a.tenant("ghost");
    }
    Active {
        Both TenantSuspended ["claim:tenant_id" "tenants" "proof"] "a suspended tenant" => |a| a.tenant("initech");
    }
}
