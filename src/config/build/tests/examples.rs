//! What is commented out in `config/full.yaml`.

use super::*;

/// Each key that is commented out, with the lines below it, and where it begins: the file with those lines in effect.
fn uncommented(full: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = full.lines().collect();
    let content = |line: &str| line.trim_start().strip_prefix("# ").map(str::to_owned);
    let indent = |text: &str| text.len() - text.trim_start().len();
    let is_key = |text: &str| {
        text.split_once(':').is_some_and(|(key, rest)| {
            !key.is_empty()
                && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                && (rest.is_empty() || rest.starts_with(' '))
        })
    };
    let mut all = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some(first) = content(line).filter(|text| is_key(text)) else { continue };
        let below = lines[number + 1..].iter().take_while(|next| content(next).is_some_and(|text| indent(&text) > 0)).count();
        let in_effect =
            |at: usize, line: &&str| if (number..=number + below).contains(&at) { line.replacen("# ", "", 1) } else { (*line).to_owned() };
        let text: Vec<_> = lines.iter().enumerate().map(|(at, line)| in_effect(at, line)).collect();
        assert!(!first.is_empty());
        all.push((number + 1, text.join("\n")));
    }
    all
}

/// A line that is there to be uncommented is a setting, in its form: it may stand beside what it is instead of, and no more.
#[test]
fn what_the_full_example_comments_out_can_be_uncommented() {
    let (folder, path) = example("full.yaml");
    let full = fs::read_to_string(&path).unwrap();
    let all = uncommented(&full);
    assert!(all.len() >= 15, "{}", all.len());
    let mut wrong = String::new();
    for (line, text) in all {
        let file = folder.path().join("uncommented.yaml");
        fs::write(&file, text).unwrap();
        let errors = Config::load_without_files(&file).map(drop).map_err(|errors| errors.to_string()).err().unwrap_or_default();
        let misfits = [
            "this is not YAML",
            "is not a known setting",
            "is a mapping",
            "is a list",
            "is a single value",
            "is not taken here",
            "cannot be used",
        ];
        for error in errors.lines().filter(|error| misfits.iter().any(|misfit| error.contains(misfit))) {
            wrong += &format!("line {line}: {error}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
