//! Sealed contexts for work that is done later.

use std::time::Duration;

use http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{answer, document, written};
use crate::{
    audit::Event,
    body::Body,
    config::duration,
    egress::{Egress, verified::OwnRequest},
    identity::{Order, Sealer},
    reject::{Reason, Refusal},
    telemetry::Record,
};

/// The body of `POST /_palisade/defer`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    purpose: String,
    audience: String,
    /// Patterns such as `s3:GetObject`.
    actions: Vec<String>,
    /// As in the configuration: `15m`.
    lifetime: String,
    /// Named to be refused with a word on why.
    max_uses: Option<Value>,
}

impl Egress {
    /// `POST /_palisade/defer`
    pub(super) async fn defer(
        &self,
        request: &OwnRequest,
        body: Body,
        sealer: &Sealer,
        record: &mut Record,
    ) -> Result<Response<Body>, Refusal> {
        let this = &*self.0;
        let _permit = this.limiter.admit(request.tenant())?;
        let order = document::<Wanted>(body).await?.order()?;
        this.gate.recheck(request.tenant()).await?;
        let sealed = sealer.seal(&order, request.tenant().verified(), &request.lease())?;
        record.context(&sealed.id, &order.purpose);
        record.about_to(Event::ContextSealed, None).await?;
        Ok(answer(&json!({ "context": sealed.context.expose(), "id": sealed.id, "expires": written(sealed.expires)? })))
    }
}

impl Wanted {
    fn order(self) -> Result<Order, Refusal> {
        if self.max_uses.is_some() {
            return Err(Refusal::noted(Reason::MalformedRequest, "max_uses needs a store that all redeemers share, and there is none yet"));
        }
        let lifetime: Option<Duration> = duration(&self.lifetime);
        let lifetime = lifetime.ok_or_else(|| Refusal::noted(Reason::MalformedRequest, "lifetime is no duration such as 15m"))?;
        Ok(Order { purpose: self.purpose, audience: self.audience, actions: self.actions, lifetime })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body;

    async fn order(text: &str) -> Result<Order, Reason> {
        async { document::<Wanted>(body::full(text.to_owned())).await?.order() }.await.map_err(|refusal| refusal.reason)
    }

    #[tokio::test]
    async fn everything_has_to_be_said_and_nothing_else() {
        let text = r#"{"purpose": "p", "audience": "a", "actions": ["s3:GetObject"], "lifetime": "1m30s"}"#;
        assert_eq!(order(text).await.unwrap().lifetime, Duration::from_secs(90));
        for (old, new) in [
            (r#""purpose": "p", "#, ""),
            (r#""audience": "a", "#, ""),
            (r#""actions": ["s3:GetObject"], "#, ""),
            (r#", "lifetime": "1m30s""#, ""),
            ("1m30s", "90"),
            ("\"1m30s\"", "90"),
            ("1m30s", ""),
            (r#"["s3:GetObject"]"#, r#""s3:GetObject""#),
            (r#""purpose": "p""#, r#""purpose": "p", "tenant": "globex""#),
            (r#""purpose": "p""#, r#""purpose": "p", "max_uses": 1"#),
            (r#""purpose": "p""#, r#""purpose": "p", "purpose": "p""#),
        ] {
            assert!(text.contains(old), "{old}");
            assert_eq!(order(&text.replace(old, new)).await.unwrap_err(), Reason::MalformedRequest, "{old} -> {new}");
        }
        assert_eq!(order("[]").await.unwrap_err(), Reason::MalformedRequest);
        assert_eq!(order(&format!("{text}{}", " ".repeat(16 * 1024))).await.unwrap_err(), Reason::BodyTooLarge);
    }
}
