//! The order of the security path is a matter of types: each forbidden move must fail to compile, at the place and for the reason that stand beside it
//! as `//~ CODE message: label`, and for no other.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

#[test]
fn forbidden_moves_do_not_compile() {
    let libraries = libraries();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 19, "{cases:?}");
    let wrong: Vec<String> = cases.iter().filter_map(|case| differs(case, &libraries)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What cases are compiled against: as this test was, so that Cargo has it ready and only tells where it lies.
fn libraries() -> Vec<(&'static str, PathBuf)> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--locked", "--test", "it", "--no-run", "--message-format=json"]);
    let features = [("cedar", cfg!(feature = "cedar")), ("sandbox", cfg!(feature = "sandbox"))];
    // The feature `default` is one itself, without which all would be built once more.
    if features.iter().any(|(_, on)| !on) {
        cargo.arg("--no-default-features");
    }
    let features = features.into_iter().chain([("bench", cfg!(feature = "bench"))]);
    cargo.args(features.filter(|(_, on)| *on).flat_map(|(name, _)| ["--features", name]));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let built: Vec<Value> = String::from_utf8(output.stdout).unwrap().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    // Its version, since older ones are among the dependencies of dependencies.
    [("palisade", "#0."), ("http", "#1.")].map(|(name, version)| (name, library(&built, name, version))).into()
}

fn library(built: &[Value], name: &str, version: &str) -> PathBuf {
    let is_it = |artifact: &&Value| {
        let id = artifact["package_id"].as_str().unwrap_or_default().replace(&format!("#{name}@"), "#");
        artifact["reason"] == "compiler-artifact"
            && artifact["target"]["name"] == name
            && artifact["target"]["kind"][0] == "lib"
            && id.contains(version)
    };
    let found = built.iter().find(is_it).unwrap_or_else(|| panic!("Cargo tells of no library {name}"));
    let files = found["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
    files.into_iter().find(|file| file.ends_with(".rlib")).map(PathBuf::from).unwrap()
}

/// An error's line, and what it says. Notes and help are left out: they speak of the library's inside.
type Errors = BTreeSet<(u64, String)>;

fn differs(case: &Path, libraries: &[(&str, PathBuf)]) -> Option<String> {
    let text = fs::read_to_string(case).unwrap();
    let said = |(line, number): (&str, u64)| line.split_once("//~ ").map(|(_, said)| (number, said.trim().to_owned()));
    let expected: Errors = text.lines().zip(1..).filter_map(said).collect();
    let found = errors(case, libraries);
    let name = case.file_name().unwrap().display();
    (expected.is_empty() || expected != found).then(|| format!("{name}:\n  expected {expected:#?}\n  found {found:#?}"))
}

/// What the compiler has against a case. It is run by itself, since a build by Cargo would compile every dependency once more.
fn errors(case: &Path, libraries: &[(&str, PathBuf)]) -> Errors {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc
        .args(["--edition=2024", "--crate-type=bin", "--emit=metadata", "--error-format=json", "--out-dir"])
        .arg(env!("CARGO_TARGET_TMPDIR"));
    for (name, file) in libraries {
        rustc.arg("--extern").arg(joined(&format!("{name}="), file));
        rustc.arg("-L").arg(joined("dependency=", file.parent().unwrap()));
    }
    let output = rustc.arg(case).stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let messages = stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    messages.filter(|message| message["level"] == "error").filter_map(|message| told(&message)).collect()
}

fn joined(before: &str, path: &Path) -> OsString {
    let mut whole = OsString::from(before);
    whole.push(path);
    whole
}

/// The last error only counts the others, and has no place.
fn told(message: &Value) -> Option<(u64, String)> {
    let place = message["spans"].as_array()?.iter().find(|span| span["is_primary"] == true)?;
    let code = message["code"]["code"].as_str().map(|code| format!("{code} ")).unwrap_or_default();
    let label = place["label"].as_str().map(|label| format!(": {label}")).unwrap_or_default();
    Some((place["line_start"].as_u64()?, format!("{code}{}{label}", message["message"].as_str()?)))
}
