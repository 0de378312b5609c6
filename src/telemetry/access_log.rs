//! The access log: one JSON object a line, one line a request.
//!
//! Lines go through a [`LineQueue`], so that a slow reader of our output never holds up a request. A line that finds no room
//! is dropped and counted (`palisade_access_log_lines_lost_total`).

use std::{
    io::{self, Write},
    time::Duration,
};

use serde::Serialize;

use super::{Metrics, lines::LineQueue};
use crate::guard::Touched;

/// Where lines are handed in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessLog {
    lines: LineQueue,
    metrics: Metrics,
}

/// What is said of one request. There is no field for a header, a query, a body or a token, and none is to be added.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    /// End of the request, RFC 3339, UTC.
    pub time: String,
    /// Always `access`, so that a collector can tell these lines from other output.
    pub log: &'static str,
    /// The listener's name.
    pub listener: &'static str,
    /// As in `x-request-id`.
    pub request_id: &'a str,
    /// On the egress, the ingress request whose passport was presented, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_request: Option<&'a str>,
    /// Address of the peer.
    pub peer: String,
    /// Address of the client, on the ingress: the peer's, or what a trusted proxy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_address: Option<String>,
    /// Who the client is by its certificate: SPIFFE id, subject or fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// HTTP method.
    pub method: &'a str,
    /// The verified tenant; absent when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<&'a str>,
    /// The workload, where the request is no tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<&'a str>,
    /// The verified subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<&'a str>,
    /// The verified token's issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<&'a str>,
    /// Id of the context of deferred work that was made or presented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_id: Option<&'a str>,
    /// What the context was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<&'a str>,
    /// The AWS service, on the egress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<&'a str>,
    /// The region, on the egress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<&'a str>,
    /// The operation, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'a str>,
    /// The route to the application, on the ingress: a name of the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<&'a str>,
    /// `allowed` for a tenant or a workload, `public` for nobody, `preflight` for a browser's question that was answered, or `refused`.
    pub decision: &'static str,
    /// What would have been refused by a rule of the guard that is not enforced: the rule, and what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_deny: Option<&'a str>,
    /// What that was about, without anything of a tenant's: names and the shapes of keys.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub touched: &'a [Touched],
    /// How many more things that was about.
    #[serde(skip_serializing_if = "is_zero")]
    pub touched_left_out: usize,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// More about why, for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'a str>,
    /// Status sent.
    pub status: u16,
    /// Whole duration in milliseconds.
    pub duration_ms: f64,
    /// Until the upstream's response head, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_ms: Option<f64>,
    /// Request body bytes.
    pub bytes_received: u64,
    /// Response body bytes.
    pub bytes_sent: u64,
    /// The response broke off before its end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub aborted: bool,
}

// serde hands it a reference.
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl AccessLog {
    /// A log that writes to `out` from a thread of its own.
    pub fn to(out: impl Write + Send + 'static, metrics: Metrics) -> io::Result<Self> {
        Ok(Self { lines: LineQueue::to(out, "access-log")?, metrics })
    }

    /// Hands in a line; never blocks.
    pub fn write(&self, line: &Line<'_>) {
        let Ok(mut bytes) = serde_json::to_vec(line) else { return self.metrics.log_lines_lost.inc() };
        bytes.push(b'\n');
        if !self.lines.push(bytes) {
            self.metrics.log_lines_lost.inc();
        }
    }

    /// Waits until everything handed in so far is written, at most `deadline`. For the end of the process.
    pub fn flush(&self, deadline: Duration) {
        self.lines.flush(deadline);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Collects what is written.
    #[derive(Clone, Default)]
    pub(crate) struct Sink(pub(crate) Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(id: &str) -> Line<'_> {
        Line {
            time: "2026-11-22T00:00:00.000Z".into(),
            log: "access",
            listener: "egress",
            request_id: id,
            for_request: None,
            peer: "127.0.0.1:1".into(),
            client_address: None,
            client: None,
            method: "GET",
            tenant: Some("acme"),
            workload: None,
            subject: None,
            issuer: None,
            context_id: None,
            purpose: None,
            service: Some("s3"),
            region: None,
            operation: None,
            upstream: None,
            decision: "refused",
            would_deny: None,
            touched: &[],
            touched_left_out: 0,
            reason: Some("rate-limited"),
            note: Some("a \"note\"\nwith a line break"),
            status: 503,
            duration_ms: 1.5,
            upstream_ms: None,
            bytes_received: 0,
            bytes_sent: 7,
            aborted: false,
        }
    }

    #[test]
    fn each_request_is_one_line_of_json() {
        let sink = Sink::default();
        let log = AccessLog::to(sink.clone(), Metrics::new().unwrap()).unwrap();
        log.write(&line("a"));
        log.write(&line("b"));
        log.flush(Duration::from_secs(5));
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let ids: Vec<_> = text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["request_id"].clone()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert!(!text.contains("subject"), "absent fields are left out");
    }

    #[test]
    fn a_stuck_reader_costs_lines_not_requests() {
        struct Stuck;
        impl Write for Stuck {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                std::thread::sleep(Duration::from_secs(3_600));
                Ok(0)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let metrics = Metrics::new().unwrap();
        let log = AccessLog::to(Stuck, metrics.clone()).unwrap();
        for _ in 0..crate::telemetry::lines::QUEUE * 2 {
            log.write(&line("x"));
        }
        assert!(metrics.log_lines_lost.get() > 0);
        // Comes back, though nothing is ever written.
        log.flush(Duration::from_millis(10));
    }
}
