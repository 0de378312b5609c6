//! The trace that a request is part of ([W3C Trace Context](https://www.w3.org/TR/trace-context/)), as the application is told.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::telemetry::{
    RequestId,
    traces::{Current, RequestTrace, SpanContext, SpanId, TRACEPARENT, TraceId},
};

const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// What is passed on of `tracestate` at most, in bytes: as much as the standard asks for (section 3.3.1.5).
const MAX_STATE: usize = 512;

/// A trace, and our place in it.
#[derive(Debug)]
pub struct Trace {
    /// Our span, to which the application is a child.
    own: SpanContext,
    /// The caller's.
    parent: Option<SpanContext>,
    state: Vec<HeaderValue>,
    /// The request's span, where there are traces: it knows what is told, once it is settled whether it is recorded.
    recorded: Option<Current>,
}

impl Trace {
    /// The one that `headers` speak of. `None` where they speak of none, of several, or in a form that is none: then a new one begins.
    pub fn continued(headers: &HeaderMap) -> Option<Self> {
        let parent = SpanContext::of(headers)?;
        let state: Vec<_> = headers.get_all(TRACESTATE).iter().cloned().collect();
        let is_small = state.iter().map(HeaderValue::len).sum::<usize>() <= MAX_STATE;
        let own = SpanContext { span: SpanId::random(), ..parent };
        Some(Self { own, parent: Some(parent), state: if is_small { state } else { Vec::new() }, recorded: None })
    }

    /// One that begins here, under the id of the request where that can be one. The id has to be Palisade's own: under one that somebody else chose a
    /// caller's request could join another's trace.
    pub fn begun(request: &RequestId) -> Self {
        let trace = TraceId::parse(request.as_str()).unwrap_or_else(TraceId::random);
        Self { own: SpanContext { trace, span: SpanId::random(), flags: 0 }, parent: None, state: Vec::new(), recorded: None }
    }

    /// The same as it is recorded: then it is recorded what the application does, too.
    pub(super) fn recorded(mut self, recorded: Option<&RequestTrace>) -> Self {
        if let Some(recorded) = recorded {
            recorded.of_caller(self.parent, self.own.trace);
            self.recorded = Some(recorded.span());
        }
        self
    }

    /// Tells the application, to whom Palisade is the parent.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        headers.remove(TRACESTATE);
        let own = self.recorded.as_ref().and_then(Current::to_application).unwrap_or(self.own);
        match HeaderValue::try_from(own.header()) {
            Ok(parent) => drop(headers.insert(TRACEPARENT, parent)),
            Err(_) => drop(headers.remove(TRACEPARENT)),
        }
        for state in &self.state {
            headers.append(TRACESTATE, state.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn written(trace: &Trace) -> (String, Vec<String>) {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static("old"));
        headers.insert(TRACESTATE, HeaderValue::from_static("old=1"));
        trace.write(&mut headers);
        let state = headers.get_all(TRACESTATE).iter().map(|value| value.to_str().unwrap().to_owned()).collect();
        (headers[TRACEPARENT].to_str().unwrap().to_owned(), state)
    }

    fn continued(parents: &[&str], state: &[&str]) -> Option<Trace> {
        let mut headers = HeaderMap::new();
        for parent in parents {
            headers.append(TRACEPARENT, HeaderValue::from_str(parent).unwrap());
        }
        for state in state {
            headers.append(TRACESTATE, HeaderValue::from_str(state).unwrap());
        }
        Trace::continued(&headers)
    }

    #[test]
    fn a_trace_goes_on_with_a_span_of_our_own() {
        let parent = format!("00-{ID}-00f067aa0ba902b7-01");
        let (first, state) = written(&continued(&[&parent], &["a=1", "b=2"]).unwrap());
        assert!(first.starts_with(&format!("00-{ID}-")) && first.ends_with("-01") && first.len() == 55, "{first}");
        assert!(!first.contains("00f067aa0ba902b7"), "the span is the caller's");
        assert_eq!(state, ["a=1", "b=2"]);
        let long = "a".repeat(400);
        assert!(written(&continued(&[&parent], &[&long, &long]).unwrap()).1.is_empty());
        assert!(continued(&[&format!("01-{ID}-00f067aa0ba902b7-01-more")], &[]).is_some());
    }

    #[test]
    fn what_is_no_trace_begins_a_new_one() {
        let good = format!("00-{ID}-00f067aa0ba902b7-01");
        assert!(continued(&[], &["a=1"]).is_none());
        assert!(continued(&[&good, &good], &[]).is_none());
        for bad in [
            String::new(),
            good[..54].to_owned(),
            format!("{good}-x"),
            format!("ff-{ID}-00f067aa0ba902b7-01"),
            format!("01-{ID}-00f067aa0ba902b7-01x"),
            format!("00-{}-00f067aa0ba902b7-01", ID.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{ID}-{}-01", "0".repeat(16)),
            format!("00-{ID}-00f067aa0ba902b-701"),
            format!("00_{ID}_00f067aa0ba902b7_01"),
        ] {
            assert!(continued(&[&bad], &[]).is_none(), "{bad:?}");
        }
        let own = RequestId::random();
        assert!(written(&Trace::begun(&own)).0.starts_with(&format!("00-{}-", own.as_str())));
        let (parent, state) = written(&Trace::begun(&RequestId::given("a-proxy-s-own").unwrap()));
        assert!(continued(&[&parent], &[]).is_some() && parent.ends_with("-00") && state.is_empty(), "{parent}");
    }
}
