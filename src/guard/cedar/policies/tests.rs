//! Looks at the files, one by one.

use std::fs;

use super::{files::MOST_FILES, *};

/// A policy for each id.
fn permitting(ids: &[&str]) -> String {
    ids.iter().map(|id| format!("@id(\"{id}\")\npermit(principal, action, resource);\n")).collect()
}

/// A file that is being written is not read half-way, and one that stands still is read once.
#[tokio::test]
async fn a_change_is_read_when_it_stands_still_and_then_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.cedar");
    let write = |ids: &[&str]| fs::write(&path, permitting(ids)).unwrap();
    write(&["a"]);
    let (policies, metrics) = (Policies::open(&path).unwrap(), Metrics::new().unwrap());
    let reloads = || {
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        text.lines().filter(|line| line.starts_with("palisade_config_reloads_total{")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(policies.look(&metrics).await, "nothing has changed");
    assert_eq!((policies.count(), reloads()), (1, vec![]));
    write(&["a", "b"]);
    assert!(!policies.look(&metrics).await, "something has");
    write(&["a", "b", "c"]);
    assert!(!policies.look(&metrics).await, "and again");
    assert_eq!((policies.count(), reloads()), (1, vec![]));
    let once = vec!["palisade_config_reloads_total{result=\"applied\"} 1".to_owned()];
    for _ in 0..2 {
        assert!(policies.look(&metrics).await);
        assert_eq!((policies.count(), reloads()), (3, once.clone()));
    }
}

/// The log says by them what a change has added and taken away.
#[test]
fn policies_are_told_apart_by_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.cedar");
    fs::write(&path, permitting(&["old", "both"]) + "permit(principal, action, resource);").unwrap();
    let ids = Policies::open(&path).unwrap().current().ids();
    assert_eq!(ids, BTreeSet::from(["both", "old", "p.cedar#3"].map(str::to_owned)));
}

#[test]
fn a_folder_has_so_many_files_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..MOST_FILES {
        fs::write(folder.path().join(format!("{number}.cedar")), "").unwrap();
    }
    fs::write(folder.path().join("README.md"), "").unwrap();
    assert_eq!(Source::read(folder.path()).files.unwrap().len(), MOST_FILES);
    fs::write(folder.path().join("more.cedar"), "").unwrap();
    assert_eq!(Source::read(folder.path()).files.unwrap_err(), "has more than 256 files that end in .cedar");
}
