//! `ingress.endpoints`, and where callers say who they are.

use std::time::Duration;

use super::{
    super::{Form, Kind, Setting, default, derived, optional, required},
    clients::CLIENT,
    passport::OF_ENDPOINT,
};
use crate::authorise::Methods;

pub(super) const ENDPOINT: &[Setting] = &[
    optional(
        "methods",
        Kind::OneOrMore(&Form::OneOf(&Methods::NAMES)),
        "The methods that the rule is about; all without it. `GET` brings `HEAD` along.",
    ),
    required(
        "path",
        Kind::Scalar(Form::PathPattern),
        "The paths that it is about: literal segments, `*` or `{name}` for any one, and `**` at the end for whatever follows, or nothing. A segment `{tenant}` has to be the tenant.",
    ),
    optional("roles", Kind::OneOrMore(&Form::Text), "The user must have one of these roles."),
    optional("scopes", Kind::OneOrMore(&Form::Text), "The token must have one of these scopes."),
    optional("tiers", Kind::OneOrMore(&Form::Text), "The tenant's record must have one of these tiers."),
    optional(
        "clients",
        Kind::List(&Kind::Choice(CLIENT)),
        "The client must have shown a certificate that one of these means, in the connection itself. Needs `tls.client_ca`.",
    ),
    default(
        "auth",
        Kind::Scalar(Form::OneOf(&["token", "none"])),
        "token",
        "`none`: anybody may, without a token; the application gets no tenant and no passport. With `clients`, any of those may.",
    ),
    optional(
        "passport",
        Kind::Section(OF_ENDPOINT),
        "What the passports of its requests are worth, where that is something else than `identity.passport` says.",
    ),
];

pub(super) const TENANT_FROM: &[Setting] = &[
    optional(
        "host",
        Kind::Scalar(Form::TenantHost),
        "`{tenant}.DOMAIN`: the first label of the host, which is the one that trusted proxies name where `forwarded_fields` has `host`. Compared in lower case, without port and final dot.",
    ),
    optional(
        "path",
        Kind::Scalar(Form::PathPattern),
        "A path with a segment `{tenant}`, such as `/t/{tenant}/**`. Paths are read strictly then, as with `endpoints`.",
    ),
];

pub(super) const CORS: &[Setting] = &[
    optional(
        "answer",
        Kind::Section(ANSWER),
        "Palisade answers preflights, and puts the headers on every response, refusals too; the application's own are replaced.",
    ),
    optional(
        "pass",
        Kind::Section(&[]),
        "`{}`: preflights go to the application as public requests, and its headers are left alone. Scripts cannot read refusals.",
    ),
];

const ANSWER: &[Setting] = &[
    required(
        "origins",
        Kind::OneOrMore(&Form::Origin),
        "Origins whose scripts may call and read, compared byte for byte, or `*` for anybody's.",
    ),
    default(
        "methods",
        Kind::OneOrMore(&Form::OneOf(&Methods::NAMES)),
        "[DELETE, GET, HEAD, PATCH, POST, PUT]",
        "Methods that they may use.",
    ),
    derived(
        "headers",
        Kind::OneOrMore(&Form::HeaderName),
        "`authorization`, `content-type`, the tenant header and the token header",
        "Request headers that they may set.",
    ),
    default(
        "expose",
        Kind::OneOrMore(&Form::HeaderName),
        "[retry-after, x-palisade-reason, x-request-id]",
        "Response headers that they may read. gRPC-Web needs `grpc-status` and `grpc-message`.",
    ),
    default(
        "credentials",
        Kind::Scalar(Form::Boolean),
        "false",
        "Whether browsers send cookies along. Tokens in headers need no such permission, so it is off.",
    ),
    default(
        "max_age",
        Kind::Scalar(Form::Duration { least: Duration::ZERO, most: Duration::from_secs(24 * 3600) }),
        "10m",
        "How long a browser may keep the answer. Browsers cap it at two hours, or a day.",
    ),
];
