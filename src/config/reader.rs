//! Typed values out of a checked document, with defaults filled in.
//!
//! Whatever is read is also written to the effective configuration, so that this shows exactly what the process runs on. A
//! test holds the two against the table: a supported setting that nothing reads would be one that is ignored in silence.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{
    companions::{Companions, Look},
    document::{At, Bounds, Content, Entry, Node, Scalar, parse},
    error::{ConfigError, ConfigErrors, Fault},
    settings::{Absent, Kind, Setting, walk},
};

/// Whether what a configuration names besides itself has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    /// It has to be, and to be readable.
    Required,
    /// It is not looked for: this is another machine than the one that is configured.
    Named,
}

/// One file being read: where errors and effective values are collected.
pub(crate) struct Reader<'f> {
    file: Arc<str>,
    base: &'f Path,
    root: Node,
    settings: &'static [Setting],
    /// Where the walk found something wrong.
    misshapen: BTreeSet<At>,
    errors: RefCell<Vec<ConfigError>>,
    effective: RefCell<Value>,
    files: Files,
    /// Settings whose files and variables were not looked for.
    untried: RefCell<Vec<String>>,
    companions: RefCell<Companions>,
}

impl<'f> Reader<'f> {
    /// Parses `text` and checks it against `settings`. Relative paths in it are relative to `base`.
    ///
    /// # Errors
    /// What keeps the document from being read as a tree; errors of single settings are kept for [`Reader::finish`].
    pub(crate) fn open(text: &str, file: &str, base: &'f Path, settings: &'static [Setting], bounds: Bounds) -> Result<Self, ConfigErrors> {
        let file: Arc<str> = file.into();
        let root = parse(text, bounds).map_err(|faults| {
            let error = |(at, fault): (At, Fault)| ConfigError {
                file: file.clone(),
                at: Some(at),
                key: String::new(),
                wrong: fault.wrong,
                right: fault.right,
            };
            ConfigErrors::new(faults.into_iter().map(error).collect())
        })?;
        let mut errors = Vec::new();
        walk::walk(&file, &root, settings, &mut errors);
        let misshapen = errors.iter().filter_map(|error| error.at).collect();
        Ok(Self {
            file,
            base,
            root,
            settings,
            misshapen,
            errors: errors.into(),
            effective: Value::Object(Map::new()).into(),
            files: Files::Required,
            untried: RefCell::default(),
            companions: RefCell::default(),
        })
    }

    /// The same, looking for `files` alone.
    pub(crate) fn looking_for(self, files: Files) -> Self {
        Self { files, ..self }
    }

    /// Settings whose files and variables were not looked for, each once.
    pub(crate) fn untried(&self) -> Vec<String> {
        let mut untried = self.untried.borrow().clone();
        untried.dedup();
        untried
    }

    /// The files that were taken in.
    pub(crate) fn companions(&self) -> Companions {
        self.companions.borrow().clone()
    }

    /// The whole document.
    pub(crate) fn root(&self) -> Section<'_> {
        Section {
            reader: self,
            node: Some(&self.root),
            at: self.root.at,
            path: Vec::new(),
            settings: self.settings,
            under: None,
            defaults: &[],
        }
    }

    /// Gives `built` if nothing was wrong, and the effective values with it.
    ///
    /// # Errors
    /// Everything that was wrong.
    pub(crate) fn finish<T>(self, built: Option<T>) -> Result<(T, Value), ConfigErrors> {
        let errors = self.errors.into_inner();
        match built {
            Some(built) if errors.is_empty() => Ok((built, self.effective.into_inner())),
            // Without a word on why there is nothing: a fault of ours, and no reason to start.
            None if errors.is_empty() => Err(ConfigErrors::of_file(&self.file, "could not be read; this is a fault of Palisade", "")),
            _ => Err(ConfigErrors::new(errors)),
        }
    }

    fn error(&self, at: At, path: &[Step], fault: Fault) {
        let error = ConfigError { file: self.file.clone(), at: Some(at), key: show(path), wrong: fault.wrong, right: fault.right };
        self.errors.borrow_mut().push(error);
    }

    fn record(&self, path: &[Step], value: Value) {
        let mut effective = self.effective.borrow_mut();
        let mut place = &mut *effective;
        for step in path {
            place = match step {
                Step::Key(key) => {
                    if !place.is_object() {
                        *place = Value::Object(Map::new());
                    }
                    &mut place[key.as_str()]
                }
                Step::Item(number) => {
                    if !place.is_array() {
                        *place = Value::Array(Vec::new());
                    }
                    let Value::Array(items) = place else { return };
                    if items.len() <= *number {
                        items.resize(number + 1, Value::Null);
                    }
                    &mut items[*number]
                }
            };
        }
        *place = value;
    }
}

/// A part of a path to a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Item(usize),
}

fn show(path: &[Step]) -> String {
    let mut text = String::new();
    for part in path {
        match part {
            Step::Key(key) => text.push_str(&walk::step(text.is_empty(), key)),
            Step::Item(number) => text.push_str(&format!("[{number}]")),
        }
    }
    text
}

/// A key, or the number of an item.
fn step(text: &str) -> Step {
    text.parse().map_or_else(|_| Step::Key(text.to_owned()), Step::Item)
}

/// `steps` (keys, and numbers of items) as messages say them.
pub(crate) fn show_steps(steps: &[String]) -> String {
    show(&steps.iter().map(|text| step(text)).collect::<Vec<_>>())
}

/// A mapping of the document, or the absence of one whose settings all have defaults.
#[derive(Clone)]
pub(crate) struct Section<'r> {
    reader: &'r Reader<'r>,
    node: Option<&'r Node>,
    at: At,
    path: Vec<Step>,
    settings: &'static [Setting],
    /// The section that gives what this one leaves out.
    under: Option<&'r Section<'r>>,
    /// Defaults, as YAML, that hold instead of the table's.
    defaults: Defaults,
}

/// Keys and what holds for them when they are absent, as YAML.
pub(crate) type Defaults = &'static [(&'static str, &'static str)];

impl<'r> Section<'r> {
    /// The same section, taking what it leaves out from `under`.
    pub(crate) fn over(self, under: &'r Section<'r>) -> Self {
        Self { under: Some(under), ..self }
    }

    /// The same section with other defaults than the table's, for the keys that `defaults` has.
    pub(crate) fn defaulting(self, defaults: Defaults) -> Self {
        Self { defaults, ..self }
    }

    /// Where the value of `key` stands, its key where the value is more than a word, or else the section.
    fn at(&self, key: &str) -> At {
        self.entry(key).map_or(self.at, |entry| if matches!(entry.node.content, Content::Scalar(_)) { entry.node.at } else { entry.at })
    }

    /// Whether the file says something for `key`.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Whether the file says something for `key`, and the walk found nothing wrong with its shape.
    pub(crate) fn is_sound(&self, key: &str) -> bool {
        self.entry(key).is_some_and(|entry| !self.reader.misshapen.contains(&entry.node.at))
    }

    /// Whether the file has a mapping for `key`, where it could have something else.
    pub(crate) fn has_mapping(&self, key: &str) -> bool {
        self.entry(key).is_some_and(|entry| matches!(entry.node.content, Content::Map(_)))
    }

    /// Reports that the value of `key` is wrong.
    pub(crate) fn wrong(&self, key: &str, wrong: impl Into<String>, right: impl Into<String>) {
        self.reader.error(self.at(key), &self.path_of(key), Fault::new(wrong, right));
    }

    /// Reports that the item of `key` with this number is wrong.
    pub(crate) fn wrong_item(&self, key: &str, number: usize, wrong: impl Into<String>, right: impl Into<String>) {
        let at = match self.entry(key).map(|entry| &entry.node.content) {
            Some(Content::List(items)) => items.get(number).map_or(self.at, |item| item.at),
            _ => self.at(key),
        };
        let mut path = self.path_of(key);
        path.push(Step::Item(number));
        self.reader.error(at, &path, Fault::new(wrong, right));
    }

    /// Reports that the entry `name` under `key` is wrong, pointing at the name.
    pub(crate) fn wrong_entry(&self, key: &str, name: &str, wrong: impl Into<String>, right: impl Into<String>) {
        let at = match self.entry(key).map(|entry| &entry.node.content) {
            Some(Content::Map(entries)) => entries.iter().find(|entry| entry.key == name).map_or(self.at, |entry| entry.at),
            _ => self.at(key),
        };
        let mut path = self.path_of(key);
        path.push(Step::Key(name.to_owned()));
        self.reader.error(at, &path, Fault::new(wrong, right));
    }

    /// Reports that something inside the data of `key` is wrong: `steps` are keys, and numbers of items.
    pub(crate) fn wrong_inside(&self, key: &str, steps: &[String], wrong: &str, right: &str) {
        let at = self.entry(key).and_then(|entry| entry.node.place_of(steps)).unwrap_or_else(|| self.at(key));
        let mut path = self.path_of(key);
        path.extend(steps.iter().map(|text| step(text)));
        self.reader.error(at, &path, Fault::new(wrong, right));
    }

    /// Whether something was found to be wrong in this section, or with a setting that has one of the names `keys` and stands where it is
    /// not known.
    pub(crate) fn has_errors(&self, keys: &[&str]) -> bool {
        let below = format!("{}.", self.name());
        let is_one =
            |error: &ConfigError| error.key.starts_with(&below) || keys.iter().any(|key| error.key.rsplit('.').next() == Some(key));
        self.reader.errors.borrow().iter().any(is_one)
    }

    /// The value of `key`, given, inherited or by default. Nothing when it is unset, or was reported as wrong.
    pub(crate) fn get<T>(&self, key: &str, parse: fn(&Scalar) -> Option<T>) -> Option<T> {
        let node = self.node(key)?;
        let Content::Scalar(scalar) = &node.content else { return None };
        let value = parse(scalar);
        self.set(key, node.to_json());
        value
    }

    /// The values of `key`, of which there may be one or more.
    pub(crate) fn all<T>(&self, key: &str, parse: fn(&Scalar) -> Option<T>) -> Vec<T> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let items = match node.content {
            Content::List(items) => items,
            Content::Scalar(_) | Content::Map(_) => vec![node],
        };
        self.set(key, items.iter().map(Node::to_json).collect());
        let scalars = items.iter().filter_map(|item| if let Content::Scalar(scalar) = &item.content { Some(scalar) } else { None });
        scalars.filter_map(parse).collect()
    }

    /// The names and values of the mapping `key`, in order.
    pub(crate) fn pairs<T>(&self, key: &str, parse: fn(&Scalar) -> Option<T>) -> Vec<(String, T)> {
        let Some(node) = self.node(key) else { return Vec::new() };
        self.set(key, node.to_json());
        let Content::Map(entries) = node.content else { return Vec::new() };
        let pair = |entry: Entry| match &entry.node.content {
            Content::Scalar(scalar) => Some((entry.key, parse(scalar)?)),
            Content::List(_) | Content::Map(_) => None,
        };
        entries.into_iter().filter_map(pair).collect()
    }

    /// The one name and value of each mapping in the list `key`: references to secrets.
    pub(crate) fn references(&self, key: &str) -> Vec<(String, String)> {
        let Some(Node { content: Content::List(items), .. }) = self.node(key) else { return Vec::new() };
        let reference = |item: &Node| match &item.content {
            Content::Map(entries) => entries.first().and_then(|entry| match &entry.node.content {
                Content::Scalar(scalar) => Some((entry.key.clone(), scalar.text.clone())),
                Content::List(_) | Content::Map(_) => None,
            }),
            Content::List(_) | Content::Scalar(_) => None,
        };
        items.iter().filter_map(reference).collect()
    }

    /// The names in the mapping `key`, in order. Their values are still to be read.
    pub(crate) fn names(&self, key: &str) -> Vec<String> {
        match self.entry(key).filter(|_| self.is_sound(key)).map(|entry| &entry.node.content) {
            Some(Content::Map(entries)) => entries.iter().map(|entry| entry.key.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// The names and values of the mapping `key`, in order, where a name may have one value or several.
    pub(crate) fn groups<T>(&self, key: &str, parse: fn(&Scalar) -> Option<T>) -> Vec<(String, Vec<T>)> {
        let Some(node) = self.node(key) else { return Vec::new() };
        self.set(key, node.to_json());
        let Content::Map(entries) = node.content else { return Vec::new() };
        let group = |entry: Entry| {
            let items = match entry.node.content {
                Content::List(items) => items,
                Content::Scalar(_) | Content::Map(_) => vec![entry.node],
            };
            let scalars = items.iter().filter_map(|item| if let Content::Scalar(scalar) = &item.content { Some(scalar) } else { None });
            (entry.key, scalars.filter_map(parse).collect())
        };
        entries.into_iter().map(group).collect()
    }

    /// A path, relative to the file's folder. What it leads to must be there and readable, where files are looked for at all.
    pub(crate) fn file(&self, key: &str) -> Option<PathBuf> {
        match self.reader.files {
            Files::Required => self.needed_file(key),
            Files::Named => {
                let path = self.path(key)?;
                self.not_tried(key);
                Some(path)
            }
        }
    }

    /// As [`Section::file`], of what is read once, by whoever is given the path: a change is one of the configuration.
    pub(crate) fn companion(&self, key: &str) -> Option<PathBuf> {
        let path = self.file(key)?;
        if self.looks_for_files() {
            self.took_in(&self.path_of(key), &path, Look::at(&path));
        }
        Some(path)
    }

    /// Notes that the value of `key`, or of that item of it, is `text`, out of the file at `path`.
    pub(crate) fn took_in_text(&self, (key, item): (&str, Option<usize>), path: &Path, text: &str) {
        let mut setting = self.path_of(key);
        setting.extend(item.map(Step::Item));
        self.took_in(&setting, path, Look::of(text.as_bytes()));
    }

    /// The same of what is in no file.
    pub(crate) fn took_in_value(&self, (key, item): (&str, Option<usize>), value: &str) {
        let mut setting = self.path_of(key);
        setting.extend(item.map(Step::Item));
        self.reader.companions.borrow_mut().note_value(show(&setting), Look::of(value.as_bytes()));
    }

    fn took_in(&self, setting: &[Step], path: &Path, look: Look) {
        self.reader.companions.borrow_mut().note(show(setting), path.to_owned(), look);
    }

    /// As [`Section::file`], of records: they are looked for wherever they are.
    pub(crate) fn records(&self, key: &str) -> Option<PathBuf> {
        let is_here = || self.path(key).is_some_and(|path| path.exists());
        if self.reader.files == Files::Required || is_here() { self.needed_file(key) } else { self.file(key) }
    }

    /// As [`Section::file`], of what the configuration cannot be understood without.
    pub(crate) fn needed_file(&self, key: &str) -> Option<PathBuf> {
        let path = self.path(key)?;
        // Opening says more than asking for metadata: a key may be there and not be ours to read.
        match std::fs::File::open(&path).and_then(|file| file.metadata()) {
            Ok(metadata) if !metadata.is_dir() => Some(path),
            Ok(_) => {
                self.wrong(key, format!("{} is a directory", path.display()), "give a file");
                None
            }
            Err(error) => {
                self.wrong(key, format!("{} cannot be read: {error}", path.display()), "give a file that Palisade can read");
                None
            }
        }
    }

    /// As [`Section::file`], of what may be a folder as well.
    #[cfg(feature = "cedar")]
    pub(crate) fn file_or_folder(&self, key: &str) -> Option<PathBuf> {
        let path = self.path(key)?;
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Some(path),
            Err(_) if self.reader.files == Files::Named => {
                self.not_tried(key);
                Some(path)
            }
            Ok(_) | Err(_) => self.needed_file(key),
        }
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        let path = self.get(key, |scalar| Some(PathBuf::from(&scalar.text)))?;
        (!path.as_os_str().is_empty()).then(|| self.reader.base.join(path))
    }

    /// Whether files and variables have to be there.
    pub(crate) fn looks_for_files(&self) -> bool {
        self.reader.files == Files::Required
    }

    /// Says that what `key` names was not looked for.
    pub(crate) fn not_tried(&self, key: &str) {
        self.reader.untried.borrow_mut().push(show(&self.path_of(key)));
    }

    /// Any data under `key`.
    pub(crate) fn json(&self, key: &str) -> Option<Value> {
        let json = self.node(key)?.to_json();
        self.set(key, json.clone());
        Some(json)
    }

    /// The section `key`; absent, it is one of defaults alone.
    pub(crate) fn section(&self, key: &str) -> Section<'r> {
        let entry = self.entry(key);
        let settings = match self.setting(key).map(|setting| &setting.kind) {
            Some(Kind::Section(settings) | Kind::Choice(settings) | Kind::OneOrMoreOr(_, settings)) => settings,
            _ => &[][..],
        };
        let (node, at) = entry.map_or((None, self.at), |entry| (Some(&entry.node), entry.at));
        Section { reader: self.reader, node, at, path: self.path_of(key), settings, under: None, defaults: &[] }
    }

    /// The section `key`, where the file has it.
    pub(crate) fn given(&self, key: &str) -> Option<Section<'r>> {
        self.has(key).then(|| self.section(key))
    }

    /// The sections in the list or mapping `key`, with their names (empty in a list).
    pub(crate) fn sections(&self, key: &str) -> Vec<(String, Section<'r>)> {
        let sections = self.sections_again(key);
        // Even a section without settings of its own is there.
        sections.iter().for_each(|(_, section)| self.reader.record(&section.path, Value::Object(Map::new())));
        sections
    }

    /// The same where they have been read already, and are only reported on: what was noted of them stays.
    pub(crate) fn sections_again(&self, key: &str) -> Vec<(String, Section<'r>)> {
        let (settings, list) = match self.setting(key).map(|setting| &setting.kind) {
            Some(Kind::List(Kind::Choice(settings) | Kind::Section(settings)) | Kind::Entries(Kind::Section(settings))) => (settings, true),
            Some(Kind::Map(_, Kind::Section(settings))) => (settings, false),
            _ => return Vec::new(),
        };
        let section = |step: Step, node: &'r Node, at: At| {
            let mut path = self.path_of(key);
            path.push(step);
            Section { reader: self.reader, node: Some(node), at, path, settings, under: None, defaults: &[] }
        };
        match self.entry(key).map(|entry| &entry.node.content) {
            Some(Content::List(items)) if list => {
                items.iter().enumerate().map(|(number, item)| (String::new(), section(Step::Item(number), item, item.at))).collect()
            }
            Some(Content::Map(entries)) if !list => {
                entries.iter().map(|entry| (entry.key.clone(), section(Step::Key(entry.key.clone()), &entry.node, entry.at))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Writes the effective value of `key`.
    pub(crate) fn set(&self, key: &str, value: Value) {
        self.reader.record(&self.path_of(key), value);
    }

    /// Where the section stands, as messages say it.
    pub(crate) fn name(&self) -> String {
        show(&self.path)
    }

    /// The folder that relative paths are relative to.
    pub(crate) fn base(&self) -> &'r Path {
        self.reader.base
    }

    fn path_of(&self, key: &str) -> Vec<Step> {
        let mut path = self.path.clone();
        path.push(Step::Key(key.to_owned()));
        path
    }

    fn entry(&self, key: &str) -> Option<&'r Entry> {
        self.node?.get(key)
    }

    fn setting(&self, key: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// What holds for `key`; nothing where it was found to be wrong, so that one mistake is one error.
    fn node(&self, key: &str) -> Option<Node> {
        if let Some(entry) = self.entry(key).or_else(|| self.under?.entry(key)) {
            return (!self.reader.misshapen.contains(&entry.node.at)).then(|| entry.node.clone());
        }
        if let Some((_, text)) = self.defaults.iter().find(|(known, _)| *known == key) {
            return parse(text, Bounds::CONFIG).ok();
        }
        match self.setting(key)?.absent {
            Absent::Default(text) => parse(text, Bounds::CONFIG).ok(),
            Absent::Derived(_) | Absent::Required | Absent::Unset | Absent::UnsetNotNull => None,
        }
    }
}
