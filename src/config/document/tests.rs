use proptest::prelude::*;
use serde_json::json;

use super::*;

fn tree(text: &str) -> Node {
    parse(text, Bounds::CONFIG).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
}

/// `line:column what is wrong`, for each fault.
fn faults(text: &str) -> Vec<String> {
    match parse(text, Bounds::CONFIG) {
        Ok(node) => panic!("{text} was read as {}", node.to_json()),
        Err(faults) => faults.into_iter().map(|(at, fault)| format!("{}:{} {}", at.line, at.column, fault.wrong)).collect(),
    }
}

/// What would be right instead of the first fault.
fn cure(text: &str) -> String {
    parse(text, Bounds::CONFIG).unwrap_err().remove(0).1.right
}

#[test]
fn nodes_know_their_place() {
    let node = tree("a: 1\nb:\n  - x\n  - {c: \"y\"}\n");
    let b = node.get("b").unwrap();
    assert_eq!((b.at, node.get("a").unwrap().node.at), (At { line: 2, column: 1 }, At { line: 1, column: 4 }));
    let Content::List(items) = &b.node.content else { panic!("not a list") };
    assert_eq!(items[0].at, At { line: 3, column: 5 });
    assert_eq!(items[1].get("c").unwrap().node.at, At { line: 4, column: 9 });
}

#[test]
fn scalars_keep_their_text() {
    let node = tree("a: 012345678901\nb: 1e3\nc: 'true'\nd: ~\ne:\nf: no\ng: -5\nh: 2012-10-17\ni: False\nj: 1_000\n");
    assert_eq!(
        node.to_json(),
        json!({"a": "012345678901", "b": 1000.0, "c": "true", "d": null, "e": null, "f": "no", "g": -5, "h": "2012-10-17", "i": false, "j": "1_000"})
    );
    assert!(node.get("d").is_none() && node.get("e").is_none() && node.get("zz").is_none());
}

#[test]
fn json_is_yaml() {
    let text = "{\n\t\"a\": [1, true, null, \"x\\u0041\\n\"],\n\t\"b\": {\"c\": {}, \"d\": []}\n}";
    assert_eq!(tree(text).to_json(), serde_json::from_str::<Value>(text).unwrap());
    assert_eq!(tree("\u{feff}a: 1").to_json(), json!({"a": 1}));
}

#[test]
fn every_repeated_key_is_reported() {
    let found = faults("a: 1\nb: {c: 1, c: 2}\na: 3\n'b': 4\n");
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("2:11 the key \"c\" is here twice; it was on line 2"), "{found:?}");
    assert!(found[1].starts_with("3:1 the key \"a\" is here twice; it was on line 1"), "{found:?}");
    assert!(found[2].starts_with("4:1 the key \"b\""), "{found:?}");
}

#[test]
fn what_is_not_needed_is_refused() {
    for (text, place) in
        [("a: &x 1\nb: 2", "1:"), ("a: 1\nb: *a", "2:"), ("a: !!str 1", "1:"), ("a: &x {b: *x}", "1:"), ("a: !secret [1]", "1:")]
    {
        let found = faults(text);
        assert!(found.len() == 1 && found[0].starts_with(place), "{text}: {found:?}");
    }
    assert!(faults("a: 1\n---\nb: 2\n")[0].contains("second document"));
    assert!(faults("[a, b]: 1")[0].contains("a key is a list or mapping"));
    assert!(faults("{{{x}}}: 1")[0].contains("a key is a list or mapping"));
    for empty in ["", "   \n", "# nothing\n"] {
        assert!(faults(empty)[0].contains("empty"), "{empty:?}");
    }
    for broken in ["a: [1", "a: {b", "a: \"x", "a:\n\t- b\n  c", "a: b: c", "%YAML 9.9\n--- a", "\0", "a: \u{1}"] {
        let _ = parse(broken, Bounds::CONFIG);
    }
    assert!(faults("a: [1\nb: 2\n")[0].contains("not YAML"));
    for bare in ["a: {b: {tenant.id}-x}", "a: {tenant.id}/x", "a: x\nb: [{claims.a} c]", "{{tenant.id}}: x"] {
        assert!(cure(bare).contains("put templates in quotes"), "{bare}: {}", cure(bare));
    }
    assert_eq!(cure("a: {b"), "");
    for bare in ["a: *\nb: 1", "a: [*, x]", "a: &", "a: *x"] {
        assert!(faults(bare)[0].contains("anchors, aliases and tags (& * !)"), "{bare}: {:?}", faults(bare));
    }
}

#[test]
fn size_depth_and_number_are_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    tree(&nested(MAX_DEPTH));
    assert!(faults(&nested(MAX_DEPTH + 1))[0].contains("deeper than 64"));
    // The parser may stop at a limit of its own before ours.
    assert_eq!(faults(&"[".repeat(500_000)).len(), 1);
    assert_eq!(faults(&"{a: ".repeat(100_000)).len(), 1);
    let tight = Bounds { bytes: 20, nodes: 3 };
    assert!(parse("a: 123456789012345678", tight).is_err());
    assert!(parse("[1, 2]", tight).is_ok());
    assert!(parse("[1, 2, 3]", tight).is_err());
    let laughs = format!("a: &a [x]\n{}", (0..40).map(|n| format!("b{n}: [*a, *a]\n")).collect::<String>());
    assert!(faults(&laughs)[0].contains("anchors"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse(&text, Bounds::CONFIG);
    }

    /// Text made of what means something in YAML gets further than random text.
    #[test]
    fn no_structure_panics(pieces in prop::collection::vec(prop::sample::select(vec![
        "a", "b:", ": ", "- ", "\n", "\n  ", "\n    ", "[", "]", "{", "}", ",", "\"", "'", "|", ">", "|2-\n", "&x ", "*x", "!t ", "!!str ", "# c\n",
        "? ", "---\n", "...\n", "%YAML 1.2\n", "%TAG ! x\n", "\t", "\r\n", "null", "~", "0x1", "1.5", "é", "\u{feff}", "\\", "\\u00", "<<: ", "@", "`",
    ]), 0..60)) {
        let _ = parse(&pieces.concat(), Bounds::CONFIG);
    }

    #[test]
    fn json_is_read_as_json(text in "[ -~é\n]{0,20}", number in any::<i32>(), flag in any::<bool>()) {
        let value = json!({"text": text, "list": [number, flag, null, {"inner": text}]});
        prop_assert_eq!(tree(&value.to_string()).to_json(), value.clone());
        prop_assert_eq!(tree(&serde_json::to_string_pretty(&value).unwrap()).to_json(), value);
    }
}
