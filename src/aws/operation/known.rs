//! What a request asks for, by name.

use std::{borrow::Cow, sync::Arc};

/// One of AWS's operations, and what the path says about it.
///
/// The name is from the table of operations and never a request's own text, so that there are only so many. Labels are decoded exactly once.
/// Operations that are named elsewhere than in the path have none, nor have S3's, of which [`resource`](crate::aws::resource) tells bucket and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    service: Arc<str>,
    name: &'static str,
    labels: Vec<(&'static str, String)>,
}

/// What a request asks for, in every way in which the service could read it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Whatever it could be. Nothing where that cannot be told.
    readings: Vec<Known>,
    /// A name that is stated, and that the table does not have.
    unlisted: Option<String>,
    /// For S3, whose operations are told with tolerance for the log.
    logged: Option<&'static str>,
    /// Whether a version of an object of S3 is named.
    has_version: bool,
}

impl Known {
    pub(super) fn new(service: Arc<str>, name: &'static str, labels: Vec<(&'static str, String)>) -> Self {
        Self { service, name, labels }
    }

    /// IAM's name of the service: `lambda`, `cloudwatch`.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The API's name of the operation: `Invoke`, which IAM may call otherwise.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the path has for every label.
    pub(crate) fn labels(&self) -> &[(&'static str, String)] {
        &self.labels
    }

    /// What the path has for the label `name` of the operation's template: `FunctionName`.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| *label == name).map(|(_, value)| value.as_str())
    }
}

impl Named {
    pub(super) fn new(readings: Vec<Known>, unlisted: Option<String>, logged: Option<&'static str>) -> Self {
        Self { readings, unlisted, logged, has_version: false }
    }

    /// The same, of a version of an object.
    pub(super) fn with_version(self, has_version: bool) -> Self {
        Self { has_version, ..self }
    }

    /// Whether a version of an object of S3 is named.
    pub(crate) fn has_version(&self) -> bool {
        self.has_version
    }

    /// All that it could be of what the table has.
    pub(crate) fn listed(&self) -> impl Iterator<Item = &'static str> {
        self.readings.iter().map(|known| known.name)
    }

    /// The one operation that it can be. What allows something by its operation has to use this.
    pub fn only(&self) -> Option<&Known> {
        match (self.readings.as_slice(), &self.unlisted) {
            ([known], None) => Some(known),
            _ => None,
        }
    }

    /// All names that it could go by, one that is in no table among them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.readings.iter().map(|known| known.name as &str).chain(self.unlisted.as_deref())
    }

    /// For the log: names of the table alone, joined by `|` where there are several.
    pub fn logged(&self) -> Option<Cow<'static, str>> {
        match (self.logged, self.readings.as_slice()) {
            (Some(name), _) => Some(name.into()),
            (None, []) => None,
            (None, [known]) => Some(known.name.into()),
            (None, several) => Some(several.iter().map(Known::name).collect::<Vec<_>>().join("|").into()),
        }
    }
}

#[cfg(test)]
impl Named {
    /// One operation without labels.
    pub(crate) fn for_tests(service: &str, name: &'static str) -> Self {
        Self::new(vec![Known::new(service.into(), name, Vec::new())], None, None)
    }

    /// A name that no table has.
    pub(crate) fn unlisted_for_tests(name: &str) -> Self {
        Self::new(Vec::new(), Some(name.to_owned()), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &'static str) -> Known {
        Known::new("lambda".into(), name, vec![("FunctionName", "f".to_owned())])
    }

    #[test]
    fn only_what_is_certain_is_the_only_one() {
        assert_eq!(Named::new(vec![known("Invoke")], None, None).only().map(Known::name), Some("Invoke"));
        assert_eq!(Named::new(vec![known("Invoke"), known("InvokeAsync")], None, None).only(), None);
        assert_eq!(Named::new(vec![known("Invoke")], Some("Other".to_owned()), None).only(), None);
        assert_eq!(Named::unlisted_for_tests("Other").only(), None);
        assert_eq!(Named::default().only(), None);
    }

    #[test]
    fn the_log_has_names_of_the_table_alone() {
        assert_eq!(Named::new(vec![known("A"), known("B")], None, None).logged().as_deref(), Some("A|B"));
        assert_eq!(Named::new(Vec::new(), None, Some("GetObject")).logged().as_deref(), Some("GetObject"));
        assert_eq!(Named::unlisted_for_tests("x\"y").logged(), None);
    }

    #[test]
    fn labels_are_found_by_their_names_in_the_template() {
        assert_eq!(known("Invoke").label("FunctionName"), Some("f"));
        assert_eq!(known("Invoke").label("functionname"), None);
    }
}
