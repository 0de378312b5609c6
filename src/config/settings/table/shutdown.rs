//! `shutdown`

use std::time::Duration;

use super::{Form, Kind, Setting, default};

/// The section.
pub(super) const SHUTDOWN: Setting = default(
    "shutdown",
    Kind::Section(&[
        default(
            "delay",
            PAUSE,
            "0s",
            "How long everything goes on being served after the signal, or `POST /drain`, while `/readyz` says no: until load balancers have noticed. HTTP/1 clients are asked to come again on another connection meanwhile. Not for `POST /quit`.",
        ),
        default(
            "order",
            Kind::Scalar(Form::OneOf(&["ingress_first", "together"])),
            "ingress_first",
            "What stops taking requests first. The egress outlives the ingress by default: a request that is in progress needs its way out until its end.",
        ),
        default(
            "linger",
            PAUSE,
            "0s",
            "How long the egress goes on serving once the ingress has ended, for what the application does at its own end. `POST /quit` ends it early. Refused with `order: together`.",
        ),
    ]),
    "{}",
    "How the process ends. `delay`, `linger` and the longest `server.drain` together are the time that it may take.",
);

const PAUSE: Kind = Kind::Scalar(Form::Duration { least: Duration::ZERO, most: Duration::from_secs(600) });
