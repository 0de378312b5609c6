//! Who asks: as the proof and the directory say it.

use std::{borrow::Cow, collections::BTreeMap};

use cedar_policy::{Entity, EntityUid, RestrictedExpression};
use serde_json::{Map, Value};

use super::{
    published::{Names, Unsaid},
    reach::Reach,
};
use crate::{
    directory::{ActiveTenant, TenantRecord},
    identity::{ActiveUser, workload::WORKLOAD_ISSUER},
    telemetry::RequestId,
};

/// Claims that policies can see: more than any token has, and no more than a request can afford.
const MOST_CLAIMS: usize = 256;
/// How deep claims stand within claims.
const DEEPEST: usize = 8;

/// A user of a tenant, and what proves it.
#[derive(Debug)]
pub(crate) struct Who<'a> {
    pub(crate) record: &'a TenantRecord,
    pub(crate) issuer: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) roles: &'a [String],
    pub(crate) scopes: &'a [String],
    /// What the directory of users has of the user.
    pub(crate) attributes: Cow<'a, BTreeMap<String, String>>,
    pub(crate) claims: Cow<'a, Map<String, Value>>,
    pub(crate) proof: Proof<'a>,
}

/// What proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof<'a> {
    Certificate,
    Deferred { id: &'a str, purpose: &'a str, request: &'a str },
    Passport { request: &'a str },
    Token,
}

/// A principal, and what is behind it.
#[derive(Debug)]
pub(super) struct Principal {
    pub(super) user: EntityUid,
    pub(super) token: EntityUid,
    /// The user, and all that it is in.
    pub(super) within: Vec<EntityUid>,
    pub(super) entities: Vec<Entity>,
}

impl<'a> Who<'a> {
    /// The user for whom a request is made. `passport` is the request that its passport belongs to, where it has one.
    pub(crate) fn of(tenant: &'a ActiveTenant, passport: Option<&'a RequestId>) -> Self {
        let verified = tenant.verified();
        let user = tenant.user();
        let proof = match (passport, verified.deferred()) {
            (Some(request), _) => Proof::Passport { request: request.as_str() },
            (None, Some(deferred)) => Proof::Deferred { id: deferred.id(), purpose: deferred.purpose(), request: deferred.for_request() },
            (None, None) if verified.issuer() == WORKLOAD_ISSUER => Proof::Certificate,
            (None, None) => Proof::Token,
        };
        Self {
            record: tenant.record(),
            issuer: verified.issuer(),
            subject: verified.subject(),
            roles: user.map_or(verified.roles(), ActiveUser::roles),
            scopes: verified.scopes(),
            attributes: user.map_or_else(Cow::default, |user| Cow::Borrowed(user.attributes())),
            claims: Cow::Borrowed(verified.claims()),
            proof,
        }
    }

    /// With as much of it as is read.
    pub(super) fn principal(&self, names: &Names, reach: &Reach) -> Result<Principal, Unsaid> {
        const ODD: Unsaid = "an attribute that cannot be evaluated";
        let record = self.record;
        let tenant = names.uid("Tenant", record.id.as_str())?;
        let known = [
            ("id", Some(record.id.as_str())),
            ("tier", record.tier.as_deref()),
            ("cell", record.cell.as_deref()),
            ("account", record.account.as_deref()),
            ("region", record.region.as_deref()),
            ("kms_key", record.kms_key.as_deref()),
        ];
        let mut entities = Vec::with_capacity(3);
        if reach.reads("tenant") {
            let known =
                reach.only(known).filter_map(|(name, value)| Some((name.to_owned(), text(value.filter(|value| !value.is_empty())?))));
            let tags = tags(&record.attributes).filter(|_| reach.reads_tags());
            entities.push(Entity::new_with_tags(tenant.clone(), known, [], tags).map_err(|_| ODD)?);
        }

        // Issuers are URLs without fragments, and next to never have an escape; one that is otherwise must not make its users another's.
        let user = names.uid("User", &format!("{}#{}", self.issuer.replace('%', "%25").replace('#', "%23"), self.subject))?;
        let set_of = |texts: &[String]| set(texts.iter().map(String::as_str));
        let own: [(&str, &dyn Fn() -> RestrictedExpression); 4] = [
            ("subject", &|| text(self.subject)),
            ("issuer", &|| text(self.issuer)),
            ("roles", &|| set_of(self.roles)),
            ("tenant", &|| RestrictedExpression::new_entity_uid(tenant.clone())),
        ];
        let own = reach.only(own).map(|(name, value)| (name.to_owned(), value()));
        let mut within: Vec<_> = self.roles.iter().map(|role| names.uid("Role", role)).collect::<Result<_, _>>()?;
        within.push(tenant.clone());
        within.retain(|uid| reach.names(uid) || (reach.reads("tenant") && *uid == tenant));
        let attributes = tags(&self.attributes).filter(|_| reach.reads_tags());
        entities.push(Entity::new_with_tags(user.clone(), own, within.clone(), attributes).map_err(|_| ODD)?);

        // It has no name that a policy could know: only a request's own is ever there.
        let token = names.uid("Token", "")?;
        if reach.reads("token") {
            let scopes = reach.reads("scopes").then(|| ("scopes".to_owned(), set_of(self.scopes)));
            let claims = if reach.reads_tags() { claims(&self.claims)? } else { Vec::new() };
            entities.push(Entity::new_with_tags(token.clone(), scopes, [], claims).map_err(|_| ODD)?);
        }
        within.push(user.clone());
        Ok(Principal { user, token, within, entities })
    }
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn set<'t>(texts: impl Iterator<Item = &'t str>) -> RestrictedExpression {
    RestrictedExpression::new_set(texts.map(text))
}

fn tags(pairs: &BTreeMap<String, String>) -> impl Iterator<Item = (String, RestrictedExpression)> {
    pairs.iter().map(|(name, value)| (name.clone(), text(value)))
}

/// Claims by name, and what is within them by JSON pointer (RFC 6901). Text, numbers and booleans are a set of one, lists of such the set of them; what is
/// null is not there.
fn claims(all: &Map<String, Value>) -> Result<Vec<(String, RestrictedExpression)>, Unsaid> {
    let mut found = Vec::new();
    for (name, value) in all {
        let pointer = format!("/{}", escaped(name));
        // What looks like a pointer means one.
        let name = if name.starts_with('/') { &pointer } else { name };
        claim(&mut found, name.clone(), &pointer, value, DEEPEST)?;
    }
    Ok(found)
}

fn claim(found: &mut Vec<(String, RestrictedExpression)>, name: String, pointer: &str, value: &Value, deeper: usize) -> Result<(), Unsaid> {
    let values: Vec<Cow<'_, str>> = match value {
        Value::Null => return Ok(()),
        Value::Object(members) => {
            let Some(deeper) = deeper.checked_sub(1) else { return Err("claims that stand too deep in the token") };
            for (member, value) in members {
                let pointer = format!("{pointer}/{}", escaped(member));
                claim(found, pointer.clone(), &pointer, value, deeper)?;
            }
            return Ok(());
        }
        Value::Array(items) => items.iter().filter_map(plain).collect(),
        scalar => plain(scalar).into_iter().collect(),
    };
    if found.len() == MOST_CLAIMS {
        return Err("more claims in the token than policies can see");
    }
    found.push((name, set(values.iter().map(|value| &**value))));
    Ok(())
}

/// A step of a JSON pointer.
fn escaped(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) { name.replace('~', "~0").replace('/', "~1").into() } else { name.into() }
}

fn plain(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(_) | Value::Bool(_) => Some(Cow::Owned(value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cedar_policy::Policy;

    use super::*;
    use crate::{guard::cedar::published::Published, identity::VerifiedTenant};

    /// What of the roles and the tenant of a user a policy hears.
    fn within(policy: &str) -> Vec<String> {
        let verified = VerifiedTenant::for_tests_as("acme", &["editor", "reader"], &[]);
        let acme = ActiveTenant::join(verified, Arc::new(TenantRecord::bare("acme".parse().unwrap()))).unwrap();
        let names = &Published::get().unwrap().names;
        let policy = Policy::parse(None, policy).unwrap();
        let principal = Who::of(&acme, None).principal(names, &Reach::of([&policy].into_iter(), names)).unwrap();
        principal.within.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_a_user_is_in_is_told_where_a_policy_can_tell() {
        let (user, tenant, role) =
            ("Palisade::User::\"https://idp.test/#user-1\"", "Palisade::Tenant::\"acme\"", "Palisade::Role::\"editor\"");
        for (policy, told) in [
            ("permit(principal, action, resource);", &[user][..]),
            ("permit(principal in Palisade::Role::\"editor\", action, resource);", &[role, user]),
            ("permit(principal in Palisade::Role::\"admin\", action, resource);", &[user]),
            ("permit(principal in Palisade::Tenant::\"acme\", action, resource);", &[tenant, user]),
            ("permit(principal, action, resource) when { principal in principal.tenant };", &[tenant, user]),
        ] {
            assert_eq!(within(policy), told, "{policy}");
        }
    }
}
