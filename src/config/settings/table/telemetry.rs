//! `telemetry`

use std::time::Duration;

use super::{Form, Kind, Setting, TEXT, default, optional, required, traces};

pub(super) const TELEMETRY: &[Setting] = &[
    default(
        "logs",
        Kind::Section(&[
            default(
                "format",
                Kind::Scalar(Form::OneOf(&["json", "text"])),
                "json",
                "`json`: one JSON object a line. `text`: the same fields as `name=value`, for people; `palisade guard report` does not read it.",
            ),
            default(
                "level",
                Kind::Scalar(Form::OneOf(&["error", "warn", "info", "debug", "trace"])),
                "info",
                "The least severe level that is written.",
            ),
            default(
                "sample",
                Kind::Scalar(Form::Fraction),
                "1",
                "Share of allowed requests that have a line in the access log. Refusals, errors (5xx, broken off) and what a rule would have denied always \
                 have one. Nothing to do with the audit log, and none of metrics.",
            ),
        ]),
        "{}",
        "Messages to standard error. The access log, one line a request, goes to standard output whatever the level.",
    ),
    default(
        "metrics",
        Kind::Section(&[default(
            "max_tenants",
            Kind::Scalar(Form::Count { least: 1, most: 100_000 }),
            "1000",
            "Distinct values of the label `tenant`; the rest are `_other`. Each costs time series in Prometheus.",
        )]),
        "{}",
        "For Prometheus, on the admin listener.",
    ),
    optional(
        "audit",
        Kind::Section(AUDIT),
        "The audit log: every decision of consequence, chained and signed. Off unless it is here. See the [guide](guide/audit.md).",
    ),
    traces::TRACES,
];

const AUDIT: &[Setting] = &[
    required("path", TEXT, "`stdout`, a file, or `unix:PATH`, a stream socket that a collector listens on."),
    default(
        "rotate",
        Kind::Section(&[
            default(
                "bytes",
                Kind::Scalar(Form::Size { least: 64 << 10, most: 1 << 40 }),
                "100MiB",
                "A file of this size is renamed to `FILE.1`, and a new one begun. It may be longer by one batch (256 KiB).",
            ),
            default(
                "keep",
                Kind::Scalar(Form::Count { least: 1, most: 10_000 }),
                "10",
                "Old files that stay, `FILE.1` to `FILE.10`. Older ones are removed: copy them elsewhere before, where they have to be kept.",
            ),
        ]),
        "{}",
        "Of a file.",
    ),
    default(
        "sync",
        Kind::Scalar(Form::Boolean),
        "false",
        "Flushes a file to disk after each batch, before its records count as taken: then they outlive the machine, and not the process alone. Costs a disk's \
         flush a batch.",
    ),
    default(
        "on_failure",
        Kind::Scalar(Form::OneOf(&["refuse", "continue"])),
        "refuse",
        "What becomes of requests whose record is not taken: `refuse` refuses them (`audit-unavailable`), so that nothing is done unseen; `continue` carries them out \
         and counts what is lost.",
    ),
    default(
        "timeout",
        Kind::Scalar(Form::Duration { least: Duration::from_millis(50), most: Duration::from_secs(30) }),
        "1s",
        "How long a request waits for its record, with `refuse`. A disk or collector that takes longer is in trouble.",
    ),
    default(
        "checkpoint",
        Kind::Section(&[
            default(
                "every",
                Kind::Scalar(Form::Duration { least: Duration::from_secs(1), most: Duration::from_secs(86_400) }),
                "1m",
                "A record is signed after this at the latest.",
            ),
            default(
                "records",
                Kind::Scalar(Form::Count { least: 1, most: 1_000_000 }),
                "1000",
                "And after so many records: what is behind the last checkpoint can be forged once the process is gone.",
            ),
            optional(
                "key",
                Kind::Secret,
                "Private key, PEM of PKCS#8, Ed25519 or P-256 (`palisade audit key`). Without one, one is drawn at each start, whose public half has to be fetched \
                 from `GET /audit/key` and kept.",
            ),
        ]),
        "{}",
        "Signatures over the chain so far.",
    ),
];
