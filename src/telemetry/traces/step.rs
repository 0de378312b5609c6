//! The steps of what is done for a request: spans inside Palisade, and of its calls to others.

use std::{borrow::Cow, sync::Arc};

use futures_util::{FutureExt as _, TryFutureExt as _};
use http::{Method, Response, StatusCode};

use super::{
    context::SpanContext,
    live::{Current, Open, current, within},
    served,
    span::{Kind, Value},
};
use crate::reject::Refusal;

/// A part of what is done for a request. It ends when it is dropped.
#[derive(Debug)]
#[must_use = "a step that is dropped at once takes no time"]
pub struct Step(Arc<Open>);

/// Does `work` as a step of what the task is in, and says what became of it. Large work is handed in pinned, since it is moved several times here.
pub fn step<T>(name: &'static str, work: impl Future<Output = Result<T, Refusal>>) -> impl Future<Output = Result<T, Refusal>> {
    let step = Step::begin(name, Kind::Internal);
    // In one place of the future, whether it is recorded or not.
    let span = step.as_ref().map(Step::span).or_else(current);
    within(span, work).map(move |result| {
        if let (Some(step), Err(refusal)) = (&step, &result) {
            step.refused(refusal);
        }
        result
    })
}

/// Does `work`, which is a call to a server, in the span of the call, and says what was answered.
pub fn call<T>(
    call: Option<Step>,
    work: impl Future<Output = Result<T, Refusal>>,
    status: impl FnOnce(&T) -> StatusCode,
) -> impl Future<Output = Result<T, Refusal>> {
    let span = call.as_ref().map(Step::span).or_else(current);
    within(span, work).map(move |result| {
        if let Some(call) = call {
            match &result {
                Ok(answer) => call.answered(status(answer)),
                Err(refusal) => call.refused(refusal),
            }
        }
        result
    })
}

/// [`call`], of AWS: its ids of the request are noted too.
pub fn call_aws<B>(
    call: Option<Step>,
    work: impl Future<Output = Result<Response<B>, Refusal>>,
) -> impl Future<Output = Result<Response<B>, Refusal>> {
    let span = call.as_ref().map(Step::span);
    let noted = work.inspect_ok(move |answer| {
        let Some(Current(open)) = span else { return };
        let text = |name: &&str| answer.headers().get(*name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        for (key, names) in served::REQUEST_IDS {
            if let Some(id) = names.iter().find_map(text) {
                open.change(|span| span.set(key, id));
            }
        }
    });
    self::call(call, noted, Response::status)
}

/// Sets an attribute of the current span. `value` is worked out only where there is one.
pub fn note<V: Into<Value>>(key: &'static str, value: impl FnOnce() -> V) {
    if let Some(Current(open)) = current() {
        open.change(|span| span.set(key, value()));
    }
}

/// Says what the current span has to do with another.
pub fn link(to: Option<SpanContext>, relation: &'static str) {
    if let (Some(to), Some(Current(open))) = (to, current()) {
        open.change(|span| span.link(to, relation));
    }
}

impl Step {
    /// A step of what the task is in; `None` where that is not recorded.
    pub fn begin(name: impl Into<Cow<'static, str>>, kind: Kind) -> Option<Self> {
        Self::under(&current()?, name, kind)
    }

    /// A step of `parent`, for work that another task does.
    pub fn under(parent: &Current, name: impl Into<Cow<'static, str>>, kind: Kind) -> Option<Self> {
        let Current(parent) = parent;
        (!parent.of.is_dropped()).then(|| Self(Open::new(parent.of.clone(), Some(parent.id), name.into(), kind)))
    }

    /// The call to the application, under the id that the application was told.
    pub fn to_application(method: &Method) -> Option<Self> {
        let Current(parent) = current()?;
        let id = parent.of.call;
        parent.of.context_of(id).filter(SpanContext::is_sampled)?;
        let method = served::method(method.as_str());
        let name = if method == "_OTHER" { "HTTP" } else { method };
        let step = Self(Open::with(parent.of.clone(), id, Some(parent.id), name.into(), Kind::Client));
        step.set("http.request.method", method);
        Some(step)
    }

    /// A call to AWS, as [the conventions](https://opentelemetry.io/docs/specs/semconv/cloud-providers/aws-sdk/) have it. `service` is a key of
    /// `egress.services`.
    pub fn to_aws(service: &str, operation: Option<&str>, region: Option<&str>) -> Option<Self> {
        let parent = current()?;
        let service = served::service_id(service);
        let name = operation.map_or_else(|| service.to_owned(), |operation| format!("{service}.{operation}"));
        let step = Self::under(&parent, name, Kind::Client)?;
        step.set("rpc.system", "aws-api");
        step.set("rpc.service", service.to_owned());
        for (key, value) in [("rpc.method", operation), ("cloud.region", region)] {
            if let Some(value) = value {
                step.set(key, value.to_owned());
            }
        }
        Some(step)
    }

    /// The span to do the step's work in.
    pub fn span(&self) -> Current {
        Current(self.0.clone())
    }

    /// Which span it is, where its trace is recorded.
    pub fn context(&self) -> Option<SpanContext> {
        self.0.of.context_of(self.0.id).filter(SpanContext::is_sampled)
    }

    /// Sets an attribute.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        self.0.change(|span| span.set(key, value));
    }

    /// It failed, for `why`: a word of a closed list.
    pub fn fail(&self, why: impl Into<Value>) {
        self.0.change(|span| span.fail(why));
    }

    /// It was refused.
    pub fn refused(&self, refusal: &Refusal) {
        self.0.change(|span| span.refused(refusal));
    }

    /// A server answered with `status`. To a client every error is one.
    pub fn answered(&self, status: StatusCode) {
        self.0.change(|span| {
            span.set("http.response.status_code", status.as_u16());
            if status.is_client_error() || status.is_server_error() {
                span.fail(status.as_str().to_owned());
            }
        });
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.0.end();
    }
}
