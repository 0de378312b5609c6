//! `tls` of a listener, which clients are meant by their certificates, and what is believed of proxies in front.

use http::HeaderName;

use super::{Env, Section, parse, secret::pem};
use crate::{
    client_pattern::ClientPattern,
    config::{ClientAuthConfig, ForwardingHeader, OriginConfig, TlsConfig, WorkloadConfig, WorkloadsConfig, error::quote},
    identity::spoofed,
    telemetry::Listener,
};

/// A certificate, its key, and whose certificates clients show.
pub(super) fn tls(section: &Section<'_>, env: Env<'_>) -> Option<TlsConfig> {
    let (certificate, private_key) = (pem(section, "certificate", env), pem(section, "private_key", env));
    // The outer `None` is a setting that is wrong, which must not pass for one that is not there.
    let clients = clients(section);
    Some(TlsConfig { certificate: certificate?, private_key: private_key?, clients: clients? })
}

fn clients(section: &Section<'_>) -> Option<Option<ClientAuthConfig>> {
    if !section.has("client_ca") {
        let mut alone = false;
        for key in ["client_auth", "client_crl"] {
            if section.has(key) {
                section.wrong(key, "has no effect without client_ca", "remove it, or give client_ca");
                alone = true;
            }
        }
        return (!alone).then_some(None);
    }
    let ca = section.file("client_ca");
    let required = if section.has("client_auth") {
        section.get("client_auth", parse::text).map(|word| word == "required")
    } else {
        section.set("client_auth", serde_json::json!("required"));
        Some(true)
    };
    let given = section.has("client_crl");
    let crl = section.file("client_crl");
    if given && crl.is_none() {
        return None;
    }
    Some(Some(ClientAuthConfig { ca: ca?, required: required?, crl }))
}

/// `identity.workloads`
pub(super) fn workloads(section: &Section<'_>) -> Option<WorkloadsConfig> {
    let max_age = section.get("workload_max_age", parse::duration);
    let mut mappings: Vec<WorkloadConfig> = Vec::new();
    let mut complete = true;
    for (_, entry) in section.sections("workloads") {
        let Some(mapping) = workload(&entry) else {
            complete = false;
            continue;
        };
        let shares = |other: &&WorkloadConfig| {
            let place = other.listener.is_none() || mapping.listener.is_none() || other.listener == mapping.listener;
            place && other.client.overlaps(&mapping.client)
        };
        if let Some(other) = mappings.iter().find(shares) {
            let key = if entry.has("subject") { "subject" } else { "spiffe_id" };
            entry.wrong(
                key,
                format!(
                    "{} and {} before it mean the same certificates",
                    quote(&mapping.client.to_string()),
                    quote(&other.client.to_string())
                ),
                "give each certificate one tenant",
            );
        }
        mappings.push(mapping);
    }
    complete.then_some(WorkloadsConfig { mappings, max_age: max_age? })
}

fn workload(entry: &Section<'_>) -> Option<WorkloadConfig> {
    let spiffe = entry.get("spiffe_id", |scalar| parse::spiffe_pattern(&scalar.text).ok()).map(ClientPattern::Spiffe);
    let subject = entry.get("subject", parse::subject).map(ClientPattern::Subject);
    match (entry.has("spiffe_id"), entry.has("subject")) {
        (true, true) => entry.wrong("subject", "is here beside spiffe_id", "give spiffe_id or subject, not both"),
        (false, false) => entry.wrong("spiffe_id", "is missing", "give spiffe_id or subject"),
        (true, false) | (false, true) => {}
    }
    let tenant = entry.get("tenant", parse::tenant);
    let listener = entry.get("listener", |scalar| match scalar.text.as_str() {
        "ingress" => Some(Listener::Ingress),
        "egress" => Some(Listener::Egress),
        _ => None,
    });
    let roles = entry.all("roles", parse::text);
    // A listener that could not be read must not become "both".
    if entry.has("listener") && listener.is_none() {
        return None;
    }
    Some(WorkloadConfig { client: spiffe.xor(subject)?, tenant: tenant?, listener, roles })
}

/// An item of `ingress.endpoints[].clients`, which says one of these.
pub(super) fn client(entry: &Section<'_>) -> Option<ClientPattern> {
    let spiffe = entry.get("spiffe_id", |scalar| parse::spiffe_pattern(&scalar.text).ok()).map(ClientPattern::Spiffe);
    let subject = entry.get("subject", parse::subject).map(ClientPattern::Subject);
    spiffe.or(subject).or_else(|| entry.get("dns", parse::dns_pattern).map(ClientPattern::Dns))
}

/// Mappings of certificates that nobody is asked for would be believed to do something.
pub(super) fn workloads_can_apply(section: &Section<'_>, workloads: &WorkloadsConfig, asked: &[Listener], proves: bool) {
    for (number, mapping) in workloads.mappings.iter().enumerate() {
        if !asked.iter().any(|listener| mapping.holds_on(*listener)) {
            let wrong = match mapping.listener {
                Some(listener) => format!("can never apply: {} asks for no certificates", listener.as_str()),
                None => "can never apply: no listener asks for certificates".to_owned(),
            };
            section.wrong_item("workloads", number, wrong, "give tls.client_ca to the listener, or remove the mapping");
        }
        let is_proof = proves && mapping.holds_on(Listener::Egress);
        if !mapping.roles.is_empty() && !is_proof {
            section.wrong_item(
                "workloads",
                number,
                "has roles without effect: the certificate is no proof here",
                "remove them, or add certificate to egress.proofs",
            );
        }
    }
}

/// What `ingress` says of proxies in front.
pub(super) fn origin(section: &Section<'_>) -> Option<OriginConfig> {
    let hops = section.get("trusted_hops", parse::size);
    let proxies = section.all("trusted_proxies", |scalar| parse::cidr(&scalar.text).ok());
    let header = section.get("forwarded_header", |scalar| {
        Some(if scalar.text == "forwarded" { ForwardingHeader::Forwarded } else { ForwardingHeader::XForwarded })
    });
    let fields = section.all("forwarded_fields", parse::text);
    if !fields.is_empty() && !fields.iter().any(|field| field == "for") {
        section.wrong("forwarded_fields", "does not contain for", "add it: without an address nothing else is believed");
    }
    let says = |field: &str| fields.iter().any(|own| own == field);
    let keep = keep(section);
    let request_id = section.get("trust_request_id", parse::boolean);
    let trace = section.get("trace_context", parse::text).map(|word| word == "continue");
    let origin = OriginConfig {
        hops: hops?,
        proxies,
        header: header?,
        proto: says("proto"),
        host: says("host"),
        keep,
        request_id: request_id?,
        trace: trace?,
    };
    if !origin.trusts_anybody() && !section.has("trusted_proxies") {
        for key in ["forwarded_header", "forwarded_fields", "keep_headers"] {
            nobody_is_believed(section, key, section.has(key));
        }
        nobody_is_believed(section, "trust_request_id", origin.request_id);
        nobody_is_believed(section, "trace_context", origin.trace);
    }
    Some(origin)
}

fn nobody_is_believed(section: &Section<'_>, key: &str, is_set: bool) {
    if is_set {
        section.wrong(key, "has no effect: no proxy in front is believed", "give trusted_hops or trusted_proxies, or remove it");
    }
}

fn keep(section: &Section<'_>) -> Vec<HeaderName> {
    let keep = section.all("keep_headers", parse::header);
    for (number, name) in keep.iter().enumerate() {
        let shown = quote(name.as_str());
        if spoofed::is_rebuilt(name) {
            section.wrong_item("keep_headers", number, format!("{shown} is set by Palisade itself"), "remove it");
        } else if !spoofed::is_spoofed(name) {
            section.wrong_item("keep_headers", number, format!("{shown} is not removed from requests"), "remove it: it is kept anyway");
        }
    }
    keep
}

#[cfg(test)]
mod tests;
