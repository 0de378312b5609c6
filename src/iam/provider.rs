//! Issuers as IAM knows them: OIDC providers of the account that a role is in.
//!
//! Of everything that the configuration says of an issuer, IAM knows its address and `aud`. So there are policies only for an issuer that may speak
//! for every tenant: the others' bounds are Palisade's alone, and a token may be shown to STS by whoever has it.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html>

use super::{IamError, text::Text};
use crate::config::{IssuerConfig, IssuerTenants};

/// The provider of the tokens that callers bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Provider {
    /// The issuer without `https://`, with which its ARN ends and its condition keys begin. A slash at the end belongs to it.
    pub(super) name: String,
    /// Accepted values of `aud`.
    pub(super) audience: Vec<String>,
}

impl Provider {
    /// That of the one issuer whose tokens the plan at `key` rests on.
    ///
    /// # Errors
    /// There are several, IAM cannot know it, or what bounds it is not known to IAM.
    pub(super) fn sole(key: &str, issuers: &[IssuerConfig]) -> Result<Self, IamError> {
        let [issuer] = issuers else {
            return Err(IamError(format!(
                "{key}.token: palisade iam does not print policies for callers' tokens of {} issuers (identity.issuers) yet, but of one",
                issuers.len()
            )));
        };
        let wrong = |setting: &str, why: &str| Err(IamError(format!("identity.issuers[0].{setting}: {why} ({key}.token is the caller's)")));
        let speaks_for_all = match &issuer.tenants {
            IssuerTenants::Listed(patterns) => patterns.iter().any(|pattern| pattern.is_everybody()),
            IssuerTenants::Attribute(_) => false,
        };
        if !speaks_for_all {
            return wrong(
                "tenants",
                "IAM does not know whom an issuer may speak for; palisade iam does not print policies for such a one yet",
            );
        }
        if issuer.claims.audience.0 != "aud" {
            return wrong("claims.audience", "IAM looks at aud alone; palisade iam does not print policies for another claim");
        }
        let name =
            issuer.issuer.strip_prefix("https://").filter(|name| !name.contains([':', '?', '#', '*', '$', '{', '"']) && !name.is_empty());
        match name {
            Some(name) => Ok(Self { name: name.to_owned(), audience: issuer.audience.clone() }),
            None => wrong("issuer", "IAM knows issuers that are https URLs without port and query alone"),
        }
    }

    /// Its ARN in an account.
    pub(super) fn arn(&self, partition: &Text, account: &Text) -> Text {
        let front = Text::literal("arn:").then(partition.clone()).then(":iam::").then(account.clone());
        front.then(Text::literal(format!(":oidc-provider/{}", self.name)))
    }
}
