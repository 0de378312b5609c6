//! What is printed once the sandbox is up: where things are, and commands to paste that show what Palisade does.

use std::{env, path::Path};

use super::sandbox::Ports;
use crate::sandbox::tenants::Places;

const STORY: &str = include_str!("story.txt");

/// The text for one sandbox. Its first line is what scripts wait for.
pub(super) fn tell(places: &Places, state: &Path, ports: Ports) -> String {
    // Whoever came here by `cargo run` has no `palisade` on the path.
    let program = env::current_exe().map_or_else(|_| "palisade".to_owned(), |path| quoted(&path.to_string_lossy()));
    let base = if ports.0 == Ports::DEFAULT_BASE { String::new() } else { format!(" --port-base {}", ports.0) };
    let ingress = format!("https://localhost:{}", places.ingress.port());
    [
        ("@PALISADE@", program),
        ("@BASE@", base),
        ("@STATE@", quoted(&state.to_string_lossy())),
        ("@INGRESS@", ingress),
        ("@EGRESS@", format!("http://{}", places.egress)),
        ("@ADMIN@", format!("http://{}", places.admin)),
        ("@IDP@", format!("http://{}", places.idp)),
        ("@AWS@", format!("http://{}", places.aws)),
    ]
    .into_iter()
    .fold(STORY.to_owned(), |text, (name, value)| text.replace(name, &value))
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_is_complete() {
        let at = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let places = Places { ingress: at(20_000), egress: at(20_001), admin: at(20_002), idp: at(20_003), aws: at(20_004), app: at(1) };
        let text = tell(&places, Path::new("/tmp/it's here"), Ports(20_000));
        assert!(text.starts_with("palisade dev: ready\n"));
        assert!(!text.replace("\"$@\"", "").contains('@'), "something was not filled in");
        for said in ["https://localhost:20000", "http://127.0.0.1:20001", "--port-base 20000", r"--cacert '/tmp/it'\''s here'/ca.crt"] {
            assert!(text.contains(said), "{said} is not said");
        }
        assert!(text.lines().all(|line| line.len() <= 200), "a line is too long to be pasted with confidence");
    }

    #[test]
    fn shells_read_words_as_they_are() {
        assert_eq!(quoted("/tmp/palisade-dev-1"), "/tmp/palisade-dev-1");
        assert_eq!(quoted("a b$c"), "'a b$c'");
        assert_eq!(quoted(""), "''");
    }
}
