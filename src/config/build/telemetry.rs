//! `telemetry`

use std::sync::Arc;

use super::{
    Env, Section, parse,
    secret::{Shape, secret_of},
    traces,
};
use crate::{
    audit::{AuditKey, KeyProblem},
    config::{AuditConfig, AuditSink, CheckpointConfig, LogFormat, OnFailure, TelemetryConfig},
    server::is_socket_path,
};

/// How `path` names a Unix socket.
const UNIX: &str = "unix:";

pub(super) fn telemetry(section: &Section<'_>, has_egress: bool, env: Env<'_>) -> Option<TelemetryConfig> {
    let logs = section.section("logs");
    let log_format = logs.get("format", |scalar| Some(if scalar.text == "text" { LogFormat::Text } else { LogFormat::Json }));
    let log_level = logs.get("level", |scalar| scalar.text.parse().ok());
    let log_sample = logs.get("sample", parse::fraction);
    let max_tenants = section.section("metrics").get("max_tenants", parse::size);
    let audit = section.given("audit").map_or(Some(None), |audit| self::audit(&audit, env).map(Some));
    let traces = section.given("traces").map_or(Some(None), |section| traces::traces(&section, has_egress, env).map(Some));
    Some(TelemetryConfig {
        log_level: log_level?,
        log_format: log_format?,
        log_sample: log_sample?,
        max_tenants: max_tenants?,
        audit: audit?,
        traces: traces?,
    })
}

fn audit(section: &Section<'_>, env: Env<'_>) -> Option<AuditConfig> {
    let sink = sink(section);
    let on_failure = section.get("on_failure", |scalar| match scalar.text.as_str() {
        "continue" => Some(OnFailure::Continue),
        _ => Some(OnFailure::Refuse),
    });
    let timeout = section.get("timeout", parse::duration);
    let checkpoint = checkpoint(&section.section("checkpoint"), env);
    Some(AuditConfig { sink: sink?, on_failure: on_failure?, timeout: timeout?, checkpoint: checkpoint? })
}

fn sink(section: &Section<'_>) -> Option<AuditSink> {
    let path = section.get("path", parse::text);
    let rotate = section.section("rotate");
    let (rotate_bytes, keep) = (rotate.get("bytes", parse::size), rotate.get("keep", parse::size));
    let sync = section.get("sync", parse::boolean);
    let path = path?;
    let is_file = path != "stdout" && !path.starts_with(UNIX);
    for key in ["rotate", "sync"].into_iter().filter(|key| !is_file && section.has(key)) {
        section.wrong(key, format!("has no effect: {path} is no file"), "remove it, or give a file to path");
    }
    if path == "stdout" {
        return Some(AuditSink::Stdout);
    }
    if let Some(socket) = path.strip_prefix(UNIX) {
        let is_there = !socket.is_empty();
        let socket = section.base().join(socket);
        if !is_there || !is_socket_path(&socket) {
            section.wrong("path", "is no path of a socket", "give unix:PATH, of at most 107 bytes");
            return None;
        }
        return Some(AuditSink::Unix(socket));
    }
    Some(AuditSink::File { path: section.base().join(path), rotate_bytes: rotate_bytes? as u64, keep: keep?, sync: sync? })
}

fn checkpoint(section: &Section<'_>, env: Env<'_>) -> Option<CheckpointConfig> {
    let (every, records) = (section.get("every", parse::duration), section.get("records", parse::count));
    let key = if section.has("key") { key(section, env) } else { Some(None) };
    Some(CheckpointConfig { every: every?, records: records?, key: key? })
}

fn key(section: &Section<'_>, env: Env<'_>) -> Option<Option<Arc<AuditKey>>> {
    let Some(pem) = secret_of(section, "key", Shape::Pem, env) else {
        // One that is not looked for is not there.
        return (!section.looks_for_files()).then_some(None);
    };
    match AuditKey::from_pem(&pem) {
        Ok(key) => Some(Some(Arc::new(key))),
        Err(problem) => {
            let cure = if problem == KeyProblem::Library { "make another" } else { "make one with `palisade audit key --out FILE`" };
            section.wrong("key", format!("the secret {problem}"), cure);
            None
        }
    }
}
