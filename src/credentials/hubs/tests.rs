use super::*;
use crate::{
    clock::Clock,
    config::{AssumeRoleConfig, CredentialsConfig, HopConfig, template::Lands},
    credentials::{
        Broker,
        plan::{Authority, StsInputs},
        sts::{
            SdkSts, TenantSts as _,
            tests::{ASKED, Wire, answer_xml, error_xml, inputs, over},
        },
        testing::{assume_one_role, clock, credentials_config, on_time, pass, plans_of, settle, template, tenant},
    },
    reject::{Reason, Refusal},
    telemetry::Metrics,
};

const SECOND: Duration = Duration::from_secs(1);
const EXPIRATION: &str = "<Expiration>2027-01-15T09:00:00Z</Expiration>";

fn sts(wire: &Wire) -> (SdkSts, Clock) {
    let clock = clock();
    (over(wire, &credentials_config(assume_one_role()), &clock), clock)
}

fn hop(role: &str) -> Hop {
    Hop {
        role_arn: format!("arn:aws:iam::444455556666:role/{role}"),
        session_name: "palisade".into(),
        external_id: Some("hub/1".into()),
        tags: vec![],
        transitive_tag_keys: vec![],
    }
}

/// An answer that fits every question.
fn anyone() -> Wire {
    Wire::answering(200, &answer_xml("AssumeRole", ASKED, EXPIRATION))
}

fn roles(wire: &Wire) -> Vec<(String, String)> {
    let role =
        |body: &str| body.split('&').find_map(|part| part.strip_prefix("RoleArn=")).unwrap().rsplit("%2F").next().unwrap().to_owned();
    let signer = |authorization: &Option<String>| authorization.as_ref().unwrap().split(['=', '/']).nth(1).unwrap().to_owned();
    wire.requests().iter().map(|(_, authorization, body)| (role(body), signer(authorization))).collect()
}

fn hop_config(tags: &[(&str, &str)]) -> HopConfig {
    HopConfig {
        role_arn: template("arn:aws:iam::444455556666:role/hub", Lands::Arn),
        session_name: template("palisade", Lands::SessionName),
        external_id: None,
        session_tags: tags.iter().map(|(key, value)| ((*key).to_owned(), template(value, Lands::TagValue))).collect(),
        transitive_tag_keys: vec![],
    }
}

/// A broker whose tenants' role is reached by way of `via`.
struct Rig {
    broker: Arc<Broker>,
    wire: Wire,
    clock: Clock,
    metrics: Metrics,
}

impl Rig {
    fn new(wire: Wire, via: Vec<HopConfig>, change: impl FnOnce(&mut CredentialsConfig)) -> Self {
        let (clock, metrics) = (clock(), Metrics::new().unwrap());
        let mut config = credentials_config(assume_one_role());
        config.plans = plans_of(AssumeRoleConfig { via, ..assume_one_role() });
        change(&mut config);
        let base = BaseIdentity::open(&config.source, &config.sts, &on_time(&clock)).unwrap();
        let budget = Budget::new(&config, clock.clone(), metrics.clone());
        let sts = SdkSts::over(wire.client(), &config.sts, base, &Skew::new(clock.clone(), metrics.clone()), budget.clone());
        let broker = Arc::new(Broker::new(&config, Arc::new(sts), budget, clock.clone(), metrics.clone()));
        Self { broker, wire, clock, metrics }
    }

    async fn get(&self, id: &str) -> Result<(), Refusal> {
        self.broker.credentials(&tenant(id)).await.map(drop)
    }

    /// Why there is no session, for how long, and whether the note names the hub.
    async fn refused(&self, id: &str) -> (Reason, Option<Duration>, bool) {
        let refusal = self.get(id).await.unwrap_err();
        (refusal.reason, refusal.retry_after, refusal.note.unwrap().starts_with("by way of arn:aws:iam::444455556666:role/hub: "))
    }

    fn counted(&self, line: &str) -> bool {
        String::from_utf8(self.metrics.render().unwrap()).unwrap().lines().any(|counted| counted == line)
    }
}

#[tokio::test]
async fn hubs_are_assumed_in_order_each_as_the_one_before_and_kept_for_all() {
    let wire = anyone();
    let (sts, clock) = sts(&wire);
    let via =
        |hops: Vec<Hop>, tenant: &str| StsInputs { authority: Authority::Identity(hops), owner: Owner::for_tests(tenant), ..inputs() };
    sts.assume_role(&via(vec![hop("one"), hop("two")], "acme"), None).await.unwrap();
    let signed = |names: [(&str, &str); 3]| names.map(|(role, key)| (role.to_owned(), key.to_owned())).to_vec();
    assert_eq!(roles(&wire), signed([("one", "AKIABASE"), ("two", "ASIAX"), ("data", "ASIAX")]));
    assert!(wire.requests()[0].2.contains("ExternalId=hub%2F1") && !wire.requests()[0].2.contains("Policy="));

    sts.assume_role(&via(vec![hop("one"), hop("two")], "globex"), None).await.unwrap();
    sts.assume_role(&via(vec![hop("one")], "globex"), None).await.unwrap();
    assert_eq!(wire.requests().len(), 5, "the hubs' sessions are there already");
    let tagged = Hop { tags: vec![("TenantID".into(), "acme".into())], transitive_tag_keys: vec!["TenantID".into()], ..hop("one") };
    sts.assume_role(&via(vec![tagged], "acme"), None).await.unwrap();
    assert_eq!(wire.requests().len(), 7, "another session, since what is behind inherits its tags");
    assert!(wire.requests()[5].2.contains("TransitiveTagKeys.member.1=TenantID"));

    clock.advance(Duration::from_secs(3590));
    wire.answer(200, &answer_xml("AssumeRole", ASKED, "<Expiration>2027-01-15T10:00:00Z</Expiration>"));
    sts.assume_role(&via(vec![hop("one")], "acme"), None).await.unwrap();
    settle().await;
    let two = |names: [(&str, &str); 2]| names.map(|(role, key)| (role.to_owned(), key.to_owned()));
    assert_eq!(roles(&wire)[7..], two([("data", "ASIAX"), ("one", "AKIABASE")]), "renewed while it still serves");
    clock.advance(Duration::from_secs(10));
    sts.assume_role(&via(vec![hop("one"), hop("two")], "acme"), None).await.unwrap();
    assert_eq!(roles(&wire)[9..], two([("two", "ASIAX"), ("data", "ASIAX")]), "one that has ended is asked for first");
}

#[tokio::test]
async fn a_hub_that_cannot_be_assumed_is_named_and_no_tenant_s_role_is_asked_for() {
    let wire = Wire::answering(403, &error_xml("AccessDenied", "User: x is not authorized to perform: sts:AssumeRole"));
    let inputs = StsInputs { authority: Authority::Identity(vec![hop("one"), hop("two")]), ..inputs() };
    let error = sts(&wire).0.assume_role(&inputs, None).await.unwrap_err();
    let StsError::Hub { role, error } = error else { panic!("{error}") };
    assert!(role.ends_with("role/one") && matches!(*error, StsError::Denied(_)), "{role}: {error}");
    assert!(roles(&wire).iter().all(|(role, _)| role == "one"));
    // Somebody else's session is none.
    let wire = Wire::answering(200, &answer_xml("AssumeRole", "", EXPIRATION));
    assert!(sts(&wire).0.assume_role(&inputs, None).await.is_err());
    assert_eq!(wire.requests().len(), 1);
}

#[tokio::test]
async fn a_hub_that_is_throttled_is_left_alone_for_all_and_said_to_be() {
    let wire = Wire::answering(400, &error_xml("Throttling", "Rate exceeded"));
    wire.headers([("retry-after", "30".to_owned())]);
    let rig = Rig::new(wire, vec![hop_config(&[])], |_| ());
    assert_eq!(rig.refused("acme").await, (Reason::CredentialsThrottled, Some(30 * SECOND), true));
    rig.wire.answer(200, &answer_xml("AssumeRole", ASKED, EXPIRATION));
    rig.clock.advance(10 * SECOND);
    assert_eq!(rig.refused("globex").await, (Reason::CredentialsThrottled, Some(20 * SECOND), true));
    assert_eq!(rig.wire.requests().len(), 1, "nobody asked");
    assert!(rig.counted("palisade_sts_requests_total{result=\"throttled\"} 1"));
    assert!(rig.counted("palisade_sts_calls_not_made_total{cause=\"hub\"} 1"));
    rig.clock.advance(20 * SECOND);
    rig.get("acme").await.unwrap();
    rig.get("globex").await.unwrap();
}

#[tokio::test]
async fn a_throttled_hub_is_throttled_for_sessions_with_other_tags_too() {
    let wire = Wire::answering(400, &error_xml("Throttling", "Rate exceeded"));
    wire.headers([("retry-after", "30".to_owned())]);
    let rig = Rig::new(wire, vec![hop_config(&[("TenantID", "{tenant.id}")])], |_| ());
    rig.refused("acme").await;
    rig.wire.answer(200, &answer_xml("AssumeRole", ASKED, EXPIRATION));
    rig.clock.advance(10 * SECOND);
    assert_eq!(rig.refused("globex").await, (Reason::CredentialsThrottled, Some(20 * SECOND), true), "the role is the same");
    assert_eq!(rig.wire.requests().len(), 1);
    rig.clock.advance(20 * SECOND);
    rig.get("globex").await.unwrap();
}

#[tokio::test]
async fn a_hub_that_is_denied_is_remembered_for_a_moment_and_counts_against_no_tenant() {
    let rig = Rig::new(Wire::answering(403, &error_xml("AccessDenied", "no")), vec![hop_config(&[])], |_| ());
    for _ in 0..4 {
        for id in ["acme", "globex", "initech"] {
            assert_eq!(rig.refused(id).await, (Reason::CredentialsDenied, None, true));
        }
        rig.clock.advance(SECOND);
    }
    assert_eq!(rig.wire.requests().len(), 1);
    assert!(rig.counted("palisade_sts_requests_total{result=\"denied\"} 1"), "the tenants' calls were not made");
    // Denied often enough that a tenant of its own would be left alone.
    for _ in 0..4 {
        rig.clock.advance(10 * SECOND);
        rig.refused("acme").await;
    }
    assert_eq!(rig.wire.requests().len(), 5);
    rig.wire.answer(200, &answer_xml("AssumeRole", ASKED, EXPIRATION));
    rig.clock.advance(5 * SECOND);
    rig.get("acme").await.unwrap();
}

#[tokio::test]
async fn with_one_place_for_all_a_call_still_gets_its_hubs() {
    let wire = anyone();
    let mut second = hop_config(&[]);
    second.role_arn = template("arn:aws:iam::444455556666:role/second", Lands::Arn);
    let rig = Rig::new(wire, vec![hop_config(&[]), second], |config| config.budget.concurrent = 1);
    let all = futures_util::future::join_all(["acme", "globex", "initech"].map(|id| rig.get(id)));
    let all = tokio::time::timeout(SECOND, all).await.expect("a hub waits for no place");
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(rig.wire.requests().len(), 5);
    assert!(rig.counted("palisade_sts_requests_total{result=\"ok\"} 5"));
}

#[tokio::test(start_paused = true)]
async fn calls_for_hubs_are_within_the_rate() {
    let rig = Rig::new(anyone(), vec![hop_config(&[("TenantID", "{tenant.id}")])], |config| {
        (config.budget.requests_per_second, config.budget.burst, config.budget.wait) = (4.0, 4, 60 * SECOND);
    });
    let rig = Arc::new(rig);
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let rig = Arc::clone(&rig);
            tokio::spawn(async move { rig.get(&format!("tenant-{n}")).await })
        })
        .collect();
    for quarter in 0..60 {
        pass(&rig.clock, SECOND / 4, SECOND / 40).await;
        let calls = rig.wire.requests().len();
        assert!(calls <= 4 + quarter + 1, "{calls} calls in {} s", f64::from(quarter as u32 + 1) / 4.0);
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(rig.wire.requests().len(), 40, "a hub's and a tenant's for each");
}

#[tokio::test]
async fn a_hub_s_renewal_waits_for_a_place_for_renewals() {
    let wire = anyone();
    let (clock, config) = (clock(), credentials_config(assume_one_role()));
    let (metrics, base) = (Metrics::new().unwrap(), BaseIdentity::open(&config.source, &config.sts, &on_time(&clock)).unwrap());
    let budget = Budget::new(&config, clock.clone(), metrics.clone());
    let sts = SdkSts::over(wire.client(), &config.sts, base, &Skew::new(clock.clone(), metrics), budget.clone());
    let inputs = StsInputs { authority: Authority::Identity(vec![hop("one")]), ..inputs() };
    sts.assume_role(&inputs, None).await.unwrap();
    clock.advance(3_590 * SECOND);
    wire.answer(200, &answer_xml("AssumeRole", ASKED, "<Expiration>2027-01-15T10:00:00Z</Expiration>"));
    let taken: Vec<_> = std::iter::from_fn(|| budget.hub_renewal("other", &inputs.owner)).collect();
    sts.assume_role(&inputs, None).await.unwrap();
    settle().await;
    assert_eq!((taken.len(), wire.requests().len()), (8, 3), "the session at hand serves");
    drop(taken);
    sts.assume_role(&inputs, None).await.unwrap();
    settle().await;
    assert_eq!(roles(&wire)[3..].iter().map(|(role, _)| role.as_str()).collect::<Vec<_>>(), ["data", "one"]);
    let free: Vec<_> = std::iter::from_fn(|| budget.hub_renewal("other", &inputs.owner)).collect();
    assert_eq!(free.len(), 8, "and the place is given back");
}
