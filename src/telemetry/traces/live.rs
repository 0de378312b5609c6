//! The spans of requests that are in progress.
//!
//! A request's trace is not always known when its first spans begin: on the egress it is the passport that says which. Until then spans that
//! have ended wait, and go out or are dropped when the trace's fate is settled. On the ingress the trace is known at once, and yet its fate waits
//! until somebody is verified: what a request that proves nothing takes must not be missing to the others.
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
    sampler::{Decision, Share},
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
    Unsettled { wish: Option<Wish>, waiting: Vec<Span> },
    Settled(Place),
}

/// What becomes of a request where the bounds allow it.
#[derive(Debug, Clone, Copy)]
struct Wish {
    trace: TraceId,
    parent: Option<SpanId>,
    is_chosen: bool,
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

/// Does `work` in the span of a request, if there is one. As what follows here, no `async fn`: one has room for `work` twice, and these are within
/// each other.
pub fn within<T>(span: Option<Current>, work: impl Future<Output = T>) -> impl Future<Output = T> {
    CURRENT.scope(span.map(|Current(open)| open), work)
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
            fate: Mutex::new(Fate::Unsettled { wish: None, waiting: Vec::new() }),
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

    /// The trace of a caller's request: `continued` where the one that was stated goes on, or else `begun`. Whether it is recorded is settled with
    /// [`RequestTrace::verified`] or [`RequestTrace::of_nobody`].
    pub fn of_caller(&self, continued: Option<SpanContext>, begun: TraceId) {
        let of = &self.0.of;
        match continued {
            Some(_) => self.0.change(|span| span.set("palisade.trace_continued", true)),
            None => self.0.link_stated("caller"),
        }
        let wish = Wish {
            trace: continued.map_or(begun, |parent| parent.trace),
            parent: continued.map(|parent| parent.span),
            is_chosen: of.shared.sampler.chooses(continued.as_ref()),
        };
        if wish.is_chosen { of.wish(wish) } else { of.settle(wish, Share::Nobody) }
    }

    /// A caller was verified. Nothing to a request whose trace is not known, which is one of the application's.
    pub fn verified(&self) {
        if let Some(wish) = self.0.of.wished() {
            self.0.of.settle(wish, Share::Proved);
        }
    }

    /// Settles the trace of a request that nobody proved to be theirs. Of the application's requests such a one continues nothing: what it states is
    /// the word of somebody unknown.
    pub fn of_nobody(&self) {
        let of = &self.0.of;
        if !of.is_settled() {
            let begun = || {
                self.0.link_stated("application");
                Wish { trace: TraceId::random(), parent: None, is_chosen: of.shared.sampler.chooses(None) }
            };
            of.settle(of.wished().unwrap_or_else(begun), Share::Nobody);
        }
    }

    /// The span of the call to the application, in the trace as it was settled.
    pub fn to_application(&self) -> Option<SpanContext> {
        self.span().to_application()
    }

    /// Settles the trace of a request of the application that was proved. `leader` is the call to the application that the passport belongs to.
    ///
    /// The passport's word on the trace wins, since the application is not trusted: it could put its spans into any trace, have everything recorded,
    /// or nothing. What it says counts within that trace alone: there its own span may be the parent, and a false one misleads nobody else.
    pub fn of_application(&self, leader: Option<SpanContext>) {
        let of = &self.0.of;
        let sampler = &of.shared.sampler;
        let (trace, parent, is_chosen) = match (leader, of.stated.get().copied()) {
            (Some(leader), Some(stated)) if stated.trace == leader.trace => (leader.trace, Some(stated.span), leader.is_sampled()),
            (Some(leader), _) => {
                self.0.link_stated("application");
                (leader.trace, Some(leader.span), leader.is_sampled())
            }
            (None, Some(stated)) if of.shared.continues_application => (stated.trace, Some(stated.span), sampler.chooses(Some(&stated))),
            (None, _) => {
                self.0.link_stated("application");
                (TraceId::random(), None, sampler.chooses(None))
            }
        };
        of.settle(Wish { trace, parent, is_chosen }, if leader.is_some() { Share::Led } else { Share::Proved });
    }

    /// The request is refused.
    pub fn refused(&self, refusal: &Refusal) {
        let at = self.0.of.now();
        self.0.change(|span| span.event(at, "palisade.refusal", vec![("palisade.reason", refusal.reason.as_str().into())]));
    }

    /// The request is over, and `line` is what the access log says of it.
    pub fn end(&self, line: &Line<'_>) {
        self.of_nobody();
        if self.0.of.is_dropped() {
            return;
        }
        self.0.change(|span| served::describe(span, line));
        self.0.end();
    }
}

impl Current {
    /// The span of the call to the application, in the trace as it was settled.
    pub fn to_application(&self) -> Option<SpanContext> {
        self.0.of.context_of(self.0.of.call)
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
            Fate::Unsettled { .. } => None,
        }
    }

    fn is_settled(&self) -> bool {
        matches!(*self.fate(), Fate::Settled(_))
    }

    fn wish(&self, wanted: Wish) {
        if let Fate::Unsettled { wish, .. } = &mut *self.fate() {
            *wish = Some(wanted);
        }
    }

    fn wished(&self) -> Option<Wish> {
        match *self.fate() {
            Fate::Unsettled { wish, .. } => wish,
            Fate::Settled(_) => None,
        }
    }

    /// Whether it is known that nothing of it is recorded.
    pub(super) fn is_dropped(&self) -> bool {
        matches!(*self.fate(), Fate::Settled(Place { is_recorded: false, .. }))
    }

    /// Once; what is settled stays so.
    fn settle(&self, Wish { trace, parent, is_chosen }: Wish, share: Share) {
        let mut fate = self.fate();
        let waiting = match &mut *fate {
            Fate::Settled(_) => return,
            Fate::Unsettled { waiting, .. } => std::mem::take(waiting),
        };
        let decision = self.shared.sampler.charge(is_chosen, share);
        let place = Place { trace, parent, is_recorded: decision == Decision::Recorded };
        *fate = Fate::Settled(place);
        drop(fate);
        self.shared.metrics.trace(decision.label());
        if place.is_recorded {
            waiting.into_iter().for_each(|span| self.shared.hand_in(trace, span));
        }
    }

    fn ended(&self, mut span: Span) {
        let place = match &mut *self.fate() {
            Fate::Unsettled { waiting, .. } => {
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
