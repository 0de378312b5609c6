//! `workloads`

use super::{Section, limits::limits, parse};
use crate::{
    aws::action::Actions,
    client_pattern::ClientPattern,
    config::{EgressConfig, NamedWorkloadConfig, WorkloadConfig, WorkloadProof, WorkloadRole, error::quote},
    credentials::StsInputs,
    telemetry::Listener,
    workload_name::WorkloadName,
    workloads::check_token,
};

/// The kernel's number for users that have none (user_namespaces(7)).
const OVERFLOW_UID: u32 = 65_534;
/// What proves a workload, of which each has one.
const PROOFS: [&str; 4] = ["token_file", "uid", "spiffe_id", "subject"];

/// `egress`: absent, there and wrong, or built. `mapped` are clients whose certificates stand for a tenant.
pub(super) fn workloads(
    root: &Section<'_>,
    egress: Option<&Option<EgressConfig>>,
    mapped: &[WorkloadConfig],
) -> Option<Vec<NamedWorkloadConfig>> {
    if root.has("workloads") && egress.is_none() {
        root.wrong("workloads", "has no effect without egress", "remove it, or add egress");
        return None;
    }
    let asks =
        egress.is_some_and(|egress| egress.as_ref().is_none_or(|egress| egress.tls.as_ref().is_some_and(|tls| tls.clients.is_some())));
    let mut built: Vec<NamedWorkloadConfig> = Vec::new();
    let mut complete = true;
    for (name, section) in root.sections("workloads") {
        let Some(workload) = name.parse().ok().and_then(|name| workload(name, &section)) else {
            complete = false;
            continue;
        };
        complete &= match &workload.proof {
            WorkloadProof::Client(client) => certificate(&section, client, asks, mapped, &built),
            WorkloadProof::TokenFile(_) => true,
            WorkloadProof::User(uid) => user(&section, *uid, egress, &built),
        };
        built.push(workload);
    }
    complete.then_some(built)
}

fn workload(name: WorkloadName, section: &Section<'_>) -> Option<NamedWorkloadConfig> {
    let proof = proof(section);
    let role = section.given("assume_role").and_then(|role| self::role(&name, &role));
    let actions = Actions::new(section.all("actions", parse::action));
    let resources = section.all("resources", parse::resource);
    let limits = limits(&section.section("limits"));
    Some(NamedWorkloadConfig { name, proof: proof?, role: role?, actions: actions?, resources, limits })
}

fn proof(section: &Section<'_>) -> Option<WorkloadProof> {
    let given: Vec<_> = PROOFS.into_iter().filter(|key| section.has(key)).collect();
    match given[..] {
        [] => section.wrong(
            "token_file",
            "is missing: nothing proves that a request is the workload's",
            "give token_file, uid, spiffe_id or subject",
        ),
        [_] => {}
        [first, second, ..] => section.wrong(second, format!("is here beside {first}"), "give one proof"),
    }
    let [key] = given[..] else { return None };
    match key {
        "token_file" => {
            let path = section.file("token_file")?;
            if section.looks_for_files()
                && let Err(wrong) = check_token(&path)
            {
                section.wrong("token_file", wrong, "");
                return None;
            }
            Some(WorkloadProof::TokenFile(path))
        }
        "uid" => section.get("uid", parse::count).and_then(|uid| u32::try_from(uid).ok()).map(WorkloadProof::User),
        "spiffe_id" => {
            let pattern = section.get("spiffe_id", |scalar| parse::spiffe_pattern(&scalar.text).ok())?;
            Some(WorkloadProof::Client(ClientPattern::Spiffe(pattern)))
        }
        _ => section.get("subject", parse::subject).map(|subject| WorkloadProof::Client(ClientPattern::Subject(subject))),
    }
}

fn role(name: &WorkloadName, section: &Section<'_>) -> Option<WorkloadRole> {
    let role_arn = section.get("role_arn", parse::role_arn);
    let session_name = if section.has("session_name") {
        section.get("session_name", parse::text)
    } else {
        section.set("session_name", name.as_str().into());
        Some(name.to_string())
    };
    let external_id = section.get("external_id", parse::external_id);
    let session_tags = section.pairs("session_tags", parse::text);
    let duration = section.get("duration", parse::duration);
    let role = WorkloadRole { role_arn: role_arn?, session_name: session_name?, external_id, session_tags, duration: duration? };
    if let Err(wrong) = StsInputs::of_workload(name, &role, "") {
        section.wrong(&wrong.setting, wrong.why, "a workload belongs to no tenant, so that placeholders have no value here");
        return None;
    }
    Some(role)
}

/// A user comes over the socket alone, and is one workload.
fn user(section: &Section<'_>, uid: u32, egress: Option<&Option<EgressConfig>>, others: &[NamedWorkloadConfig]) -> bool {
    if egress.and_then(Option::as_ref).is_some_and(|egress| egress.socket.is_none()) {
        section.wrong("uid", "can never apply: users are known on egress.socket alone", "give egress.socket, or another proof");
        return false;
    }
    if uid == OVERFLOW_UID {
        section.wrong("uid", "is whoever has no number in this process's user namespace", "give the work a user of its own");
        return false;
    }
    let same = |other: &&NamedWorkloadConfig| matches!(other.proof, WorkloadProof::User(other) if other == uid);
    if let Some(other) = others.iter().find(same) {
        section.wrong("uid", format!("is that of {} as well", other.name), "give each workload a user of its own");
        return false;
    }
    true
}

/// A certificate has to be asked for, and stands for one alone.
fn certificate(
    section: &Section<'_>,
    client: &ClientPattern,
    asks: bool,
    mapped: &[WorkloadConfig],
    others: &[NamedWorkloadConfig],
) -> bool {
    let key = if matches!(client, ClientPattern::Spiffe(_)) { "spiffe_id" } else { "subject" };
    if !asks {
        section.wrong(key, "can never apply: egress asks for no certificates", "give egress.tls.client_ca, or another proof");
        return false;
    }
    let of_tenant = mapped.iter().filter(|mapping| mapping.holds_on(Listener::Egress)).map(|mapping| &mapping.client);
    let of_other = others.iter().filter_map(|other| match &other.proof {
        WorkloadProof::Client(client) => Some(client),
        WorkloadProof::TokenFile(_) | WorkloadProof::User(_) => None,
    });
    if let Some(other) = of_tenant.chain(of_other).find(|other| other.overlaps(client)) {
        let (own, other) = (quote(&client.to_string()), quote(&other.to_string()));
        section.wrong(
            key,
            format!("{own} and {other}, of a tenant or of another workload, mean the same certificates"),
            "give each its own",
        );
        return false;
    }
    true
}
