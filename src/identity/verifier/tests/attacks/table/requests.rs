//! Certificates, headers and passports.

use super::{
    super::attempt::{Certificate, Proof, Rules},
    *,
};

const ACME: &[u8] =
    b"AWS4-HMAC-SHA256 Credential=tenant.acme/20270115/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-security-token, Signature=0";
const GLOBEX: &[u8] =
    b"AWS4-HMAC-SHA256 Credential=tenant.globex/20270115/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-security-token, Signature=0";
const ANYBODY: &[u8] =
    b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20270115/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-security-token, Signature=0";

rows! {
    CertificateSole {
        Both TenantAmbiguous ["certificate"] "a certificate that is mapped by its id and by its subject" => |a| a.certificate = Some(Certificate::Twice);
    }
    CertificateAlive {
        Both CertificateExpired ["certificate"] "a certificate that has expired since its handshake" => |a| a.certificate = Some(Certificate::Expired);
    }
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
        Both TokenAmbiguous ["places", "authorization"] "another proof in the session token" => |a| a.places.push(("x-amz-security-token", "Tx"));
        Both TokenAmbiguous ["places", "authorization"] "another proof in Authorization" => |a| a.places.push(("authorization", "Bearer Tx"));
        Both TokenAmbiguous ["places", "authorization"] "an empty proof beside one" => |a| a.places.push(("authorization", "Bearer "));
        Both TokenAmbiguous ["places", "authorization"] "the session token twice" => |a| {
            a.places = vec![("x-amz-security-token", "T"), ("x-amz-security-token", "T")];
        };
        Both TokenMalformed ["places", "authorization"] "a token header that is no text" => |a| {
            a.places.clear();
            a.more.push(("x-tenant-token", b"\xff"));
        };
        Both TokenMalformed ["places", "authorization"] "a session token that is no text" => |a| a.more.push(("x-amz-security-token", b"\xc3\xa9"));
    }
    ProofThere {
        Both TokenMissing ["places", "authorization"] "no proof" => |a| a.places.clear();
        Both TokenMissing ["places", "authorization"] "an empty proof" => |a| a.places = vec![("x-tenant-token", "")];
        Both TokenMissing ["places", "authorization"] "Bearer and a space" => |a| a.places = vec![("authorization", "Bearer ")];
        Ingress TokenMissing ["places", "authorization"] "another scheme" => |a| a.places = vec![("authorization", "Basic eDp5")];
        Both TokenMissing ["places", "authorization", "certificate"] "a certificate, which is no proof" => |a| {
            a.places.clear();
            a.certificate = Some(Certificate::Of("acme/worker"));
        };
        Ingress TokenMissing ["places", "authorization", "certificate", "rules"] "a certificate, which is a proof on the egress alone" => |a| {
            a.rules = Rules::CertificatesProve;
            a.places.clear();
            a.certificate = Some(Certificate::Of("acme/worker"));
        };
    }
    AccessKey {
        Egress TenantAmbiguous ["authorization", "tenants"] "an access key id of another tenant" => |a| a.more.push(("authorization", GLOBEX));
    }
    VendedKeys {
        Egress KeysUnknown ["authorization", "places", "proof"] "keys of another process" => |a| {
            a.proof = Some(Proof::Vended);
            a.places = vec![("x-amz-security-token", "T")];
            a.more.push(("authorization", ANYBODY));
        };
    }
    CertificateTenant {
        Both TenantMismatch ["certificate", "tenants"] "a certificate of another tenant" => |a| a.certificate = Some(Certificate::Of("globex/worker"));
        Egress TenantMismatch ["certificate", "tenants", "authorization"] "a certificate of another tenant than the access key id's" => |a| {
            a.certificate = Some(Certificate::Of("globex/worker"));
            a.tenants.clear();
            a.more.push(("authorization", ACME));
        };
        Egress TenantMismatch [ALONE] "a certificate of another tenant, as the proof" => |a| {
            a.proved_by(Certificate::Of("globex/worker"));
            a.tenants = vec![b"acme"];
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
        Egress PassportUnknown ["proof", "places", "authorization"] "a passport with a byte more" => |a| {
            a.proof = Some(Proof::LivePassport);
            a.places = vec![("x-tenant-token", "TA")];
        };
    }
    PassportTenant {
        Egress TenantMismatch ["proof", "tenants"] "a passport of another tenant" => |a| a.proof = Some(Proof::PassportOfAnother);
        Egress TenantMismatch ["proof", "tenants", "certificate"] "a passport on the connection of another tenant's workload" => |a| {
            a.proof = Some(Proof::LivePassport);
            a.tenants.clear();
            a.certificate = Some(Certificate::Of("globex/worker"));
        };
    }
    TenantThere {
        // A passport names its own, and needs no header.
        Both TenantMissing ["tenants", "proof"] "no tenant" => |a| a.tenants.clear();
    }
}
