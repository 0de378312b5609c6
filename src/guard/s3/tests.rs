use super::*;

/// What the rules say of keys, requests say in the catalogue; here is what no request can show.
#[test]
fn what_is_usual_is_spelled_as_actions_are() {
    assert!(USUAL.iter().all(|text| Pattern::parse(text).is_some()));
    assert!(USUAL.is_sorted() && OF_OBJECT.is_sorted());
}

#[test]
fn every_name_is_an_operation_of_s3() {
    let known: Vec<_> = crate::aws::operation::s3_operation_names().collect();
    for name in OF_OBJECT.iter().chain(&COPIES).chain(&LISTINGS).chain(&HARMLESS) {
        assert!(known.contains(name), "{name}");
    }
}
