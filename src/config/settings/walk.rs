//! The generic checks: a document against the table.

use super::{
    super::{
        document::{At, Content, Entry, Node, Scalar},
        error::{ConfigError, Fault, quote},
        suggest,
    },
    Absent, Form, Kind, Setting, keys,
};

/// Checks a whole document against `settings`, and appends everything that is wrong to `errors`.
///
/// Afterwards every value that is there has its form, and everything required is there; what remains to be checked is how
/// settings go together.
pub(crate) fn walk(file: &str, root: &Node, settings: &'static [Setting], errors: &mut Vec<ConfigError>) {
    let mut walk = Walk { file: file.into(), path: String::new(), errors };
    walk.section(root, root.at, settings);
}

struct Walk<'e> {
    file: std::sync::Arc<str>,
    path: String,
    errors: &'e mut Vec<ConfigError>,
}

impl Walk<'_> {
    fn error(&mut self, at: At, fault: Fault) {
        self.errors.push(ConfigError {
            file: self.file.clone(),
            at: Some(at),
            key: self.path.clone(),
            wrong: fault.wrong,
            right: fault.right,
        });
    }

    /// Runs `inside` with `step` added to the path.
    fn within(&mut self, step: &str, inside: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(step);
        inside(self);
        self.path.truncate(length);
    }

    fn key(&mut self, key: &str, inside: impl FnOnce(&mut Self)) {
        let step = step(self.path.is_empty(), key);
        self.within(&step, inside);
    }

    /// Checks one value. `at` is where its key stands, for what is wrong with a section as a whole.
    fn kind(&mut self, node: &Node, at: At, kind: &'static Kind) {
        match (kind, &node.content) {
            (Kind::NotYet, _) => self.error(at, Fault::new("is not supported yet", kind.expected())),
            (Kind::Json, _) => {}
            (Kind::Section(settings), Content::Map(_)) => self.section(node, at, settings),
            (Kind::Choice(settings), Content::Map(entries)) => self.choice(entries, node, at, settings),
            (Kind::Secret | Kind::PathOrEnv, Content::Map(entries)) => self.reference(entries, node.at, kind),
            (Kind::Map(names, of), Content::Map(entries)) => self.map(entries, names, of),
            (Kind::List(of), Content::List(items)) if !items.is_empty() => self.items(items, |walk, item| walk.kind(item, item.at, of)),
            (Kind::Entries(of), Content::List(items)) => self.items(items, |walk, item| walk.kind(item, item.at, of)),
            (Kind::OneOrMoreOr(_, settings), Content::Map(_)) => self.section(node, at, settings),
            (Kind::OneOrMore(form) | Kind::OneOrMoreOr(form, _), Content::List(items)) if !items.is_empty() => {
                self.items(items, |walk, item| walk.one(item, form, kind));
            }
            (Kind::OneOrMore(form) | Kind::OneOrMoreOr(form, _), Content::Scalar(_)) => self.one(node, form, kind),
            (Kind::PathOrEnv, Content::Scalar(scalar)) => self.scalar(node.at, scalar, &Form::Path),
            (Kind::Scalar(form), Content::Scalar(scalar)) => self.scalar(node.at, scalar, form),
            _ => self.misshapen(node, kind),
        }
    }

    fn misshapen(&mut self, node: &Node, kind: &'static Kind) {
        let wrong = match &node.content {
            Content::List(items) if items.is_empty() => "is an empty list".to_owned(),
            _ if node.is_null() => "is null".to_owned(),
            _ => format!("is {}", node.kind()),
        };
        let right = if self.path == "tenants" && matches!(node.content, Content::List(_)) && matches!(kind, Kind::Section(_)) {
            "give directory: {file: tenants.yaml}; that file has the records, as in tenants: {acme: {tier: gold}}".to_owned()
        } else {
            meant(node, kind).unwrap_or_else(|| kind.expected())
        };
        self.error(node.at, Fault::new(wrong, right));
    }

    fn section(&mut self, node: &Node, at: At, settings: &'static [Setting]) {
        let Content::Map(entries) = &node.content else {
            return self.error(node.at, Fault::new(format!("the file is {}", node.kind()), "it is a mapping of settings"));
        };
        let mut meant = Vec::new();
        for entry in entries {
            self.key(&entry.key, |walk| match settings.iter().find(|setting| setting.key == entry.key) {
                None => meant.extend(walk.unknown(entry, settings)),
                Some(setting) if entry.node.is_null() && setting.may_be_null() => {}
                Some(setting) => walk.kind(&entry.node, entry.at, &setting.kind),
            });
        }
        // One that is there by another name has been told of.
        let is_missing = |setting: &&Setting| setting.absent == Absent::Required && node.get(setting.key).is_none();
        for setting in settings.iter().filter(is_missing).filter(|setting| !meant.contains(&setting.key)) {
            let at = entries.iter().find(|entry| entry.key == setting.key).map_or(at, |entry| entry.at);
            self.key(setting.key, |walk| walk.error(at, Fault::new("is missing", setting.kind.expected())));
        }
    }

    /// The setting that was probably meant.
    fn unknown(&mut self, entry: &Entry, settings: &'static [Setting]) -> Option<&'static str> {
        let meant = suggest::closest(&entry.key, settings.iter().map(|setting| setting.key));
        let right = match meant {
            Some(key) => format!("did you mean {key}?"),
            None if settings.is_empty() => "write {}".to_owned(),
            None => format!("known are {}", keys(settings)),
        };
        self.error(entry.at, Fault::new("is not a known setting", right));
        meant
    }

    fn choice(&mut self, entries: &[Entry], node: &Node, at: At, settings: &'static [Setting]) {
        self.section(node, at, settings);
        let chosen =
            entries.iter().filter(|entry| !entry.node.is_null() && settings.iter().any(|setting| setting.key == entry.key)).count();
        let unknown = entries.iter().any(|entry| settings.iter().all(|setting| setting.key != entry.key));
        // An unknown key has been reported, and was probably meant to be the one.
        if chosen > 1 || (chosen == 0 && !unknown) {
            let wrong = if chosen == 0 { "says none of its alternatives" } else { "says more than one of its alternatives" };
            self.error(at, Fault::new(wrong, Kind::Choice(settings).expected()));
        }
    }

    /// Nothing of a secret's setting is quoted: a secret may have been written in place of its reference.
    fn reference(&mut self, entries: &[Entry], at: At, kind: &'static Kind) {
        let reference = match entries {
            [Entry { key, node: Node { content: Content::Scalar(scalar), .. }, .. }] if !scalar.text.is_empty() => match key.as_str() {
                "file" => matches!(kind, Kind::Secret),
                "env" => scalar.text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
                _ => false,
            },
            _ => false,
        };
        if !reference {
            self.error(at, Fault::new("is not a reference to a secret", kind.expected()));
        }
    }

    fn map(&mut self, entries: &[Entry], names: &Form, of: &'static Kind) {
        for entry in entries {
            self.key(&entry.key, |walk| {
                walk.scalar(entry.at, &Scalar { text: entry.key.clone(), plain: true }, names);
                // `s3:` with nothing behind is `s3: {}`.
                if !(entry.node.is_null() && matches!(of, Kind::Section(_))) {
                    walk.kind(&entry.node, entry.at, of);
                }
            });
        }
    }

    fn items(&mut self, items: &[Node], mut each: impl FnMut(&mut Self, &Node)) {
        for (number, item) in items.iter().enumerate() {
            self.within(&format!("[{number}]"), |walk| each(walk, item));
        }
    }

    fn one(&mut self, node: &Node, form: &Form, kind: &'static Kind) {
        match &node.content {
            Content::Scalar(scalar) => self.scalar(node.at, scalar, form),
            Content::List(_) | Content::Map(_) => self.misshapen(node, kind),
        }
    }

    fn scalar(&mut self, at: At, scalar: &Scalar, form: &Form) {
        let checked = if scalar.is_null() { Err(Fault::new("is null", form.expected())) } else { form.check(scalar) };
        if let Err(fault) = checked {
            self.error(at, fault);
        }
    }
}

/// What was probably meant by a value of the wrong shape, in the right one: `any` for `{any: {}}`, `[s3]` for `{s3: {}}`, a URI for `{uri: URI}`.
fn meant(node: &Node, kind: &'static Kind) -> Option<String> {
    match (kind, &node.content) {
        (Kind::Choice(settings) | Kind::Section(settings), Content::Scalar(scalar)) => {
            let takes = |setting: &&Setting| matches!(&setting.kind, Kind::Scalar(form @ Form::Uri) if form.check(scalar).is_ok());
            let named = settings.iter().find(|setting| setting.key == scalar.text && matches!(setting.kind, Kind::Section(_)));
            let named = named.map(|setting| format!("write {{{}: {{}}}}", setting.key));
            named.or_else(|| settings.iter().find(takes).map(|setting| format!("write {{{}: {}}}", setting.key, quote(&scalar.text))))
        }
        (Kind::Map(names, Kind::Section(_)), Content::List(items)) => match &items.first()?.content {
            Content::Scalar(scalar) if names.check(scalar).is_ok() => Some(format!("give a mapping, such as {{{}: {{}}}}", scalar.text)),
            Content::Map(entries) => {
                let is_name = |entry: &&Entry| matches!(&entry.node.content, Content::Scalar(scalar) if ["id", "name"].contains(&entry.key.as_str()) && names.check(scalar).is_ok());
                let (named, others): (Vec<_>, Vec<_>) = entries.iter().partition(is_name);
                let Content::Scalar(name) = &named.first()?.node.content else { return None };
                let rest = others.first().map_or_else(String::new, |entry| format!("{}: ...", entry.key));
                Some(format!("give a mapping, such as {{{}: {{{rest}}}}}", name.text))
            }
            Content::List(_) | Content::Scalar(_) => None,
        },
        // `{tenant.id}` without quotes.
        (Kind::Scalar(Form::Template(_)) | Kind::OneOrMore(Form::Template(_)), Content::Map(entries)) => {
            let [Entry { key, node, .. }] = entries.as_slice() else { return None };
            node.is_null().then(|| format!("put templates in quotes: \"{{{key}}}\""))
        }
        _ => None,
    }
}

/// `key` as a step of a path: quoted where it could be taken for more than one step.
pub(crate) fn step(first: bool, key: &str) -> String {
    let plain = !key.is_empty() && key.len() <= 60 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    let key = if plain { key.to_owned() } else { quote(key) };
    if first { key } else { format!(".{key}") }
}
