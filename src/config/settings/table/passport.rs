//! `identity.passport`

use std::time::Duration;

use super::{Form, Kind, Setting, default, derived, optional};

pub(super) const PASSPORT: &[Setting] = &[
    default(
        "lifetime",
        Kind::Scalar(Form::OneOf(&["request"])),
        "request",
        "A passport dies with the request that it was made for. Requests in progress are the whole blast radius.",
    ),
    default(
        "max_age",
        AGE,
        "5m",
        "Longest life of a passport, however long its request takes: an upload fits, a forgotten stream does not.",
    ),
    derived(
        "upgrade_max_age",
        AGE,
        "`max_age`: no longer than others",
        "Longest life where the response is a WebSocket or an event stream (`text/event-stream`). The application says which it is, of any response: with this set, it is the longest life of all.",
    ),
    default(
        "grace",
        Kind::Scalar(Form::Duration { least: Duration::ZERO, most: Duration::from_secs(5) }),
        "0s",
        "What is left of a passport after the regular end of its response, for an application that finishes work behind its answer. A response that fails or is cancelled leaves none.",
    ),
    default(
        "stall",
        Kind::Scalar(Form::Duration { least: Duration::from_secs(1), most: Duration::from_secs(24 * 3600) }),
        "20s",
        "How long the application may leave what its caller sends lying (an upload over HTTP/1, a WebSocket's messages) before the passport ends: behind bytes that nobody takes, a caller's going away cannot be seen. Who reads steadily, at 100 kB a second or more, never stalls; nor does who pauses for less than that between reads.",
    ),
    optional(
        "actions",
        ACTIONS,
        "What passports are for, in IAM's words, such as `s3:GetObject` or `dynamodb:*`. Unset is whatever the tenant may do.",
    ),
    optional(
        "max_uses",
        USES,
        "How many requests one passport is good for. Unset is any number: how many a request needs depends on the application.",
    ),
    default(
        "max_live",
        Kind::Scalar(Form::Count { least: 2, most: 10_000_000 }),
        "65536",
        "Passports alive at once, over six times the default connections; each takes about 1 kB. One tenant has half of them at most.",
    ),
];

/// `ingress.endpoints[].passport`
pub(super) const OF_ENDPOINT: &[Setting] = &[
    optional("actions", ACTIONS, "As in `identity.passport`, in place of what stands there."),
    optional("max_uses", USES, "As in `identity.passport`, in place of what stands there."),
    optional("max_age", AGE, "As in `identity.passport`, in place of what stands there, and of the `upgrade_max_age` there too."),
    optional("upgrade_max_age", AGE, "As in `identity.passport`, in place of what stands there; not below the rule's `max_age`."),
];

const ACTIONS: Kind = Kind::OneOrMore(&Form::Action);
const AGE: Kind = Kind::Scalar(Form::Duration { least: Duration::from_secs(1), most: Duration::from_secs(24 * 3600) });
const USES: Kind = Kind::Scalar(Form::Count { least: 1, most: 1_000_000 });
