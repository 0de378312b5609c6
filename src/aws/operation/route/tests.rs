use super::*;

const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("List", "GET", "/functions/"),
    ("Get", "GET", "/functions/{Name}"),
    ("Settings", "GET", "/functions/settings"),
    ("Put", "PUT", "/functions/{Name}"),
    ("Invoke", "POST", "/functions/{Name}/invocations"),
    ("Other", "POST", "/functions/special/{Kind}"),
    ("Create", "POST", "/users?operation=create"),
    ("Suspend", "POST", "/users?operation=suspend"),
    ("Invite", "POST", "/users"),
    ("Sync", "POST", "/chats?sync"),
    ("Tags", "GET", "/tags/{arn+}"),
    ("Policy", "GET", "/tags/{arn+}/policy"),
    ("Latest", "GET", "/bots/{Name}/$LATEST"),
    ("Version", "GET", "/bots/{Name}/{Version}"),
    ("Root", "GET", "/"),
];

fn read(method: &str, target: &str) -> Vec<Reading> {
    let routes = Routes::new(FUNCTIONS.iter().copied());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (view, pairs) = (PathView::new(path), Pairs::parse(query.as_bytes()));
    routes.readings(&Place { method: &method.parse().unwrap(), path, query, view: &view, pairs: &pairs })
}

/// Names, joined.
fn names(method: &str, target: &str) -> String {
    read(method, target).iter().map(|reading| reading.name).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_more_specific_template_goes_first() {
    for (method, target, expected) in [
        ("GET", "/", "Root"),
        ("GET", "/functions/f", "Get"),
        ("GET", "/functions/settings", "Settings"),
        ("PUT", "/functions/settings", "Put"),
        ("GET", "/bots/b/$LATEST", "Latest"),
        ("GET", "/bots/b/1", "Version"),
        ("GET", "/tags/a/b/policy", "Policy"),
        ("GET", "/tags/policy", "Tags"),
        ("POST", "/users", "Invite"),
        ("POST", "/users?operation=create", "Create"),
        ("POST", "/users?a=b&operation=suspend", "Suspend"),
        ("POST", "/chats?sync", "Sync"),
        ("POST", "/chats?sync=", "Sync"),
    ] {
        assert_eq!(names(method, target), expected, "{method} {target}");
    }
}

#[test]
fn a_slash_at_the_end_changes_nothing() {
    for (target, expected) in
        [("/functions", "List"), ("/functions/", "List"), ("/functions/f/", "Get"), ("/functions/settings/", "Settings")]
    {
        assert_eq!(names("GET", target), expected, "{target}");
    }
}

#[test]
fn labels_are_decoded_once_and_keep_their_slashes() {
    let label = |method: &str, target: &str| read(method, target)[0].labels.clone();
    assert_eq!(label("GET", "/functions/a%20b%2525"), [("Name", "a b%25".to_owned())]);
    assert_eq!(label("GET", "/functions/arn%3Aaws%3Ax%2Fy/"), [("Name", "arn:aws:x/y".to_owned())]);
    assert_eq!(label("GET", "/tags/arn%3Aaws%3Ax/y%2Fz"), [("arn", "arn:aws:x/y/z".to_owned())]);
    assert_eq!(label("GET", "/tags/a/b/policy"), [("arn", "a/b".to_owned())]);
    assert_eq!(label("POST", "/functions/%C3%A9/invocations"), [("Name", "é".to_owned())]);
}

#[test]
fn where_another_reader_sees_another_operation_both_are_named() {
    for (method, target, expected) in [
        // By case, by an encoding, and by an encoding of that.
        ("GET", "/functions/Settings", "Get Settings"),
        ("GET", "/functions/%73ettings", "Get Settings"),
        ("GET", "/functions/%2573ettings", "Get Settings"),
        ("GET", "/functions/settings%20", "Get Settings"),
        ("GET", "/functions/settings%3Bx", "Get Settings"),
        ("GET", "/bots/b/%24LATEST", "Version Latest"),
        // By a slash.
        ("GET", "/tags/a%2Fpolicy", "Tags Policy"),
        ("POST", "/functions/special/a%2F..%2Finvocations", "Other"),
        // Templates that overlap.
        ("POST", "/functions/special/invocations", "Other Invoke"),
    ] {
        assert_eq!(names(method, target), expected, "{method} {target}");
    }
    // What is not by the letter says nothing of labels.
    assert!(read("GET", "/functions/Settings")[1].labels.is_empty());
}

#[test]
fn what_is_none_by_the_letter_has_no_name() {
    for (method, target) in [
        ("GET", "/functions//settings"),
        ("GET", "//functions/f"),
        ("GET", "/functions/f//"),
        ("GET", "//"),
        ("GET", ""),
        ("GET", "functions/f"),
        ("GET", "/Functions/f"),
        ("GET", "/%66unctions/f"),
        ("GET", "/functions%2Ff"),
        ("GET", "/functions/f;settings"),
        ("GET", "/functions/a+b"),
        ("GET", "/functions/a\\b"),
        ("GET", "/functions/%ff"),
        ("GET", "/tags/a/%ff"),
        ("GET", "/tags/a/"),
        ("GET", "/tags/a//b"),
        ("GET", "/tags"),
        ("GET", "/functions/f/invocations"),
        ("HEAD", "/functions/f"),
        ("get", "/functions/f"),
        ("POST", "/functions/f/invocations/x"),
        ("DELETE", "/functions/f"),
    ] {
        assert_eq!(names(method, target), "", "{method} {target}");
    }
}

#[test]
fn a_query_that_selects_in_two_ways_selects_nothing() {
    for target in [
        "/users?operation=other",
        "/users?operation=",
        "/users?operation",
        "/users?Operation=create",
        "/users?operation=Create",
        "/users?operation=create&operation=suspend",
        "/users?operation=create&OPERATION=suspend",
        "/users?operation=create;operation=suspend",
        "/users?x;operation=create",
        "/users?operation=create&%6Fperation=suspend",
        "/users?operation%20=create",
        "/users?operation=create&x=%ff",
        "/chats?sync=1",
        "/chats?SYNC",
        "/chats",
    ] {
        assert_eq!(names("POST", target), "", "{target}");
    }
    assert_eq!(names("POST", "/users?%6Fperation=creat%65"), "Create", "the service decodes a query as everybody does");
    // A key that selects nothing here is a parameter as any other.
    assert_eq!(names("POST", "/functions/f/invocations?operation=create&operation=x;y"), "Invoke");
}
