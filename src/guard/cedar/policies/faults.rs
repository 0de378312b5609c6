//! What is wrong with policies, and where.

use std::sync::Arc;

use cedar_policy::{ParseErrors, Policy, PolicySet};
use miette::Diagnostic;

use super::{
    super::entities::{KINDS, Kind},
    ID_BYTES,
    files::Source,
};
use crate::{
    aws::action::vocabulary,
    config::{ConfigError, ConfigErrors, document::At, suggest::closest},
};

/// Policies as they were read, and what is wrong with them so far.
pub(super) struct Faults {
    path: Arc<str>,
    files: Vec<(Arc<str>, String)>,
    errors: Vec<ConfigError>,
}

/// A policy and its place among those of its file, from 1.
pub(super) struct Placed {
    pub(super) policy: Policy,
    pub(super) number: usize,
}

impl Faults {
    /// # Errors
    /// Nothing can be read.
    pub(super) fn new(source: Source) -> Result<Self, ConfigErrors> {
        const RIGHT: &str = "give a file of Cedar policies, or a folder of files that end in .cedar";
        let path: Arc<str> = source.path.display().to_string().into();
        let files = source.files.map_err(|wrong| ConfigErrors::of_file(&path, wrong, RIGHT))?;
        let mut this = Self { path, files: Vec::new(), errors: Vec::new() };
        for file in files {
            let name: Arc<str> = file.path.display().to_string().into();
            match file.text {
                Ok(text) => this.files.push((name, text)),
                Err(wrong) => this.errors.push(error(&name, None, wrong, RIGHT)),
            }
        }
        Ok(this)
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// The policies of a file, in its order; nothing where it cannot be parsed.
    pub(super) fn parse(&mut self, number: usize) -> Option<Vec<Placed>> {
        let (_, text) = self.files.get(number)?;
        let set: PolicySet = match text.parse() {
            Ok(set) => set,
            Err(errors) => {
                self.unparsed(number, &errors);
                return None;
            }
        };
        if set.templates().next().is_some() {
            let at = self.place(number, text.find("?principal").or_else(|| text.find("?resource")));
            self.add(number, at, "a template, which nothing fills in".to_owned(), "write a policy without ?principal and ?resource");
        }
        // The parser counts them.
        let count = |policy: &Policy| policy.id().to_string().strip_prefix("policy").and_then(|number| number.parse::<usize>().ok());
        let mut policies: Vec<Placed> =
            set.policies().map(|policy| Placed { number: count(policy).map_or(0, |number| number + 1), policy: policy.clone() }).collect();
        policies.sort_by_key(|policy| policy.number);
        Some(policies)
    }

    /// What the policy is called: as `@id` says, or `FILE#NUMBER`.
    pub(super) fn id_of(&mut self, file: usize, policy: &Policy, number: usize) -> Option<String> {
        let Some(id) = policy.annotation("id") else {
            let (path, _) = self.files.get(file)?;
            let name = path.rsplit('/').next().unwrap_or(path);
            return Some(format!("{name}#{number}"));
        };
        let fits = (1..=ID_BYTES).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if fits {
            return Some(id.to_owned());
        }
        let at = self.annotated(file, id);
        self.add(file, at, "the policy's @id is not taken".to_owned(), "give 1 to 128 visible characters of ASCII");
        None
    }

    pub(super) fn twice(&mut self, file: usize, id: &str) {
        let at = self.annotated(file, id);
        self.add(file, at, format!("there is another policy with the id {id}"), "give each its own @id");
    }

    /// Something that the validator has against a policy.
    pub(super) fn invalid(&mut self, file: Option<usize>, found: &(impl Diagnostic + ?Sized)) {
        let file = file.unwrap_or_default();
        let at = self.place(file, offset(found));
        let (wrong, right) = helped(found);
        self.add(file, at, wrong, &right);
    }

    /// # Errors
    /// Something is wrong so far.
    pub(super) fn none_yet(&mut self) -> Result<(), ConfigErrors> {
        if self.errors.is_empty() { Ok(()) } else { Err(ConfigErrors::new(std::mem::take(&mut self.errors))) }
    }

    pub(super) fn permits_nothing(&self) -> ConfigErrors {
        ConfigErrors::of_file(
            &self.path,
            "has no policy that permits anything, so that every request would be refused",
            "begin with permit(principal, action, resource); what the rules do not allow is refused all the same",
        )
    }

    pub(super) fn whole(&self, wrong: String) -> ConfigErrors {
        ConfigErrors::of_file(&self.path, wrong, "")
    }

    fn unparsed(&mut self, file: usize, errors: &ParseErrors) {
        for error in errors.iter() {
            let at = self.place(file, offset(error));
            self.add(file, at, said(error), "");
        }
    }

    fn add(&mut self, file: usize, at: Option<At>, wrong: String, right: &str) {
        let name = self.files.get(file).map_or(&self.path, |(name, _)| name);
        self.errors.push(error(name, at, wrong, right));
    }

    /// Where a file gives this id last.
    fn annotated(&self, file: usize, id: &str) -> Option<At> {
        let (_, text) = self.files.get(file)?;
        self.place(file, text.rfind(&format!("@id(\"{id}\")")))
    }

    /// Line and column of an offset into a file.
    fn place(&self, file: usize, offset: Option<usize>) -> Option<At> {
        let (_, text) = self.files.get(file)?;
        let before = text.get(..offset?)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Some(At { line, column })
    }
}

fn error(file: &Arc<str>, at: Option<At>, wrong: String, right: &str) -> ConfigError {
    ConfigError { file: file.clone(), at, key: String::new(), wrong, right: right.to_owned() }
}

/// Where what is wrong begins.
fn offset(found: &(impl Diagnostic + ?Sized)) -> Option<usize> {
    found.labels().and_then(|mut labels| labels.next()).map(|label| label.offset())
}

/// What the validator has found, and what to do about it. Its own help is the nearest of all names, and of several that are as near any one: of a word that is no
/// action that is some service or other.
fn helped(found: &(impl Diagnostic + ?Sized)) -> (String, String) {
    let plain = found.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((_, named)) = plain.split_once("unrecognized action `") {
        let id = named.split('"').nth(1).unwrap_or_default().to_owned();
        return (plain, action_like(&id));
    }
    if plain.contains("unable to find an applicable action") {
        let right = "give a type that the action is about; a group, such as Palisade::Action::\"write\", stands behind action in";
        return (plain, right.to_owned());
    }
    let of_a_thing = |kind: &Kind| plain.contains(&format!(" on entity type `Palisade::{}` not found", kind.entity));
    let right = if KINDS.iter().any(of_a_thing) {
        "where the policy is about one type of things, say which, such as resource is Palisade::Object: others have other attributes"
    } else {
        ""
    };
    (said(found), right.to_owned())
}

/// Of actions whose name is like `id`.
fn action_like(id: &str) -> String {
    let (service, operation) = id.split_once(':').unwrap_or((id, ""));
    let known = vocabulary::all().get(service);
    let near = known.and_then(|actions| closest(operation, actions.keys().copied()));
    match (near, known) {
        (Some(near), _) if near == operation => format!("write Palisade::Action::\"{service}:{near}\""),
        (Some(near), _) => format!("did you mean Palisade::Action::\"{service}:{near}\"?"),
        (None, Some(_)) => {
            format!("give an action of {service} as IAM has it, or the group Palisade::Action::\"{service}\" behind action in")
        }
        (None, None) => {
            "give Palisade::Action::\"SERVICE:ACTION\" as IAM has it, such as \"s3:GetObject\"; groups are in the published schema"
                .to_owned()
        }
    }
}

/// What is wrong, on one line, with the help that there is.
fn said(found: &(impl Diagnostic + ?Sized)) -> String {
    let help = found.help().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{found}{help}").split_whitespace().collect::<Vec<_>>().join(" ")
}
