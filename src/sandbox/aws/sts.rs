//! STS: AssumeRole and GetCallerIdentity, in the Query protocol (form body in, XML out).
//!
//! Approximate: GET requests, managed session policies and MFA are refused; the packed size is reckoned from plain lengths.

mod assume_role;
mod role;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header, request::Parts};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use self::{assume_role::AssumeRole, role::Role};
use super::{
    RoleConfig,
    failure::{Failure, escape},
    keys::Issued,
    observe::{AssumeRoleCall, Observer},
    policy::PolicyError,
    principal::{Layer, Principal, SessionFacts},
    verify::Verifier,
    wire::Wire,
};
use crate::body::{self, Body};

/// A role session that was assumed with another role's session lasts an hour at most.
const MAX_CHAINED: u64 = 3_600;

/// The roles, and what is needed to let someone assume one.
#[derive(Debug)]
pub(super) struct Sts {
    roles: BTreeMap<String, Role>,
}

impl Sts {
    pub(super) fn new(account: &str, roles: &[RoleConfig]) -> Result<Self, PolicyError> {
        let mut by_arn = BTreeMap::new();
        for config in roles {
            let role = Role::new(config, account)?;
            by_arn.insert(role.arn(), role);
        }
        Ok(Self { roles: by_arn })
    }

    /// Answers one request whose signature is verified.
    pub(super) fn answer(
        &self,
        parts: &Parts,
        body: &[u8],
        caller: &Principal,
        verifier: &Verifier,
        observer: &Observer,
        request_id: &str,
    ) -> Result<Response<Body>, Failure> {
        let malformed = || Failure::operation(400, "MalformedInput", "the request is not a POST of a form to /");
        if parts.method != Method::POST || parts.uri.path() != "/" || parts.uri.query().is_some() {
            return Err(malformed());
        }
        let form: Vec<(String, String)> = serde_urlencoded::from_bytes(body).map_err(|_| malformed())?;
        let mut actions = form.iter().filter(|(name, _)| name == "Action").map(|(_, value)| value.as_str());
        match (actions.next(), actions.next()) {
            (Some("AssumeRole"), None) => {
                let request = AssumeRole::read(&form)?;
                let outcome = self.assume(&request, caller, verifier);
                observer.record(recorded(&request, caller, &outcome));
                outcome.map(|session| xml("AssumeRole", &session.xml(&request), request_id))
            }
            (Some("GetCallerIdentity"), None) => {
                let (arn, id, account) = (escape(&caller.arn), escape(&caller.user_id), escape(&caller.account));
                let result = format!("<Arn>{arn}</Arn><UserId>{id}</UserId><Account>{account}</Account>");
                Ok(xml("GetCallerIdentity", &result, request_id))
            }
            (Some(other), None) => Err(Failure::operation(400, "InvalidAction", format!("this double does not know the action {other}"))),
            _ => Err(malformed()),
        }
    }

    fn assume(&self, request: &AssumeRole, caller: &Principal, verifier: &Verifier) -> Result<Session, Failure> {
        // A role that does not exist is answered like one that does not trust the caller, as AWS does.
        let unknown = || Failure::Denied(caller.denial("sts:AssumeRole", &request.role_arn, Layer::Resource, false));
        let role = self.roles.get(&request.role_arn).ok_or_else(unknown)?;
        let inherited = caller.session.clone().unwrap_or_default();
        let source_identity = inherited.source_identity.as_ref().or(request.source_identity.as_ref());
        if request.source_identity.is_some() && source_identity != request.source_identity.as_ref() {
            return Err(unknown());
        }
        let tags = request.all_tags(&inherited)?;
        role.trusts(request, &tags, source_identity, caller)?;
        let most = if caller.session.is_some() { role.max_session.min(Duration::from_secs(MAX_CHAINED)) } else { role.max_session };
        if request.duration_seconds > most.as_secs() {
            return Err(Failure::validation(Wire::Query, "DurationSeconds exceeds the longest session that is allowed for this role"));
        }
        if request.packed_size() > 100 {
            return Err(Failure::operation(400, "PackedPolicyTooLarge", "policy and tags together exceed the packed size limit"));
        }
        let principal = Arc::new(role.session(request, tags, source_identity, &inherited)?);
        let now = verifier.clock.now();
        let expires = now + Duration::from_secs(request.duration_seconds);
        let issued = verifier.keys.issue(principal.clone(), expires, now)?;
        Ok(Session { issued, principal, expires: expires.into(), source_identity: source_identity.cloned() })
    }
}

impl AssumeRole {
    /// The session's own tags and those that come down the chain; none may be in both.
    fn all_tags(&self, inherited: &SessionFacts) -> Result<BTreeMap<String, String>, Failure> {
        let mut tags = inherited.transitive_tags.clone();
        for (key, value) in &self.tags {
            if tags.keys().any(|k| k.eq_ignore_ascii_case(key)) {
                return Err(Failure::validation(Wire::Query, format!("the tag {key} is inherited and cannot be passed again")));
            }
            tags.insert(key.clone(), value.clone());
        }
        Ok(tags)
    }
}

/// A session that was granted.
struct Session {
    issued: Issued,
    principal: Arc<Principal>,
    expires: OffsetDateTime,
    source_identity: Option<String>,
}

impl Session {
    fn xml(&self, request: &AssumeRole) -> String {
        let expires = self.expires.replace_nanosecond(0).unwrap_or(self.expires).format(&Rfc3339).unwrap_or_default();
        let source = self.source_identity.as_deref().map_or(String::new(), |s| format!("<SourceIdentity>{}</SourceIdentity>", escape(s)));
        format!(
            "<AssumedRoleUser><AssumedRoleId>{}</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser><Credentials><AccessKeyId>{}</AccessKeyId>\
             <SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken><Expiration>{expires}</Expiration></Credentials>\
             <PackedPolicySize>{}</PackedPolicySize>{source}",
            escape(&self.principal.user_id),
            escape(&self.principal.arn),
            self.issued.access_key_id,
            self.issued.secret.expose(),
            self.issued.token.expose(),
            request.packed_size(),
        )
    }
}

fn recorded(request: &AssumeRole, caller: &Principal, outcome: &Result<Session, Failure>) -> AssumeRoleCall {
    let request = request.clone();
    AssumeRoleCall {
        caller: caller.arn.clone(),
        role_arn: request.role_arn,
        session_name: request.session_name,
        tags: request.tags,
        transitive_tag_keys: request.transitive_tag_keys,
        source_identity: request.source_identity,
        external_id: request.external_id,
        policy: request.policy,
        duration_seconds: request.duration_seconds,
        outcome: match outcome {
            Ok(session) => Ok(session.issued.access_key_id.clone()),
            Err(failure) => Err(failure.describe(Wire::Query).1),
        },
    }
}

fn xml(action: &str, result: &str, request_id: &str) -> Response<Body> {
    let document = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    );
    let mut response = Response::new(body::full(Bytes::from(document)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}
