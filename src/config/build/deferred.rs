//! `egress.defer` and `egress.redeem`, and how the two go together.

use std::collections::BTreeMap;

use super::{
    Env, Section, parse,
    secret::{Shape, secret, secrets},
};
use crate::{
    aws::action::{Actions, Pattern},
    config::{AudienceConfig, DeferConfig, Proofs, RedeemConfig, error::quote},
    identity::SealKey,
    secret::Secret,
};

const NO_KEY: &str = "the secret is not 32 bytes in base64";
const MAKE_ONE: &str = "make one with `openssl rand -base64 32`";

/// `egress.defer`. Only passports are deferred.
pub(super) fn defer(section: &Section<'_>, proofs: Option<Proofs>, env: Env<'_>) -> Option<DeferConfig> {
    let given = section.section("defer");
    let mut audiences = BTreeMap::new();
    let mut complete = true;
    for (name, audience) in given.sections("audiences") {
        match self::audience(&audience, env) {
            Some(built) => {
                if let Some((other, _)) = audiences.iter().find(|(_, other): &(&String, &AudienceConfig)| other.key.is(&built.key)) {
                    audience.wrong("key", format!("is that of {} as well", quote(other)), "give each audience a key of its own");
                }
                audiences.insert(name, built);
            }
            None => complete = false,
        }
    }
    if audiences.is_empty() && complete && given.is_sound("audiences") {
        given.wrong("audiences", "lists no audience", "name who may redeem what is sealed here, such as reports");
    }
    if proofs.is_some_and(|proofs| !proofs.passport) {
        section.wrong(
            "defer",
            "has no effect: egress.proofs takes no passports, and nothing else can be deferred",
            "remove it, or take passports",
        );
    }
    complete.then_some(DeferConfig { audiences })
}

fn audience(section: &Section<'_>, env: Env<'_>) -> Option<AudienceConfig> {
    let key = secret(section, "key", env).and_then(|secret| {
        let key = SealKey::parse(&secret);
        if key.is_none() {
            section.wrong("key", NO_KEY, MAKE_ONE);
        }
        key
    });
    let max_lifetime = section.get("max_lifetime", parse::duration);
    let actions = Actions::new(section.all("actions", |scalar| Pattern::parse(&scalar.text)));
    Some(AudienceConfig { key: key?, max_lifetime: max_lifetime?, actions: actions? })
}

/// `egress.redeem`
pub(super) fn redeem(section: &Section<'_>, env: Env<'_>) -> Option<RedeemConfig> {
    let given = section.section("redeem");
    let audience = given.get("audience", parse::text);
    let presign = given.get("presign", parse::boolean);
    if presign == Some(true) && !section.has("presign") {
        given.wrong("presign", "has no effect without egress.presign", "remove it, or add egress.presign");
    }
    let keys = keys(&given, env);
    Some(RedeemConfig { audience: audience?, keys: keys?, presign: presign? })
}

fn keys(section: &Section<'_>, env: Env<'_>) -> Option<Vec<SealKey>> {
    let mut keys: Vec<SealKey> = Vec::new();
    for (number, secret) in &secrets(section, "keys", Shape::Line, env) {
        match SealKey::parse(secret as &Secret) {
            Some(key) if keys.iter().any(|other| other.is(&key)) => section.wrong_item("keys", *number, "is here twice", "remove one"),
            Some(key) => keys.push(key),
            None => section.wrong_item("keys", *number, NO_KEY, MAKE_ONE),
        }
    }
    (!keys.is_empty()).then_some(keys)
}

/// What one process may not do both of, and what needs the other.
pub(super) fn together(section: &Section<'_>, proofs: Option<Proofs>, defer: Option<&DeferConfig>, redeem: Option<&RedeemConfig>) {
    let takes = proofs.is_some_and(|proofs| proofs.deferred);
    if takes && !section.has("redeem") {
        section.wrong("proofs", "takes deferred contexts, and egress.redeem does not say whose", "add egress.redeem, or remove deferred");
    }
    if proofs.is_some() && !takes && section.has("redeem") {
        section.wrong("redeem", "has no effect: egress.proofs does not list deferred", "add deferred to egress.proofs, or remove it");
    }
    let (Some(defer), Some(redeem)) = (defer, redeem) else { return };
    let given = section.section("redeem");
    if defer.audiences.contains_key(&redeem.audience) {
        given.wrong(
            "audience",
            format!("{} is in egress.defer.audiences: this process would redeem what it seals itself", quote(&redeem.audience)),
            "let another process, beside a worker, redeem it",
        );
    }
    for (name, audience) in &defer.audiences {
        if let Some(number) = redeem.keys.iter().position(|key| key.is(&audience.key)) {
            given.wrong_item(
                "keys",
                number,
                format!("is the key of egress.defer.audiences.{name} as well"),
                "give each audience a key of its own",
            );
        }
    }
}
