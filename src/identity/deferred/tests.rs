mod format;
mod proof;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::NONCE_LEN;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{key::Seal, *};
use crate::{
    aws::action::{Actions, Pattern},
    clock::Clock,
    config::{AudienceConfig, DeferConfig, RedeemConfig},
    identity::{Lease, VerifiedTenant},
    secret::Secret,
    telemetry::Metrics,
};

const NOW: u64 = 1_800_000_000;
const HOUR: Duration = Duration::from_secs(3_600);

fn secret(byte: u8) -> Secret {
    Secret::new(STANDARD.encode([byte; 32]))
}

fn key(byte: u8) -> SealKey {
    SealKey::parse(&secret(byte)).unwrap()
}

fn actions(patterns: &[&str]) -> Actions {
    Actions::new(patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect()).unwrap()
}

fn clock() -> Clock {
    Clock::manual(UNIX_EPOCH + Duration::from_secs(NOW))
}

/// The application's side: seals for `reports` with key 1, and for `mails` with key 2.
fn sealer(clock: &Clock) -> Sealer {
    sealer_of(Maker::random().unwrap(), clock)
}

fn sealer_of(maker: Maker, clock: &Clock) -> Sealer {
    let audience =
        |byte| AudienceConfig { key: key(byte), max_lifetime: HOUR, actions: actions(&["s3:Get*", "s3:PutObject", "dynamodb:*"]) };
    let config = DeferConfig { audiences: [("reports".to_owned(), audience(1)), ("mails".to_owned(), audience(2))].into() };
    Sealer::new(&config, maker, clock.clone(), Metrics::new().unwrap()).unwrap()
}

/// The worker's side.
fn redeemer(audience: &str, keys: &[u8], clock: &Clock) -> Redeemer {
    redeemer_of(audience, keys, Maker::random().unwrap(), clock)
}

fn redeemer_of(audience: &str, keys: &[u8], maker: Maker, clock: &Clock) -> Redeemer {
    let config = RedeemConfig { audience: audience.to_owned(), keys: keys.iter().copied().map(key).collect(), presign: false };
    Redeemer::new(&config, maker, clock.clone(), Metrics::new().unwrap()).unwrap()
}

fn order() -> Order {
    Order {
        purpose: "nightly:report/1".into(),
        audience: "reports".into(),
        actions: vec!["s3:GetObject".into(), "s3:PutObject".into()],
        lifetime: Duration::from_secs(900),
    }
}

fn seal(sealer: &Sealer, order: &Order) -> Result<Sealed, Reason> {
    let lease = Lease::of_passport_for_tests(None);
    sealer.seal(order, &VerifiedTenant::for_tests("acme"), &lease).map_err(|refusal| refusal.reason)
}

fn redeem(redeemer: &Redeemer, text: &str) -> Result<RedeemedContext, Reason> {
    redeemer.redeem(text).map_err(|refusal| refusal.reason)
}

#[test]
fn what_is_sealed_on_one_side_is_redeemed_on_the_other() {
    let clock = clock();
    let sealer = sealer(&clock);
    let lease = Lease::of_passport_for_tests(None);
    let tenant = VerifiedTenant::for_tests_named("acme", "us er\u{e9}\"\n", &["reader", "a\", \"b"], Some("t-1"), Some(NOW - 5));
    let sealed = sealer.seal(&order(), &tenant, &lease).unwrap();
    assert_eq!(sealed.expires, UNIX_EPOCH + Duration::from_secs(NOW + 900));
    let text = sealed.context.expose();
    assert!(text.starts_with(PREFIX) && text.len() < 1_000, "{} bytes", text.len());

    let context = redeem(&redeemer("reports", &[9, 1], &clock), text).unwrap();
    let parts = context.into_parts();
    assert_eq!((parts.tenant.as_str(), parts.issuer.as_str(), parts.subject.as_str()), ("acme", "https://idp.test/", "us er\u{e9}\"\n"));
    assert_eq!((parts.roles, parts.scopes.len()), (vec!["reader".to_owned(), "a\", \"b".to_owned()], 0));
    assert_eq!((parts.token_id.as_deref(), parts.issued_at), (Some("t-1"), Some(UNIX_EPOCH + Duration::from_secs(NOW - 5))));
    assert_eq!(parts.expires, sealed.expires);
    assert_eq!((parts.deferred.id(), parts.deferred.purpose()), (sealed.id.as_str(), "nightly:report/1"));
    assert_eq!(parts.deferred.for_request(), lease.for_request().unwrap().as_str());
    assert!(!parts.deferred.may_presign());
}

#[test]
fn a_refused_context_is_named_once_its_seal_is_open() {
    let clock = clock();
    let sealed = seal(&sealer(&clock), &order()).unwrap();
    let refused = |redeemer: Redeemer| redeemer.redeem(sealed.context.expose()).err().unwrap();
    let shut = refused(redeemer("reports", &[9], &clock));
    assert!(shut.reason == Reason::DeferredUnknown && shut.context.is_none(), "its word is not to be believed");
    let opened = refused(redeemer("mails", &[1], &clock)).context.unwrap();
    assert_eq!((opened.id, opened.purpose, opened.tenant.as_str()), (sealed.id.clone(), "nightly:report/1".to_owned(), "acme"));
    clock.advance(HOUR);
    let late = refused(redeemer("reports", &[1], &clock));
    assert_eq!((late.reason, late.context.unwrap().id), (Reason::DeferredExpired, sealed.id));
}

#[test]
fn each_context_has_an_id_of_its_own_and_shows_nothing() {
    let clock = clock();
    let sealer = sealer(&clock);
    let (one, two) = (seal(&sealer, &order()).unwrap(), seal(&sealer, &order()).unwrap());
    assert!(one.id != two.id && one.id.len() == 32 && one.context.expose() != two.context.expose());
    let bytes = URL_SAFE_NO_PAD.decode(&one.context.expose()[PREFIX.len()..]).unwrap();
    for word in ["acme", "user-1", "s3:GetObject", "nightly", &one.id] {
        assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word} can be read");
    }
    let shown = format!("{one:?} {sealer:?} {:?} {:?}", key(1), redeemer("reports", &[1], &clock));
    assert!(!shown.contains(one.context.expose()) && !shown.contains("[1, 1") && !shown.contains(secret(1).expose()), "{shown}");
}

#[test]
fn no_byte_can_be_changed_cut_or_added() {
    let clock = clock();
    let sealed = seal(&sealer(&clock), &order()).unwrap();
    let (text, redeemer) = (sealed.context.expose(), redeemer("reports", &[1], &clock));
    assert!(redeem(&redeemer, text).is_ok());
    for at in 0..text.len() {
        for byte in [b'A', b'B', b'-', b'=', b' ', b'.'] {
            let mut changed = text.as_bytes().to_vec();
            if std::mem::replace(&mut changed[at], byte) != byte {
                assert_eq!(redeem(&redeemer, std::str::from_utf8(&changed).unwrap()).unwrap_err(), Reason::DeferredUnknown, "byte {at}");
            }
        }
        assert_eq!(redeem(&redeemer, &text[..at]).unwrap_err(), Reason::DeferredUnknown);
    }
    for odd in [
        format!("{text}A"),
        format!("{text}="),
        format!(" {text}"),
        text.to_uppercase(),
        text.repeat(2),
        format!("{PREFIX}{}", "A".repeat(20_000)),
    ] {
        assert_eq!(redeem(&redeemer, &odd).unwrap_err(), Reason::DeferredUnknown);
    }
}

#[test]
fn every_bit_is_under_the_seal() {
    let clock = clock();
    let sealed = seal(&sealer(&clock), &order()).unwrap();
    let redeemer = redeemer("reports", &[1], &clock);
    let bytes = URL_SAFE_NO_PAD.decode(&sealed.context.expose()[PREFIX.len()..]).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(changed));
        assert_eq!(redeem(&redeemer, &text).unwrap_err(), Reason::DeferredUnknown, "bit {bit}");
    }
}

#[test]
fn another_key_another_audience_and_the_maker_do_not_redeem() {
    let clock = clock();
    let maker = Maker::random().unwrap();
    let sealed = seal(&sealer_of(maker.clone(), &clock), &order()).unwrap();
    let text = sealed.context.expose();
    assert_eq!(redeem(&redeemer("reports", &[2, 3], &clock), text).unwrap_err(), Reason::DeferredUnknown, "another key");
    // Even with the right key.
    assert_eq!(redeem(&redeemer("mails", &[1], &clock), text).unwrap_err(), Reason::DeferredNotForUs, "another audience");
    assert_eq!(redeem(&redeemer_of("reports", &[1], maker, &clock), text).unwrap_err(), Reason::DeferredNotForUs, "its own maker");
    assert!(redeem(&redeemer("reports", &[1], &clock), text).is_ok());
}

#[test]
fn a_context_ends_at_its_time_and_not_before() {
    let clock = clock();
    let sealed = seal(&sealer(&clock), &order()).unwrap();
    let redeemer = redeemer("reports", &[1], &clock);
    clock.advance(Duration::from_millis(899_999));
    assert!(redeem(&redeemer, sealed.context.expose()).is_ok());
    clock.advance(Duration::from_millis(1));
    assert_eq!(redeem(&redeemer, sealed.context.expose()).unwrap_err(), Reason::DeferredExpired);
}

#[test]
fn a_sealer_whose_clock_is_ahead_is_not_believed() {
    let (here, there) = (clock(), clock());
    let redeemer = redeemer("reports", &[1], &here);
    there.advance(Duration::from_secs(60));
    assert!(redeem(&redeemer, seal(&sealer(&there), &order()).unwrap().context.expose()).is_ok());
    there.advance(Duration::from_secs(1));
    let ahead = seal(&sealer(&there), &order()).unwrap();
    assert_eq!(redeem(&redeemer, ahead.context.expose()).unwrap_err(), Reason::DeferredNotForUs);
}

#[test]
fn nobody_can_order_more_than_is_allowed() {
    let clock = clock();
    let sealer = sealer(&clock);
    let with = |change: &dyn Fn(&mut Order)| {
        let mut order = order();
        change(&mut order);
        seal(&sealer, &order).map(drop)
    };
    assert_eq!(with(&|order| order.lifetime = HOUR), Ok(()));
    assert_eq!(with(&|order| order.lifetime = Duration::from_secs(1)), Ok(()));
    assert_eq!(with(&|order| order.actions = vec!["s3:GetObject".into(); 32]), Ok(()));
    assert_eq!(with(&|order| order.actions = vec!["s3:getobjec*".into(), "dynamodb:*".into()]), Ok(()));
    assert_eq!(with(&|order| order.audience = "mails".into()), Ok(()));
    let beyond = Err(Reason::DeferNotAllowed);
    assert_eq!(with(&|order| order.lifetime = HOUR + Duration::from_secs(1)), beyond);
    for audience in ["", "Reports", "report", "reports ", "*"] {
        assert_eq!(with(&|order| order.audience = audience.into()), beyond, "{audience}");
    }
    for action in ["s3:DeleteObject", "s3:*", "s3:G*", "s3:*Get*", "s3:PutObject*", "sqs:SendMessage", "dynamo:GetItem"] {
        assert_eq!(with(&|order| order.actions.push(action.into())), beyond, "{action}");
    }
    let malformed = Err(Reason::MalformedRequest);
    assert_eq!(with(&|order| order.lifetime = Duration::from_millis(999)), malformed);
    assert_eq!(with(&|order| order.actions.clear()), malformed);
    assert_eq!(with(&|order| order.actions = vec!["s3:GetObject".into(); 33]), malformed);
    for action in ["", "*", "s3", "s3:", ":GetObject", "*:*", "S3:GetObject", "s3:Get?bject", "s3:GetObject\n"] {
        assert_eq!(with(&|order| order.actions = vec![action.into()]), malformed, "{action}");
    }
    for purpose in ["", "two words", "a\nb", "\u{e9}", &"p".repeat(129)] {
        assert_eq!(with(&|order| order.purpose = purpose.to_owned()), malformed, "{purpose}");
    }
}

#[test]
fn a_passport_that_is_bound_defers_no_more_than_it_is_for() {
    let clock = clock();
    let sealer = sealer(&clock);
    let seal = |bound: &[&str]| {
        let lease = Lease::of_passport_for_tests(Some(actions(bound)));
        sealer.seal(&order(), &VerifiedTenant::for_tests("acme"), &lease).map(drop).map_err(|refusal| refusal.reason)
    };
    assert_eq!(seal(&["s3:GetObject", "s3:PutObject"]), Ok(()));
    assert_eq!(seal(&["s3:*"]), Ok(()));
    assert_eq!(seal(&["s3:GetObject"]), Err(Reason::DeferNotAllowed));
    assert_eq!(seal(&["dynamodb:*"]), Err(Reason::DeferNotAllowed));
}

#[test]
fn what_is_redeemed_is_for_its_actions_and_for_presigning_where_the_worker_s_side_says_so() {
    let clock = clock();
    let sealed = seal(&sealer(&clock), &order()).unwrap();
    for presign in [false, true] {
        let config = RedeemConfig { audience: "reports".into(), keys: vec![key(1)], presign };
        let redeemer = Redeemer::new(&config, Maker::random().unwrap(), clock.clone(), Metrics::new().unwrap()).unwrap();
        let deferred = redeem(&redeemer, sealed.context.expose()).unwrap().into_parts().deferred;
        assert_eq!(deferred.may_presign(), presign);
        let permit = |operation| deferred.permit(&crate::aws::action::tests::s3(operation)).map_err(|refusal| refusal.reason);
        assert_eq!((permit("GetObject"), permit("DeleteObject")), (Ok(()), Err(Reason::ActionNotAllowed)));
    }
}

#[test]
fn only_passports_are_deferred() {
    let clock = clock();
    let sealer = sealer(&clock);
    let outcome = sealer.seal(&order(), &VerifiedTenant::for_tests("acme"), &Lease::of_token());
    assert_eq!(outcome.unwrap_err().reason, Reason::ProofNotAccepted);
}

#[test]
fn what_does_not_fit_into_a_header_is_not_sealed() {
    let clock = clock();
    let sealer = sealer(&clock);
    let of = |subject: usize| {
        let tenant = VerifiedTenant::for_tests_with("acme", &"s".repeat(subject), Map::new());
        sealer.seal(&order(), &tenant, &Lease::of_passport_for_tests(None)).map(|sealed| sealed.context.expose().len())
    };
    assert!(of(3_900).unwrap() <= 6 * 1024);
    assert_eq!(of(4_300).unwrap_err().reason, Reason::ContextTooLarge);
}

#[test]
fn events_are_counted() {
    let clock = clock();
    let (sealer, redeemer) = (sealer(&clock), redeemer("reports", &[1], &clock));
    let sealed = seal(&sealer, &order()).unwrap();
    let mut beyond = order();
    beyond.lifetime = HOUR * 2;
    seal(&sealer, &beyond).unwrap_err();
    redeemer.count(&redeemer.redeem(sealed.context.expose()));
    redeemer.count(&redeemer.redeem("pdc1_x"));
    let counted = |metrics: &Metrics| String::from_utf8(metrics.render().unwrap()).unwrap();
    for (metrics, events) in [(sealer.metrics(), ["sealed", "refused"]), (redeemer.metrics(), ["redeemed", "refused"])] {
        for event in events {
            assert!(counted(metrics).contains(&format!("palisade_deferred_contexts_total{{event=\"{event}\"}} 1")), "{event}");
        }
    }
}

#[test]
fn keys_are_32_bytes_in_any_base64() {
    let bytes: Vec<u8> = (0..32).map(|n| 255 - n).collect();
    let forms = [STANDARD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes), format!(" {}\n", STANDARD.encode(&bytes))];
    let keys: Vec<_> = forms.iter().map(|text| SealKey::parse(&Secret::new(text.clone())).unwrap()).collect();
    assert!(keys[0].is(&keys[1]) && keys[1].is(&keys[2]) && !keys[0].is(&key(1)));
    for text in [String::new(), STANDARD.encode([1; 31]), STANDARD.encode([1; 33]), "hunter2".into(), "00".repeat(32)] {
        assert!(SealKey::parse(&Secret::new(text.clone())).is_none(), "{text}");
    }
}

/// A context for `reports`, as a holder of key 1 could make it, with members replaced.
fn handmade(changes: &Value) -> String {
    let plain = Zeroizing::new(contents(changes).into_bytes());
    Seal::of(&key(1)).unwrap().seal(plain).unwrap().expose().to_owned()
}

/// What is inside.
fn contents(changes: &Value) -> String {
    let mut contents = json!({
        "id": "i", "maker": "m", "audience": "reports", "purpose": "p", "actions": ["s3:GetObject"], "tenant": "acme", "issuer": "i",
        "subject": "s", "roles": [], "scopes": [], "token_id": null, "token_issued_at": null, "request": "r", "sealed_at": NOW, "expires": NOW + 60,
    });
    contents.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    contents.to_string()
}

#[test]
fn contents_that_are_not_understood_are_refused_under_a_good_seal_too() {
    let redeemer = redeemer("reports", &[1], &clock());
    assert!(redeem(&redeemer, &handmade(&json!({}))).is_ok());
    for changes in [
        json!({"max_uses": 1}),
        json!({"tenant": "*"}),
        json!({"tenant": ""}),
        json!({"tenant": null}),
        json!({"actions": []}),
        json!({"actions": ["*"]}),
        json!({"actions": ["s3:GetObject", "s3"]}),
        json!({"expires": -1}),
        json!({"expires": "never"}),
        json!({"audience": null}),
        json!({"roles": "admin"}),
    ] {
        assert_eq!(redeem(&redeemer, &handmade(&changes)).unwrap_err(), Reason::DeferredUnknown, "{changes}");
    }
    assert_eq!(redeem(&redeemer, &handmade(&json!({"expires": 0}))).unwrap_err(), Reason::DeferredExpired);
    assert_eq!(redeem(&redeemer, &handmade(&json!({"audience": ""}))).unwrap_err(), Reason::DeferredNotForUs);
    assert_eq!(redeem(&redeemer, &handmade(&json!({"sealed_at": u64::MAX}))).unwrap_err(), Reason::DeferredNotForUs);
}

proptest! {
    /// Whatever is ordered, what can be redeemed is what was ordered, while it lasts, by its audience and with its key alone.
    #[test]
    fn a_context_is_worth_what_was_ordered(
        lifetime in 1_u64..=3_600,
        later in 0_u64..=7_200,
        for_mails in any::<bool>(),
        redeems_mails in any::<bool>(),
        redeems_with in 1_u8..=3,
        subject in "\\PC{1,40}",
        picks in prop::collection::vec(prop::sample::select(vec!["s3:GetObject", "s3:PutObject", "s3:Get*", "dynamodb:Query", "sqs:*"]), 1..6),
    ) {
        let clock = clock();
        let name = |is_mails| if is_mails { "mails" } else { "reports" };
        let order = Order {
            purpose: "p".into(),
            audience: name(for_mails).into(),
            actions: picks.iter().map(|pick| (*pick).to_owned()).collect(),
            lifetime: Duration::from_secs(lifetime),
        };
        let tenant = VerifiedTenant::for_tests_with("acme", &subject, Map::new());
        let outcome = sealer(&clock).seal(&order, &tenant, &Lease::of_passport_for_tests(None));
        prop_assert_eq!(outcome.is_err(), picks.contains(&"sqs:*"));
        let Ok(sealed) = outcome else { return Ok(()) };
        clock.advance(Duration::from_secs(later));
        let redeemed = redeem(&redeemer(name(redeems_mails), &[redeems_with], &clock), sealed.context.expose());
        let expected = if redeems_with != 1 + u8::from(for_mails) {
            Some(Reason::DeferredUnknown)
        } else if redeems_mails != for_mails {
            Some(Reason::DeferredNotForUs)
        } else {
            (later >= lifetime).then_some(Reason::DeferredExpired)
        };
        prop_assert_eq!(redeemed.as_ref().err().copied(), expected);
        if let Ok(context) = redeemed {
            let parts = context.into_parts();
            prop_assert_eq!(parts.tenant.as_str(), "acme");
            prop_assert_eq!(parts.subject, subject);
            prop_assert_eq!(parts.deferred.actions(), &actions(&picks));
        }
    }

    /// Whatever bytes stand behind the prefix: no panic and no context.
    #[test]
    fn junk_opens_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200), id in any::<bool>()) {
        let clock = clock();
        let redeemer = redeemer("reports", &[1], &clock);
        let mut junk = bytes.clone();
        if id {
            // With an id that is known.
            let sealed = seal(&sealer(&clock), &order()).unwrap();
            let good = URL_SAFE_NO_PAD.decode(&sealed.context.expose()[PREFIX.len()..]).unwrap();
            junk.splice(0..0, good[..8 + NONCE_LEN].iter().copied());
        }
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(junk));
        prop_assert_eq!(redeem(&redeemer, &text).unwrap_err(), Reason::DeferredUnknown);
        prop_assert_eq!(redeem(&redeemer, &String::from_utf8_lossy(&bytes)).unwrap_err(), Reason::DeferredUnknown);
    }
}

#[test]
fn the_moment_of_issue_is_rounded_down() {
    let clock = clock();
    let issued = UNIX_EPOCH + Duration::from_micros(NOW * 1_000_000 - 1);
    let tenant = VerifiedTenant::for_tests_issued("acme", issued);
    let sealed = sealer(&clock).seal(&order(), &tenant, &Lease::of_passport_for_tests(None)).unwrap();
    let parts = redeem(&redeemer("reports", &[1], &clock), sealed.context.expose()).unwrap().into_parts();
    let back: SystemTime = parts.issued_at.unwrap();
    assert!(back <= issued && issued.duration_since(back).unwrap() < Duration::from_millis(1));
}
