//! `identity.verification`

use std::time::Duration;

use super::super::{Form, Kind, Setting, default, derived};

pub(super) const VERIFICATION: &[Setting] = &[
    default(
        "cache",
        Kind::Section(CACHE),
        "{}",
        "Tokens that were good are not checked again until they end, or their issuer's keys change.",
    ),
    derived(
        "concurrency",
        Kind::Scalar(Form::Count { least: 1, most: 1_024 }),
        "half of the cores, at least one",
        "Tokens that are checked at once. A check is work for one core; the other cores serve requests that are past theirs.",
    ),
    default(
        "queue",
        Kind::Scalar(Form::Count { least: 8, most: 100_000 }),
        "1024",
        "Requests that wait for a check, in turns by source, and as many for keys, of which a source has an eighth at most. Beyond it: 503.",
    ),
    default(
        "wait",
        Kind::Scalar(Form::Duration { least: Duration::from_millis(10), most: Duration::from_secs(30) }),
        "1s",
        "Longest wait for a check: a full queue is worked off in a fraction of it.",
    ),
    default("failures", Kind::Section(FAILURES), "{}", "What one source may send that is no token of an issuer's."),
];

const CACHE: &[Setting] = &[
    default(
        "entries",
        Kind::Scalar(Form::Count { least: 100, most: 10_000_000 }),
        "10000",
        "Tokens. Where there are more in use, the rest are checked each time, which takes some hundredths of a millisecond each.",
    ),
    default(
        "bytes",
        Kind::Scalar(Form::Size { least: 1 << 20, most: 64 << 30 }),
        "64MiB",
        "Their estimated memory. Tokens usually have 3 to 6 KiB when parsed, so that `entries` is reached first.",
    ),
];

const FAILURES: &[Setting] = &[
    default(
        "per_second",
        Kind::Scalar(Form::Rate),
        "20",
        "Sustained rate. Twenty checks a second take a thousandth of a core, three hundredths at worst; an honest client has one bad token at a time.",
    ),
    default(
        "burst",
        Kind::Scalar(Form::Count { least: 1, most: 1_000_000 }),
        "200",
        "At once after a pause: a page of a hundred requests with a token that is no good, from two users behind one address.",
    ),
];
