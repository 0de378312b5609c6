use std::{borrow::Cow, collections::BTreeMap};

use proptest::prelude::*;

use super::*;

struct Table(BTreeMap<String, String>);

impl Values for Table {
    fn value(&self, name: &Name) -> Option<Cow<'_, str>> {
        self.0.get(&name.to_string()).map(|value| Cow::Borrowed(value.as_str()))
    }
}

fn tenant(id: &str) -> Table {
    let pairs = [("tenant.id", id), ("tenant.cell", "c1"), ("tenant.account", "111122223333"), ("tenant.attributes.empty", "")];
    Table(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
}

fn pattern(text: &str) -> NamePattern {
    NamePattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_pattern_is_compared_as_a_whole_and_byte_for_byte() {
    for (text, name, fits) in [
        ("orders", "orders", true),
        ("orders", "orders2", false),
        ("orders", "order", false),
        ("orders", "Orders", false),
        ("orders-*", "orders-", true),
        ("orders-*", "orders-eu-1", true),
        ("orders-*", "orders", false),
        ("*", "anything", true),
        ("*-log", "a-log", true),
        ("*-log", "a-logs", false),
        ("data-{tenant.id}", "data-acme", true),
        ("data-{tenant.id}", "data-acme2", false),
        ("data-{tenant.id}", "data-globex", false),
        ("data-{tenant.id}", "data-", false),
        ("{tenant.id}/*", "acme/x/y", true),
        ("{tenant.id}/*", "acme/", true),
        ("{tenant.id}/*", "acme", false),
        ("{tenant.id}/*", "acme2/x", false),
        ("{tenant.cell}/{tenant.id}/in*/x", "c1/acme/in-1/x", true),
        ("{tenant.cell}/{tenant.id}/in*/x", "c1/acme/in-1/y", false),
        ("{tenant.account}-{tenant.id}", "111122223333-acme", true),
        ("a[b]?", "a[b]?", true),
        ("a[b]?", "ab?", false),
    ] {
        assert_eq!(pattern(text).matches(name, &tenant("acme")), Ok(fits), "{text} {name}");
    }
}

#[test]
fn below_a_path_is_what_a_wildcard_at_the_end_takes() {
    for (text, start, fits) in [
        ("/{tenant.id}/*", "/acme/", true),
        ("/{tenant.id}/*", "/acme/x/", true),
        ("/{tenant.id}/x*", "/acme/x/", true),
        ("/{tenant.id}/*/x*", "/acme/y/x/", true),
        ("/{tenant.id}/*", "/acme", false),
        ("/{tenant.id}/*", "/acme2/", false),
        ("/{tenant.id}/*", "/", false),
        ("/{tenant.id}/x/", "/acme/x/", false),
        ("/{tenant.id}/*/x/", "/acme/x/x/", false),
    ] {
        assert_eq!(pattern(text).matches_below(start, &tenant("acme")), Ok(fits), "{text} {start}");
    }
}

#[test]
fn a_whole_name_has_no_wildcard() {
    assert_eq!(pattern("a/{tenant.id}").whole(&tenant("acme")), Ok(Some("a/acme".into())));
    assert_eq!(pattern("a/{tenant.id}/*").whole(&tenant("acme")), Ok(None));
    assert!(pattern("a/{tenant.region}").whole(&tenant("acme")).is_err());
    assert!(pattern("a/*").has_wildcard() && !pattern("a/{tenant.id}").has_wildcard());
}

/// A `*` in a value is a character.
#[test]
fn a_value_is_no_pattern() {
    assert_eq!(pattern("{tenant.id}").matches("acme", &tenant("a*")), Ok(false));
    assert_eq!(pattern("{tenant.id}").matches("a*", &tenant("a*")), Ok(true));
}

#[test]
fn what_has_no_value_is_an_error_and_no_match() {
    for name in ["tenant.region", "tenant.attributes.empty"] {
        let missing = Err(RenderError::Missing(name.to_owned()));
        assert_eq!(pattern(&format!("{{{name}}}/x*")).matches("/x", &tenant("acme")), missing);
        assert_eq!(NamePrefix::parse(&format!("{{{name}}}/")).unwrap().begins(b"/", &tenant("acme")), missing.map(|_: bool| false));
    }
}

/// `data` would otherwise begin what is `data/globex`'s.
#[test]
fn a_value_that_goes_on_into_what_follows_is_not_taken() {
    let with = |folder: &str| Table([("tenant.attributes.folder".to_owned(), folder.to_owned())].into());
    let refused = Err(RenderError::Unsafe("{tenant.attributes.folder}".to_owned()));
    for (text, folder, is_taken) in [
        ("{tenant.attributes.folder}/", "data", true),
        ("{tenant.attributes.folder}/", "data-2", true),
        ("{tenant.attributes.folder}/", "data#2", true),
        ("{tenant.attributes.folder}/", "data/globex", false),
        ("{tenant.attributes.folder}/", "data/", false),
        ("in/{tenant.attributes.folder}/", "/", false),
        ("{tenant.attributes.folder}#x/", "data#globex", false),
        ("{tenant.attributes.folder}#x/", "data/globex", true),
        ("{tenant.attributes.folder}-x/", "data-x", true),
        ("{tenant.attributes.folder}-x/", "data-x/data", false),
        ("{tenant.attributes.folder}-é/", "data-é", false),
    ] {
        let (prefix, values) = (NamePrefix::parse(text).unwrap(), with(folder));
        let name = text.replace("{tenant.attributes.folder}", folder) + "k";
        let expected = if is_taken { Ok(true) } else { refused.clone() };
        assert_eq!(prefix.begins(name.as_bytes(), &values), expected, "{text} {folder}");
        let pattern = pattern(&format!("{text}*"));
        assert_eq!(pattern.matches(&name, &values), expected, "{text} {folder}");
        assert_eq!(pattern.matches_below(&name, &values), expected, "{text} {folder}");
    }
    // What nothing follows is compared to its end.
    for text in ["x/{tenant.attributes.folder}", "x/{tenant.attributes.folder}-log"] {
        let name = text.replace("{tenant.attributes.folder}", "data/globex");
        assert_eq!(pattern(text).matches(&name, &with("data/globex")), Ok(true), "{text}");
        assert_eq!(pattern(text).matches(&name, &with("data")), Ok(false), "{text}");
        assert_eq!(pattern(text).whole(&with("data/globex")), Ok(Some(name)));
    }
    assert_eq!(pattern("{tenant.attributes.folder}/x").whole(&with("data/globex")), refused.map(|_: bool| None));
}

#[test]
fn a_prefix_is_a_beginning() {
    let prefix = NamePrefix::parse("in/{tenant.id}/").unwrap();
    for (name, fits) in
        [("in/acme/", true), ("in/acme/x", true), ("in/acme", false), ("in/acme2/", false), ("/in/acme/", false), ("", false)]
    {
        assert_eq!(prefix.begins(name.as_bytes(), &tenant("acme")), Ok(fits), "{name}");
    }
    assert_eq!(prefix.begins(b"in/acme/\xff", &tenant("acme")), Ok(true), "bytes, not text");
}

#[test]
fn what_two_tenants_could_share_is_refused() {
    for (text, wrong) in [
        ("", "1 to 2048 bytes"),
        ("{tenant.id", "without its '}'"),
        ("{tenant.nme}", "not known"),
        ("{subject}/*", "of a user"),
        ("{claims.dept}/*", "of a user"),
        ("{user.attributes.x}/*", "of a user"),
        ("{tenant.external_id}", "for STS alone"),
        ("a\u{7}", "control character"),
        ("{tenant.id}*", "directly followed by '*'"),
        ("{tenant.cell}x*", "followed by 'x*'"),
        ("*/{tenant.id}/x", "before a placeholder"),
        ("a*b{tenant.id}", "before a placeholder"),
        ("{tenant.cell}{tenant.id}", "need something between them"),
        ("{tenant.cell}-{tenant.id}", "stands nothing that the first one's values cannot contain"),
    ] {
        let error = NamePattern::parse(text).expect_err(text).to_string();
        assert!(error.contains(wrong), "{text}: {error}");
    }
    for (text, wrong) in [
        ("", "every name begins so"),
        ("{tenant.id}", "ends with {tenant.id}, behind which"),
        ("x/{tenant.cell}", "ends with {tenant.cell}, behind which"),
        ("{tenant_id}", "is not known"),
        ("{tenant.cell}-", "followed by '-*'"),
        ("a*/", "means nothing in a prefix"),
    ] {
        let error = NamePrefix::parse(text).expect_err(text).to_string();
        assert!(error.contains(wrong), "{text}: {error}");
    }
}

#[test]
fn what_is_right_only_for_prefix_free_ids_is_told() {
    for (text, open) in [("{tenant.id}-log", true), ("{tenant.id}/x", false), ("x-{tenant.id}", false), ("{tenant.cell}-log", false)] {
        assert_eq!(pattern(text).open_end().is_some(), open, "{text}");
    }
    for (text, open) in [("{tenant.id}-", true), ("{tenant.id}#", false)] {
        assert_eq!(NamePrefix::parse(text).unwrap().open_end().is_some(), open, "{text}");
    }
}

#[test]
fn tenants_are_told_apart_by_what_is_theirs_alone() {
    for (text, apart) in
        [("{tenant.id}", true), ("{tenant.account}/*", true), ("{tenant.attributes.x}", true), ("{tenant.cell}/x", false), ("x*", false)]
    {
        assert_eq!(pattern(text).tells_tenants_apart(), apart, "{text}");
    }
}

const TEMPLATES: [&str; 6] = [
    "{tenant.id}",
    "data-{tenant.id}",
    "{tenant.id}/*",
    "x/{tenant.id}/y*z",
    "{tenant.account}-{tenant.id}",
    "{tenant.cell}/{tenant.id}#*",
];

const OVER_ATTRIBUTES: [&str; 5] = [
    "{tenant.attributes.x}/",
    "a-{tenant.attributes.x}-b/",
    "{tenant.attributes.x}--/",
    "{tenant.attributes.x}/{tenant.attributes.y}/",
    "{tenant.attributes.x}-#-{tenant.attributes.y}-/",
];

proptest! {
    /// Whatever pattern is taken and needs no knowledge of the ids: no name is two tenants'.
    #[test]
    fn no_name_is_two_tenants(template in 0..TEMPLATES.len(), a in "[a-b][a-b/#-]{0,3}", b in "[a-b][a-b/#-]{0,3}", tail in "[a-b/#z-]{0,4}") {
        // Ids have neither / nor #.
        let (a, b) = (a.replace(['/', '#'], "."), b.replace(['/', '#'], "."));
        prop_assume!(a != b);
        let pattern = pattern(TEMPLATES[template]);
        let name = TEMPLATES[template].replace("{tenant.id}", &a).replace("{tenant.account}", "111122223333").replace("{tenant.cell}", "c1").replace('*', &tail);
        prop_assert_eq!(pattern.matches(&name, &tenant(&a)), Ok(true));
        prop_assert_eq!(pattern.matches(&name, &tenant(&b)), Ok(false), "{}", name);
    }

    /// Whatever an operator writes into records that differ, one of which goes on where the other one ends.
    #[test]
    fn no_beginning_is_two_tenants(
        template in 0..OVER_ATTRIBUTES.len(), a in "[ab/#-]{1,2}", more in "[ab/#-]{1,4}", c in "[ab]{1,2}", d in "[ab/#-]{1,3}", tail in "[ab/#-]{0,4}",
    ) {
        let b = format!("{a}{more}");
        let text = OVER_ATTRIBUTES[template];
        let with = |x: &str, y: &str| {
            Table([("tenant.attributes.x".to_owned(), x.to_owned()), ("tenant.attributes.y".to_owned(), y.to_owned())].into())
        };
        let name = text.replace("{tenant.attributes.x}", &b).replace("{tenant.attributes.y}", &d) + &tail;
        let prefix = NamePrefix::parse(text).unwrap();
        let has = |x: &str, y: &str| prefix.begins(name.as_bytes(), &with(x, y)) == Ok(true);
        prop_assert!(!(has(&a, &c) && has(&b, &d)), "{}", name);
    }
}
