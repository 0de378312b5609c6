use std::collections::BTreeSet;

use super::{oracles::ORACLES, *};

fn read(path: &str) -> Result<String, String> {
    SafePath::read(path, Reserved::default()).map(|safe| safe.as_str().to_owned()).map_err(|refusal| {
        assert_eq!(refusal.reason, Reason::PathAmbiguous);
        refusal.note.unwrap().into_owned()
    })
}

/// Put into these places, which are all that a segment has.
const PLACES: [&str; 6] = ["/@", "/a/@/b", "/a@/b", "/a/@b", "/a@a/b/", "/admin/@"];

/// Refused wherever they stand.
const HOSTILE: &[&str] = &[
    "%2f",
    "%2F",
    "%5c",
    "%5C",
    "\\",
    "%00",
    "%01",
    "%09",
    "%0a",
    "%0d%0a",
    "%1f",
    "%7f",
    "%25",
    "%252e",
    "%252E%252e",
    "%252f",
    "%25%32%65",
    "%25252e",
    "%25u002e",
    ";",
    ";x=1",
    ";jsessionid=1",
    "%3b",
    "%3B",
    "%3f",
    "%23",
    "%",
    "%zz",
    "%u002e",
    "%u2215",
    "%-1",
    "%c0%af",
    "%c0%ae",
    "%C0%AE%C0%AE",
    "%e0%80%af",
    "%f0%80%80%af",
    "%f8%80%80%80%af",
    "%ed%a0%80",
    "%ff",
    "%c3",
    "%a9",
    "%ef%bc%8f",
    "%ef%bd%81",
    "%ef%bc%8e",
    "%ef%bc%85",
    "%c5%bf",
    "%e2%84%aa",
    "%c2%ad",
    "%e2%80%8b",
    "%e2%80%8d",
    "%e2%80%ae",
    "%ef%bb%bf",
    "%e2%80%a4",
    "%e2%80%a5",
    "%e2%84%80",
    "%c2%a0",
    "%c2%85",
    "%e3%80%80",
    "%e1%9a%80",
    "%cd%be",
    "\"",
    "<",
    ">",
    "^",
    "`",
    "{",
    "}",
    "|",
    "[",
    "]",
    " ",
    "\u{e9}",
    "\u{7f}",
    "\t",
    "//",
    "///",
    "/./",
    "/../",
    "/%2e/",
    "/%2e%2e/",
    "/.%2e/",
    "/%2E./",
    "/..;/",
    "/ /",
    "%20/",
    "./",
    "../",
    "%2e/",
];

/// Taken wherever they stand, as they are or in the form behind them.
const HARMLESS: &[(&str, &str)] = &[
    ("x", "x"),
    ("~", "~"),
    ("%7e", "~"),
    ("%7E", "~"),
    ("%41", "A"),
    ("%61", "a"),
    ("%2d", "-"),
    ("%5f", "_"),
    ("%30", "0"),
    ("+", "+"),
    ("*", "*"),
    ("!", "!"),
    ("$", "$"),
    ("&", "&"),
    ("'", "'"),
    ("(", "("),
    (")", ")"),
    (",", ","),
    ("=", "="),
    (":", ":"),
    ("@", "@"),
    ("%40", "%40"),
    ("%3a", "%3a"),
    ("%2B", "%2B"),
    ("%26", "%26"),
    ("%3d", "%3d"),
    ("%2a", "%2a"),
    ("%21", "%21"),
    ("%22", "%22"),
    ("%3c", "%3c"),
    ("%5b", "%5b"),
    ("%7b", "%7b"),
    ("%7c", "%7c"),
    ("%5e", "%5e"),
    ("%60", "%60"),
    ("%c3%a9", "%c3%a9"),
    ("%C3%B6", "%C3%B6"),
    ("%e6%97%a5%e6%9c%ac", "%e6%97%a5%e6%9c%ac"),
    ("%f0%9f%98%80", "%f0%9f%98%80"),
    ("%d0%b0", "%d0%b0"),
    ("x.y", "x.y"),
    ("x%2ey", "x.y"),
    ("x%20y", "x%20y"),
    (".x", ".x"),
    ("..x", "..x"),
    ("%2e%2ex", "..x"),
    ("0x2e", "0x2e"),
];

/// Where it matters what is beside them.
const BY_PLACE: &[(&str, Result<&str, ()>)] = &[
    ("/", Ok("/")),
    ("//", Err(())),
    ("//a", Err(())),
    ("/a//", Err(())),
    ("/.", Err(())),
    ("/..", Err(())),
    ("/./", Err(())),
    ("/%2e", Err(())),
    ("/%2E%2E", Err(())),
    ("/.%2e", Err(())),
    ("/%2e.", Err(())),
    ("/...", Err(())),
    ("/a/..", Err(())),
    ("/a/.", Err(())),
    ("/a./b", Err(())),
    ("/a.../b", Err(())),
    ("/a%2e/b", Err(())),
    ("/a%2", Err(())),
    ("/%2/b", Err(())),
    ("/a%20", Err(())),
    ("/a%20/b", Err(())),
    ("/%20a/b", Err(())),
    ("/a%20.", Err(())),
    ("/a.%20", Err(())),
    ("/.a", Ok("/.a")),
    ("/..a/b", Ok("/..a/b")),
    ("/a..b", Ok("/a..b")),
    ("/a%2e%2eb", Ok("/a..b")),
    ("/.well-known/x", Ok("/.well-known/x")),
    ("", Err(())),
    ("a", Err(())),
    ("*", Err(())),
    ("http://a/b", Err(())),
];

fn spellings() -> Vec<(String, Result<String, ()>)> {
    let placed = |place: &str, token: &str| place.replace('@', token);
    let hostile = HOSTILE.iter().flat_map(|token| PLACES.map(|place| (placed(place, token), Err(()))));
    let harmless = HARMLESS.iter().flat_map(|(token, form)| PLACES.map(|place| (placed(place, token), Ok(placed(place, form)))));
    let by_place = BY_PLACE.iter().map(|(path, form)| ((*path).to_owned(), form.map(str::to_owned)));
    hostile.chain(harmless).chain(by_place).collect()
}

#[test]
fn each_spelling_is_taken_or_refused_as_written_down() {
    let all = spellings();
    assert!(all.len() > 700, "{}", all.len());
    let wrong: Vec<_> = all
        .iter()
        .filter(|(path, expected)| read(path).map_err(drop) != *expected)
        .map(|(path, expected)| (path, expected, read(path)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_server_sees_the_same_segments_in_what_passes() {
    let mut differences = Vec::new();
    for (path, _) in spellings() {
        let Ok(normal) = read(&path) else { continue };
        let ours = ORACLES[0].1(&normal).unwrap();
        for (name, oracle) in ORACLES {
            match oracle(&normal) {
                Some(seen) if seen != ours => differences.push(format!("{path} is sent as {normal}: {name} sees {seen:?}, not {ours:?}")),
                _ => {}
            }
        }
        // Whoever routes by the raw text and whoever decodes first meet the same literals.
        let raw: Vec<&str> = normal.split('/').skip(1).collect();
        for (raw, decoded) in raw.iter().zip(&ours) {
            let is_literal = |text: &str| text.bytes().all(is_unreserved);
            if (is_literal(raw) || is_literal(decoded)) && raw != decoded {
                differences.push(format!("{path}: {raw} is {decoded}"));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn what_is_refused_is_refused_for_a_reason() {
    // Not each: a control character is the same to every server here, and yet has no business in a path.
    let refused: Vec<String> =
        spellings().into_iter().map(|(path, _)| path).filter(|path| path.starts_with('/') && read(path).is_err()).collect();
    let disputed = |path: &&String| {
        let seen: BTreeSet<_> = ORACLES.iter().map(|(_, oracle)| oracle(path)).collect();
        seen.len() > 1
    };
    let count = refused.iter().filter(disputed).count();
    assert!(count * 10 > refused.len() * 7, "servers dispute {count} of {}", refused.len());
}

#[test]
fn notes_say_what_is_ambiguous() {
    for (path, note) in [
        ("/a%2Fb", "an escaped slash"),
        ("/a%5cb", "an escaped backslash"),
        ("/a\\b", "a backslash"),
        ("/a//b", "an empty segment"),
        ("/a/../b", "a segment that ends in a dot"),
        ("/a;x/b", "a path parameter"),
        ("/%252e", "an escaped percent sign"),
        ("/%c0%af", "escapes that are not UTF-8"),
        ("/%ef%bc%8f", "a character that some servers fold into another"),
        ("/%zz", "a percent sign that begins no escape"),
        ("/a|b", "a character that has to be escaped"),
        ("/a%00", "an escaped control character"),
        ("/%20", "a segment that begins or ends in a space"),
        ("/%3f", "an escaped question mark or number sign"),
        ("a", "the path does not begin with a slash"),
    ] {
        assert_eq!(read(path), Err(note.to_owned()), "{path}");
    }
}

#[test]
fn escapes_of_a_literals_own_characters_are_refused() {
    let reserved = Reserved::of("items:batch").with(Reserved::of("a@b"));
    for (path, taken) in [("/items%3abatch", false), ("/x%40y", false), ("/items:batch", true), ("/x%2cy", true), ("/x%2dy", true)] {
        assert_eq!(SafePath::read(path, reserved).is_ok(), taken, "{path}");
    }
    assert!(SafePath::read("/items%3abatch", Reserved::default()).is_ok());
}

#[test]
fn only_a_changed_path_has_another_text() {
    let changed = |path: &str| SafePath::read(path, Reserved::default()).unwrap().changed();
    assert_eq!(changed("/a/b%20c/%C3%A9"), None);
    assert_eq!(changed("/%61/b%20c/"), Some("/a/b%20c/".to_owned()));
}

#[test]
fn a_final_slash_is_no_segment() {
    let segments = |path: &str| SafePath::read(path, Reserved::default()).unwrap().segments().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(segments("/"), Vec::<String>::new());
    assert_eq!(segments("/a"), ["a"]);
    assert_eq!(segments("/a/b/"), ["a", "b"]);
}
