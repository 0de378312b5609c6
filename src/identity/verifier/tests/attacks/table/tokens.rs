//! A token as a text, its issuer, its key and its signature.

use super::{
    super::attempt::{DOWN, From, Signer},
    *,
};

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

rows! {
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
        Both TokenMalformed ["text", "alg"] "alg twice" => |a| a.text = Some(|token| twice(token, 0, "\"alg\":\"none\""));
        Both TokenMalformed ["text", "claim:tenant_id"] "the tenant claim twice" => |a| a.text = Some(|token| twice(token, 1, "\"tenant_id\":\"globex\""));
        Both TokenMalformed ["text", "claim:sub"] "the same claim twice, spelled differently" => |a| a.text = Some(|token| twice(token, 1, "\"\\u0073ub\":\"v\""));
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
        Both TokenAlgorithm ["alg", "signer", "kid"] "HS256 with the public key" => |a| {
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
        Both TokenAlgorithm ["alg", "kid"] "an algorithm that the issuer does not use" => |a| {
            a.head("alg", json!("PS256"));
            a.head("kid", json!("r"));
        };
        Both TokenAlgorithm ["alg", "kid"] "the like, of another kind of key" => |a| {
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
        Both TokenAlgorithm ["alg", "kid"] "an EC key for RSA" => |a| a.head("alg", json!("RS256"));
        Both TokenAlgorithm ["kid"] "an Ed25519 key for ECDSA" => |a| a.head("kid", json!("d"));
    }
    Signature {
        Both TokenSignature ["signer"] "a stranger's" => |a| a.signer = Signer::Stranger;
        Both TokenSignature ["signer", "head:jwk"] "a stranger's, with the key inside" => |a| {
            a.signer = Signer::Stranger;
            a.head("jwk", json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}));
        };
        Both TokenSignature ["signer", "head:jku"] "a stranger's, with an address of keys" => |a| {
            a.signer = Signer::Stranger;
            a.head("jku", json!("https://evil.test/jwks.json"));
            a.head("x5u", json!("https://evil.test/cert.pem"));
        };
        Both TokenSignature ["signer", "kid"] "a stranger's, without a key id" => |a| {
            a.signer = Signer::Stranger;
            a.head("kid", None);
        };
        Both TokenSignature ["signer", "alg", "kid"] "a stranger's RSA" => |a| {
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
}
