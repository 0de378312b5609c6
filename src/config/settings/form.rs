//! The forms of single values: what is taken, how it is said in a message, and how the JSON Schema says it.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{
    document::Scalar,
    error::{Fault, quote},
    leading_key::LeadingKey,
    pattern::{NamePattern, NamePrefix},
    quantity,
    template::{Lands, Template},
    upstream::Upstream,
};
use crate::authorise::PathPattern;

pub(crate) mod parse;

/// The form of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Form {
    AccessKeyId,
    Account,
    /// `service:Operation`, with `*` in the operation.
    Action,
    /// IP address and port.
    Address,
    /// [`Form::Address`], or `none`.
    AddressOrNone,
    Algorithm,
    Boolean,
    /// A range of addresses, or one.
    Cidr,
    Claim,
    /// What a claim must be.
    ClaimValue,
    /// A cookie's name.
    CookieName,
    /// A DNS name of clients, or `*.DOMAIN`.
    DnsPattern,
    Count {
        least: u64,
        most: u64,
    },
    Duration {
        least: Duration,
        most: Duration,
    },
    ExternalId,
    /// `https://HOST[:PORT]` or `http://…`, nothing behind.
    Endpoint,
    HeaderName,
    /// Text with `{issuer}` and `{subject}`.
    KeyTemplate,
    /// Text with `{tenant.id}`.
    TenantKeyTemplate,
    /// A DNS name, with or without a port.
    Host,
    /// The path of a URI, with or without a query.
    HttpPath,
    /// The hash keys of a tenant's items.
    LeadingKey,
    /// A date and time with an offset (RFC 3339).
    Moment,
    /// A resource's name with placeholders and `*`.
    NamePattern,
    /// How a resource's name begins.
    NamePrefix,
    OneOf(&'static [&'static str]),
    /// `https://HOST[:PORT]` or `http://…` as browsers write it, or `*`.
    Origin,
    /// A name of Palisade's own.
    OwnName,
    Path,
    /// A path of `ingress.endpoints`.
    PathPattern,
    /// A positive number, with or without a fraction.
    Rate,
    /// A number from 0 to 1.
    Ratio,
    Region,
    /// An ARN with `*`, or `*`.
    ResourcePattern,
    RoleArn,
    /// A short name in lower case.
    RouteName,
    ServiceName,
    /// A SPIFFE id, or a path of them.
    SpiffePattern,
    /// The holder of a certificate.
    Subject,
    Size {
        least: u64,
        most: u64,
    },
    TagKey,
    Template(Lands),
    /// `{tenant}.DOMAIN`
    TenantHost,
    TenantId,
    TenantPattern,
    /// Any text on one line, not empty.
    Text,
    /// Where the application is, with or without placeholders.
    Upstream,
    /// A value of the header parameter `typ`, or the word for none.
    TokenType,
    /// A role or scope in which `*` stands for any characters.
    WordPattern,
    /// An `https://` or `http://` URI.
    Uri,
    /// A workload's name.
    WorkloadName,
}

impl Form {
    /// Whether `scalar` has this form.
    ///
    /// # Errors
    /// What is wrong and what would be right.
    pub(crate) fn check(&self, scalar: &Scalar) -> Result<(), Fault> {
        let text = scalar.text.as_str();
        let fits = match self {
            Self::AccessKeyId => parse::access_key_id(scalar).is_some(),
            Self::Account => parse::account(scalar).is_some(),
            Self::Action => parse::action(scalar).is_some(),
            Self::Address => parse::address(scalar).is_some(),
            Self::AddressOrNone => text == "none" || parse::address(scalar).is_some(),
            Self::Algorithm => return algorithm(text),
            Self::Boolean => scalar.as_bool().is_some(),
            Self::Cidr => return parse::cidr(text).map(drop).map_err(|wrong| Fault::new(wrong, self.expected())),
            Self::Claim => parse::claim(scalar).is_some(),
            Self::ClaimValue => parse::claim_value(scalar).is_some(),
            Self::CookieName => parse::cookie_name(scalar).is_some(),
            Self::DnsPattern => parse::dns_pattern(scalar).is_some(),
            Self::Count { least, most } => parse::count(scalar).is_some_and(|count| (least..=most).contains(&&count)),
            Self::Duration { least, most } => quantity::duration(text).is_some_and(|duration| (least..=most).contains(&&duration)),
            Self::Endpoint => parse::endpoint(scalar).is_some(),
            Self::ExternalId => parse::external_id(scalar).is_some(),
            Self::HeaderName => parse::header(scalar).is_some(),
            Self::Host => parse::host(scalar).is_some(),
            Self::HttpPath => parse::http_path(scalar).is_some(),
            Self::KeyTemplate => parse::key_template(scalar).is_some(),
            Self::TenantKeyTemplate => parse::tenant_key_template(scalar).is_some(),
            Self::Moment => parse::moment(scalar).is_some(),
            // Whether an open end is right depends on the directory.
            Self::LeadingKey => return LeadingKey::parse(text).map(drop).map_err(|error| Fault::new(error.to_string(), "")),
            Self::NamePattern => return NamePattern::parse(text).map(drop).map_err(|error| Fault::new(error.to_string(), "")),
            Self::NamePrefix => return NamePrefix::parse(text).map(drop).map_err(|error| Fault::new(error.to_string(), "")),
            Self::OneOf(words) => words.contains(&text),
            Self::Origin => parse::origin(scalar).is_some(),
            Self::OwnName => {
                let refusal = crate::aws::target::name::refusal(text);
                return refusal.map_or(Ok(()), |why| Err(Fault::new(format!("{} {why}", quote(text)), self.expected())));
            }
            Self::PathPattern => {
                return PathPattern::parse(text)
                    .map(drop)
                    .map_err(|why| Fault::new(format!("{} is no path pattern: {why}", quote(text)), self.expected()));
            }
            Self::Path | Self::Text => parse::text(scalar).is_some(),
            Self::Rate => parse::rate(scalar).is_some(),
            Self::Ratio => parse::ratio(scalar).is_some(),
            Self::Region => parse::region(scalar).is_some(),
            Self::ResourcePattern => {
                let parsed = text.parse::<crate::aws::resource::ResourcePattern>();
                return parsed.map(drop).map_err(|why| Fault::new(format!("{} is no resource: {why}", quote(text)), self.expected()));
            }
            Self::RoleArn => parse::role_arn(scalar).is_some(),
            // The same letters.
            Self::RouteName | Self::ServiceName => parse::service(text),
            Self::SpiffePattern => {
                return parse::spiffe_pattern(text)
                    .map(drop)
                    .map_err(|wrong| Fault::new(format!("{} {wrong}", quote(text)), self.expected()));
            }
            Self::Subject => parse::subject(scalar).is_some(),
            Self::Size { least, most } => quantity::size(text).is_some_and(|size| (least..=most).contains(&&size)),
            Self::TagKey => parse::tag_key(text),
            Self::Template(lands) => {
                // Whether an open end is right depends on the directory.
                return Template::parse_open(text, *lands).map(drop).map_err(|error| Fault::new(error.to_string(), ""));
            }
            Self::TenantHost => parse::tenant_host(scalar).is_some(),
            Self::TenantId => text.parse::<crate::tenant::TenantId>().is_ok(),
            Self::TenantPattern => parse::tenant_pattern(scalar).is_some(),
            Self::Upstream => {
                let parsed = Upstream::parse(text);
                return parsed.map(drop).map_err(|why| Fault::new(format!("{} {why}", quote(text)), self.expected()));
            }
            Self::TokenType => parse::token_type(scalar).is_some(),
            Self::WordPattern => parse::word_pattern(scalar).is_some(),
            Self::Uri => parse::uri(scalar).is_some(),
            Self::WorkloadName => text.parse::<crate::workload_name::WorkloadName>().is_ok(),
        };
        if fits { Ok(()) } else { Err(Fault::new(self.wrong(scalar), self.expected())) }
    }

    fn wrong(&self, scalar: &Scalar) -> String {
        let shown = quote(&scalar.text);
        match self {
            Self::Duration { .. } if quantity::duration(&scalar.text).is_some() => format!("{shown} is out of range"),
            Self::Duration { .. } if parse::count(scalar).is_some() => format!("{shown} has no unit"),
            Self::Size { .. } if quantity::size(&scalar.text).is_some() => format!("{shown} is out of range"),
            Self::Count { .. } if parse::count(scalar).is_some() => format!("{shown} is out of range"),
            Self::Count { .. } | Self::Rate | Self::Ratio | Self::Boolean if !scalar.plain => {
                format!("{shown} is text because of its quotes")
            }
            Self::Address if scalar.text.starts_with(['/', '.']) || scalar.text.starts_with("unix:") => {
                "a Unix socket has a setting of its own, egress.socket".to_owned()
            }
            _ => format!("{shown} is not taken here"),
        }
    }

    /// What would be right.
    pub(crate) fn expected(&self) -> String {
        let range = |least: String, most: String| format!(" from {least} to {most}");
        match self {
            Self::AccessKeyId => "give an access key id such as AKIAIOSFODNN7EXAMPLE: at most 128 letters and digits".to_owned(),
            Self::Account => "give an AWS account id, 12 digits, in quotes".to_owned(),
            Self::Action => {
                "give an action of IAM's such as s3:GetObject, s3:Get* or dynamodb:*, the service in lower case and without *".to_owned()
            }
            Self::Address => "give an IP address and port such as 127.0.0.1:8180 or [::1]:8180".to_owned(),
            Self::AddressOrNone => "give an IP address and port such as 0.0.0.0:8191, or none".to_owned(),
            Self::Algorithm => format!("give one of {}", parse::ALGORITHMS.join(", ")),
            Self::Boolean => "give true or false, without quotes".to_owned(),
            Self::Cidr => "give an address or a range such as 10.0.0.0/8".to_owned(),
            Self::Claim => "give a claim's name, or a JSON pointer that begins with /".to_owned(),
            Self::ClaimValue => {
                "give text, true, false or a whole number; in quotes where text looks like something else, as in \"2.0\"; \"*\" for any value"
                    .to_owned()
            }
            Self::CookieName => "give a cookie's name such as __Host-token".to_owned(),
            Self::DnsPattern => "give a name in lower case such as worker.mesh.example, or *.mesh.example for any one label before it".to_owned(),
            Self::Count { least, most } => format!("give a whole number{}", range(least.to_string(), most.to_string())),
            Self::Duration { least, most } => {
                let range = range(quantity::show_duration(*least), quantity::show_duration(*most));
                format!("give a duration such as 500ms, 5s, 1m30s or 1h,{range}")
            }
            Self::Endpoint => "give https://HOST or https://HOST:PORT, without a path, user or query".to_owned(),
            Self::ExternalId => "give an external id: 2 to 1224 letters, digits and _+=,.@:/-".to_owned(),
            Self::HeaderName => "give a header name in lower case, such as x-tenant-id".to_owned(),
            Self::Host => {
                "give a host name in lower case such as s3.eu-west-1.amazonaws.com, with or without :PORT, and no address".to_owned()
            }
            Self::HttpPath => "give a path such as /healthz".to_owned(),
            Self::KeyTemplate => "give text with {subject} and {issuer}, such as \"{issuer}#{subject}\"".to_owned(),
            Self::TenantKeyTemplate => "give text with {tenant.id} at most once, such as \"TENANT#{tenant.id}\"".to_owned(),
            Self::Moment => "give a date and time with an offset such as 2026-11-28T10:00:00Z".to_owned(),
            Self::LeadingKey => "give how keys begin, such as \"{tenant.id}#\", or what they are, such as \"{tenant.id}\"".to_owned(),
            Self::NamePattern => "give a name such as orders-* or data-{tenant.id}".to_owned(),
            Self::NamePrefix => "give how names begin, such as \"{tenant.id}/\"".to_owned(),
            Self::OneOf(words) => format!("give {}", words.join(" or ")),
            Self::Origin => {
                "give an origin as browsers write it, such as https://app.example.com, without a path or a default port, or \"*\""
                    .to_owned()
            }
            Self::OwnName => "give a name such as palisade or palisade.internal, without a port".to_owned(),
            Self::Path => "give a path".to_owned(),
            Self::PathPattern => "give a path such as /parks/{park}/**".to_owned(),
            Self::Rate => "give a number above 0, up to 1000000".to_owned(),
            Self::Ratio => "give a number from 0 to 1, such as 0.1".to_owned(),
            Self::Region => "give a region such as eu-west-1".to_owned(),
            Self::ResourcePattern => "give an ARN such as arn:aws:sqs:eu-west-1:111122223333:jobs, whose end may have *, or \"*\"".to_owned(),
            Self::RoleArn => "give a role's ARN such as arn:aws:iam::111122223333:role/NAME".to_owned(),
            Self::RouteName => "give a name such as gold: a-z, 0-9 and -, at most 63 characters".to_owned(),
            Self::SpiffePattern => "give an id such as spiffe://prod/ns/a/sa/b, with * for any one segment, or for all that follow at the end".to_owned(),
            Self::Subject => {
                "give the subject as `openssl x509 -noout -subject -nameopt RFC2253` prints it, such as CN=worker,O=Example".to_owned()
            }
            Self::ServiceName => "give an endpoint prefix such as s3 or dynamodb: a-z, 0-9 and -, at most 63 characters".to_owned(),
            Self::Size { least, most } => {
                format!("give a size such as 4096, 64KiB or 1MiB,{}", range(quantity::show_size(*least), quantity::show_size(*most)))
            }
            Self::TagKey => "give a tag key of 1 to 128 letters, digits, spaces and _.:/=+-@ that does not begin with aws:".to_owned(),
            Self::Template(_) => "give a template such as \"{tenant.id}\"".to_owned(),
            Self::TenantHost => "give {tenant} and a domain in lower case, such as \"{tenant}.app.example.com\"".to_owned(),
            Self::TenantId => "give a tenant id: 2 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit, without ..".to_owned(),
            Self::TenantPattern => "give a tenant id in which up to two * stand for any characters".to_owned(),
            Self::Text => "give text on one line, at most 1024 characters".to_owned(),
            Self::Upstream => "give http://HOST:PORT, https://HOST:PORT or unix:/PATH".to_owned(),
            Self::WordPattern => "give a word of at most 256 bytes in which up to two * stand for any characters".to_owned(),
            Self::TokenType => "give a type such as JWT or at+jwt, or absent for tokens that have none".to_owned(),
            Self::Uri => "give an https:// URI without user and fragment".to_owned(),
            Self::WorkloadName => "give a name such as queue-poller: 2 to 48 of a-z 0-9 -, beginning with a letter".to_owned(),
        }
    }

    /// The JSON Schema. It is for editors and may take more than [`Form::check`], never less.
    pub(crate) fn schema(&self) -> Value {
        match self {
            Self::Boolean => json!({"type": "boolean"}),
            Self::ClaimValue => json!({"type": ["boolean", "integer", "string"]}),
            Self::Count { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
            Self::Rate => json!({"type": "number", "exclusiveMinimum": 0, "maximum": parse::MAX_RATE}),
            Self::Ratio => json!({"type": "number", "minimum": 0, "maximum": 1}),
            Self::Duration { .. } => json!({"type": "string", "pattern": "^(\\d+h)?(\\d+m)?(\\d+s)?(\\d+ms)?$"}),
            Self::Size { .. } => json!({"type": ["integer", "string"], "pattern": "^\\d+([KMGT]iB|[kMG]?B)?$", "minimum": 0}),
            Self::OneOf(words) => json!({"enum": words}),
            Self::Algorithm => json!({"enum": parse::ALGORITHMS}),
            Self::Account => json!({"type": ["integer", "string"], "pattern": "^\\d{12}$"}),
            Self::Action => json!({"type": "string", "pattern": "^[a-z0-9-]+:[A-Za-z0-9*]+$"}),
            Self::Endpoint | Self::Uri => json!({"type": "string", "pattern": "^https?://"}),
            Self::HttpPath => json!({"type": "string", "pattern": "^/"}),
            Self::Upstream => json!({"type": "string", "pattern": "^(https?://|unix:/)"}),
            Self::HeaderName => json!({"type": "string", "pattern": "^[a-z0-9!#$%&'*+.^_`|~-]+$"}),
            Self::Host => json!({"type": "string", "pattern": "^[a-z0-9.-]+(:\\d+)?$"}),
            Self::CookieName => json!({"type": "string", "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$"}),
            Self::DnsPattern => json!({"type": "string", "pattern": "^(\\*\\.)?[a-z0-9._-]+$"}),
            Self::Origin => json!({"type": "string", "pattern": "^(\\*|https?://[^/?#]+)$"}),
            Self::PathPattern => json!({"type": "string", "pattern": "^/"}),
            Self::TenantHost => json!({"type": "string", "pattern": "^\\{tenant\\}\\."}),
            Self::Moment => json!({"type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d"}),
            Self::OwnName => json!({"type": "string", "pattern": "^[a-z0-9.-]{1,253}$"}),
            Self::Region => json!({"type": "string", "pattern": "^[a-z]{2,}(-[a-z0-9]+)+$"}),
            Self::ResourcePattern => json!({"type": "string", "pattern": "^(\\*|arn:.+)$"}),
            Self::WorkloadName => json!({"type": "string", "pattern": "^[a-z][a-z0-9-]{1,47}$"}),
            Self::RoleArn => json!({"type": "string", "pattern": "^arn:[a-z-]+:iam::\\d{12}:role/"}),
            Self::RouteName | Self::ServiceName => json!({"type": "string", "pattern": "^[a-z0-9-]{1,63}$"}),
            Self::SpiffePattern => json!({"type": "string", "pattern": "^spiffe://"}),
            Self::AccessKeyId => json!({"type": "string", "pattern": "^[A-Za-z0-9_]{1,128}$"}),
            Self::TenantId => json!({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{1,63}$"}),
            Self::TokenType => json!({"type": "string", "pattern": "^[A-Za-z0-9!#$&^_.+/-]{1,127}$"}),
            Self::TenantPattern => json!({"type": "string", "pattern": "^[A-Za-z0-9._*-]{1,64}$"}),
            Self::WordPattern => json!({"type": "string", "pattern": "^[^*]*(\\*[^*]+){0,1}\\*?[^*]*$", "minLength": 1, "maxLength": 256}),
            Self::Address
            | Self::AddressOrNone
            | Self::Cidr
            | Self::Claim
            | Self::ExternalId
            | Self::KeyTemplate
            | Self::LeadingKey
            | Self::NamePattern
            | Self::NamePrefix
            | Self::Path
            | Self::Subject
            | Self::TagKey
            | Self::TenantKeyTemplate
            | Self::Template(_)
            | Self::Text => {
                json!({"type": "string", "minLength": 1})
            }
        }
    }
}

fn algorithm(text: &str) -> Result<(), Fault> {
    if parse::ALGORITHMS.contains(&text) {
        return Ok(());
    }
    let wrong = match text.to_ascii_uppercase().as_str() {
        "HS256" | "HS384" | "HS512" => {
            format!(
                "{text} is symmetric: everyone who can verify a token could also make one, and a public key could be taken for the secret"
            )
        }
        "NONE" => "unsigned tokens prove nothing".to_owned(),
        _ => format!("{} is not a signature algorithm that is supported", quote(text)),
    };
    Err(Fault::new(wrong, Form::Algorithm.expected()))
}
