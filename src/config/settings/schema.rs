//! The JSON Schema of the configuration file, out of the table.

use serde_json::{Map, Value, json};

use super::{super::document, Absent, Form, Kind, ROOT, Setting};

/// The JSON Schema (2020-12) of the configuration file, for editors.
///
/// Settings that are not supported yet are left out, as unknown ones are: both are refused. How settings depend on each other
/// it does not say; `palisade check` does.
pub fn schema() -> Value {
    let mut schema = section(ROOT);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Palisade configuration");
    schema
}

fn section(settings: &[Setting]) -> Value {
    let usable = settings.iter().filter(|setting| !matches!(setting.kind, Kind::NotYet));
    let properties: Map<_, _> = usable.map(|setting| (setting.key.to_owned(), property(setting))).collect();
    let required: Vec<_> = settings.iter().filter(|setting| setting.absent == Absent::Required).map(|setting| setting.key).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required})
}

/// Null is as good as absent, but for what is required, and for what bounds something.
fn property(setting: &Setting) -> Value {
    let mut schema = kind(&setting.kind);
    if setting.absent != Absent::Required && setting.may_be_null() {
        schema = json!({"anyOf": [schema, {"type": "null"}]});
    }
    schema["description"] = json!(setting.about);
    match setting.absent {
        Absent::Default(text) => {
            schema["default"] = document::parse(text, document::Bounds::CONFIG).map_or(Value::Null, |node| node.to_json())
        }
        Absent::Derived(from) => schema["description"] = json!(format!("{} Default: {from}.", setting.about)),
        Absent::Required | Absent::Unset | Absent::UnsetNotNull => {}
    }
    schema
}

fn kind(kind_: &Kind) -> Value {
    match kind_ {
        Kind::Choice(settings) => {
            let mut schema = section(settings);
            schema["minProperties"] = json!(1);
            schema
        }
        Kind::Entries(of) => json!({"type": "array", "items": kind(of)}),
        Kind::Json => json!({"type": ["object", "string"]}),
        Kind::List(of) => json!({"type": "array", "minItems": 1, "items": kind(of)}),
        Kind::Map(names, of) => {
            let of = if matches!(of, Kind::Section(_)) { json!({"anyOf": [kind(of), {"type": "null"}]}) } else { kind(of) };
            json!({"type": "object", "propertyNames": names.schema(), "additionalProperties": of})
        }
        Kind::NotYet => json!(false),
        Kind::OneOrMore(form) => json!({"anyOf": [form.schema(), {"type": "array", "minItems": 1, "items": form.schema()}]}),
        Kind::OneOrMoreOr(form, settings) => {
            json!({"anyOf": [form.schema(), {"type": "array", "minItems": 1, "items": form.schema()}, section(settings)]})
        }
        Kind::PathOrEnv => json!({"anyOf": [
            Form::Path.schema(),
            {
                "type": "object",
                "additionalProperties": false,
                "required": ["env"],
                "properties": {"env": {"type": "string", "pattern": "^[A-Za-z0-9_]+$", "description": "An environment variable that holds it."}},
            },
        ]}),
        Kind::Scalar(form) => form.schema(),
        Kind::Secret => json!({
            "type": "object",
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {
                "file": {"type": "string", "description": "A file that holds the secret; one final newline is not part of it."},
                "env": {"type": "string", "pattern": "^[A-Za-z0-9_]+$", "description": "An environment variable that holds the secret."},
            },
        }),
        Kind::Section(settings) => section(settings),
    }
}
