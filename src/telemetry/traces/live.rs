//! The spans of requests that are in progress.
//!
//! A request's trace is not always known when its first spans begin: on the egress it is the passport that says which. Until then spans that
//! have ended wait, and go out or are dropped when the trace's fate is settled.
//!
//! The span that is in progress is the task's ([`current`]), so that a step deep inside can have one of its own, and no signature on the way
//! speaks of traces. Where nothing is recorded there is no current span, and a step costs a look at a thread's local.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Instant, UNIX_EPOCH},
};

use http::{HeaderMap, Version};

use super::{
    Shared,
    context::{SpanContext, SpanId, TraceId},
    sampler::Decision,
    served,
    span::{Kind, Span},
};
use crate::{reject::Refusal, telemetry::access_log::Line};

/// Spans that wait for their trace. A request has a handful before it is known whose it is.
const MAX_WAITING: usize = 16;

tokio::task_local! {
    static CURRENT: Option<Arc<Open>>;
}

/// The span that the task is in.
#[derive(Debug, Clone)]
pub struct Current(pub(super) Arc<Open>);

/// A span that has begun and not ended.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) of: Arc<Of>,
    pub(super) id: SpanId,
    /// `None`: it has ended.
    span: Mutex<Option<Span>>,
}

/// What the spans of one request share.
#[derive(Debug)]
pub(super) struct Of {
    shared: Arc<Shared>,
    /// Both clocks at the same moment, so that the spans of a request fit each other whatever the wall clock does.
    began: (u64, Instant),
    /// The span of the call to the application, which the application is told of before it begins.
    pub(super) call: SpanId,
    /// What the sender says of a trace, believed or not.
    stated: OnceLock<SpanContext>,
    fate: Mutex<Fate>,
}

#[derive(Debug)]
enum Fate {
    Unsettled(Vec<Span>),
    Settled(Place),
}

#[derive(Debug, Clone, Copy)]
struct Place {
    trace: TraceId,
    parent: Option<SpanId>,
    is_recorded: bool,
}

/// The trace of a request that is being served, as its record has it. Dropped without an end it leaves its server span out.
#[derive(Debug)]
pub struct RequestTrace(Arc<Open>);

/// The current span, where the task is in one that is recorded.
pub fn current() -> Option<Current> {
    CURRENT.try_with(Clone::clone).ok().flatten().map(Current)
}

/// Does `work` in the span of a request, if there is one.
pub async fn within<T>(span: Option<Current>, work: impl Future<Output = T>) -> T {
    CURRENT.scope(span.map(|Current(open)| open), work).await
}

impl RequestTrace {
    /// A request that has just come; its trace is not settled.
    pub(super) fn begin(shared: &Arc<Shared>) -> Self {
        let wall = shared.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let began = (u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX), shared.clock.instant());
        let of = Of {
            shared: shared.clone(),
            began,
            call: SpanId::random(),
            stated: OnceLock::new(),
            fate: Mutex::new(Fate::Unsettled(Vec::new())),
        };
        Self(Open::new(Arc::new(of), None, Cow::Borrowed(""), Kind::Server))
    }

    /// The span to do the request's work in.
    pub fn span(&self) -> Current {
        Current(self.0.clone())
    }

    /// What the request's head says, as it came.
    pub fn head(&self, version: Version, headers: &HeaderMap) {
        if let Some(stated) = SpanContext::of(headers) {
            let _ = self.0.of.stated.set(stated);
        }
        let version = match version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            _ => "1.1",
        };
        self.0.change(|span| span.set("network.protocol.version", version));
    }

    /// Settles the trace of a caller's request: `continued` where the one that was stated goes on, or else `begun`. Yields what the application
    /// is told: the span of the call to it, and the flags.
    pub fn of_caller(&self, continued: Option<SpanContext>, begun: TraceId) -> SpanContext {
        let of = &self.0.of;
        if continued.is_none() {
            self.0.link_stated("caller");
        }
        let decision = of.shared.sampler.decide(continued.as_ref());
        of.settle(continued.map_or(begun, |parent| parent.trace), continued.map(|parent| parent.span), decision);
        self.to_application().unwrap_or(SpanContext { trace: begun, span: of.call, flags: 0 })
    }

    /// The span of the call to the application, in the trace as it was settled.
    pub fn to_application(&self) -> Option<SpanContext> {
        self.0.of.context_of(self.0.of.call)
    }

    /// Settles the trace of a request of the application. `leader` is the call to the application that the passport belongs to.
    ///
    /// The passport's word on the trace wins, since the application is not trusted: it could put its spans into any trace, have everything recorded,
    /// or nothing. What it says counts within that trace alone: there its own span may be the parent, and a false one misleads nobody else.
    pub fn of_application(&self, leader: Option<SpanContext>) {
        let of = &self.0.of;
        let (trace, parent, decision) = match (leader, of.stated.get().copied()) {
            (Some(leader), Some(stated)) if stated.trace == leader.trace => {
                (leader.trace, Some(stated.span), of.shared.sampler.follow(&leader))
            }
            (Some(leader), _) => {
                self.0.link_stated("application");
                (leader.trace, Some(leader.span), of.shared.sampler.follow(&leader))
            }
            (None, Some(stated)) if of.shared.continues_application => {
                (stated.trace, Some(stated.span), of.shared.sampler.decide(Some(&stated)))
            }
            (None, _) => {
                self.0.link_stated("application");
                (TraceId::random(), None, of.shared.sampler.decide(None))
            }
        };
        of.settle(trace, parent, decision);
    }

    /// The request is refused.
    pub fn refused(&self, refusal: &Refusal) {
        let at = self.0.of.now();
        self.0.change(|span| span.event(at, "palisade.refusal", vec![("palisade.reason", refusal.reason.as_str().into())]));
    }

    /// The request is over, and `line` is what the access log says of it.
    pub fn end(&self, line: &Line<'_>) {
        if matches!(*self.0.of.fate(), Fate::Unsettled(_)) {
            self.of_application(None);
        }
        self.0.change(|span| served::describe(span, line));
        self.0.end();
    }
}

impl Open {
    pub(super) fn new(of: Arc<Of>, parent: Option<SpanId>, name: Cow<'static, str>, kind: Kind) -> Arc<Self> {
        Self::with(of, SpanId::random(), parent, name, kind)
    }

    pub(super) fn with(of: Arc<Of>, id: SpanId, parent: Option<SpanId>, name: Cow<'static, str>, kind: Kind) -> Arc<Self> {
        let span = Span::new(id, parent, name, kind, of.now());
        Arc::new(Self { of, id, span: Mutex::new(Some(span)) })
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Span)) {
        // Whole after every statement, so that a panic elsewhere leaves nothing half done.
        if let Some(span) = &mut *self.span.lock().unwrap_or_else(PoisonError::into_inner) {
            change(span);
        }
    }

    /// What is stated and not believed can still be followed by hand.
    fn link_stated(&self, relation: &'static str) {
        if let Some(stated) = self.of.stated.get() {
            self.change(|span| span.link(*stated, relation));
        }
    }

    pub(super) fn end(&self) {
        let span = self.span.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(span) = span {
            self.of.ended(Span { ended: self.of.now(), ..span });
        }
    }
}

impl Of {
    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nanoseconds since the Unix epoch.
    fn now(&self) -> u64 {
        let since = self.shared.clock.instant().saturating_duration_since(self.began.1);
        self.began.0.saturating_add(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn context_of(&self, span: SpanId) -> Option<SpanContext> {
        match *self.fate() {
            Fate::Settled(Place { trace, is_recorded, .. }) => Some(SpanContext { trace, span, flags: SpanContext::flags(is_recorded) }),
            Fate::Unsettled(_) => None,
        }
    }

    /// Whether it is known that nothing of it is recorded.
    pub(super) fn is_dropped(&self) -> bool {
        matches!(*self.fate(), Fate::Settled(Place { is_recorded: false, .. }))
    }

    /// Once; what is settled stays so.
    fn settle(&self, trace: TraceId, parent: Option<SpanId>, decision: Decision) {
        let place = Place { trace, parent, is_recorded: decision == Decision::Recorded };
        let waiting = match &mut *self.fate() {
            Fate::Settled(_) => return,
            fate @ Fate::Unsettled(_) => match std::mem::replace(fate, Fate::Settled(place)) {
                Fate::Unsettled(waiting) => waiting,
                Fate::Settled(_) => Vec::new(),
            },
        };
        self.shared.metrics.trace(decision.label());
        if place.is_recorded {
            waiting.into_iter().for_each(|span| self.shared.hand_in(trace, span));
        }
    }

    fn ended(&self, mut span: Span) {
        let place = match &mut *self.fate() {
            Fate::Unsettled(waiting) => {
                if waiting.len() < MAX_WAITING {
                    waiting.push(span);
                }
                return;
            }
            Fate::Settled(place) => *place,
        };
        if place.is_recorded {
            span.parent = span.parent.or(place.parent);
            self.shared.hand_in(place.trace, span);
        }
    }
}
