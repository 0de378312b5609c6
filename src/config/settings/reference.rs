//! The reference in `config/README.md`, out of the table.
//!
//! Written by `PALISADE_BLESS=1 cargo test --lib reference`, and compared by the test otherwise.

use std::{fs, path::Path};

use super::{Absent, Form, Kind, RECORDS, ROOT, Setting, USER_RECORDS};
use crate::config::quantity;

const BEGIN: &str = "<!-- The tables are written from src/config/settings/table.rs by `PALISADE_BLESS=1 cargo test --lib reference`. -->\n";
const END: &str = "<!-- The end of the tables. -->\n";

#[test]
fn the_reference_is_that_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/README.md");
    let old = fs::read_to_string(&path).unwrap();
    let (head, rest) = old.split_once(BEGIN).expect("the tables' beginning");
    let (_, tail) = rest.split_once(END).expect("the tables' end");
    let new = format!("{head}{BEGIN}{}{END}{tail}", tables());
    if std::env::var_os("PALISADE_BLESS").is_some() {
        fs::write(&path, &new).unwrap();
    }
    assert!(old == new, "config/README.md is out of date: PALISADE_BLESS=1 cargo test --lib reference");
}

fn tables() -> String {
    let mut text = String::new();
    // `server` is the same everywhere, and described once.
    let (rest, sections): (Vec<_>, Vec<_>) = ROOT.iter().partition(|setting| matches!(setting.kind, Kind::NotYet));
    for setting in sections {
        let mut rows = String::new();
        let (path, settings) = match setting.kind {
            Kind::Section(settings) => (setting.key.to_owned(), settings),
            Kind::Map(_, Kind::Section(settings)) => (format!("{}.NAME", setting.key), *settings),
            _ => continue,
        };
        text.push_str(&format!("\n### `{}`\n\n{}\n", setting.key, setting.about));
        table(&mut text, &mut rows, &path, settings);
    }
    let [Setting { kind: Kind::Map(_, Kind::Section(record)), about, .. }, revoked] = RECORDS else { return text };
    text.push_str(&format!(
        "\n### Tenant records\n\nThe file of `tenants.directory.file`: two mappings, `tenants` and `revoked`. {about}\n"
    ));
    table(&mut text, &mut String::new(), "tenants.ID", record);
    if let Kind::Section(settings) = revoked.kind {
        text.push_str(&format!("\n`revoked`: {}\n", revoked.about));
        table(&mut text, &mut String::new(), "revoked", settings);
    }
    text.push_str("\n### Users\n\nThe file of `users.directory.file`.\n");
    table(&mut text, &mut String::new(), "", USER_RECORDS);
    text.push_str("\n### Not supported yet\n\nRefused, so that nothing is ignored in silence:");
    for setting in rest {
        text.push_str(&format!(" `{}`,", setting.key));
    }
    let mut planned = Vec::new();
    not_yet(&mut planned, "", ROOT);
    planned.retain(|key| !ROOT.iter().any(|setting| setting.key == key));
    text.push_str(&format!(" `{}`.\n", planned.join("`, `")));
    text
}

fn table(text: &mut String, rows: &mut String, path: &str, settings: &[Setting]) {
    text.push_str("\n| key | takes | default | |\n| --- | --- | --- | --- |\n");
    self::rows(rows, path, settings);
    text.push_str(rows);
}

fn rows(text: &mut String, path: &str, settings: &[Setting]) {
    for setting in settings.iter().filter(|setting| !matches!(setting.kind, Kind::NotYet)) {
        let key = if path.is_empty() { setting.key.to_owned() } else { format!("{path}.{}", setting.key) };
        let absent = match setting.absent {
            Absent::Default("{}") => String::new(),
            Absent::Default(text) => format!("`{}`", text.trim_matches('"')),
            Absent::Derived(from) => from.to_owned(),
            Absent::Required => "**required**".to_owned(),
            Absent::Unset | Absent::UnsetNotNull => "unset".to_owned(),
        };
        text.push_str(&format!("| `{key}` | {} | {absent} | {} |\n", takes(&setting.kind), setting.about.replace('|', "\\|")));
        match &setting.kind {
            Kind::Section(_) if setting.key == "server" && path != "server" => {}
            Kind::Choice(settings) | Kind::Section(settings) => rows(text, &key, settings),
            Kind::List(Kind::Choice(settings) | Kind::Section(settings)) | Kind::Entries(Kind::Section(settings)) => {
                rows(text, &format!("{key}[]"), settings)
            }
            Kind::Map(_, Kind::Section(settings)) => rows(text, &format!("{key}.NAME"), settings),
            Kind::OneOrMoreOr(_, settings) => rows(text, &key, settings),
            Kind::Entries(_)
            | Kind::Json
            | Kind::List(_)
            | Kind::Map(..)
            | Kind::NotYet
            | Kind::OneOrMore(_)
            | Kind::Scalar(_)
            | Kind::Secret => {}
        }
    }
}

fn takes(kind: &Kind) -> String {
    match kind {
        Kind::Choice(_) => "exactly one of the following".to_owned(),
        Kind::Entries(of) => format!("list of: {}", takes(of)),
        Kind::Json => "data or text".to_owned(),
        Kind::List(of) => format!("list of: {}", takes(of)),
        Kind::Map(names, of) => format!("mapping from {} to {}", form_name(names), takes(of)),
        Kind::NotYet => String::new(),
        Kind::OneOrMore(form) => format!("{}, or a list", form_name(form)),
        Kind::OneOrMoreOr(form, _) => format!("{}, a list, or a mapping", form_name(form)),
        Kind::Scalar(form) => form_name(form),
        Kind::Secret => "secret".to_owned(),
        Kind::Section(_) => "mapping".to_owned(),
    }
}

fn not_yet(planned: &mut Vec<String>, path: &str, settings: &[Setting]) {
    for setting in settings {
        let key = if path.is_empty() { setting.key.to_owned() } else { format!("{path}.{}", setting.key) };
        match &setting.kind {
            Kind::NotYet => planned.push(key),
            Kind::Choice(settings) | Kind::Section(settings) => not_yet(planned, &key, settings),
            Kind::List(Kind::Choice(settings) | Kind::Section(settings)) | Kind::Entries(Kind::Section(settings)) => {
                not_yet(planned, &format!("{key}[]"), settings)
            }
            Kind::Map(_, Kind::Section(settings)) => not_yet(planned, &format!("{key}.NAME"), settings),
            Kind::Entries(_)
            | Kind::Json
            | Kind::List(_)
            | Kind::Map(..)
            | Kind::OneOrMore(_)
            | Kind::OneOrMoreOr(..)
            | Kind::Scalar(_)
            | Kind::Secret => {}
        }
    }
}

fn form_name(form: &Form) -> String {
    match form {
        Form::AccessKeyId => "access key id".to_owned(),
        Form::Account => "account id".to_owned(),
        Form::Action => "action".to_owned(),
        Form::Address => "address".to_owned(),
        Form::AddressOrNone => "address or `none`".to_owned(),
        Form::Algorithm => "algorithm".to_owned(),
        Form::Boolean => "boolean".to_owned(),
        Form::Cidr => "address range".to_owned(),
        Form::Claim => "claim".to_owned(),
        Form::ClaimValue => "value".to_owned(),
        Form::CookieName => "cookie name".to_owned(),
        Form::DnsPattern => "DNS name".to_owned(),
        Form::Count { least, most } => format!("{least} – {most}"),
        Form::Duration { least, most } => format!("duration, {} – {}", quantity::show_duration(*least), quantity::show_duration(*most)),
        Form::Endpoint => "endpoint".to_owned(),
        Form::ExternalId => "external id".to_owned(),
        Form::HeaderName => "header name".to_owned(),
        Form::Host => "host".to_owned(),
        Form::HttpPath => "path of a URI".to_owned(),
        Form::Origin => "origin or `*`".to_owned(),
        Form::KeyTemplate | Form::TenantKeyTemplate => "key template".to_owned(),
        Form::LeadingKey => "key, or how keys begin".to_owned(),
        Form::Moment => "date and time".to_owned(),
        Form::NamePattern => "name pattern".to_owned(),
        Form::NamePrefix => "name prefix".to_owned(),
        Form::OwnName => "name".to_owned(),
        Form::OneOf(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Form::PathPattern => "path pattern".to_owned(),
        Form::Path => "path".to_owned(),
        Form::Rate => "number > 0".to_owned(),
        Form::Ratio => "number, 0 – 1".to_owned(),
        Form::Region => "region".to_owned(),
        Form::ResourcePattern => "ARN pattern or `*`".to_owned(),
        Form::RoleArn => "role ARN".to_owned(),
        Form::RouteName => "name".to_owned(),
        Form::ServiceName => "service".to_owned(),
        Form::Size { least, most } => format!("size, {} – {}", quantity::show_size(*least), quantity::show_size(*most)),
        Form::SpiffePattern => "SPIFFE id".to_owned(),
        Form::Subject => "subject".to_owned(),
        Form::TagKey => "tag key".to_owned(),
        Form::Template(_) => "template".to_owned(),
        Form::TenantHost => "`{tenant}.DOMAIN`".to_owned(),
        Form::TenantId => "tenant id".to_owned(),
        Form::TenantPattern => "tenant pattern".to_owned(),
        Form::Text => "text".to_owned(),
        Form::Upstream => "upstream".to_owned(),
        Form::TokenType => "type".to_owned(),
        Form::WordPattern => "pattern".to_owned(),
        Form::Uri => "URI".to_owned(),
        Form::WorkloadName => "name".to_owned(),
    }
}
