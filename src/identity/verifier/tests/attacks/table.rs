//! The table: what there is to check, in order, and in each file a part of the ways to break it.

use super::{super::*, attempt::Attempt};

/// Faults, by check: listener, reason, the parts that are touched, a name, and the change.
macro_rules! rows {
    ($( $check:ident { $( $on:ident $reason:ident [$($part:expr),*] $name:literal => $apply:expr; )* } )*) => {
        pub(in super::super) const FAULTS: &[Fault] = &[ $( $(
            Fault { check: Check::$check, name: $name, on: On::$on, reason: Reason::$reason, touches: &[$($part),*], apply: $apply },
        )* )* ];
    };
}

mod claims;
mod directory;
mod requests;
mod tokens;

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

            /// Whether it asks a directory, which can change its mind about a token that was good.
            pub(super) fn asks_a_directory(self) -> bool {
                use Check::*;
                matches!(self, UserKnown | UserActive | UserTenant | Revoked | Known | RevokedHere | NamedByTenant | Active)
            }

            /// As the guide calls it.
            pub(super) fn name(self) -> &'static str {
                match self { $( Self::$check => $name, )* }
            }
        }
    };
}

checks! {
    CertificateSole = "certificate stands for one",
    CertificateAlive = "certificate alive",
    TenantOnce = "tenant header once",
    TenantForm = "tenant header's form",
    AuthorizationOnce = "Authorization once",
    AuthorizationForm = "Authorization readable",
    ProofOnce = "one proof",
    ProofThere = "a proof at all",
    AccessKey = "access key id agrees",
    VendedKeys = "vended keys are ours",
    CertificateTenant = "certificate's tenant",
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
    UserKnown = "user known",
    UserActive = "user active",
    UserTenant = "user's tenant",
    Tenant = "tenant in the token",
    IssuersTenants = "issuer's tenants",
    Revoked = "not revoked",
    Known = "tenant known",
    RevokedHere = "not revoked by the tenant",
    NamedByTenant = "issuer named by the tenant",
    Active = "tenant active",
}

/// One way to break one check.
pub(super) struct Fault {
    pub(super) check: Check,
    pub(super) name: &'static str,
    pub(super) on: On,
    pub(super) reason: Reason,
    /// The parts of a request that it changes or depends on; [`ALONE`]: all of them.
    pub(super) touches: &'static [&'static str],
    pub(super) apply: fn(&mut Attempt),
}

/// Touches everything: there is no second fault beside it.
const ALONE: &str = "*";

impl Fault {
    /// Whether one request can have both without the one being the other's undoing.
    pub(super) fn goes_with(&self, other: &Self) -> bool {
        let is_alone = |fault: &Self| fault.touches.contains(&ALONE);
        !is_alone(self) && !is_alone(other) && !self.touches.iter().any(|part| other.touches.contains(part))
    }
}

/// All of it, in the order of the checks.
pub(super) fn faults() -> Vec<&'static Fault> {
    [requests::FAULTS, tokens::FAULTS, claims::FAULTS, directory::FAULTS].into_iter().flatten().collect()
}
