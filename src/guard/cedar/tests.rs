//! Policies as files: what is taken, what is not and why, and what becomes of changes.

use std::{fs, path::Path, time::Duration};

use super::{Policies, published::Published, schema};
use crate::telemetry::Metrics;

const EVERYTHING: &str = "@id(\"everything\")\npermit(principal, action, resource);\n";

/// The guide's row of what a policy may read of the request's surroundings is the schema's type.
#[test]
fn the_guide_lists_all_of_the_context() {
    let schema = schema();
    let (_, after) = schema.split_once("type Context = {").unwrap();
    let (members, _) = after.split_once("\n  };").unwrap();
    let guide = include_str!("../../../config/guide/cedar.md");
    let row = guide.lines().find(|line| line.starts_with("| context |")).unwrap();
    let names: Vec<&str> = members.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name.trim()).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let bare = name.trim_end_matches('?');
        assert!(row.contains(&format!("`.{bare}`")) || row.contains(&format!("`.{bare}.")), "{name}");
        let (_, missing) = row.rsplit_once("; ").unwrap();
        assert_eq!(missing.contains(&format!("`{bare}`")), name.ends_with('?'), "{name}");
    }
}

/// The copy that is published.
#[test]
fn the_schema_is_the_one_that_is_published() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/palisade.cedarschema");
    let text = schema();
    if std::env::var_os("PALISADE_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    assert!(recorded == text, "{} has changed: PALISADE_BLESS=1 writes it anew", path.display());
    Published::get().unwrap();
}

/// What is wrong with these files, each a name and a text.
fn faults(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
    match Policies::open(folder.path()) {
        Ok(_) => "nothing".to_owned(),
        Err(errors) => {
            errors.to_string().replace(&format!("{}/", folder.path().display()), "").replace(&folder.path().display().to_string(), ".")
        }
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, place, wrong) in [
        ("permit(principal, action, resource)\n", "p.cedar:1:36: ", "unexpected end of input"),
        ("permit(principal, action == Palisade::Action::\"s3:GetObjekt\", resource);", "p.cedar:1:29: ", "s3:GetObjekt"),
        ("permit(principal, action, resource is Palisade::Bukket);", "p.cedar:1:39: ", "Bukket"),
        ("permit(principal, action, resource)\n  when { principal.tenant.teir == \"gold\" };", "p.cedar:2:10: ", "teir"),
        ("permit(principal, action, resource)\n  when { principal.tenant.teir == \"gold\" };", "p.cedar:2:10: ", "did you mean"),
        ("permit(principal, action, resource)\n  when { principal.tenant.tier == \"gold\" };", "p.cedar:2:10: ", "optional attribute"),
        ("permit(principal, action, resource) when { context.hour == \"9\" };", "p.cedar:1:", "compatible"),
        (
            "forbid(principal, action == Palisade::Action::\"sqs:SendMessage\", resource is Palisade::Bucket);",
            "p.cedar:1:1: ",
            "unable to find an applicable action",
        ),
        ("forbid(principal, action, resource) when { context.hour == 1 && false };", "p.cedar:1:1: ", "impossible"),
        ("permit(principal == ?principal, action, resource);", "p.cedar:1:21: ", "a template"),
        ("@id(\"\")\npermit(principal, action, resource);", "p.cedar:1:1: ", "@id is not taken"),
        ("@id(\"a\u{e9}\")\npermit(principal, action, resource);", "p.cedar:1:1: ", "@id is not taken"),
        ("@id(\"a\tb\")\npermit(principal, action, resource);", "p.cedar:1:1: ", "@id is not taken"),
        (
            "@id(\"a\")\npermit(principal, action, resource);\n@id(\"a\")\npermit(principal, action, resource);",
            "p.cedar:3:1: ",
            "another policy with the id a",
        ),
        ("// nothing yet\n", ".: ", "has no policy that permits anything"),
        ("forbid(principal, action, resource);", ".: ", "has no policy that permits anything"),
        (
            "forbid(principal, action == Palisade::Action::\"s3:GetObjekt\", resource);",
            "p.cedar:1:29: ",
            "did you mean Palisade::Action::\"s3:GetObject\"?",
        ),
        ("forbid(principal, action == Action::\"s3:GetObject\", resource);", "p.cedar:1:29: ", "write Palisade::Action::\"s3:GetObject\""),
        ("forbid(principal, action == Palisade::Action::\"s3:Bla\", resource);", "p.cedar:1:29: ", "give an action of s3 as IAM has it"),
        (
            "forbid(principal, action == Palisade::Action::\"admin\", resource);",
            "p.cedar:1:29: ",
            "give Palisade::Action::\"SERVICE:ACTION\"",
        ),
        ("forbid(principal, action == Palisade::Action::\"write\", resource);", "p.cedar:1:1: ", "stands behind action in"),
        ("forbid(principal, action, resource) when { resource.key like \"x\" };", "p.cedar:1:", "resource is Palisade::Object"),
    ] {
        let said = faults(&[("p.cedar", text)]);
        assert!(said.starts_with(place) && said.contains(wrong), "{text}\n  {said}");
        assert_eq!(said.lines().count(), 1, "one mistake is one line: {said}");
    }
}

#[test]
fn all_files_of_a_folder_are_one_set() {
    let other = ("b.cedar", "@id(\"everything\")\nforbid(principal, action, resource);");
    assert!(faults(&[("a.cedar", EVERYTHING), other]).starts_with("b.cedar:1:1: there is another policy with the id everything"));
    let both = faults(&[("a.cedar", "permit(x);"), ("b.cedar", "permit(y);")]);
    assert!(both.lines().any(|line| line.starts_with("a.cedar:1:")) && both.lines().any(|line| line.starts_with("b.cedar:1:")), "{both}");
    // Also what only the schema is against.
    let bucket = "permit(principal, action, resource is Palisade::Bukket);";
    assert!(faults(&[("a.cedar", EVERYTHING), ("b.cedar", bucket)]).starts_with("b.cedar:1:39: "));
    assert!(faults(&[("a.cedar", bucket), ("b.cedar", EVERYTHING)]).starts_with("a.cedar:1:39: "));
    assert_eq!(
        faults(&[("a.cedar", EVERYTHING), ("b.cedar", "permit(principal, action, resource);"), ("README.md", "no policy")]),
        "nothing"
    );
    assert_eq!(faults(&[("a.cedar", EVERYTHING), (".a.cedar", "no policy")]), "nothing", "what an editor leaves is no policy");
    assert!(faults(&[("README.md", "none")]).starts_with(".: has no file that ends in .cedar"));
    assert!(Policies::open(Path::new("/nowhere/p.cedar")).unwrap_err().to_string().starts_with("/nowhere/p.cedar: cannot be read"));
}

#[test]
fn an_id_may_be_words() {
    assert_eq!(faults(&[("p.cedar", "@id(\"No writes (2026)!\")\npermit(principal, action, resource);")]), "nothing");
}

#[test]
fn a_policy_without_an_id_is_called_by_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.cedar");
    fs::write(&path, format!("permit(principal, action, resource);\n{EVERYTHING}forbid(principal, action, resource);")).unwrap();
    let policies = Policies::open(&path).unwrap();
    let mut ids: Vec<String> = policies.current().slices.all().policies().map(|policy| policy.id().to_string()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["everything", "p.cedar#1", "p.cedar#3"]);
    assert_eq!(policies.count(), 3);
}

/// Waits until `done`, or long enough to know that it will not be.
async fn until(done: impl Fn() -> bool) -> bool {
    for _ in 0..500 {
        if done() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

#[tokio::test]
async fn watching_goes_on_from_what_is_current_when_it_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.cedar");
    let forbidding = format!("{EVERYTHING}forbid(principal, action, resource);");
    fs::write(&path, &forbidding).unwrap();
    let policies = Policies::open_polling(&path, Duration::from_millis(5)).unwrap();
    let metrics = Metrics::new().unwrap();
    // The second change is back to what was opened, as a deployment that is undone.
    for (text, count) in [(EVERYTHING, 1), (&*forbidding, 2)] {
        fs::write(&path, text).unwrap();
        let taken = tokio::select! {
            () = policies.watch(&metrics) => false,
            taken = until(|| policies.count() == count) => taken,
        };
        assert!(taken, "{text}");
    }
}

/// Whoever settles does not wait for the next look.
#[tokio::test]
async fn what_has_changed_is_in_use_once_it_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.cedar");
    fs::write(&path, EVERYTHING).unwrap();
    let policies = Policies::open_polling(&path, Duration::from_millis(1)).unwrap();
    fs::write(&path, format!("{EVERYTHING}forbid(principal, action, resource);")).unwrap();
    policies.settle(&Metrics::new().unwrap()).await;
    assert_eq!(policies.count(), 2);
}

#[tokio::test]
async fn a_change_is_taken_over_where_it_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.cedar");
    fs::write(&path, EVERYTHING).unwrap();
    let policies = std::sync::Arc::new(Policies::open_polling(&path, Duration::from_millis(5)).unwrap());
    let metrics = Metrics::new().unwrap();
    let are_current = || String::from_utf8(metrics.render().unwrap()).unwrap().contains("palisade_policies_current 1\n");
    assert!(are_current(), "before anybody has looked");
    let (watched, counted) = (policies.clone(), metrics.clone());
    let task = tokio::spawn(async move { watched.watch(&counted).await });
    let reloads = |result: &str| {
        let line = format!("palisade_config_reloads_total{{result=\"{result}\"}} ");
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        text.lines().find_map(|found| found.strip_prefix(&line).map(|count| count.parse::<u32>().unwrap())).unwrap_or_default()
    };
    fs::write(&path, format!("{EVERYTHING}forbid(principal, action, resource);")).unwrap();
    assert!(until(|| policies.count() == 2).await, "a change is seen");
    assert!(until(|| reloads("applied") == 1).await);
    fs::write(&path, "permit(principal, action, resource").unwrap();
    assert!(until(|| reloads("rejected") == 1).await, "a mistake is counted");
    assert_eq!(policies.count(), 2, "and changes nothing");
    assert!(!are_current());
    // For as long as it is there, and not for one look.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!are_current());
    fs::remove_file(&path).unwrap();
    assert!(until(|| reloads("rejected") == 2).await, "a file that is gone is a mistake");
    assert_eq!(policies.count(), 2);
    fs::write(&path, EVERYTHING).unwrap();
    assert!(until(|| policies.count() == 1).await, "what is put right is taken");
    assert_eq!((reloads("applied"), reloads("rejected")), (2, 2));
    assert!(until(are_current).await);
    task.abort();
}
