//! `identity.issuers[].preset`: what is known of a provider's access tokens.
//!
//! A preset is nothing but other defaults, and all of them show in the effective configuration. What it demands of a token
//! (`required_claims`) can be replaced claim by claim, and not taken away: whoever does not want that writes the settings out
//! instead. Each is described, with its sources, in `config/guide/issuers.md`.

use serde_json::{Value, json};

use super::super::{error::Fault, reader::Defaults};

/// Defaults for the tokens of one provider.
#[derive(Debug)]
pub(super) struct Preset {
    name: &'static str,
    /// Of the issuer's section.
    pub(super) settings: Defaults,
    /// Of its `claims`.
    pub(super) claims: Defaults,
    /// For messages: where such a provider puts the tenant.
    pub(super) tenant: &'static str,
    required: &'static [(&'static str, &'static str)],
}

const PRESETS: &[Preset] = &[
    Preset {
        name: "auth0",
        settings: &[("algorithms", "[RS256]")],
        // `permissions` is there when role-based access control is on for the API, with "Add Permissions in the Access Token".
        claims: &[("roles", "permissions")],
        tenant: "org_id, or a namespaced claim that an Action adds",
        required: &[],
    },
    Preset {
        name: "cognito",
        settings: &[("algorithms", "[RS256]")],
        // An access token has no `aud` unless the client asked for a resource; the ID token's is the client as well.
        claims: &[("audience", "client_id"), ("roles", "cognito:groups")],
        tenant: "one that a pre token generation trigger adds",
        required: &[("token_use", "access")],
    },
    Preset {
        name: "entra",
        settings: &[("algorithms", "[RS256]"), ("token_types", "[JWT]")],
        // `oid` is the user's id in the directory; `sub` is another one for each application.
        claims: &[("subject", "oid"), ("scopes", "scp")],
        tenant: "tid, where each customer has a directory",
        // `azp` is the calling client. ID tokens, which an application gets for itself under the same audience, have none.
        required: &[("ver", "2.0"), ("azp", "*")],
    },
    Preset {
        name: "keycloak",
        settings: &[("algorithms", "[RS256, ES256, PS256]")],
        claims: &[("roles", "/realm_access/roles")],
        tenant: "organization",
        // The claim `typ`, not the header: ID tokens have `ID`, refresh tokens `Refresh`, tokens bound to a key `DPoP`.
        required: &[("typ", "Bearer")],
    },
    Preset {
        name: "kubernetes",
        settings: &[("algorithms", "[RS256, ES256]")],
        claims: &[],
        tenant: "/kubernetes.io/namespace",
        // Tokens of a projected volume or of the TokenRequest API. Those in secrets never expire and have other claims.
        required: &[("/kubernetes.io/namespace", "*"), ("/kubernetes.io/serviceaccount/name", "*")],
    },
    Preset {
        name: "okta",
        settings: &[("algorithms", "[RS256]")],
        claims: &[("scopes", "scp"), ("roles", "groups")],
        tenant: "tenant_id, a claim of the custom authorization server",
        // The calling client. ID tokens have none.
        required: &[("cid", "*")],
    },
];

impl Preset {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// What tokens of `issuer` must have.
    ///
    /// # Errors
    /// When the provider has no such issuer.
    pub(super) fn demands(&self, issuer: &str) -> Result<Vec<(String, Vec<Value>)>, Fault> {
        let mut demands: Vec<_> = self.required.iter().map(|(claim, value)| ((*claim).to_owned(), vec![json!(value)])).collect();
        if self.name == "entra" {
            let directory = directory_id(issuer).ok_or_else(|| {
                Fault::new(
                    "names no directory, as the version 2.0 tokens of the preset's provider do",
                    "give https://login.microsoftonline.com/DIRECTORY-ID/v2.0, with the id and not a name such as common",
                )
            })?;
            demands.push(("tid".to_owned(), vec![json!(directory)]));
        }
        Ok(demands)
    }
}

/// The directory's id, a GUID in lower case, in `https://HOST/ID/v2.0`.
fn directory_id(issuer: &str) -> Option<&str> {
    let (head, id) = issuer.strip_suffix("/v2.0")?.rsplit_once('/')?;
    let parts: Vec<_> = id.split('-').collect();
    let is_guid =
        parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    (is_guid && head.starts_with("https://")).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_named_by_its_id_alone() {
        let id = "11111111-2222-3333-4444-555555555555";
        for host in ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "acme.ciamlogin.com"] {
            assert_eq!(directory_id(&format!("https://{host}/{id}/v2.0")), Some(id));
        }
        for issuer in [
            format!("https://login.microsoftonline.com/{id}/v2.0/"),
            format!("https://sts.windows.net/{id}/"),
            format!("http://login.microsoftonline.com/{id}/v2.0"),
            "https://login.microsoftonline.com/common/v2.0".to_owned(),
            "https://login.microsoftonline.com/{tenantid}/v2.0".to_owned(),
            "https://login.microsoftonline.com/AAAAAAAA-2222-3333-4444-555555555555/v2.0".to_owned(),
            "https://login.microsoftonline.com/11111111222233334444555555555555/v2.0".to_owned(),
        ] {
            assert_eq!(directory_id(&issuer), None, "{issuer}");
        }
    }
}
