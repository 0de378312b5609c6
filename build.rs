//! Tells the crate which compiler built it, for `palisade version` and `palisade_build_info`.

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler).arg("--version").output().ok().and_then(|o| String::from_utf8(o.stdout).ok());
    println!("cargo:rustc-env=PALISADE_RUSTC={}", version.as_deref().unwrap_or("unknown").trim());
}
