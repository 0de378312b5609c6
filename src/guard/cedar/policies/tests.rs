//! Looks at the files, one by one.

use std::fs;

use super::{files::MOST_FILES, *};
use crate::telemetry::access_log::tests::Sink;

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

#[tokio::test]
async fn the_log_says_which_policies_are_new_and_which_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.cedar");
    fs::write(&path, permitting(&["first"])).unwrap();
    let (policies, metrics) = (Policies::open(&path).unwrap(), Metrics::new().unwrap());
    let changed = async |ids: &[&str]| {
        fs::write(&path, permitting(ids)).unwrap();
        policies.look(&metrics).await;
        policies.look(&metrics).await;
    };
    // Once before anybody listens: what another thread is the first to log is heard by nobody.
    changed(&["old", "both"]).await;
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let logging = tracing::subscriber::set_default(subscriber);
    changed(&["both", "new", "newer"]).await;
    drop(logging);
    let log = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("policies=3 added=\"new, newer\" removed=\"old\""), "{log}");
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
