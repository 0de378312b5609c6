//! `credentials`

use std::{path::Path, time::Duration};

use super::{
    Env, Section,
    egress::endpoint,
    parse,
    plans::{Around, plans},
    secret::secret,
};
use crate::config::{
    BaseConfig, BudgetConfig, CredentialsConfig, CredentialsSource, PlanConfig, PlansConfig, RefreshConfig, StsConfig, WarmUpConfig,
};

/// What is left of a session when its renewal begins at the latest; less would renew all the time.
const MIN_USE: Duration = Duration::from_secs(60);
const SOURCES: &str = "give one of default_chain, file, static and web_identity";

pub(super) fn credentials(section: &Section<'_>, region: Option<&str>, around: Around<'_>, env: Env<'_>) -> Option<CredentialsConfig> {
    let accepted = accepted(section);
    let around_plans = Around { may_be_shared: around.may_be_shared || accepted, ..around };
    let plans = plans(section, around_plans);
    // Without any plan, that is what is wrong.
    let needed = around.needs_identity || plans.as_ref().is_none_or(|plans| plans.need_identity() || plans.all().next().is_none());
    let source = match section.given("source") {
        Some(_) => {
            if !needed {
                section.wrong("source", "has no effect: tokens are the authority of every plan", "remove it");
            }
            source(section, around_plans.may_be_shared, env)
        }
        None if needed && plans.is_some() => {
            section.wrong("source", "is missing", format!("assume_role, workloads and tables need it: {SOURCES}"));
            None
        }
        None => Some(CredentialsSource::Nobody),
    };
    if accepted && let (Some(source), Some(plans)) = (&source, &plans) {
        let by_plan = plans.all().filter_map(PlanConfig::token_file).any(is_injected);
        shared_has_effect(section, around.may_be_shared, by_plan || can_be_shared(source));
    }
    let sts = sts(&section.section("sts"), region);
    let max_sessions = section.get("max_sessions", parse::size);
    // Sessions that end with their caller's token are not renewed.
    let renewed = plans.iter().flat_map(PlansConfig::all).filter(|plan| !plan.uses_callers_token());
    let refresh = refresh(&section.section("refresh"), renewed.min_by_key(|plan| plan.duration()));
    let budget = budget(&section.section("budget"));
    let warm_up = section.given("warm_up").map(|given| warm_up(section, &given));
    Some(CredentialsConfig {
        source: source?,
        sts: sts?,
        refresh: refresh?,
        plans: plans?,
        max_sessions: max_sessions?,
        budget: budget?,
        warm_up: match warm_up {
            None => None,
            Some(warm_up) => Some(warm_up?),
        },
    })
}

/// What is needed of it without an egress: who Palisade is. `is_alone`: no application shares this process's network namespace.
pub(super) fn base(section: &Section<'_>, region: Option<&str>, is_alone: bool, env: Env<'_>) -> Option<BaseConfig> {
    for key in ["assume_role", "assume_role_with_web_identity", "budget", "max_sessions", "refresh", "services", "warm_up"] {
        if section.has(key) {
            section.wrong(key, "has no effect without egress", "remove it, or add egress");
        }
    }
    if !section.has("source") {
        section.wrong("source", "is missing", SOURCES);
    }
    let accepted = accepted(section);
    let source = source(section, accepted || is_alone, env);
    if accepted && let Some(source) = &source {
        shared_has_effect(section, is_alone, can_be_shared(source));
    }
    let sts = sts(&section.section("sts"), region);
    Some(BaseConfig { source: source?, sts: sts? })
}

/// Where the platform puts tokens that are in every container of a pod: EKS's web-hook, and Kubernetes itself.
const INJECTED: [&str; 2] = ["/run/secrets/eks.amazonaws.com", "/run/secrets/kubernetes.io/serviceaccount"];

fn accepted(section: &Section<'_>) -> bool {
    section.get("shared_with_application", parse::text).is_some()
}

/// Reports that there is nothing to be accepted.
fn shared_has_effect(section: &Section<'_>, is_alone: bool, can_be_shared: bool) {
    if is_alone || !can_be_shared {
        let why = if is_alone {
            "no application is beside: there is no ingress, and egress is not on loopback"
        } else {
            "this source is Palisade's own"
        };
        section.wrong("shared_with_application", format!("has no effect: {why}"), "remove it");
    }
}

fn can_be_shared(source: &CredentialsSource) -> bool {
    match source {
        CredentialsSource::DefaultChain { .. } => true,
        CredentialsSource::WebIdentity { token_file, .. } => is_injected(token_file),
        CredentialsSource::File(_) | CredentialsSource::Static { .. } | CredentialsSource::Nobody => false,
    }
}

/// Whether the token in `path`, which `key` names, is Palisade's own, or may be the application's too.
pub(super) fn token_is_own(section: &Section<'_>, key: &str, path: &Path, may_be_shared: bool) -> bool {
    let is_own = may_be_shared || !is_injected(path);
    if !is_own {
        section.wrong(
            key,
            "is the token that the platform puts into every container of the pod, and so into the application's",
            "project a token of its own into Palisade's container, or set credentials.shared_with_application to accepted",
        );
    }
    is_own
}

/// `source`; `may_be_shared` with an application beside.
fn source(section: &Section<'_>, may_be_shared: bool, env: Env<'_>) -> Option<CredentialsSource> {
    let source = source_of(&section.given("source")?, may_be_shared, env)?;
    if let CredentialsSource::WebIdentity { token_file, .. } = &source
        && !token_is_own(&section.section("source").section("web_identity"), "token_file", token_file, may_be_shared)
    {
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
    let ca = section.companion("ca");
    let timeout = section.get("timeout", parse::duration);
    if given && ca.is_none() {
        return None;
    }
    Some(StsConfig { endpoint: endpoint?, region: region?, ca, timeout: timeout? })
}

/// `shortest` is the plan whose sessions live for the shortest time.
fn refresh(section: &Section<'_>, shortest: Option<&PlanConfig>) -> Option<RefreshConfig> {
    let (ahead, jitter) = (section.get("ahead", parse::duration), section.get("jitter", parse::duration));
    let (ahead, jitter) = (ahead?, jitter?);
    if let Some(plan) = shortest.filter(|plan| ahead + jitter + MIN_USE > plan.duration()) {
        let key = plan.key.strip_prefix("credentials.").unwrap_or(&plan.key);
        section.wrong(
            "ahead",
            "and jitter leave less than a minute of a session's duration",
            format!("lower them, or raise {key}.duration"),
        );
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
