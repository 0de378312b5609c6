//! What listeners hand their requests to: whatever is in force when a request comes.
//!
//! Listeners and their connections outlive a configuration. All that a configuration makes of a request is in one [`Served`], which is
//! swapped as a whole; a request is with the one that it began with until its end.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version, header, request};

use super::{
    memory::Room,
    ready::{Process, State},
};
use crate::{
    admin::{Admin, Probes},
    body::{self, Body},
    egress::Egress,
    ingress::Ingress,
    reject::{Reason, Refusal},
    server::{Handler, Peer},
    telemetry::RequestId,
};

/// When to come back where there is no memory: requests end all the time.
const RETRY: Duration = Duration::from_secs(1);

/// The handlers that one configuration makes.
pub(super) struct Served {
    pub(super) ingress: Option<Ingress>,
    pub(super) egress: Option<Egress>,
    pub(super) admin: Admin<State>,
    pub(super) probes: Probes<State>,
}

/// One listener's handler out of the [`Served`] in force. Cheap to clone.
pub(super) struct Front<H> {
    served: Arc<ArcSwap<Served>>,
    pick: fn(&Served) -> Option<&H>,
    /// Whether it may take requests, and keep connections.
    room: Option<Arc<Room>>,
}

impl<H> Clone for Front<H> {
    fn clone(&self) -> Self {
        Self { served: self.served.clone(), pick: self.pick, room: self.room.clone() }
    }
}

impl<H: Handler> Front<H> {
    /// The handler that `pick` finds. A listener that is there has one under every configuration.
    pub(super) fn new(served: &Arc<ArcSwap<Served>>, pick: fn(&Served) -> Option<&H>) -> Self {
        Self { served: served.clone(), pick, room: None }
    }

    /// The same for requests of callers and of the application, which are refused while there is no memory for them.
    pub(super) fn of(self, process: &Arc<Process>) -> Self {
        Self { room: Some(Room::new(process)), ..self }
    }

    fn now(&self) -> Option<H> {
        (self.pick)(&self.served.load()).cloned()
    }
}

impl<H: Handler> Handler for Front<H> {
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let Some(handler) = self.now() else { return nobody() };
        let Some(room) = &self.room else { return handler.handle(request, peer).await };
        let version = request.version();
        let mut response = match room.begin() {
            Some(in_progress) => handler.handle(request, peer).await.map(|body| body::holding(body, in_progress)),
            None => {
                let refusal = Refusal::noted(Reason::Overloaded, "resident memory is at resources.memory").retry_after(RETRY);
                // Unread: what is let go here must not cost memory first.
                handler.refuse(refusal, &request.into_parts().0, &peer)
            }
        };
        // An HTTP/1 client learns in no other way that its connection is about to end before it sends the next request on it.
        if room.process().is_draining() && version < Version::HTTP_2 && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn refuse(&self, refusal: Refusal, head: &request::Parts, peer: &Peer) -> Response<Body> {
        self.now().map_or_else(nobody, |handler| handler.refuse(refusal, head, peer))
    }

    fn sensitive_headers(&self) -> Vec<HeaderName> {
        self.now().map(|handler| handler.sensitive_headers()).unwrap_or_default()
    }
}

/// Where no handler is, nothing is let through.
fn nobody() -> Response<Body> {
    tracing::error!("a listener has no handler; this is a fault of Palisade");
    crate::reject::problem(&Refusal::from(Reason::Internal), RequestId::random().as_str())
}
