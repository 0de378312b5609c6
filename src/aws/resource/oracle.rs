//! What has to hold for whatever bytes come: another reader of forms. It says whether they were taken.

use super::form::Form;

/// A form that is taken is, to a reader of the standard, the same parameters with the same values, and none twice.
pub(crate) fn form(body: &[u8]) -> bool {
    let Ok(form) = Form::parse(body) else { return false };
    let pairs: Vec<(String, String)> = form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let mut names: Vec<String> = pairs.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a parameter is there twice");
    assert_eq!(form.len(), pairs.len());
    for (name, value) in &pairs {
        // Another parameter may look like a part of it; it is then not given at all.
        if let Ok(found) = form.get(name) {
            assert_eq!(found, Some(value.as_str()), "{name}");
        }
    }
    for name in ["QueueUrl", "TopicArn", "Action"] {
        if let Ok(found) = form.get(name) {
            let alike: Vec<_> = pairs.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).collect();
            assert!(alike.len() <= 1, "{name}");
            assert_eq!(found, alike.first().map(|(_, value)| value.as_str()), "{name}");
        }
    }
    true
}
