//! `session_policy`: read, and held against what STS takes.

use std::path::Path;

use serde_json::Value;

use super::{
    Section,
    plans::{Around, unsettled},
    read_text,
};
use crate::config::{
    document::{At, Bounds, parse},
    reader::show_steps,
    template::{
        JsonTemplate,
        grammar::{PolicyFault, faults},
    },
};

/// Largest policy file that is read, with all its spaces.
const MAX_POLICY_FILE: usize = 256 << 10;

/// The outer `None` means that there is one and it is wrong.
pub(super) fn session_policy(section: &Section<'_>, around: Around<'_>) -> Option<Option<JsonTemplate>> {
    let Some(policy) = section.given("session_policy") else { return Some(None) };
    let (key, file, parsed) = if policy.has("file") {
        let path = policy.needed_file("file")?;
        let text = read_text(&path, MAX_POLICY_FILE).map_err(|wrong| format!("the file {wrong}"));
        ("file", Some(path), text)
    } else {
        let text = match policy.json("inline")? {
            Value::String(text) => text,
            data => data.to_string(),
        };
        ("inline", None, Ok(text))
    };
    let read = parsed.and_then(|text| {
        let template = JsonTemplate::parse_open(&text).map_err(|error| error.to_string())?;
        Ok((template, text))
    });
    let (template, text) = match read {
        Ok(read) => {
            file.iter().for_each(|path| policy.took_in_text(("file", None), path, &read.1));
            read
        }
        Err(wrong) => {
            policy.wrong(key, format!("the policy cannot be used: {wrong}"), "");
            return None;
        }
    };
    if let Some((open, cure)) = unsettled(template.open_end(), around) {
        policy.wrong(key, format!("the policy cannot be used: {open}"), cure);
    }
    let found = match serde_json::from_str(&text) {
        Ok(Value::Object(members)) => faults(&members),
        _ => Vec::new(),
    };
    match &file {
        Some(path) => in_file(&policy, path, &text, &found),
        None => found.iter().for_each(|found| policy.wrong_inside("inline", &found.path, &found.fault.wrong, &found.fault.right)),
    }
    found.is_empty().then_some(Some(template))
}

/// The mistakes of a file are told where the configuration names it.
fn in_file(policy: &Section<'_>, path: &Path, text: &str, found: &[PolicyFault]) {
    // JSON is YAML, whose reader knows places.
    let root = parse(text, Bounds::CONFIG).ok();
    for PolicyFault { path: steps, fault } in found {
        let place = root.as_ref().and_then(|root| root.place_of(steps)).unwrap_or(At::START);
        let wrong = format!("{}:{}:{}: {} {}", path.display(), place.line, place.column, show_steps(steps), fault.wrong);
        policy.wrong("file", wrong, fault.right.clone());
    }
}
