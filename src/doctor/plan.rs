//! A tenant's plan, tried: whether STS gives the session, and whether it would give one with less than the plan says.

use std::borrow::Cow;

use super::{
    base::Known,
    explain::explain,
    report::{Finding, Level, Report},
};
use crate::{
    config::{
        AskConfig, Config, CredentialsConfig, PlanConfig, StsConfig,
        template::{Name, Values},
    },
    credentials::{Budget, SdkSts, StsError, StsInputs, TenantSts, foresee},
    directory::TenantRecord,
    iam::{self, Needed},
    skew::Skew,
};

/// `PackedPolicySize` from which on a longer tag value may be too much.
const FULL: i32 = 80;
/// Shortest session, for those that are asked for to see that they are refused.
const SHORTEST: i32 = 900;

/// The tenant's record, and what a caller might bring.
pub(super) struct Supposed<'a> {
    pub(super) record: &'a TenantRecord,
    pub(super) given: &'a [(String, String)],
    pub(super) issuer: &'a str,
}

impl Values for Supposed<'_> {
    fn value(&self, name: &Name) -> Option<Cow<'_, str>> {
        let text = name.to_string();
        let given = || self.given.iter().find(|(given, _)| *given == text).map(|(_, value)| value.as_str());
        let usual = || match name {
            Name::Subject => Some("palisade-doctor"),
            Name::Issuer => Some(self.issuer),
            _ => None,
        };
        self.record.value(name).or_else(|| given().or_else(usual).map(Cow::Borrowed))
    }
}

/// The issuer that is supposed where nobody says another.
pub(super) fn first_issuer(config: &Config) -> &str {
    config.identity.issuers.first().map_or("", |issuer| issuer.issuer.as_str())
}

/// Tries every plan. `known` is missing where there is no identity that works, which has been reported.
pub(super) async fn examine(
    report: &mut Report,
    config: &Config,
    credentials: &CredentialsConfig,
    known: Option<&Known>,
    (skew, budget): (&Skew, &Budget),
    supposed: &Supposed<'_>,
) {
    for plan in credentials.plans.all() {
        match (&plan.ask, known) {
            (AskConfig::WebIdentity(_), _) => {
                let found = "was not tried: palisade doctor asks STS for no session with a token yet";
                report.add(Level::Warning, format!("{}.token", plan.key), found, "make a request, and look at its line in the log");
            }
            (AskConfig::AssumeRole(_), Some(known)) => {
                as_identity(report, config, (&credentials.sts, plan), known, (skew, budget), supposed).await
            }
            (AskConfig::AssumeRole(_), None) => {}
        }
    }
}

async fn as_identity(
    report: &mut Report,
    config: &Config,
    (sts, plan): (&StsConfig, &PlanConfig),
    known: &Known,
    (skew, budget): (&Skew, &Budget),
    supposed: &Supposed<'_>,
) {
    let key = plan.key.as_str();
    let inputs = match foresee(plan, &sts.region, &supposed.record.id, supposed) {
        Ok(inputs) => inputs,
        Err(wrong) => {
            let cure = "complete the tenant's record; what callers bring is given by --value, such as --value claims.email=a@b.example";
            return report.add(Level::Failure, key, wrong, cure);
        }
    };
    let needed = iam::needed(config, key, supposed.record, &known.who.principal).unwrap_or_else(|error| {
        // What AWS says can be told without them.
        report.add(Level::Warning, key, format!("statements that are missing cannot be shown: {error}"), "");
        Needed::default()
    });
    match SdkSts::new(sts, known.identity.clone(), skew, budget.clone()) {
        Ok(sts) => Trial { sts: &sts, key, needed: &needed }.run(report, &inputs).await,
        Err(error) => report.add(Level::Failure, "credentials.sts", error.to_string(), "correct credentials.sts.ca"),
    }
}

/// One plan, and whom it is tried with.
struct Trial<'a> {
    sts: &'a dyn TenantSts,
    /// The plan's.
    key: &'a str,
    needed: &'a Needed,
}

impl Trial<'_> {
    async fn run(&self, report: &mut Report, inputs: &StsInputs) {
        let (role, tenant) = (&inputs.role_arn, &inputs.owner);
        match self.sts.assume_role(inputs, None).await {
            Ok(issued) => {
                report.ok(self.key, format!("STS gives {tenant} a session of {role} for {} s", inputs.duration_seconds));
                if let Some(percent) = issued.packed_policy_percent.filter(|percent| *percent >= FULL) {
                    let found = format!("its policies and tags fill {percent} % of what STS takes: a longer value may be refused");
                    report.add(Level::Warning, self.key, found, "shorten the session policy, or drop tags");
                }
                drop(issued);
                self.tightness(report, inputs).await;
            }
            Err(error) => {
                let without_tags = match &error {
                    StsError::Denied(_) if !inputs.tags.is_empty() => Some(self.sts.assume_role(&untagged(inputs), None).await.is_ok()),
                    _ => None,
                };
                let explained = explain(&error, self.key, inputs, self.needed, without_tags);
                let found = format!("{tenant} gets no session of {role}: {error}");
                let (cure, statements) = (explained.cure, explained.statements);
                report.push(Finding { level: Level::Failure, key: self.key.to_owned(), found, cure, statements });
            }
        }
    }

    /// Whether the trust policy demands what the plan sends. A session without the tag would have the tags of the role, or none.
    async fn tightness(&self, report: &mut Report, inputs: &StsInputs) {
        let mut less = Vec::new();
        if !inputs.tags.is_empty() {
            less.push(("session tags", untagged(inputs)));
        }
        if inputs.external_id.is_some() {
            less.push(("the external id", StsInputs { external_id: None, duration_seconds: SHORTEST, ..inputs.clone() }));
        }
        for (what, inputs) in less {
            match self.sts.assume_role(&inputs, None).await {
                Err(StsError::Denied(_)) => report.ok(self.key, format!("STS gives no session without {what}")),
                Err(error) => report.add(Level::Warning, self.key, format!("whether {what} are demanded is not known: {error}"), ""),
                Ok(_) => {
                    let found = format!("the role can be assumed without {what}: its trust policy does not demand them");
                    let to = format!("the trust policy of {}, in place of the one for sts:AssumeRole", inputs.role_arn);
                    let statement = self.needed.trust.iter().find(|(action, _)| *action == "sts:AssumeRole");
                    let statements = statement.map(|(_, statement)| (to, statement.clone())).into_iter().collect();
                    let cure = "demand them, so that a slip in a configuration is no wider session".to_owned();
                    report.push(Finding { level: Level::Warning, key: self.key.to_owned(), found, cure, statements });
                }
            }
        }
    }
}

fn untagged(inputs: &StsInputs) -> StsInputs {
    StsInputs { tags: Vec::new(), transitive_tag_keys: Vec::new(), source_identity: None, duration_seconds: SHORTEST, ..inputs.clone() }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use futures_util::{FutureExt, future::BoxFuture};
    use serde_json::json;

    use super::*;
    use crate::{credentials::IssuedCredentials, secret::Secret};

    /// An STS that decides by what it is asked.
    struct Scripted<F>(F, i32);

    impl<F: Fn(&StsInputs) -> Option<StsError> + Send + Sync> TenantSts for Scripted<F> {
        fn assume_role<'a>(&'a self, inputs: &'a StsInputs, _: Option<&'a Secret>) -> BoxFuture<'a, Result<IssuedCredentials, StsError>> {
            let issued = IssuedCredentials {
                access_key_id: "ASIAEXAMPLE".into(),
                secret_access_key: Secret::new("hunter2".into()),
                session_token: Secret::new("hunter3".into()),
                expires: UNIX_EPOCH + Duration::from_secs(4_000_000_000),
                packed_policy_percent: Some(self.1),
            };
            std::future::ready(self.0(inputs).map_or(Ok(issued), Err)).boxed()
        }
    }

    fn inputs() -> StsInputs {
        StsInputs {
            owner: crate::credentials::Owner::Tenant("acme".parse().unwrap()),
            region: "eu-west-1".into(),
            authority: crate::credentials::Authority::Identity(Vec::new()),
            role_arn: "arn:aws:iam::111122223333:role/data".into(),
            session_name: "acme".into(),
            external_id: Some("x".into()),
            source_identity: None,
            tags: vec![("TenantID".into(), "acme".into())],
            transitive_tag_keys: Vec::new(),
            policy: Some("{}".into()),
            policy_arns: Vec::new(),
            duration_seconds: 3_600,
        }
    }

    async fn tried(decide: impl Fn(&StsInputs) -> Option<StsError> + Send + Sync, percent: i32) -> Report {
        let needed = Needed {
            principal: "arn:aws:iam::111122223333:role/base".into(),
            trust: vec![("sts:AssumeRole", json!({"Sid": "Assume", "Condition": {}})), ("sts:TagSession", json!({"Sid": "Tag"}))],
            base: Vec::new(),
            rival: None,
        };
        let mut report = Report::default();
        let trial = Trial { sts: &Scripted(decide, percent), key: "credentials.assume_role", needed: &needed };
        trial.run(&mut report, &inputs()).await;
        assert!(!report.text().contains("hunter"));
        report
    }

    fn denied() -> Option<StsError> {
        Some(StsError::Denied("no".into()))
    }

    #[tokio::test]
    async fn a_session_that_is_given_only_as_planned_is_well() {
        let planned = inputs();
        let report = tried(|asked| if *asked == planned { None } else { denied() }, 10).await;
        assert_eq!((report.worst(), report.findings().len()), (Level::Ok, 3));
    }

    #[tokio::test]
    async fn one_that_is_given_for_less_or_is_nearly_too_large_is_warned_of() {
        let report = tried(|_| None, 80).await;
        assert_eq!(report.worst(), Level::Warning);
        let text = report.text();
        for said in ["fill 80 %", "without session tags", "without the external id", "\"Sid\": \"Assume\""] {
            assert!(text.contains(said), "{said}: {text}");
        }
        // What bounds a session is never left out to see what happens.
        tried(|asked| asked.policy.is_none().then(|| panic!("without its policy")), 0).await;
        let report = tried(|asked| asked.tags.is_empty().then(|| StsError::Throttled { note: "slow".into(), retry_after: None }), 0).await;
        assert!(report.text().contains("whether session tags are demanded is not known"));
    }

    #[tokio::test]
    async fn one_that_is_denied_for_its_tags_is_told_from_one_that_is_denied_altogether() {
        let report = tried(|asked| if asked.tags.is_empty() { None } else { denied() }, 0).await;
        assert!(report.worst() == Level::Failure && report.text().contains("\"Sid\": \"Tag\""), "{}", report.text());
        let report = tried(|_| denied(), 0).await;
        assert!(report.worst() == Level::Failure && report.text().contains("\"Sid\": \"Assume\""), "{}", report.text());
    }

    #[tokio::test]
    async fn a_plan_that_rests_on_a_token_is_said_not_to_have_been_tried() {
        let folder = tempfile::tempdir().unwrap();
        let text = "egress: {region: eu-west-1, services: {s3: {}}}
identity: {issuers: [{issuer: i, audience: a, jwks: {uri: https://idp.example.com/keys}}]}
tenants: {directory: {any: {}}}
credentials:
  assume_role_with_web_identity: {token: {caller: {}}, role_arn: 'arn:aws:iam::111122223333:role/a', token_tags: {T: '{tenant.id}'}}";
        std::fs::write(folder.path().join("palisade.yaml"), text).unwrap();
        let config = Config::load(&folder.path().join("palisade.yaml"), &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
        let credentials = config.credentials.as_ref().unwrap();
        let record = TenantRecord::bare("acme".parse().unwrap());
        let supposed = Supposed { record: &record, given: &[], issuer: first_issuer(&config) };
        let (clock, metrics) = (crate::clock::Clock::system(), crate::telemetry::Metrics::new().unwrap());
        let (budget, skew) = (Budget::new(credentials, clock.clone(), metrics.clone()), Skew::new(clock, metrics));
        let mut report = Report::default();
        examine(&mut report, &config, credentials, None, (&skew, &budget), &supposed).await;
        let [finding] = report.findings() else { panic!("{}", report.text()) };
        assert!(finding.level == Level::Warning && finding.found.contains("was not tried"), "{finding:?}");
        assert_eq!(finding.key, "credentials.assume_role_with_web_identity.token");

        // Nor can it be foreseen, without a request.
        let wrong = foresee(credentials.plans.default.as_ref().unwrap(), "eu-west-1", &record.id, &supposed).unwrap_err();
        assert!(wrong.starts_with("credentials.assume_role_with_web_identity.token: is the caller's"), "{wrong}");
    }
}
