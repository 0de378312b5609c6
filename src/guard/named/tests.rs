use super::*;
use crate::aws::resource::table::{About, Names};

/// What is read beside a name is read of keys alone.
#[test]
fn only_keys_have_contexts_and_may_go_unnamed() {
    for table in Table::all() {
        for row in table.usual.iter().chain(table.listed) {
            let (About::Each(members) | About::Same(members)) = row.about else { continue };
            for member in members {
                let unnamed = matches!(member.absent, crate::aws::resource::table::Absent::Unnamed);
                assert!(table.kind == Kind::Key || (member.context.is_empty() && !unnamed), "{} {}", table.key, member.path);
                let (Names::Any(kind) | Names::Arn(kind) | Names::Below(kind) | Names::Name(kind) | Names::Owned(kind, _)) = member.names
                else {
                    continue;
                };
                assert_eq!(kind, table.kind, "{} {}", table.key, member.path);
            }
        }
    }
}
