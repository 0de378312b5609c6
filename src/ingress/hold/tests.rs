use std::{sync::Arc, time::Duration};

use futures_util::stream;
use http_body_util::StreamBody;

use super::*;
use crate::{
    clock::Clock,
    config::{LimitsConfig, PassportConfig, PassportTerms},
    directory::{ActiveTenant, TenantRecord},
    identity::{Passports, VerifiedTenant},
    limits::{Limiter, Permit},
    telemetry::{Metrics, RequestId},
};

struct World {
    passports: Passports,
    metrics: Metrics,
    limiter: Limiter,
    clock: Clock,
}

const GRACE: Duration = Duration::from_secs(2);

impl World {
    fn new() -> Self {
        let metrics = Metrics::new().unwrap();
        let clock = Clock::manual(std::time::UNIX_EPOCH + Duration::from_secs(1_000));
        let (max_age, upgrade_max_age) = (Duration::from_secs(60), Duration::from_secs(3_600));
        let terms = PassportTerms { max_age, upgrade_max_age, actions: None, max_uses: None };
        let passports = Passports::new(PassportConfig { terms, grace: GRACE, stall: GRACE, max_live: 100 }, clock.clone(), metrics.clone());
        Self { passports, metrics, limiter: Limiter::new(&LimitsConfig::default(), clock.clone()), clock }
    }

    fn held(&self) -> Held<Permit> {
        let tenant = VerifiedTenant::for_tests("acme");
        let active = ActiveTenant::join(tenant.clone(), Arc::new(TenantRecord::bare("acme".parse().unwrap()))).unwrap();
        let permit = self.limiter.admit(&active).unwrap();
        Held { room: permit, passport: Some(self.passports.mint_for_tests(&tenant, &RequestId::random()).unwrap()) }
    }

    /// Passports that are live, and requests in progress.
    fn held_now(&self) -> (i64, u64) {
        (self.metrics.passports_live.get(), self.limiter.all_in_flight())
    }

    /// What is held, once the grace is over.
    fn held_after_grace(&self) -> (i64, u64) {
        self.clock.advance(GRACE);
        drop(self.held());
        self.held_now()
    }
}

fn frames(list: Vec<Result<&'static str, &'static str>>) -> Body {
    let frame = |item: Result<&'static str, &'static str>| match item {
        Ok(text) => Ok::<_, BoxError>(Frame::data(Bytes::from_static(text.as_bytes()))),
        Err(text) => Err(text.into()),
    };
    StreamBody::new(stream::iter(list.into_iter().map(frame))).boxed_unsync()
}

#[tokio::test]
async fn a_regular_end_leaves_the_passport_its_grace_and_frees_the_room() {
    for body in [frames(vec![Ok("a"), Ok("b")]), crate::body::full("ab"), frames(vec![])] {
        let world = World::new();
        let response = world.held().until_end_of(Response::new(body));
        assert_eq!(world.held_now(), (1, 1));
        response.into_body().collect().await.unwrap();
        assert_eq!(world.held_now(), (1, 0));
        assert_eq!(world.held_after_grace(), (0, 0));
    }
}

#[tokio::test]
async fn a_body_that_is_read_to_its_last_byte_has_ended() {
    let world = World::new();
    let mut body = world.held().until_end_of(Response::new(crate::body::full("ab"))).into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(world.held_now(), (1, 0), "its grace alone is left");
    drop(body);
    assert_eq!((world.held_now(), world.held_after_grace()), ((1, 0), (0, 0)));
}

#[test]
fn a_response_without_a_body_has_ended() {
    let world = World::new();
    let _response = world.held().until_end_of(Response::new(crate::body::empty()));
    assert_eq!((world.held_now(), world.held_after_grace()), ((1, 0), (0, 0)));
}

#[tokio::test]
async fn a_response_that_fails_or_is_not_waited_for_leaves_nothing() {
    let world = World::new();
    let mut body = world.held().until_end_of(Response::new(frames(vec![Ok("a"), Err("broke")]))).into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(world.held_now(), (1, 1));
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(world.held_now(), (0, 0));

    let mut body = world.held().until_end_of(Response::new(frames(vec![Ok("a"), Ok("b")]))).into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(world.held_now(), (0, 0));
    drop(world.held());
    assert_eq!(world.held_now(), (0, 0));
}

#[test]
fn an_event_stream_lasts_and_nothing_that_merely_looks_like_one() {
    for (status, content_type, lasts) in [
        (200, "text/event-stream", true),
        (200, "Text/Event-Stream ; charset=utf-8", true),
        (200, "text/event-streams", false),
        (200, "text/plain; text/event-stream", false),
        (204, "text/event-stream", false),
        (500, "text/event-stream", false),
        (200, "", false),
    ] {
        let world = World::new();
        let response = Response::builder().status(status).header(header::CONTENT_TYPE, content_type).body(frames(vec![Ok("a")])).unwrap();
        let _response = world.held().until_end_of(response);
        world.clock.advance(Duration::from_secs(60));
        world.passports.clear_for_tests();
        assert_eq!(world.held_now().0 == 1, lasts, "{status} {content_type}");
    }
}
