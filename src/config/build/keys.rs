//! `identity.issuers[].jwks`

use std::path::PathBuf;

use http::Uri;
use serde_json::{Value, json};

use super::{Section, identity::secured, parse};
use crate::config::{JwksSource, KeyAccess, KeyPolicy};

/// Of OpenID Connect Discovery 1.0, section 4.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";
/// What has to do with fetching over a network.
const REMOTE: [&str; 6] = ["insecure", "ca", "bearer_token_file", "refresh", "timeout", "discovery_uri"];

/// The source of the keys and how it is used. `discovers` where discovery is the default.
pub(super) fn keys(section: &Section<'_>, discovers: bool, issuer: Option<&str>) -> Option<(JwksSource, KeyPolicy)> {
    match chosen(section, discovers)? {
        "file" => {
            pointless(section, &REMOTE, "file");
            let file = section.file("file");
            let policy = KeyPolicy { least: KeyPolicy::FILE_POLL, most: KeyPolicy::FILE_POLL, ..policy(section)? };
            Some((JwksSource::File(file?), policy))
        }
        "inline" => {
            pointless(section, &REMOTE, "inline");
            pointless(section, &["unknown_key_interval", "max_stale"], "inline");
            let text = match section.json("inline")? {
                Value::String(text) => text,
                data => data.to_string(),
            };
            Some((JwksSource::Inline(text), KeyPolicy::default()))
        }
        "uri" => {
            pointless(section, &["discovery_uri"], "uri");
            let uri = section.get("uri", parse::uri);
            let access = access(section, "uri", uri.as_ref());
            let policy = remote_policy(section);
            Some((JwksSource::Uri { uri: uri?, access: access? }, policy?))
        }
        _ => {
            section.set("discovery", json!(true));
            let document = document(section, issuer);
            let key = if section.has("discovery_uri") { "discovery_uri" } else { "discovery" };
            let access = access(section, key, document.as_ref());
            let policy = remote_policy(section);
            Some((JwksSource::Discovery { document: document?, access: access? }, policy?))
        }
    }
}

/// Which of the four sources it is; anything but one is reported.
fn chosen(section: &Section<'_>, discovers: bool) -> Option<&'static str> {
    let is_chosen =
        |key: &&str| if *key == "discovery" { section.get("discovery", parse::boolean) == Some(true) } else { section.has(key) };
    let chosen: Vec<_> = ["uri", "discovery", "file", "inline"].into_iter().filter(is_chosen).collect();
    match chosen.as_slice() {
        [one] => Some(one),
        [] if discovers && !section.has("discovery") => Some("discovery"),
        [] => {
            // A value that is misshapen has been reported.
            if !section.has("discovery") || section.is_sound("discovery") {
                section.wrong("uri", "is missing", "give one of uri, discovery: true, file and inline");
            }
            None
        }
        [first, others @ ..] => {
            for other in others {
                section.wrong(other, format!("is here beside {first}"), "give one of uri, discovery, file and inline");
            }
            None
        }
    }
}

fn pointless(section: &Section<'_>, keys: &[&str], beside: &str) {
    for key in keys.iter().filter(|key| section.has(key)) {
        section.wrong(key, format!("has no effect beside {beside}"), "remove it");
    }
}

/// Where the discovery document is: where the file says, or below the issuer.
fn document(section: &Section<'_>, issuer: Option<&str>) -> Option<Uri> {
    if section.has("discovery_uri") {
        return section.get("discovery_uri", parse::uri);
    }
    let place = format!("{}{WELL_KNOWN}", issuer?.trim_end_matches('/'));
    let uri = place.parse().ok().filter(|uri: &Uri| {
        // A query would have come in front of what was appended.
        uri.query().is_none()
            && uri.path().ends_with(WELL_KNOWN)
            && matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some()
    });
    match uri.filter(|_| !place.contains(['#', '@'])) {
        Some(uri) => {
            section.set("discovery_uri", json!(place));
            Some(uri)
        }
        None => {
            section.wrong(
                "discovery",
                "needs an issuer that is an https:// URI without query, fragment and user",
                "give discovery_uri, or uri",
            );
            None
        }
    }
}

fn access(section: &Section<'_>, key: &str, uri: Option<&Uri>) -> Option<KeyAccess> {
    let tls = uri.is_none_or(|uri| uri.scheme_str() == Some("https"));
    let secure = uri.is_none() || secured(section, key, tls);
    let given = |name: &str, path: Option<PathBuf>| (!section.has(name) || path.is_some()).then_some(path);
    // The token is read for each use.
    let (ca, bearer_token_file) = (given("ca", section.companion("ca")), given("bearer_token_file", section.file("bearer_token_file")));
    if section.has("bearer_token_file") && !tls {
        section.wrong("bearer_token_file", format!("would be sent in clear: {key} is plain http"), "use https://");
        return None;
    }
    secure.then_some(KeyAccess { ca: ca?, bearer_token_file: bearer_token_file? })
}

fn policy(section: &Section<'_>) -> Option<KeyPolicy> {
    let unknown_key_interval = section.get("unknown_key_interval", parse::duration);
    let max_stale = section.get("max_stale", parse::duration);
    Some(KeyPolicy { unknown_key_interval: unknown_key_interval?, max_stale: max_stale?, ..KeyPolicy::default() })
}

fn remote_policy(section: &Section<'_>) -> Option<KeyPolicy> {
    let policy = policy(section);
    let timeout = section.get("timeout", parse::duration);
    let refresh = section.section("refresh");
    let (least, most) = (refresh.get("least", parse::duration), refresh.get("most", parse::duration));
    let (least, most) = (least?, most?);
    if least > most {
        refresh.wrong("least", "is longer than most", "lower it, or raise most");
        return None;
    }
    Some(KeyPolicy { least, most, timeout: timeout?, ..policy? })
}
