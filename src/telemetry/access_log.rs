//! The access log: one line a request, a JSON object or text for people.
//!
//! Of allowed requests it may have a sample. What a line is there for in the first place is never left out: refusals, errors, and what a rule would have denied.
//!
//! Lines go through a [`LineQueue`], so that a slow reader of our output never holds up a request. A line that finds no room,
//! or cannot be written, is lost and counted (`palisade_access_log_lines_lost_total`); ordinary ones are the first to find none.

use std::{
    cell::RefCell,
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    time::Duration,
};

use serde::Serialize;

use super::{
    Metrics,
    lines::{LineQueue, Rank},
    text,
};
use crate::{config::LogFormat, guard::Touched};

thread_local! {
    /// Where a line is made, so that none needs memory of its own.
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Where lines are handed in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessLog {
    lines: LineQueue,
    metrics: Metrics,
    format: LogFormat,
    sample: Sample,
}

/// Which share of allowed requests has a line.
#[derive(Debug, Clone)]
struct Sample {
    share: f64,
    /// Seeded, since ids may be a proxy's: nobody who chooses one can know what becomes of its line.
    hasher: RandomState,
}

impl Sample {
    /// A request on the egress goes with that on the ingress for which it is made: both have a line, or neither.
    fn takes(&self, line: &Line<'_>) -> bool {
        if self.share >= 1.0 {
            return true;
        }
        let hash = self.hasher.hash_one(line.for_request.unwrap_or(line.request_id));
        // 32 bits are exact in a float, and plenty for a share.
        f64::from((hash >> 32) as u32) < self.share * f64::from(u32::MAX)
    }
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
    pub peer: &'a str,
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
    /// The share of such requests that have a line, where that is not all: this one stands for that many more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<f64>,
}

impl Line<'_> {
    /// Appends it as JSON, as serde would: which looks at each name and value for what has to be escaped, where names need nothing
    /// and values next to never.
    fn write_json(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        // All of it: a field that is not written would not compile.
        let Self {
            time,
            log,
            listener,
            request_id,
            for_request,
            peer,
            client_address,
            client,
            method,
            tenant,
            workload,
            subject,
            issuer,
            context_id,
            purpose,
            service,
            region,
            operation,
            upstream,
            decision,
            would_deny,
            touched,
            touched_left_out,
            reason,
            note,
            status,
            duration_ms,
            upstream_ms,
            bytes_received,
            bytes_sent,
            aborted,
            sample,
        } = self;
        out.extend_from_slice(b"{\"time\":");
        text_value(out, time)?;
        let always = [("log", log), ("listener", listener), ("request_id", request_id)];
        for (name, value) in always {
            member(out, name, value)?;
        }
        optional(out, "for_request", *for_request)?;
        member(out, "peer", peer)?;
        optional(out, "client_address", client_address.as_deref())?;
        optional(out, "client", client.as_deref())?;
        member(out, "method", method)?;
        let perhaps = [
            ("tenant", tenant),
            ("workload", workload),
            ("subject", subject),
            ("issuer", issuer),
            ("context_id", context_id),
            ("purpose", purpose),
            ("service", service),
            ("region", region),
            ("operation", operation),
            ("upstream", upstream),
        ];
        for (name, value) in perhaps {
            optional(out, name, *value)?;
        }
        member(out, "decision", decision)?;
        optional(out, "would_deny", *would_deny)?;
        if !touched.is_empty() {
            serialized(out, "touched", touched)?;
        }
        if *touched_left_out > 0 {
            serialized(out, "touched_left_out", touched_left_out)?;
        }
        optional(out, "reason", *reason)?;
        optional(out, "note", *note)?;
        serialized(out, "status", status)?;
        serialized(out, "duration_ms", duration_ms)?;
        if let Some(upstream) = upstream_ms {
            serialized(out, "upstream_ms", upstream)?;
        }
        serialized(out, "bytes_received", bytes_received)?;
        serialized(out, "bytes_sent", bytes_sent)?;
        if *aborted {
            serialized(out, "aborted", &true)?;
        }
        if let Some(sample) = sample {
            serialized(out, "sample", sample)?;
        }
        out.push(b'}');
        Ok(())
    }

    /// Whether it says that nothing was wrong, so that one of many is as good as all.
    fn is_ordinary(&self) -> bool {
        self.decision != "refused" && self.would_deny.is_none() && !self.aborted && (100..500).contains(&self.status)
    }
}

fn name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn text_value(out: &mut Vec<u8>, text: &str) -> serde_json::Result<()> {
    if text.bytes().any(|b| b < b' ' || matches!(b, b'"' | b'\\')) {
        return serde_json::to_writer(out, text);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Ok(())
}

fn member(out: &mut Vec<u8>, called: &str, text: &str) -> serde_json::Result<()> {
    name(out, called);
    text_value(out, text)
}

fn optional(out: &mut Vec<u8>, called: &str, text: Option<&str>) -> serde_json::Result<()> {
    text.map_or(Ok(()), |text| member(out, called, text))
}

fn serialized(out: &mut Vec<u8>, called: &str, value: &impl Serialize) -> serde_json::Result<()> {
    name(out, called);
    serde_json::to_writer(out, value)
}

// serde hands it a reference.
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl AccessLog {
    /// A log that writes to `out` from a thread of its own.
    pub fn to(out: impl Write + Send + 'static, metrics: Metrics) -> io::Result<Self> {
        let sample = Sample { share: 1.0, hasher: RandomState::new() };
        Ok(Self {
            lines: LineQueue::to(out, "access-log", Some(metrics.log_lines_lost.clone()))?,
            metrics,
            format: LogFormat::Json,
            sample,
        })
    }

    /// The same in another format.
    pub fn formatted(self, format: LogFormat) -> Self {
        Self { format, ..self }
    }

    /// The same with a line for a `share` of allowed requests only, from 0 to 1.
    pub fn sampled(self, share: f64) -> Self {
        Self { sample: Sample { share, ..self.sample }, ..self }
    }

    /// Hands in a line; never blocks.
    pub fn write(&self, line: &mut Line<'_>) {
        let is_ordinary = line.is_ordinary();
        if is_ordinary {
            if !self.sample.takes(line) {
                return;
            }
            line.sample = (self.sample.share < 1.0).then_some(self.sample.share);
        }
        let rank = if is_ordinary { Rank::Ordinary } else { Rank::Kept };
        TEXT.with_borrow_mut(|text| {
            text.clear();
            let written = match self.format {
                LogFormat::Json => line.write_json(text).is_ok(),
                LogFormat::Text => text::line(line).map(|line| text.extend_from_slice(line.as_bytes())).is_ok(),
            };
            if written {
                text.push(b'\n');
                self.lines.push(text, rank);
            } else {
                self.metrics.log_lines_lost.inc();
            }
        });
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
    use crate::telemetry::RequestId;

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
            peer: "127.0.0.1:1",
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
            sample: None,
        }
    }

    #[test]
    fn each_request_is_one_line_of_json() {
        let sink = Sink::default();
        let log = AccessLog::to(sink.clone(), Metrics::new().unwrap()).unwrap();
        log.write(&mut line("a"));
        log.write(&mut line("b"));
        log.flush(Duration::from_secs(5));
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let ids: Vec<_> = text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["request_id"].clone()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert!(!text.contains("subject"), "absent fields are left out");
    }

    #[test]
    fn a_line_is_written_as_serde_would_write_it() {
        let odd = "\u{0}\u{1f} \"quoted\" \\ \u{7f}\u{2028}\u{fc}\r\n\t";
        let touched: Vec<Touched> = serde_json::from_value(serde_json::json!([{"section": "s3", "name": odd}])).unwrap();
        let full = Line {
            for_request: Some("r"),
            client_address: Some("::1".into()),
            client: Some(odd.into()),
            workload: Some("w"),
            subject: Some(odd),
            issuer: Some("https://idp.test/"),
            context_id: Some("c"),
            purpose: Some(""),
            region: Some("eu-west-1"),
            operation: Some("GetObject"),
            upstream: Some("default"),
            would_deny: Some(odd),
            touched: &touched,
            touched_left_out: 3,
            upstream_ms: Some(0.25),
            bytes_received: u64::MAX,
            duration_ms: 1e21,
            aborted: true,
            sample: Some(0.1),
            ..line("x")
        };
        for line in [line("a"), line(odd), full] {
            let mut written = Vec::new();
            line.write_json(&mut written).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), serde_json::to_string(&line).unwrap());
        }
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
            log.write(&mut line("x"));
        }
        assert!(metrics.log_lines_lost.get() > 0);
        // Comes back, though nothing is ever written.
        log.flush(Duration::from_millis(10));
    }

    fn written(log: &AccessLog, sink: &Sink, line: impl Fn() -> Line<'static>, times: usize) -> usize {
        sink.0.lock().unwrap().clear();
        for _ in 0..times {
            let id = RequestId::random();
            log.write(&mut Line { request_id: id.as_str(), ..line() });
        }
        log.flush(Duration::from_secs(5));
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap().lines().count()
    }

    fn allowed() -> Line<'static> {
        Line { decision: "allowed", reason: None, note: None, status: 200, ..line("x") }
    }

    #[test]
    fn a_sample_never_drops_what_matters() {
        let sink = Sink::default();
        let log = AccessLog::to(sink.clone(), Metrics::new().unwrap()).unwrap();
        let none = log.clone().sampled(0.0);
        assert_eq!(written(&none, &sink, allowed, 100), 0);
        assert_eq!(written(&log, &sink, allowed, 100), 100);
        for always in [
            || line("x"),
            || Line { status: 502, ..allowed() },
            || Line { status: 0, ..allowed() },
            || Line { aborted: true, ..allowed() },
            || Line { would_deny: Some("guard.s3"), ..allowed() },
        ] {
            assert_eq!(written(&none, &sink, always, 100), 100, "{:?}", always());
        }
        let some = written(&log.clone().sampled(0.2), &sink, allowed, 5_000);
        assert!((800..1_200).contains(&some), "{some} of 5000");
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(text.lines().all(|line| line.contains("\"sample\":0.2")), "{text}");
    }

    #[test]
    fn what_is_done_for_a_request_is_in_the_sample_with_it() {
        let sample = Sample { share: 0.5, hasher: RandomState::new() };
        for _ in 0..100 {
            let (outer, inner) = (RequestId::random(), RequestId::random());
            let on_egress = Line { request_id: inner.as_str(), for_request: Some(outer.as_str()), ..allowed() };
            assert_eq!(sample.takes(&on_egress), sample.takes(&Line { request_id: outer.as_str(), ..allowed() }));
        }
    }

    #[test]
    fn text_is_one_line_too() {
        let sink = Sink::default();
        let log = AccessLog::to(sink.clone(), Metrics::new().unwrap()).unwrap().formatted(LogFormat::Text);
        log.write(&mut line("a"));
        log.flush(Duration::from_secs(5));
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let expected = r#"time=2026-11-22T00:00:00.000Z log=access listener=egress request_id=a peer=127.0.0.1:1 method=GET tenant=acme service=s3 decision=refused reason=rate-limited note="a \"note\"\nwith a line break" status=503 duration_ms=1.5 bytes_received=0 bytes_sent=7"#;
        assert_eq!(text.trim_end(), expected);
    }
}
