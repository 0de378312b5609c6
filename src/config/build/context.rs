//! `ingress.context`

use std::sync::Arc;

use super::{
    Env, Section, parse,
    secret::{Shape, secrets},
};
use crate::{
    config::{ContextConfig, IngressConfig},
    identity::{ContextAlgorithm, ContextKey, KeyProblem},
};

pub(super) fn context(section: &Section<'_>, env: Env<'_>) -> Option<ContextConfig> {
    let (audience, issuer) = (section.get("audience", parse::text), section.get("issuer", parse::text));
    let lifetime = section.get("lifetime", parse::duration);
    let algorithm = section.get("algorithm", |scalar| match scalar.text.as_str() {
        "ES256" => Some(ContextAlgorithm::Es256),
        "EdDSA" => Some(ContextAlgorithm::EdDsa),
        _ => None,
    });
    let keys = algorithm.and_then(|algorithm| keys(section, algorithm, env));
    Some(ContextConfig { audience: audience?, issuer: issuer?, lifetime: lifetime?, algorithm: algorithm?, keys: keys? })
}

fn keys(section: &Section<'_>, algorithm: ContextAlgorithm, env: Env<'_>) -> Option<Vec<Arc<ContextKey>>> {
    let secrets = secrets(section, "keys", Shape::Pem, env);
    let all = section.references("keys").len();
    let mut keys: Vec<Arc<ContextKey>> = Vec::with_capacity(all);
    for (number, pem) in &secrets {
        match ContextKey::from_pem(pem, algorithm) {
            Ok(key) if keys.iter().any(|other| other.id() == key.id()) => {
                section.wrong_item("keys", *number, "is here twice", "remove one");
            }
            Ok(key) => keys.push(Arc::new(key)),
            Err(problem) => section.wrong_item("keys", *number, format!("the secret {problem}"), cure(problem, algorithm)),
        }
    }
    // Those that are not looked for are not there.
    (keys.len() == all || !section.looks_for_files()).then_some(keys)
}

fn cure(problem: KeyProblem, algorithm: ContextAlgorithm) -> &'static str {
    match (problem, algorithm) {
        (KeyProblem::Library, _) => "make another",
        (_, ContextAlgorithm::Es256) => "make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`",
        (_, ContextAlgorithm::EdDsa) => "make one with `openssl genpkey -algorithm ED25519`",
    }
}

/// A key that is drawn at start can be known from nowhere else than the listener that publishes it.
pub(super) fn published(root: &Section<'_>, ingress: Option<&IngressConfig>, has_probes: bool) {
    let context = ingress.and_then(|ingress| ingress.context.as_ref());
    if context.is_some_and(|context| context.keys.is_empty()) && !has_probes {
        let section = root.section("ingress").section("context");
        section.wrong(
            "keys",
            "is missing, and probes.listen is none: nobody could know the key that is drawn at start",
            "give keys, or an address to probes.listen",
        );
    }
}
