use proptest::prelude::*;

use super::{
    condition::value_of,
    update::{Change, read},
    *,
};
use crate::guard::dynamodb::json::{self, Node, Shape};

static NAMES: Shape = Shape::Map(&Shape::Text);

fn names() -> Node<'static> {
    json::read(br##"{"#p":"pk","#P":"other","#d":"pk.x","#g":"gsi1pk","#s":"sk","#1":"pk"}"##, &NAMES).unwrap()
}

fn hash(text: &str) -> Option<String> {
    let names = names();
    value_of(text, names.as_map(), "pk").map(str::to_owned).ok()
}

fn changes(text: &str) -> Option<Vec<String>> {
    let names = names();
    let mut found = Vec::new();
    let visit = |attribute: &str, change: Change<'_>| {
        found.push(match change {
            Change::Other => format!("{attribute}?"),
            Change::Removed => format!("-{attribute}"),
            Change::Set(value) => format!("{attribute}={value}"),
        });
        Ok::<(), Untold>(())
    };
    read(text, names.as_map(), visit).ok().map(|()| found)
}

#[test]
fn a_key_condition_says_one_hash_key() {
    for (text, value) in [
        ("pk = :p", ":p"),
        ("pk=:p", ":p"),
        ("  pk\t=\r\n:p  ", ":p"),
        ("#p = :p", ":p"),
        ("#1 = :1", ":1"),
        ("(pk = :p)", ":p"),
        ("((pk = :p))", ":p"),
        ("pk = :p AND sk = :s", ":p"),
        ("pk = :p and sk > :s", ":p"),
        ("sk <= :s AnD (#p = :p)", ":p"),
        ("(sk BETWEEN :a AND :b) AND pk = :p", ":p"),
        ("sk between :a and :b and pk = :p", ":p"),
        ("pk = :p AND begins_with(sk, :s)", ":p"),
        ("begins_with ( #s , :s ) AND #p = :p", ":p"),
        ("a = :a AND pk = :p AND b = :b AND c >= :c", ":p"),
        ("pk = :p AND #P = :x", ":p"),
        ("pk = :p AND begins_with = :x", ":p"),
        ("pk = :p AND begins_with(begins_with, :x)", ":p"),
    ] {
        assert_eq!(hash(text).as_deref(), Some(value), "{text}");
    }
}

#[test]
fn another_key_condition_says_none() {
    let deep = format!("{}pk = :p{}", "(".repeat(40), ")".repeat(40));
    let long = format!("pk = :p AND sk = :{}", "s".repeat(MAX_BYTES));
    for text in [
        "",
        " ",
        "pk",
        "pk =",
        "= :p",
        "pk = pk",
        "pk = p",
        "pk = #p",
        "pk == :p",
        "pk = :p;",
        "pk = :p extra",
        "pk = :p AND",
        "AND pk = :p",
        "pk = :p AND AND sk = :s",
        "pk = :p sk = :s",
        "pk = :p, sk = :s",
        "(pk = :p",
        "pk = :p)",
        "()",
        "pk > :p",
        "pk >= :p",
        "pk < :p",
        "pk <= :p",
        "pk <> :p",
        "pk BETWEEN :p AND :q",
        "begins_with(pk, :p)",
        "BEGINS_WITH(sk, :p) AND pk = :p",
        "contains(sk, :p) AND pk = :p",
        "pk IN (:p)",
        "pk IN (:p, :q)",
        "NOT pk = :p",
        "NOT (pk <> :p)",
        "pk = :p OR pk = :q",
        "pk = :p OR sk = :s",
        "pk = :p AND sk = :s OR pk = :q",
        "pk = :p AND (sk = :s OR pk = :q)",
        "pk = :p AND pk = :q",
        "pk = :p AND #p = :p",
        "pk = :p AND pk > :a",
        "pk = :p AND begins_with(#1, :a)",
        "pk.x = :p",
        "pk[0] = :p",
        "pk = :p AND sk.x = :s",
        "#d = :p",
        "#P = :p",
        "#none = :p",
        "PK = :p",
        "pk = :p AND sk = #none",
        "pk = :p AND #none = :s",
        ":p = pk",
        ":p = :p",
        "pk = :",
        "# = :p",
        "pk = \":p\"",
        "pk = 'acme'",
        "pk = 1",
        "1pk = :p",
        "p\u{212a} = :p",
        "рk = :p",
        "pk\u{a0}= :p",
        "pk = :p -- sk",
        "pk = :p/**/",
        "pk = :p AND attribute_exists(sk)",
        "pk = :p AND size(sk) > :s",
        &deep,
        &long,
    ] {
        assert_eq!(hash(text), None, "{text}");
    }
}

#[test]
fn an_update_is_what_becomes_of_attributes() {
    for (text, found) in [
        ("SET a = :a", "a=:a"),
        ("set a=:a,b=:b", "a=:a b=:b"),
        ("SET a = (:a)", "a=:a"),
        ("SET #g = :g REMOVE b, c.d ADD e :e DELETE f :f", "gsi1pk=:g -b c? e? f?"),
        ("REMOVE a[0], b[1].c SET d = :d", "a? b? d=:d"),
        ("SET a.b = :a, c[2] = :c, #g.x = :g, x.#g = :x", "a? c? gsi1pk? x?"),
        ("SET a = b", "a?"),
        ("SET a = a + :one", "a?"),
        ("SET a = :a - :b", "a?"),
        ("SET a = :a + :b + c", "a?"),
        ("SET a = if_not_exists(a, :a)", "a?"),
        ("SET a = if_not_exists ( #g , :a ) + :b, b = :b", "a? b=:b"),
        ("SET a = list_append(a, :a)", "a?"),
        ("SET a = list_append(if_not_exists(a, :none), :a)", "a?"),
        ("SET a = (b + :c)", "a?"),
        ("SET #d = :d", "pk.x=:d"),
        ("ADD a :a, b :b", "a? b?"),
        ("DELETE a :a", "a?"),
        ("REMOVE a", "-a"),
        ("SET settings = :a", "settings=:a"),
        ("SET a = if_not_exists", "a?"),
    ] {
        assert_eq!(changes(text).map(|changes| changes.join(" ")).as_deref(), Some(found), "{text}");
    }
}

#[test]
fn another_update_is_none() {
    let deep = format!("SET a = {}:a{}", "(".repeat(40), ")".repeat(40));
    for text in [
        "",
        "SET",
        "SET a",
        "SET a :a",
        "SET a = ",
        "SET = :a",
        "SET a = :a,",
        "SET , a = :a",
        "SET a = :a b = :b",
        "SET a = :a SET b = :b",
        "set a = :a REMOVE c Set b = :b",
        "SET a = :a; REMOVE b",
        "SET a = :a AND b = :b",
        "SET a = 1",
        "SET a = 'x'",
        "SET a = :a +",
        "SET a = + :a",
        "SET a = :a * :b",
        "SET a = concat(:a, :b)",
        "SET a = IF_NOT_EXISTS(a, :a)",
        "SET a = if_not_exists(a)",
        "SET a = if_not_exists(a, :a, :b)",
        "SET a = if_not_exists(a, :a",
        "SET a = list_append()",
        "SET :a = a",
        "SET a = #none",
        "SET #none = :a",
        "SET a[] = :a",
        "SET a[-1] = :a",
        "SET a[#p] = :a",
        "SET a[:p] = :a",
        "SET a[b] = :a",
        "SET a. = :a",
        "SET .a = :a",
        "SET a..b = :a",
        "SET a.:b = :a",
        "SET SET a = :a",
        "SET remove = :a",
        "REMOVE SET gsi1pk = :a",
        "REMOVE a = :a",
        "REMOVE a :a",
        "REMOVE :a",
        "ADD a",
        "ADD a b",
        "ADD a = :a",
        "ADD a (:a)",
        "DELETE a.b",
        "UPDATE a = :a",
        "a = :a",
        "(SET a = :a)",
        &deep,
    ] {
        assert_eq!(changes(text), None, "{text}");
    }
}

#[test]
fn an_expression_without_names_has_none() {
    assert!(value_of("#p = :p", None, "pk").is_err());
    assert_eq!(value_of("pk = :p", None, "pk"), Ok(":p"));
}

/// Pieces of which expressions are made, and what stands between them.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "SET",
        "REMOVE",
        "ADD",
        "DELETE",
        "AND",
        "OR",
        "BETWEEN",
        "begins_with",
        "if_not_exists",
        "list_append",
        "pk",
        "sk",
        "#p",
        "#g",
        "#none",
        ":p",
        ":q",
        "(",
        ")",
        ",",
        ".",
        "[",
        "]",
        "0",
        "=",
        "<",
        "<>",
        ">=",
        "+",
        "-",
        " ",
        "\n",
        "é",
        "#",
        ":",
        "'",
        "\0",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.join(" ").replace("  ", ""))
}

/// A condition that says `pk = :p`, in some way, and maybe more.
fn conditions() -> impl Strategy<Value = String> {
    let hash = prop::sample::select(vec!["pk = :p", "#p=:p", "(pk = :p)", "((#1 =\n:p))"]);
    let more = prop::sample::select(vec!["sk = :s", "begins_with(#s, :s)", "sk BETWEEN :a and :b", "(sk < :s)", "(a = :a AND b >= :b)"]);
    let and = prop::sample::select(vec![" AND ", " and ", "\tAnd\n"]);
    (hash, prop::collection::vec(more, 0..4), and, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(hash, mut tests, and, at, around)| {
            tests.insert(at.index(tests.len() + 1), hash);
            let text = tests.join(and);
            if around { format!("({text})") } else { text }
        },
    )
}

proptest! {
    #[test]
    fn nothing_panics(text in ".{0,60}") {
        let _ = (hash(&text), changes(&text));
    }

    #[test]
    fn no_heap_of_pieces_panics(text in pieces()) {
        let _ = (hash(&text), changes(&text));
    }

    #[test]
    fn a_condition_is_found_wherever_it_stands(text in conditions()) {
        let found = hash(&text);
        prop_assert_eq!(found.as_deref(), Some(":p"), "{}", text);
    }

    /// A test more on the hash key is one too many, whatever it says.
    #[test]
    fn a_second_test_of_the_hash_key_is_refused(text in conditions(), more in prop::sample::select(vec!["pk = :p", "#p > :q", "begins_with(pk, :q)"])) {
        prop_assert_eq!(hash(&format!("{text} AND {more}")), None);
        prop_assert_eq!(hash(&format!("{more} AND ({text})")), None);
    }

    /// What stands beside it changes nothing about what becomes of an attribute.
    #[test]
    fn an_attribute_that_is_set_is_seen(
        before in prop::collection::vec(prop::sample::select(vec!["a = :a", "b.c = b + :b", "d = list_append(d, :d)", "#s = if_not_exists(#s, :s)"]), 0..4),
        after in prop::sample::select(vec!["", " REMOVE x", " ADD n :n DELETE s :s", ", z = (:z)"]),
    ) {
        let text = format!("SET {}#g = :g{after}", before.iter().map(|action| format!("{action}, ")).collect::<String>());
        prop_assert!(changes(&text).unwrap().contains(&"gsi1pk=:g".to_owned()), "{}", text);
    }
}

#[test]
fn nesting_ends_where_it_is_said_to() {
    let nested = |depth: usize, inner: &str| format!("{}{inner}{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(hash(&nested(MAX_DEPTH, "pk = :p")).as_deref(), Some(":p"));
    assert_eq!(hash(&nested(MAX_DEPTH + 1, "pk = :p")), None);
    assert!(changes(&format!("SET a = {}", nested(MAX_DEPTH, ":v"))).is_some());
    assert!(changes(&format!("SET a = {}", nested(MAX_DEPTH + 1, ":v"))).is_none());
    for (before, behind) in [("list_append(", ", :v)"), ("list_append(:v, ", ")")] {
        let lists = |depth: usize| format!("SET a = {}:v{}", before.repeat(depth), behind.repeat(depth));
        assert!(changes(&lists(MAX_DEPTH)).is_some(), "{before}");
        assert!(changes(&lists(MAX_DEPTH + 1)).is_none(), "{before}");
    }
}

#[test]
fn what_begins_like_a_number_is_no_name() {
    for text in ["1x = :v AND pk = :p", "a.1x = :v AND pk = :p", "a[1x] = :v AND pk = :p", "1 = :v AND pk = :p"] {
        assert_eq!(hash(text), None, "{text}");
    }
    for text in ["SET 1x = :v", "SET a[1x] = :v", "SET a.1x = :v", "REMOVE a[1x]"] {
        assert_eq!(changes(text), None, "{text}");
    }
}
