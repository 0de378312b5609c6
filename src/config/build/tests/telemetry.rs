//! Logs and the audit log.

use super::*;
use crate::config::{AuditSink, LogFormat, OnFailure};

fn telemetry(text: &str) -> crate::config::TelemetryConfig {
    good(&format!("{BASE}telemetry: {text}\n")).telemetry
}

#[test]
fn logs_are_json_and_whole_unless_it_is_said() {
    let told = telemetry("{}");
    assert_eq!((told.log_format, told.log_sample), (LogFormat::Json, 1.0));
    assert!(told.audit.is_none());
    let told = telemetry("{logs: {format: text, sample: 0.05}}");
    assert_eq!((told.log_format, told.log_sample), (LogFormat::Text, 0.05));
    expect(
        &format!("{BASE}telemetry: {{logs: {{sample: 5}}}}\n"),
        &["P:13:28: telemetry.logs.sample: \"5\" is not taken here; give a number from 0 to 1 such as 0.1"],
    );
}

#[test]
fn an_audit_log_has_a_place_and_defaults() {
    let audit = |text: &str| telemetry(&format!("{{audit: {text}}}")).audit.unwrap();
    let stdout = audit("{path: stdout}");
    assert_eq!((stdout.sink, stdout.on_failure, stdout.timeout), (AuditSink::Stdout, OnFailure::Refuse, Duration::from_secs(1)));
    assert_eq!((stdout.checkpoint.every, stdout.checkpoint.records), (Duration::from_secs(60), 1000));
    assert!(stdout.checkpoint.key.is_none());
    let AuditSink::File { path, rotate_bytes, keep, sync } = audit("{path: log/a, rotate: {bytes: 1MiB, keep: 3}, sync: true}").sink else {
        panic!()
    };
    assert!(path.is_absolute() && path.ends_with("log/a"));
    assert_eq!((rotate_bytes, keep, sync), (1 << 20, 3, true));
    let socket = audit("{path: 'unix:/run/c.sock', on_failure: continue, timeout: 250ms, checkpoint: {every: 5s, records: 7}}");
    assert_eq!(
        (socket.sink, socket.on_failure, socket.timeout),
        (AuditSink::Unix("/run/c.sock".into()), OnFailure::Continue, Duration::from_millis(250))
    );
    assert_eq!((socket.checkpoint.every, socket.checkpoint.records), (Duration::from_secs(5), 7));
}

#[test]
fn what_has_no_effect_and_what_is_no_key_is_an_error() {
    for (audit, wrong) in [
        ("{}", "telemetry.audit.path: "),
        ("{path: stdout, sync: true}", "telemetry.audit.sync: has no effect: stdout is no file"),
        ("{path: 'unix:/s', rotate: {keep: 3}}", "telemetry.audit.rotate: has no effect: unix:/s is no file"),
        ("{path: 'unix:'}", "telemetry.audit.path: is no path of a socket"),
        ("{path: stdout, checkpoint: {key: {env: SET}}}", "telemetry.audit.checkpoint.key: the secret is no PEM file"),
        ("{path: stdout, on_failure: ignore}", "telemetry.audit.on_failure: "),
        ("{path: stdout, timeout: 0s}", "telemetry.audit.timeout: "),
        ("{path: stdout, rotate: {bytes: 1}}", "telemetry.audit.rotate.bytes: "),
    ] {
        let errors = load(&format!("{BASE}telemetry: {{audit: {audit}}}\n")).unwrap_err().to_string();
        assert!(errors.contains(wrong), "{errors}");
    }
}
