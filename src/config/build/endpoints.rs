//! `ingress.endpoints`, `ingress.cors`, and where callers say who they are.

use http::HeaderName;
use serde_json::json;

use super::{Section, clients::client, parse, passport};
use crate::{
    authorise::{Asks, Endpoints, Methods, PathPattern, Rule, TENANT, Unmatched, shadowed},
    client_pattern::ClientPattern,
    config::{AccessConfig, CorsConfig, CorsRules, Origins},
    identity::{Places, TenantHost},
};

/// What stands elsewhere in the configuration, and gives a rule its effect.
#[derive(Clone, Copy)]
pub(super) struct Around {
    /// The listener asks clients for certificates.
    pub(super) has_clients: bool,
    /// Somebody takes passports, perhaps.
    pub(super) has_egress: bool,
}

pub(super) fn access(section: &Section<'_>, names: Option<(&HeaderName, &HeaderName)>, around: Around) -> Option<AccessConfig> {
    let cookie = section.get("token_cookie", parse::cookie_name);
    let (host, tenant_path) = section.given("tenant_from").map_or((None, None), |from| tenant_from(&from));
    let endpoints = endpoints(section, tenant_path.is_some(), around);
    let cors = section.given("cors").map(|cors| self::cors(&cors, names));
    let public_concurrent = section.get("public_concurrent", parse::size);
    let endpoints = match &tenant_path {
        Some(pattern) => endpoints?.minding(pattern),
        None => endpoints?,
    };
    Some(AccessConfig {
        endpoints,
        places: Places { cookie, host },
        tenant_path,
        cors: super::flatten(cors)?,
        public_concurrent: public_concurrent?,
    })
}

/// `names_path`: paths are read for the tenant's sake as well.
fn endpoints(section: &Section<'_>, names_path: bool, around: Around) -> Option<Endpoints> {
    if !section.has("endpoints") {
        if section.has("endpoints_default") {
            section.wrong("endpoints_default", "has no effect without endpoints", "remove it, or add endpoints");
        }
        if !section.has("endpoints_ignore_case") {
            return Some(Endpoints::none());
        }
        if !names_path {
            section.wrong("endpoints_ignore_case", "has no effect without endpoints and tenant_from.path", "remove it, or add one of them");
        }
        return Some(Endpoints::none().ignoring_case(section.get("endpoints_ignore_case", parse::boolean)?));
    }
    let sections: Vec<_> = section.sections("endpoints").into_iter().map(|(_, rule)| rule).collect();
    let rules: Option<Vec<Rule>> = sections.iter().map(|section| rule(section, around)).collect::<Vec<_>>().into_iter().collect();
    // What a file leaves out is written down, so that the effective configuration shows it.
    let unmatched = match section.get("endpoints_default", parse::text).as_deref() {
        Some("allow") => Unmatched::Allow,
        _ => {
            section.set("endpoints_default", json!("deny"));
            Unmatched::Deny
        }
    };
    let ignore_case = section.get("endpoints_ignore_case", parse::boolean).unwrap_or_else(|| {
        section.set("endpoints_ignore_case", json!(false));
        false
    });
    let rules = rules?;
    let patterns: Vec<_> = rules.iter().map(|rule| (rule.methods, &rule.path)).collect();
    for (later, earlier) in shadowed(&patterns, ignore_case) {
        section.wrong_item(
            "endpoints",
            later,
            format!("can never be reached: all that it fits is taken before, beginning with endpoints[{earlier}]"),
            "move it up, or remove it",
        );
    }
    Some(Endpoints::new(rules, unmatched, ignore_case))
}

fn rule(section: &Section<'_>, around: Around) -> Option<Rule> {
    let methods = if section.has("methods") {
        section.all("methods", |scalar| Methods::of(&scalar.text)).into_iter().fold(Methods::NONE, Methods::with)
    } else {
        Methods::ALL
    };
    let path = section.get("path", parse::path_pattern);
    let [roles, scopes, tiers] = ["roles", "scopes", "tiers"].map(|key| section.all(key, parse::text));
    let clients = clients(section, around.has_clients);
    let is_public = section.get("auth", parse::text)? == "none";
    let passport = section.given("passport").map(|passport| passport::of_endpoint(&passport)).unwrap_or_default();
    if is_public {
        if section.has("passport") {
            section.wrong("passport", "is given to nobody: auth is none", "remove passport, or auth");
        }
        for key in ["roles", "scopes", "tiers"] {
            if section.has(key) {
                section.wrong(key, "cannot be asked of nobody: auth is none", format!("remove {key}, or auth"));
            }
        }
        if path.as_ref().is_some_and(|path| path.has(TENANT)) {
            section.wrong("path", "names a tenant, and auth is none: nothing would check it", "call the segment something else");
        }
    }
    if section.has("passport") && !is_public && !around.has_egress {
        section.wrong("passport", "has no effect without egress, which alone takes passports", "remove it, or add egress");
    }
    let asks = if is_public { Asks::Nothing } else { Asks::Tenant { roles: roles.into(), scopes: scopes.into(), tiers: tiers.into() } };
    Some(Rule { methods, path: path?, clients: clients?, asks, passport })
}

/// Without a certificate to look at, a rule would be for nobody, which is not what its words say.
fn clients(section: &Section<'_>, has_clients: bool) -> Option<Box<[ClientPattern]>> {
    if section.has("clients") && !has_clients {
        section.wrong("clients", "can never be met: the listener asks for no certificates", "give ingress.tls.client_ca, or remove it");
    }
    // All of them, so that one that could not be read is not a list that asks for less.
    let clients: Vec<_> = section.sections("clients").iter().map(|(_, entry)| client(entry)).collect();
    clients.into_iter().collect()
}

fn tenant_from(section: &Section<'_>) -> (Option<TenantHost>, Option<PathPattern>) {
    if !section.has("host") && !section.has("path") {
        section.wrong("host", "is missing, and so is path", "give host, path, or both");
    }
    let path = section.get("path", parse::path_pattern);
    if path.as_ref().is_some_and(|path| !path.has(TENANT)) {
        section.wrong("path", "names no tenant", "give a path with a segment {tenant}, such as /t/{tenant}/**");
    }
    (section.get("host", parse::tenant_host), path)
}

fn cors(section: &Section<'_>, names: Option<(&HeaderName, &HeaderName)>) -> Option<CorsConfig> {
    if section.has("pass") {
        section.set("pass", json!({}));
        return Some(CorsConfig::Pass);
    }
    let section = section.given("answer")?;
    let listed = section.all("origins", parse::origin);
    let methods = section.all("methods", parse::text);
    let headers = if section.has("headers") { section.all("headers", parse::text) } else { usual_headers(&section, names) };
    let expose = section.all("expose", parse::text);
    let credentials = section.get("credentials", parse::boolean);
    let max_age = section.get("max_age", parse::duration);
    let any = listed.iter().position(|origin| origin == "*");
    match any {
        Some(at) if listed.len() > 1 => {
            section.wrong_item("origins", at, "is everybody, beside others", "give \"*\" alone, or a list of origins")
        }
        Some(_) if credentials == Some(true) => {
            section.wrong("origins", "is everybody, and credentials are sent along", "list the origins, or set credentials to false");
        }
        _ => {}
    }
    for (key, list) in [("headers", &headers), ("expose", &expose)] {
        for (at, _) in list.iter().enumerate().filter(|(_, name)| *name == "*") {
            section.wrong_item(key, at, "\"*\" does not stand for Authorization, and means nothing with credentials", "list the headers");
        }
    }
    let origins = if any.is_some() { Origins::Any } else { Origins::These(listed) };
    Some(CorsConfig::Answer(CorsRules { origins, methods, headers, expose, credentials: credentials?, max_age: max_age? }))
}

/// What a caller of an ingress sends.
fn usual_headers(section: &Section<'_>, names: Option<(&HeaderName, &HeaderName)>) -> Vec<String> {
    let own = names.map(|(tenant, token)| [tenant.as_str(), token.as_str()]).into_iter().flatten();
    let headers: Vec<String> = ["authorization", "content-type"].into_iter().chain(own).map(str::to_owned).collect();
    section.set("headers", json!(headers));
    headers
}
