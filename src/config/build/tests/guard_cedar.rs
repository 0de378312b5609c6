//! `guard.cedar`

use super::*;
use crate::config::GuardMode;

const POOL: &str = "s3: [{buckets: [pool], prefix: '{tenant.id}/'}]";

#[test]
fn policies_are_a_file_or_a_folder_with_a_mode() {
    let cedar = |guard: &str| good(&format!("{BASE}guard: {{{guard}}}\n")).guard.cedar.unwrap();
    let own = cedar(&format!("cedar: {{policies: c}}, {POOL}"));
    assert!(own.policies.ends_with("c"));
    assert_eq!(own.mode, GuardMode::Enforce);
    assert_eq!(cedar(&format!("mode: audit, cedar: {{policies: c}}, {POOL}")).mode, GuardMode::Audit);
    assert_eq!(cedar(&format!("mode: audit, cedar: {{policies: c, mode: enforce}}, {POOL}")).mode, GuardMode::Enforce);
    assert_eq!(cedar("mode: off, cedar: {policies: ., mode: enforce}").mode, GuardMode::Enforce);
}

#[test]
fn policies_that_are_not_there_are_errors() {
    for (cedar, wrong) in [
        ("{}", "guard.cedar.policies: is missing"),
        ("{policies: nowhere.cedar}", "guard.cedar.policies: "),
        ("{policies: c, mode: on}", "guard.cedar.mode: "),
        ("{policies: c, schema: c}", "guard.cedar.schema: "),
        ("~", "guard.cedar: "),
    ] {
        let errors = load(&format!("{BASE}guard: {{cedar: {cedar}, {POOL}}}\n")).unwrap_err().to_string();
        assert!(errors.contains(wrong) && errors.lines().count() == 1, "{cedar}\n{errors}");
    }
}
