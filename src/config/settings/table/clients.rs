//! Client certificates, and what is believed of proxies in front.

use std::time::Duration;

use super::{Form, Kind, PATH, Setting, default, derived, optional, required};

/// `tls` of a listener.
pub(super) const TLS: &[Setting] = &[
    required(
        "certificate",
        Kind::PathOrEnv,
        "PEM file with the certificate chain, leaf first, read again when it changes; or the variable that holds the chain until a restart.",
    ),
    required("private_key", Kind::PathOrEnv, "PEM file with its private key, or the variable that holds it."),
    optional(
        "client_ca",
        PATH,
        "PEM file of the roots that clients' certificates have to lead to. Without it no client is asked for one. Read again when it changes: \
         a root that is gone is trusted no more, and who is connected by it has to come again.",
    ),
    derived(
        "client_auth",
        Kind::Scalar(Form::OneOf(&["required", "optional"])),
        "`required` with `client_ca`",
        "Whether a client without a certificate is turned away. A certificate that is shown has to be good in either case.",
    ),
    optional(
        "client_crl",
        PATH,
        "PEM file of revocation lists, one for every authority of a chain, none of them out of date: what cannot be looked up is refused. Read \
         again when it changes.",
    ),
];

/// `identity.workloads`
pub(super) const WORKLOAD: &[Setting] = &[
    optional(
        "spiffe_id",
        Kind::Scalar(Form::SpiffePattern),
        "The SPIFFE id of its certificate. A segment `*` is any one; at the end, everything below. Give this or `subject`.",
    ),
    optional(
        "subject",
        Kind::Scalar(Form::Subject),
        "The whole subject of its certificate, as `openssl x509 -noout -subject -nameopt RFC2253` prints it.",
    ),
    required("tenant", Kind::Scalar(Form::TenantId), "The one tenant that it works for."),
    optional("listener", Kind::Scalar(Form::OneOf(&["ingress", "egress"])), "Where this holds; both where it is left out."),
    optional(
        "roles",
        Kind::OneOrMore(&Form::Text),
        "Its roles where its certificate is the proof (`egress.proofs: [certificate]`). Beside a token, the token's roles count.",
    ),
];

/// An item of `ingress.endpoints[].clients`.
pub(super) const CLIENT: &[Setting] = &[
    optional("spiffe_id", Kind::Scalar(Form::SpiffePattern), "By SPIFFE id. A segment `*` is any one; at the end, everything below."),
    optional("subject", Kind::Scalar(Form::Subject), "By the whole subject, as `openssl x509 -noout -subject -nameopt RFC2253` prints it."),
    optional("dns", Kind::Scalar(Form::DnsPattern), "By a DNS name among the alternative names; `*.` before it is any one label."),
];

/// `identity.workload_max_age`
pub(super) const WORKLOAD_MAX_AGE: Setting = default(
    "workload_max_age",
    Kind::Scalar(Form::Duration { least: Duration::from_secs(1), most: Duration::from_secs(24 * 3600) }),
    "1h",
    "Longest life of a proof that is a certificate alone, counted from each request; it ends with the certificate at the latest.",
);

pub(super) const TRUSTED_HOPS: Setting = default(
    "trusted_hops",
    Kind::Scalar(Form::Count { least: 0, most: 16 }),
    "0",
    "How many proxies are in front. The client's address is the one that the outermost of them was called from: as many entries from the right. 0 is \
     none: the peer is the client, and nothing that it says of where it comes from is believed.",
);

pub(super) const TRUSTED_PROXIES: Setting = optional(
    "trusted_proxies",
    Kind::OneOrMore(&Form::Cidr),
    "Where proxies in front may be, as addresses or ranges: who connects from elsewhere is not believed. Without `trusted_hops` the client is the first \
     address from the right that is in none of them.",
);

pub(super) const FORWARDED_HEADER: Setting = default(
    "forwarded_header",
    Kind::Scalar(Form::OneOf(&["x-forwarded-for", "forwarded"])),
    "x-forwarded-for",
    "Which header the proxies in front write. The other one is the caller's own word then, and means nothing.",
);

pub(super) const FORWARDED_FIELDS: Setting = default(
    "forwarded_fields",
    Kind::OneOrMore(&Form::OneOf(&["for", "proto", "host"])),
    "[for, proto]",
    "What the proxies in front say. `host` is also the host that `tenant_from.host` and the check of cookies go by. Not unless they set it: many pass a caller's `X-Forwarded-Host` on.",
);

pub(super) const KEEP_HEADERS: Setting = optional(
    "keep_headers",
    Kind::OneOrMore(&Form::HeaderName),
    "Headers that trusted proxies set and that go on to the application, of those that are removed otherwise.",
);

pub(super) const TRUST_REQUEST_ID: Setting = default(
    "trust_request_id",
    Kind::Scalar(Form::Boolean),
    "false",
    "Whether the `x-request-id` of trusted proxies stands for the request, in logs too.",
);

pub(super) const TRACE_CONTEXT: Setting = default(
    "trace_context",
    Kind::Scalar(Form::OneOf(&["continue", "restart"])),
    "restart",
    "Whether the trace (`traceparent`, `tracestate`) of trusted proxies goes on, or a new one begins here.",
);
