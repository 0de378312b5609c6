//! Why STS gives no session, and what would have to be added where. Pure.

use serde_json::Value;

use crate::{
    credentials::{StsError, StsInputs},
    iam::Needed,
};

/// What to do.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Explained {
    pub(super) cure: String,
    /// To which policy, and the statement.
    pub(super) statements: Vec<(String, Value)>,
}

/// Explains `error`, which is the answer to `inputs` of the plan at `key`.
///
/// `without_tags` is whether STS gives a session when the tags and the source identity are left out, where that was tried.
pub(super) fn explain(error: &StsError, key: &str, inputs: &StsInputs, needed: &Needed, without_tags: Option<bool>) -> Explained {
    let cure = |text: &str| Explained { cure: text.to_owned(), statements: Vec::new() };
    match error {
        StsError::Denied(note) => denied(note, key, inputs, needed, without_tags),
        StsError::Inputs { setting: "duration", .. } => cure(&format!(
            "a role that another role assumes (any base but a user's key) has at most 1h; otherwise raise MaxSessionDuration of the role, or lower \
             {key}.duration",
        )),
        StsError::Inputs { setting: "session_policy", note } if note.to_ascii_lowercase().contains("packed") => cure(
            "session policy, policy ARNs and tags share one packed limit: shorten the policy (wildcards for lists of actions), drop tags or \
             shorten their values",
        ),
        StsError::Inputs { setting: "session_policy", .. } => {
            cure("STS finds a mistake in the policy: `palisade iam --what session --tenant ID` prints it as it is sent")
        }
        StsError::Inputs { setting: setting @ ("session_tags" | "transitive_tag_keys"), .. } => cure(&format!(
            "{setting}: a tag that the base identity's session hands on (transitive) cannot be given again, and keys may not differ in case alone"
        )),
        StsError::Inputs { setting, .. } => cure(&format!("correct {key}.{setting}")),
        StsError::Hub { error, .. } if matches!(**error, StsError::Denied(_) | StsError::Identity(_)) => cure(
            "the role before it, or the base identity, has to be allowed to assume it, and its trust policy to name who assumes it: `palisade iam \
             --what base,trust` prints both",
        ),
        StsError::Identity(code) => cure(identity(code)),
        StsError::Hub { error, .. } => explain(error, &format!("{key}.via"), inputs, needed, without_tags),
        // Of the broker alone, which is not asked here.
        StsError::Crowded { .. } | StsError::DeniedLately { .. } => cure("try again"),
        StsError::Token(_) => cure("take a token whose issuer is an OIDC provider of the role's account, and which is valid now"),
        StsError::Throttled { .. } => cure("STS has too many calls from this account: wait, and use regional endpoints"),
        StsError::Unavailable(note) if note.contains("not activated") => {
            cure("activate STS in this region (IAM console, account settings), or use another for credentials.sts.region")
        }
        StsError::Unavailable(_) => cure("see whether this process reaches STS: route or VPC endpoint, DNS, credentials.sts.ca"),
    }
}

fn identity(code: &str) -> &'static str {
    match code {
        "ExpiredToken" | "ExpiredTokenException" => "the base identity's own credentials have ended: renew what credentials.source reads",
        "SignatureDoesNotMatch" | "RequestExpired" | "IncompleteSignature" => "the secret is not the key's, or the clock is wrong",
        "OptInRequired" | "InvalidClientTokenId" | "UnrecognizedClientException" => {
            "AWS does not know the key here: it is deleted or inactive, of another partition, or the region is one that the account has not opted into"
        }
        _ => "AWS does not accept the base identity's credentials: renew them",
    }
}

fn denied(note: &str, key: &str, inputs: &StsInputs, needed: &Needed, without_tags: Option<bool>) -> Explained {
    let said = note.split_once("not authorized to perform: ").map(|(_, rest)| rest.split_whitespace().next().unwrap_or_default());
    let has_tags = !inputs.tags.is_empty();
    let (action, cure) = match said {
        Some(action @ "sts:TagSession") => (action, "the session may not be tagged".to_owned()),
        Some(action @ "sts:SetSourceIdentity") => (action, "the session may not have a source identity".to_owned()),
        _ if without_tags == Some(true) && has_tags => (
            "sts:TagSession",
            "without its tags and source identity the role can be assumed: the trust policy refuses to tag, or wants other tags".to_owned(),
        ),
        _ => {
            let mut why = tags(key, inputs);
            why.push_str("; or the role does not exist, does not trust this identity, or the identity's own policy does not let it");
            why.push_str(&match &inputs.external_id {
                Some(_) => "; or the trust policy demands another sts:ExternalId than the one that is sent".to_owned(),
                None => format!("; or the trust policy demands an sts:ExternalId, and {key}.external_id is unset"),
            });
            ("sts:AssumeRole", why)
        }
    };
    let of = |statements: &[(&'static str, Value)]| {
        statements.iter().find(|(known, _)| *known == action).map(|(_, statement)| statement.clone())
    };
    // A trust policy that demands something is undone by a statement beside it that demands nothing.
    let is_bound = |statement: &Value| action != "sts:AssumeRole" || statement.get("Condition").is_some();
    let trust = of(&needed.trust).filter(is_bound).map(|statement| (format!("the trust policy of {}", inputs.role_arn), statement));
    let base = of(&needed.base).map(|statement| (format!("the policies of {}", needed.principal), statement));
    // AWS says which of the two it was, where it can.
    let statements: Vec<_> = match (note.contains("identity-based policy"), note.contains("trust policy")) {
        (true, false) => base.into_iter().collect(),
        (false, true) => trust.into_iter().collect(),
        _ => trust.into_iter().chain(base).collect(),
    };
    let is_base_alone = note.contains("identity-based policy");
    let untold = match &needed.rival {
        _ if is_base_alone => String::new(),
        Some(rival) => format!("; {rival} assumes the same role with other tags or ids, so that no statement for its trust policy is proposed"),
        None if of(&needed.trust).is_some_and(|statement| !is_bound(&statement)) => {
            "; no statement for the trust policy is proposed, since one without conditions would undo what others demand there: look at it, and \
             at what `palisade iam --what trust` prints"
                .to_owned()
        }
        None => String::new(),
    };
    let each = if statements.is_empty() { "" } else { "; each of these statements has to be there" };
    Explained { cure: format!("{cure}{untold}{each}"), statements }
}

/// What the plan sends for session tags, which the trust policy may want otherwise.
fn tags(key: &str, inputs: &StsInputs) -> String {
    if inputs.tags.is_empty() {
        return format!("the trust policy may demand session tags, of which this plan sends none ({key}.session_tags is unset)");
    }
    let keys: Vec<_> = inputs.tags.iter().map(|(key, _)| key.as_str()).collect();
    format!("the trust policy may demand other session tags than this plan sends ({}), by other names or values", keys.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "credentials.services.s3.assume_role";

    fn inputs() -> StsInputs {
        StsInputs {
            owner: crate::credentials::Owner::Tenant("acme".parse().unwrap()),
            region: "eu-west-1".into(),
            authority: crate::credentials::Authority::Identity(Vec::new()),
            role_arn: "arn:aws:iam::111122223333:role/data".into(),
            session_name: "acme".into(),
            external_id: None,
            source_identity: Some("user".into()),
            tags: vec![("TenantID".into(), "acme".into())],
            transitive_tag_keys: Vec::new(),
            policy: None,
            policy_arns: Vec::new(),
            duration_seconds: 3_600,
        }
    }

    fn needed() -> Needed {
        let all = |of: &str| {
            ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
                .map(|action| (action, json!({"of": of, "Action": action, "Condition": {}})))
        };
        Needed {
            principal: "arn:aws:iam::111122223333:role/base".into(),
            trust: all("trust").into(),
            base: all("base").into(),
            rival: None,
        }
    }

    fn why(error: StsError, without_tags: Option<bool>) -> (String, Vec<(String, String)>) {
        let explained = explain(&error, KEY, &inputs(), &needed(), without_tags);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (explained.cure, explained.statements.iter().map(|(_, statement)| (text(&statement["of"]), text(&statement["Action"]))).collect())
    }

    fn both(action: &str) -> Vec<(String, String)> {
        ["trust", "base"].map(|of| (of.to_owned(), action.to_owned())).into()
    }

    #[test]
    fn a_denial_names_the_statement_that_is_missing() {
        let denied = |action: &str, more: &str| {
            StsError::Denied(format!("User: arn:x is not authorized to perform: {action} on resource: arn:y{more}"))
        };
        assert_eq!(why(denied("sts:TagSession", ""), None).1, both("sts:TagSession"));
        assert_eq!(why(denied("sts:SetSourceIdentity", ""), None).1, both("sts:SetSourceIdentity"));
        let by_identity = denied("sts:TagSession", " because no identity-based policy allows the sts:TagSession action");
        assert_eq!(why(by_identity, None).1, [("base".to_owned(), "sts:TagSession".to_owned())]);
        let (cure, statements) = why(denied("sts:AssumeRole", ""), Some(false));
        assert!(cure.contains("external_id is unset") && statements == both("sts:AssumeRole"), "{cure}");
        let (cure, statements) = why(denied("sts:AssumeRole", ""), Some(true));
        assert!(cure.contains("wants other tags") && statements == both("sts:TagSession"), "{cure}");
        let with_id = StsInputs { external_id: Some("x".into()), ..inputs() };
        assert!(explain(&StsError::Denied(String::new()), KEY, &with_id, &needed(), None).cure.contains("another sts:ExternalId"));
    }

    /// A statement without conditions beside one that demands tags would let everybody in without.
    #[test]
    fn no_statement_is_proposed_that_demands_less_than_there_may_be() {
        let denied = StsError::Denied("User: arn:x is not authorized to perform: sts:AssumeRole on resource: arn:y".into());
        let explained = |inputs: &StsInputs, needed: &Needed| explain(&denied, KEY, inputs, needed, None);
        let untagged = StsInputs { tags: Vec::new(), ..inputs() };
        let bare = Needed { trust: vec![("sts:AssumeRole", json!({"Action": "sts:AssumeRole"}))], ..needed() };
        let found = explained(&untagged, &bare);
        let first = format!("the trust policy may demand session tags, of which this plan sends none ({KEY}.session_tags is unset)");
        assert!(found.cure.starts_with(&first) && found.cure.contains("no statement for the trust policy is proposed"), "{found:?}");
        assert_eq!(
            found.statements.iter().map(|(whose, _)| whose.as_str()).collect::<Vec<_>>(),
            ["the policies of arn:aws:iam::111122223333:role/base"]
        );
        let found = explained(&inputs(), &needed());
        assert!(found.cure.starts_with("the trust policy may demand other session tags than this plan sends (TenantID)"), "{found:?}");
        assert_eq!(found.statements.len(), 2);
        let rival = Needed { trust: Vec::new(), rival: Some("credentials.assume_role".to_owned()), ..needed() };
        let found = explained(&untagged, &rival);
        assert!(found.cure.contains("; credentials.assume_role assumes the same role with other tags or ids"), "{found:?}");
    }

    #[test]
    fn every_other_refusal_has_a_cure() {
        let wrong = |setting: &'static str, note: &str| StsError::Inputs { setting, note: note.to_owned() };
        let of_hub = |error| StsError::Hub { role: "arn:aws:iam::111122223333:role/hub".into(), error: Box::new(error) };
        for (error, said) in [
            (wrong("duration", "ValidationError"), "at most 1h"),
            (wrong("session_policy", "Packed policy consumes 134% of allotted space"), "packed limit"),
            (wrong("session_policy", "Syntax errors in policy."), "--what session"),
            (wrong("session_tags", "InvalidParameterValue"), "transitive"),
            (wrong("role_arn", "ValidationError"), "correct credentials.services.s3.assume_role.role_arn"),
            (of_hub(StsError::Denied("no".into())), "who assumes it"),
            (of_hub(StsError::Throttled { note: "slow".into(), retry_after: None }), "too many calls"),
            (of_hub(wrong("session_name", "ValidationError")), "correct credentials.services.s3.assume_role.via.session_name"),
            (StsError::Identity("ExpiredToken".into()), "have ended"),
            (StsError::Identity("SignatureDoesNotMatch".into()), "clock"),
            (StsError::Identity("InvalidClientTokenId".into()), "opted into"),
            (StsError::Throttled { note: "Throttling".into(), retry_after: None }, "too many calls"),
            (StsError::Unavailable("STS is not activated in credentials.sts.region".into()), "activate STS"),
            (StsError::Unavailable("no answer in time".into()), "VPC endpoint"),
        ] {
            let (cure, statements) = why(error, None);
            assert!(cure.contains(said) && statements.is_empty(), "{said}: {cure}");
        }
    }
}
