//! `ingress`: where the application is.

use std::time::Duration;

use super::{Form, Kind, Setting, default, derived, long, optional, required, short};

/// In words.
pub(super) const PROTOCOLS: &[&str] = &["auto", "http1", "http2"];
/// In words.
pub(super) const BALANCES: &[&str] = &["round_robin", "least_requests"];

pub(super) const UPSTREAM: &str = "The application: `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`, or several that are alike. Passports of live \
    requests pass here, so in clear it is meant to be on loopback. With placeholders over the tenant's record, each tenant's own: \
    `http://app.{tenant.cell}.internal:8080`.";
pub(super) const PROTOCOL: &str = "`auto`: gRPC that came over HTTP/2 goes over HTTP/2, everything else over HTTP/1.1. `http2`: everything, in clear with prior \
    knowledge; upgrades (WebSocket) stay with HTTP/1.1.";
pub(super) const CA: &str = "PEM file of the roots that vouch for `https://` upstreams, in place of the platform's: whoever a public authority vouches for is \
    not the application.";
pub(super) const ADDRESSES: &str = "Lets the host of a template be one placeholder, whose value is an IP address: `http://{tenant.attributes.address}:8080`. Loopback, \
    link-local and metadata addresses are refused all the same.";
pub(super) const BALANCE: &str = "Which of several upstreams a request goes to: in turn, or the one with the fewest requests in progress.";
pub(super) const MAX_UPSTREAMS: &str = "Upstreams out of templates that have connections and checks at once. Another one takes the place of the one that was idle \
    for longest, or is refused as `overloaded` while all are busy.";

pub(super) const ROUTE: &[Setting] = &[
    derived("name", Kind::Scalar(Form::RouteName), "`route-1` and so on", "Its name in the log and in metrics."),
    optional(
        "tenants",
        Kind::OneOrMore(&Form::TenantPattern),
        "For these tenants, with up to two `*`. Of `tenants`, `tiers` and `cells` all that are given have to hold.",
    ),
    optional("tiers", Kind::OneOrMore(&Form::Text), "For tenants whose record has one of these tiers."),
    optional("cells", Kind::OneOrMore(&Form::Text), "For tenants whose record has one of these cells."),
    required("upstream", Kind::OneOrMore(&Form::Upstream), "As `ingress.upstream`."),
    derived("protocol", Kind::Scalar(Form::OneOf(PROTOCOLS)), "`ingress.protocol`", "As `ingress.protocol`."),
];

pub(super) const HEALTH: &[Setting] = &[
    required("path", Kind::Scalar(Form::HttpPath), "What is asked for, by GET, without a tenant and without a passport."),
    default(
        "interval",
        Kind::Scalar(Form::Duration { least: Duration::from_millis(100), most: Duration::from_secs(600) }),
        "5s",
        "Pause between two checks of an upstream.",
    ),
    default("timeout", short(), "1s", "Longest wait for the answer: health is not a long question."),
    default(
        "unhealthy",
        Kind::Scalar(Form::Count { least: 1, most: 100 }),
        "3",
        "Failures in a row, of checks or of attempts to connect, that take an upstream out of use.",
    ),
    default("healthy", Kind::Scalar(Form::Count { least: 1, most: 100 }), "1", "Successful checks in a row that bring it back."),
    default("expect", Kind::OneOrMore(&Form::Count { least: 200, most: 599 }), "[200]", "Statuses that are a success."),
    default(
        "readiness",
        Kind::Scalar(Form::Boolean),
        "false",
        "Whether `/readyz` waits for an upstream that is healthy. Not where the application is started only when Palisade is ready (ECS \
         `dependsOn: HEALTHY`, a startup probe on `/readyz`): each would wait for the other.",
    ),
];

pub(super) const TIMEOUTS: &[Setting] = &[
    default("connect", short(), "5s", "TCP and TLS set-up: what takes longer is not listening."),
    default("response", long(), "5m", "From the request's end to the response's head. Long polls are shorter."),
    derived(
        "idle",
        long(),
        "the listener's `server.idle_timeout`",
        "Longest time in which the application takes nothing of a request's body.",
    ),
];
