//! What the guard would make of a request that nobody sends: for `palisade explain`.
//!
//! It goes through the very functions that a request on the egress goes through, up to the verdict. Nothing is proved for it, and nothing comes of it: it takes a
//! tenant's values and not a tenant ([`ActiveTenant`](crate::directory::ActiveTenant)), and what it gives back cannot be signed. What depends on a proof (a passport's
//! actions, a context's) is not asked.

use http::{HeaderName, HeaderValue, Request};

use super::{
    Guard, Sent,
    rules::{Denial, Question, Verdict},
    seen::{Judged, Seen},
};
use crate::{
    aws::{operation::Known, target::Target},
    body::Body,
    clock::Clock,
    config::{Limits, template::Values},
    identity::{ClientSignature, Placeholder},
    limits::Quota,
    reject::Refusal,
    telemetry::Record,
};

/// What the guard made of a request whose destination it knows.
#[derive(Debug)]
pub(crate) struct Settled {
    /// Where it goes, in the form in which it would be sent.
    pub(crate) target: Target,
    /// The operation, as the log would have it.
    pub(crate) operation: Option<String>,
    /// Everything that it could be read as.
    pub(crate) readings: Vec<String>,
    /// What it needs, in IAM's words.
    pub(crate) actions: Vec<String>,
    /// What it is about, and what the rules say.
    pub(crate) judged: Vec<Judged>,
    pub(crate) judgement: Judgement,
    /// What the policies say, where there are any.
    #[cfg(feature = "cedar")]
    pub(crate) permitted: Option<super::policies::Permitted>,
}

/// Whose request it is supposed to be.
#[derive(Clone, Copy)]
pub(crate) struct Supposition<'a> {
    /// What templates are filled in with.
    pub(crate) values: &'a dyn Values,
    /// Whom policies are asked about, and when.
    #[cfg(feature = "cedar")]
    pub(crate) who: (Option<&'a super::cedar::Who<'a>>, Option<std::time::SystemTime>),
}

/// What came out.
#[derive(Debug)]
pub(crate) enum Judgement {
    /// With these headers added to it.
    Allowed(Vec<(HeaderName, HeaderValue)>),
    Denied(Denial),
    /// Nobody looks: there is no guard, it is off, or the service is unguarded.
    Unguarded,
    /// It depends on the keys of these tables, which DynamoDB would be asked for.
    Unlearnt(Vec<String>),
    /// It passes, and the log says what is wrong with it.
    Watched(Denial, Vec<(HeaderName, HeaderValue)>),
}

impl Guard {
    /// Where a request would go.
    ///
    /// # Errors
    /// The refusal that it would meet.
    pub(crate) fn destination(&self, request: &Request<Body>, placeholder: Option<&Placeholder>) -> Result<Target, Refusal> {
        let (mut head, ()) = Request::new(()).into_parts();
        (head.method, head.uri, head.headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
        self.targets.resolve(&super::hints(&head, super::host(&head)?.as_ref(), placeholder))
    }

    /// What would become of a request of the tenant whose values these are, and why.
    ///
    /// # Errors
    /// The refusal that it would meet before any rule is asked.
    pub(crate) async fn explain(
        &self,
        request: Request<Body>,
        placeholder: Option<Placeholder>,
        supposed: Supposition<'_>,
        record: &mut Record,
    ) -> Result<Settled, Refusal> {
        let (head, body) = request.into_parts();
        let permit = Quota::new(Limits::default(), Clock::system()).admit()?;
        let (parts, _) = self.settle(Sent { head, body, placeholder, signature: ClientSignature::uncheckable(), permit }, record).await?;
        let needed = parts.needed();
        let seen = Seen::default();
        let judgement = match self.rules.of(&parts.target.service) {
            None => Judgement::Unguarded,
            Some(rules) => {
                let (values, tables) = (supposed.values, self.schemas.nothing(&parts.target));
                match rules.judge(&Question { seen: Some(&seen), ..parts.question(&needed, values, &tables) }) {
                    Ok(Verdict::Allowed(added)) => Judgement::Allowed(added),
                    Ok(Verdict::Denied(denial)) => Judgement::Denied(denial),
                    Ok(Verdict::Watched(denial, added)) => Judgement::Watched(denial, added),
                    Err(tables) => Judgement::Unlearnt(tables),
                }
            }
        };
        #[cfg(feature = "cedar")]
        let (permitted, judged) = self.explain_policies(&parts, seen, supposed.who);
        #[cfg(not(feature = "cedar"))]
        let judged = seen.into_judged();
        // What was made of a thing whose keys are not known is no verdict.
        let judged = if matches!(judgement, Judgement::Unlearnt(_)) { Vec::new() } else { judged };
        let readings = parts.named.names().map(str::to_owned).collect();
        let operation = parts.named.only().map(Known::name).map(str::to_owned);
        let operation = operation.or_else(|| parts.named.logged().map(|name| name.into_owned()));
        let actions = needed.actions();
        Ok(Settled {
            operation,
            readings,
            actions,
            judged,
            judgement,
            #[cfg(feature = "cedar")]
            permitted,
            target: parts.target,
        })
    }
}
