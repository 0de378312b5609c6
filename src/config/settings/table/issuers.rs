//! `identity.issuers[]`

use std::time::Duration;

use super::{
    super::{Form, Kind, Setting, default, derived, optional, required},
    CLAIM, INSECURE, INSECURE_ABOUT, PATH, TEXT,
};

pub(super) const ISSUER: &[Setting] = &[
    required("issuer", TEXT, "The exact value of the claim `iss`."),
    optional(
        "preset",
        Kind::Scalar(Form::OneOf(&["auth0", "cognito", "entra", "keycloak", "kubernetes", "okta"])),
        "A provider whose tokens are known: other defaults for `jwks`, `algorithms`, `claims`, `token_types` and `required_claims`, as the guide \
         lists them. `claims.tenant` has none then.",
    ),
    required(
        "audience",
        Kind::OneOrMore(&Form::Text),
        "Accepted values of `aud`. Without one, a token made for any other service of the issuer would pass.",
    ),
    derived(
        "jwks",
        Kind::Section(JWKS),
        "discovery with a `preset`, required without one",
        "The issuer's public keys: one of `uri`, `discovery`, `file` and `inline`.",
    ),
    default(
        "algorithms",
        Kind::OneOrMore(&Form::Algorithm),
        "[RS256, ES256]",
        "Accepted signature algorithms; the two that nearly every provider uses. Symmetric ones are refused.",
    ),
    default("claims", Kind::Section(CLAIMS), "{}", "Which claims mean what: names, or JSON pointers such as `/app_metadata/tenant`."),
    default(
        "token_types",
        Kind::OneOrMore(&Form::TokenType),
        "[absent, JWT, at+jwt]",
        "Accepted values of the header parameter `typ`, with or without `application/`, in any case; `absent` for tokens without one. \
         `at+jwt` alone is what RFC 9068 asks for, where the provider follows it.",
    ),
    optional(
        "required_claims",
        Kind::Map(&Form::Claim, &Kind::OneOrMore(&Form::ClaimValue)),
        "Claims, or JSON pointers, with the value or values of which the token must have one; `\"*\"` for any. It tells access tokens from others. \
         With a `preset`, added to what that demands.",
    ),
    optional(
        "max_lifetime",
        Kind::Scalar(Form::Duration { least: Duration::from_secs(60), most: Duration::from_secs(366 * 24 * 3600) }),
        "Longest time from `iat` to `exp`; `iat` must be there then. For providers at which others choose how long tokens live.",
    ),
    default(
        "leeway",
        Kind::Scalar(Form::Duration { least: Duration::ZERO, most: Duration::from_secs(300) }),
        "30s",
        "Clock difference that is forgiven. A token lives that much longer, so it is small.",
    ),
    derived(
        "tenants",
        Kind::OneOrMoreOr(
            &Form::TenantPattern,
            &[required("attribute", TEXT, "The attribute of a tenant's record that names the issuer that may speak for it.")],
        ),
        "`[\"*\"]` for a single issuer; required with more than one",
        "Tenants that this issuer may speak for, with up to two `*`, or those whose record names it. Issuers are not equal: a customer's own provider must not name another customer.",
    ),
    optional(
        "roles",
        Kind::OneOrMore(&Form::WordPattern),
        "Roles that this issuer may give, with up to two `*`; others that its tokens name are left out. Unset it may give any, which is too \
         much for a customer's own provider where rules or the application know roles of yours. Refused with `users`.",
    ),
    optional("scopes", Kind::OneOrMore(&Form::WordPattern), "The same for scopes."),
];

const JWKS: &[Setting] = &[
    optional(
        "uri",
        Kind::Scalar(Form::Uri),
        "Where the key set is, `https://`. Fetched in the background; what was fetched stays until something newer comes.",
    ),
    optional(
        "discovery",
        Kind::Scalar(Form::Boolean),
        "`true`: the key set is where the document of OpenID Connect Discovery says, which is read again with each fetch.",
    ),
    derived(
        "discovery_uri",
        Kind::Scalar(Form::Uri),
        "`/.well-known/openid-configuration` below the issuer",
        "Where that document is, when it is elsewhere (RFC 8414, an address inside the cluster). It must name the issuer all the same.",
    ),
    optional("file", PATH, "A key set in a file, read every 10 seconds."),
    optional("inline", Kind::Json, "A key set in place. It changes with the configuration alone."),
    default("insecure", INSECURE, "false", INSECURE_ABOUT),
    optional("ca", PATH, "PEM file of extra roots for `uri` or `discovery`."),
    optional(
        "bearer_token_file",
        PATH,
        "A file with a bearer token to fetch with, as a Kubernetes API server wants it. Read for each fetch; never sent in clear, nor to \
         another origin than the first.",
    ),
    default(
        "refresh",
        Kind::Section(REFRESH),
        "{}",
        "How long a fetched set is fresh: what `Cache-Control` says, or 5m, within these bounds.",
    ),
    default(
        "unknown_key_interval",
        Kind::Scalar(Form::Duration { least: Duration::from_secs(1), most: Duration::from_secs(3600) }),
        "30s",
        "A token with an unknown key id may mean a rotation, and causes a fetch: at most one in this time, however many such tokens come.",
    ),
    default(
        "max_stale",
        Kind::Scalar(Form::Duration { least: Duration::ZERO, most: Duration::from_secs(7 * 24 * 3600) }),
        "24h",
        "How long a set serves after it stopped being fresh, while no other can be had: an outage of the provider is none of yours for that \
         long, and a key that was withdrawn meanwhile is still believed.",
    ),
    default(
        "timeout",
        Kind::Scalar(Form::Duration { least: Duration::from_millis(100), most: Duration::from_secs(30) }),
        "5s",
        "Longest fetch. Requests with an unknown key id wait for it.",
    ),
];

const REFRESH: &[Setting] = &[
    default(
        "least",
        Kind::Scalar(Form::Duration { least: Duration::from_secs(1), most: Duration::from_secs(24 * 3600) }),
        "1m",
        "Shortest: some providers say seconds, or `no-cache`, and every process would fetch as often.",
    ),
    default(
        "most",
        Kind::Scalar(Form::Duration { least: Duration::from_secs(1), most: Duration::from_secs(24 * 3600) }),
        "15m",
        "Longest: some providers say days, and a key that leaked and was withdrawn would be believed as long.",
    ),
];

const CLAIMS: &[Setting] = &[
    default(
        "tenant",
        CLAIM,
        "tenant_id",
        "A string, or an array of strings that must contain the tenant. Refused with `users`, who have theirs from the directory.",
    ),
    default("subject", CLAIM, "sub", "A string; the token must have it."),
    default("roles", CLAIM, "roles", "A string with spaces between roles, or an array of strings. May be absent."),
    default("scopes", CLAIM, "scope", "A string with spaces between scopes, or an array of strings. May be absent."),
    default(
        "audience",
        CLAIM,
        "aud",
        "A string or an array of strings; the token must have it. Another than `aud` for access tokens that say elsewhere whom they are for; \
         a token that has `aud` as well must name an audience there too.",
    ),
];
