//! `credentials`

use std::{path::Path, time::Duration};

use super::{Env, Section, egress::endpoint, parse, secret::secret};
use crate::config::{
    AssumeRoleConfig, BaseConfig, BudgetConfig, CredentialsConfig, CredentialsSource, RefreshConfig, StsConfig, WarmUpConfig,
    build::read_text,
    error::quote,
    template::{JsonTemplate, Lands, Name, Template},
};

/// Most session tags. [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html)
const MAX_TAGS: usize = 50;
/// Largest policy file that is read, with all its spaces.
const MAX_POLICY_FILE: usize = 256 << 10;
/// What is left of a session when its renewal begins at the latest; less would renew all the time.
const MIN_USE: Duration = Duration::from_secs(60);

/// `is_beside`: an application shares this process's network namespace, and with it what is to be had there.
pub(super) fn credentials(section: &Section<'_>, region: Option<&str>, is_beside: bool, env: Env<'_>) -> Option<CredentialsConfig> {
    let source = source(section, is_beside, env);
    let sts = sts(&section.section("sts"), region);
    let max_sessions = section.get("max_sessions", parse::size);
    if !section.has("assume_role") {
        section.wrong("assume_role", "is missing", "egress needs it: give role_arn");
    }
    let assume_role = section.given("assume_role").and_then(|assume_role| self::assume_role(&assume_role));
    let refresh = refresh(&section.section("refresh"), assume_role.as_ref().map(|assume_role| assume_role.duration));
    let budget = budget(&section.section("budget"));
    let warm_up = section.given("warm_up").map(|given| warm_up(section, &given));
    Some(CredentialsConfig {
        source: source?,
        sts: sts?,
        refresh: refresh?,
        assume_role: assume_role?,
        max_sessions: max_sessions?,
        budget: budget?,
        warm_up: match warm_up {
            None => None,
            Some(warm_up) => Some(warm_up?),
        },
    })
}

/// What is needed of it without an egress: who Palisade is.
pub(super) fn base(section: &Section<'_>, region: Option<&str>, is_beside: bool, env: Env<'_>) -> Option<BaseConfig> {
    for key in ["assume_role", "budget", "max_sessions", "refresh", "warm_up"] {
        if section.has(key) {
            section.wrong(key, "has no effect without egress", "remove it, or add egress");
        }
    }
    let source = source(section, is_beside, env);
    let sts = sts(&section.section("sts"), region);
    Some(BaseConfig { source: source?, sts: sts? })
}

/// Where the platform puts tokens that are in every container of a pod: EKS's web-hook, and Kubernetes itself.
const INJECTED: [&str; 2] = ["/run/secrets/eks.amazonaws.com", "/run/secrets/kubernetes.io/serviceaccount"];

/// `source`, and what `shared_with_application` says of it.
fn source(section: &Section<'_>, is_beside: bool, env: Env<'_>) -> Option<CredentialsSource> {
    let accepted = section.get("shared_with_application", parse::text).is_some();
    let source = source_of(&section.given("source")?, accepted || !is_beside, env)?;
    let injected = matches!(&source, CredentialsSource::WebIdentity { token_file, .. } if is_injected(token_file));
    let can_be_shared = is_beside && (injected || matches!(source, CredentialsSource::DefaultChain { .. }));
    if accepted && !can_be_shared {
        let why = if is_beside {
            "this source is Palisade's own"
        } else {
            "no application is beside: there is no ingress, and egress is not on loopback"
        };
        section.wrong("shared_with_application", format!("has no effect: {why}"), "remove it");
    }
    if injected && is_beside && !accepted {
        section.section("source").section("web_identity").wrong(
            "token_file",
            "is the token that the platform puts into every container of the pod, and so into the application's",
            "project a token of its own into Palisade's container, or set credentials.shared_with_application to accepted",
        );
        return None;
    }
    Some(source)
}

fn source_of(section: &Section<'_>, may_be_shared: bool, env: Env<'_>) -> Option<CredentialsSource> {
    if section.has("default_chain") {
        section.set("default_chain", serde_json::json!({}));
        return Some(CredentialsSource::DefaultChain { may_be_shared });
    }
    if section.has("file") {
        return section.file("file").map(CredentialsSource::File);
    }
    if let Some(web) = section.given("web_identity") {
        let (token_file, role_arn) = (web.file("token_file"), web.get("role_arn", parse::role_arn));
        return Some(CredentialsSource::WebIdentity { token_file: token_file?, role_arn: role_arn? });
    }
    let fixed = section.given("static")?;
    let access_key_id = fixed.get("access_key_id", parse::access_key_id);
    let secret_access_key = secret(&fixed, "secret_access_key", env);
    let session_token = secret(&fixed, "session_token", env);
    Some(CredentialsSource::Static { access_key_id: access_key_id?, secret_access_key: secret_access_key?, session_token })
}

/// Whether `path`, or what it leads to, is a token of every container's. `/var/run` is `/run` on most systems, and need not be.
fn is_injected(path: &Path) -> bool {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    [path, &real].into_iter().any(|path| {
        let below_run = path.strip_prefix("/var").map_or_else(|_| path.to_owned(), |rest| Path::new("/").join(rest));
        INJECTED.iter().any(|place| below_run.starts_with(place))
    })
}

fn sts(section: &Section<'_>, region: Option<&str>) -> Option<StsConfig> {
    let endpoint = endpoint(section);
    let region = section.get("region", parse::region).or_else(|| {
        section.set("region", region?.into());
        region.map(str::to_owned)
    });
    let given = section.has("ca");
    let ca = section.file("ca");
    let timeout = section.get("timeout", parse::duration);
    if given && ca.is_none() {
        return None;
    }
    Some(StsConfig { endpoint: endpoint?, region: region?, ca, timeout: timeout? })
}

fn refresh(section: &Section<'_>, duration: Option<Duration>) -> Option<RefreshConfig> {
    let (ahead, jitter) = (section.get("ahead", parse::duration), section.get("jitter", parse::duration));
    let (ahead, jitter) = (ahead?, jitter?);
    if duration.is_some_and(|duration| ahead + jitter + MIN_USE > duration) {
        section.wrong("ahead", "and jitter leave less than a minute of a session's duration", "lower them, or raise assume_role.duration");
    }
    Some(RefreshConfig { ahead, jitter })
}

fn budget(section: &Section<'_>) -> Option<BudgetConfig> {
    let requests_per_second = section.get("requests_per_second", parse::rate);
    let burst = section.get("burst", parse::count).and_then(|count| u32::try_from(count).ok());
    let (concurrent, queue) = (section.get("concurrent", parse::size), section.get("queue", parse::size));
    let wait = section.get("wait", parse::duration);
    Some(BudgetConfig { requests_per_second: requests_per_second?, burst: burst?, concurrent: concurrent?, queue: queue?, wait: wait? })
}

fn warm_up(credentials: &Section<'_>, section: &Section<'_>) -> Option<WarmUpConfig> {
    let tenants = section.all("tenants", |scalar| scalar.text.parse().ok());
    let tiers = section.all("tiers", parse::text);
    if !section.has("tenants") && !section.has("tiers") {
        credentials.wrong("warm_up", "names nobody", "give tenants or tiers");
    }
    Some(WarmUpConfig { tenants, tiers, wait: section.get("wait", parse::duration)? })
}

fn assume_role(section: &Section<'_>) -> Option<AssumeRoleConfig> {
    let role_arn = role_arn(section);
    let session_name = section.get("session_name", |s| Template::parse(&s.text, Lands::SessionName).ok());
    let external_id = section.get("external_id", |s| Template::parse(&s.text, Lands::ExternalId).ok());
    let source_identity = section.get("source_identity", |s| Template::parse(&s.text, Lands::SourceIdentity).ok());
    let session_tags = session_tags(section);
    let transitive_tag_keys = transitive(section, &session_tags);
    let session_policy = session_policy(section);
    let duration = section.get("duration", parse::duration);
    let built = AssumeRoleConfig {
        role_arn: role_arn?,
        session_name: session_name?,
        external_id,
        source_identity,
        session_tags,
        transitive_tag_keys,
        session_policy: session_policy?,
        duration: duration?,
    };
    if !tells_tenants_apart(&built) {
        section.wrong(
            "role_arn",
            "is the same for every tenant, and so are session_tags and session_policy: all tenants would get the same rights",
            "put {tenant.id} (or {tenant.account}, or an attribute) into one of them",
        );
    }
    Some(built)
}

fn role_arn(section: &Section<'_>) -> Option<Template> {
    let template = section.get("role_arn", |s| Template::parse(&s.text, Lands::Arn).ok())?;
    let text = template.as_text();
    let fixed = template.names().next().is_none();
    let scalar = super::super::document::Scalar { text: text.to_owned(), plain: false };
    if (fixed && parse::role_arn(&scalar).is_none()) || !(text.starts_with("arn:") || text.starts_with('{')) {
        section.wrong("role_arn", format!("{} is no role's ARN", quote(text)), "give one such as arn:aws:iam::111122223333:role/NAME");
        return None;
    }
    Some(template)
}

fn session_tags(section: &Section<'_>) -> Vec<(String, Template)> {
    let tags = section.pairs("session_tags", |s| Template::parse(&s.text, Lands::TagValue).ok());
    if tags.len() > MAX_TAGS {
        section.wrong("session_tags", format!("has {} tags", tags.len()), format!("STS takes {MAX_TAGS}"));
    }
    for (number, (key, _)) in tags.iter().enumerate() {
        if tags[..number].iter().any(|(other, _)| other.to_lowercase() == key.to_lowercase()) {
            section.wrong_entry("session_tags", key, "differs from another key in case alone", "STS does not tell them apart; remove one");
        }
    }
    tags
}

fn transitive(section: &Section<'_>, tags: &[(String, Template)]) -> Vec<String> {
    let keys = section.all("transitive_tag_keys", parse::text);
    for (number, key) in keys.iter().enumerate() {
        if !tags.iter().any(|(tag, _)| tag == key) {
            section.wrong_item(
                "transitive_tag_keys",
                number,
                format!("{} is no key of session_tags", quote(key)),
                "add the tag, or remove this",
            );
        }
    }
    keys
}

/// The outer `None` means that there is one and it is wrong.
fn session_policy(section: &Section<'_>) -> Option<Option<JsonTemplate>> {
    let Some(policy) = section.given("session_policy") else { return Some(None) };
    let (key, parsed) = if policy.has("file") {
        let path = policy.file("file")?;
        ("file", read_text(&path, MAX_POLICY_FILE).map_err(|wrong| format!("the file {wrong}")))
    } else {
        let text = match policy.json("inline")? {
            serde_json::Value::String(text) => text,
            data => data.to_string(),
        };
        ("inline", Ok(text))
    };
    match parsed.and_then(|text| JsonTemplate::parse(&text).map_err(|error| error.to_string())) {
        Ok(template) => Some(Some(template)),
        Err(wrong) => {
            policy.wrong(key, format!("the policy cannot be used: {wrong}"), "");
            None
        }
    }
}

impl AssumeRoleConfig {
    /// Its templates, but for the policy.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        let tags = self.session_tags.iter().map(|(_, template)| template);
        [&self.role_arn, &self.session_name].into_iter().chain(&self.external_id).chain(&self.source_identity).chain(tags)
    }
}

impl AssumeRoleConfig {
    /// The settings that are not the same for everybody of a tenant, each with the placeholder that makes it so. Where there are
    /// any, each user has sessions of their own.
    pub(crate) fn of_users(&self) -> Vec<(String, &Name)> {
        fn one<'a>(key: &str, template: &'a Template) -> Option<(String, &'a Name)> {
            Some((key.to_owned(), template.names().find(|name| name.is_of_a_user())?))
        }
        let named = [("role_arn", Some(&self.role_arn)), ("session_name", Some(&self.session_name))];
        let optional = [("external_id", self.external_id.as_ref()), ("source_identity", self.source_identity.as_ref())];
        let templates = named.into_iter().chain(optional).filter_map(|(key, template)| one(key, template?));
        let tags = self.session_tags.iter().filter_map(|(tag, template)| one(&format!("session_tags.{tag}"), template));
        let policy = self.session_policy.iter().filter_map(|policy| policy.names().find(|name| name.is_of_a_user()));
        templates.chain(tags).chain(policy.map(|name| ("session_policy".to_owned(), name))).collect()
    }
}

fn tells_tenants_apart(config: &AssumeRoleConfig) -> bool {
    let tags = config.session_tags.iter().flat_map(|(_, template)| template.names());
    let policy = config.session_policy.iter().flat_map(JsonTemplate::names);
    config.role_arn.names().chain(tags).chain(policy).any(Name::tells_tenants_apart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_every_container_are_known_by_their_place() {
        for path in [
            "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
            "/run/secrets/eks.amazonaws.com/serviceaccount/token",
            "/var/run/secrets/kubernetes.io/serviceaccount/token",
        ] {
            assert!(is_injected(Path::new(path)), "{path}");
        }
        for path in ["/etc/palisade/secrets/token", "/var/run/secrets/palisade/token", "/run/secrets/eks.amazonaws.com.mine/token", "token"]
        {
            assert!(!is_injected(Path::new(path)), "{path}");
        }
    }
}
