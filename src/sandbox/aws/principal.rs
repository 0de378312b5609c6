//! Who a request is from, and what that one may do.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::policy::{Context, Policy, Request, Verdict};

/// An authenticated caller: the base identity, or one session of a role.
#[derive(Debug)]
pub(super) struct Principal {
    /// The ARN that denials and `GetCallerIdentity` show.
    pub(super) arn: String,
    /// `AIDA...` of a user, `AROA...:session` of a session.
    pub(super) user_id: String,
    pub(super) account: String,
    /// Every name by which a trust policy may mean this caller.
    pub(super) names: Vec<String>,
    /// Condition keys that every request of this caller carries, session tags included.
    pub(super) facts: Context,
    /// All of them must allow a request.
    pub(super) layers: Vec<(Layer, Arc<Policy>)>,
    /// Only of a session.
    pub(super) session: Option<SessionFacts>,
}

/// What one session hands on to the next when roles are chained.
#[derive(Debug, Clone, Default)]
pub(super) struct SessionFacts {
    pub(super) source_identity: Option<String>,
    pub(super) transitive_tags: BTreeMap<String, String>,
}

/// Where a policy is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    Identity,
    Session,
    /// The trust policy of a role, or the owner of a bucket.
    Resource,
}

/// A request that some layer does not let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) caller: String,
    pub(super) action: String,
    pub(super) resource: String,
    pub(super) layer: Layer,
    pub(super) explicit: bool,
}

impl Principal {
    /// Whether every layer allows `action` on `resource`; `context` holds what is particular to the request.
    pub(super) fn authorise(&self, action: &str, resource: &str, context: &Context) -> Result<(), Denial> {
        let context = self.facts.clone().merge(context);
        let request = Request { action, resource, caller: &self.names, context: &context };
        let mut silent = None;
        for (layer, policy) in &self.layers {
            match policy.evaluate(&request) {
                Verdict::Allow => {}
                Verdict::ExplicitDeny => return Err(self.denial(action, resource, *layer, true)),
                Verdict::Silent => silent = silent.or(Some(*layer)),
            }
        }
        // A principal without any policy may do nothing.
        match silent.or(self.layers.is_empty().then_some(Layer::Identity)) {
            None => Ok(()),
            Some(layer) => Err(self.denial(action, resource, layer, false)),
        }
    }

    pub(super) fn denial(&self, action: &str, resource: &str, layer: Layer, explicit: bool) -> Denial {
        Denial { caller: self.arn.clone(), action: action.to_owned(), resource: resource.to_owned(), layer, explicit }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { caller, action, resource, .. } = self;
        write!(f, "User: {caller} is not authorized to perform: {action} on resource: {resource} ")?;
        let policy = match self.layer {
            Layer::Identity => "identity-based policy",
            Layer::Session => "session policy",
            Layer::Resource => "resource-based policy",
        };
        match self.explicit {
            true => write!(f, "with an explicit deny in a {policy}"),
            false => write!(f, "because no {policy} allows the {action} action"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::aws::policy::PolicyKind;

    fn principal(policies: &[(Layer, serde_json::Value)]) -> Principal {
        let parse = |statement: &serde_json::Value| {
            Arc::new(Policy::parse(&json!({"Version": "2012-10-17", "Statement": statement}), PolicyKind::Identity).unwrap())
        };
        Principal {
            arn: "arn:aws:sts::111122223333:assumed-role/data/acme".to_owned(),
            user_id: String::new(),
            account: String::new(),
            names: Vec::new(),
            facts: Context::default().with("aws:PrincipalTag/TenantID", "acme"),
            layers: policies.iter().map(|(layer, p)| (*layer, parse(p))).collect(),
            session: None,
        }
    }

    #[test]
    fn the_role_and_the_session_policy_must_both_allow() {
        let role = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        let session = json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::p/${aws:PrincipalTag/TenantID}/*"});
        let both = principal(&[(Layer::Identity, role), (Layer::Session, session)]);
        let ask = |action, resource| both.authorise(action, resource, &Context::default()).map_err(|d| (d.layer, d.explicit));
        assert_eq!(ask("s3:GetObject", "arn:aws:s3:::p/acme/k"), Ok(()));
        assert_eq!(ask("s3:GetObject", "arn:aws:s3:::p/other/k"), Err((Layer::Session, false)));
        assert_eq!(ask("sqs:SendMessage", "arn:aws:s3:::p/acme/k"), Err((Layer::Identity, false)));
    }

    #[test]
    fn a_denial_names_the_caller_and_no_policy_is_no_permission() {
        let denial = principal(&[]).authorise("s3:GetObject", "arn:aws:s3:::p/k", &Context::default()).unwrap_err();
        assert!(denial.to_string().starts_with(
            "User: arn:aws:sts::111122223333:assumed-role/data/acme is not authorized to perform: s3:GetObject on resource: \
             arn:aws:s3:::p/k because no identity-based policy"
        ));
    }

    #[test]
    fn a_request_cannot_override_who_the_caller_is() {
        let own = json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::p/${aws:PrincipalTag/TenantID}/*"});
        let forged = Context::default().with("aws:PrincipalTag/TenantID", "other");
        assert!(principal(&[(Layer::Identity, own)]).authorise("s3:GetObject", "arn:aws:s3:::p/other/k", &forged).is_err());
    }
}
