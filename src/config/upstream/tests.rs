use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

/// Answers every placeholder with one value.
struct Always(Option<String>);

impl Values for Always {
    fn value(&self, _: &Name) -> Option<Cow<'_, str>> {
        self.0.as_deref().map(Cow::Borrowed)
    }
}

fn render(upstream: &str, value: &str) -> Result<String, RenderError> {
    let Ok(Upstream::Templated(template)) = Upstream::parse(upstream) else { panic!("{upstream}") };
    template.render(&Always(Some(value.to_owned()))).map(|place| place.to_string())
}

#[test]
fn places_and_templates_are_told_apart() {
    for text in ["http://127.0.0.1:8080", "https://app.internal", "http://[::1]:1/", "unix:/run/app.sock", "unix:/a"] {
        assert!(matches!(Upstream::parse(text), Ok(Upstream::Fixed(_))), "{text}");
    }
    for text in [
        "http://app.{tenant.cell}.svc.cluster.local:8080",
        "https://{tenant.id}.apps.internal",
        "http://app-{cell}:8080/",
        "http://{tenant.attributes.address}:8080",
        "unix:/run/{tenant.cell}/app.sock",
        "unix:/run/{tenant.id}.sock",
    ] {
        assert!(matches!(Upstream::parse(text), Ok(Upstream::Templated(_))), "{text}: {:?}", Upstream::parse(text));
    }
}

#[test]
fn what_could_lead_elsewhere_is_refused_when_it_is_read() {
    let long = format!("unix:/{}", "x".repeat(MAX_SOCKET_PATH));
    for (text, why) in [
        ("127.0.0.1:8080", "begins with none of"),
        ("HTTP://a", "begins with none of"),
        ("ftp://a", "begins with none of"),
        ("http://a/b", "scheme, a host and a port alone"),
        ("http://u@a", "scheme, a host and a port alone"),
        ("http://a:0", "scheme, a host and a port alone"),
        ("unix:run/app.sock", "not an absolute path"),
        ("unix:{tenant.id}", "not an absolute path"),
        ("unix://a", "not a plain path"),
        ("unix:/a/../b", "not a plain path"),
        ("unix:/a/", "not a plain path"),
        ("unix:/a\nb", "not a plain path"),
        (&long, "107 bytes"),
        ("http://{subject}.internal", "caller's token"),
        ("http://app.{claims.host}.internal", "caller's token"),
        ("http://{issuer}:80", "caller's token"),
        ("unix:/run/{claims.cell}.sock", "caller's token"),
        ("http://{tenant.name}.internal", "is not known"),
        ("http://app.{tenant.cell}", "would be the domain"),
        ("http://{tenant.cell}.{tenant.id}:80", "would be the domain"),
        ("http://{tenant.cell}-{tenant.id}.internal", "two placeholders in one label"),
        ("http://{tenant.cell}{tenant.id}", "two placeholders in one label"),
        ("unix:/run/{tenant.cell}-{tenant.id}.sock", "two placeholders in one step"),
        ("http://10.0.0.{tenant.cell}0", "become an address"),
        ("http://10.{tenant.cell}.0.1", "become an address"),
        ("http://{tenant.cell}.0x7f", "become an address"),
        ("http://App.{tenant.cell}.internal", "not a host name"),
        ("http://app.{tenant.cell}.internal/path", "not a host name"),
        ("http://u@{tenant.cell}.internal", "not a host name"),
        ("http://{tenant.cell}..internal", "not a host name"),
        ("http://{tenant.cell}.internal?x", "not a host name"),
        ("http://-{tenant.cell}.internal", "not a host name"),
        ("http://{tenant.cell}.internal:0", "port"),
        ("http://{tenant.cell}.internal:", "port"),
        ("http://{tenant.cell}.internal:70000", "port"),
        ("http://{tenant.cell}.internal:+80", "port"),
        ("http://{tenant.cell}.internal:{tenant.tier}", "not a host name"),
        ("http://{tenant.cell", "without its '}'"),
    ] {
        let error = Upstream::parse(text).expect_err(text);
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn a_value_is_one_label_of_the_host_or_the_render_fails() {
    let host = "http://app.{tenant.cell}.internal:8080";
    assert_eq!(render(host, "c1").unwrap(), "http://app.c1.internal:8080");
    assert_eq!(render(host, &"x".repeat(63)).unwrap().len(), host.len() - "{tenant.cell}".len() + 63);
    for value in [
        "a.b",
        "a:1",
        "a/b",
        "a@b",
        "a?b",
        "a#b",
        "a%2eb",
        "a b",
        "a\nb",
        "A",
        "ä",
        "_x",
        "-a",
        "a-",
        "..",
        ".",
        "*",
        "{x}",
        "127.0.0.1",
        "[::1]",
        &"x".repeat(64),
    ] {
        assert!(matches!(render(host, value), Err(RenderError::Unsafe(_))), "{value}: {:?}", render(host, value));
    }
    assert_eq!(
        render("http://{tenant.cell}x:80", "0"),
        Err(RenderError::Unsafe("http://{tenant.cell}x:80".into())),
        "0x is a number to some"
    );
    let Ok(Upstream::Templated(template)) = Upstream::parse(host) else { panic!() };
    assert_eq!(template.render(&Always(None)), Err(RenderError::Missing("tenant.cell".into())));
    assert_eq!(template.render(&Always(Some(String::new()))), Err(RenderError::Missing("tenant.cell".into())));
}

#[test]
fn a_value_is_a_part_of_one_step_of_a_path_or_the_render_fails() {
    let path = "unix:/run/{tenant.cell}/app.sock";
    assert_eq!(render(path, "c1").unwrap(), "unix:/run/c1/app.sock");
    for value in ["..", ".", "a/b", "a.b", "A", "a\0b", "", "~", &"x".repeat(64)] {
        assert!(render(path, value).is_err(), "{value}");
    }
    let deep = format!("unix:/{}/{{tenant.cell}}", "x".repeat(MAX_SOCKET_PATH - 6));
    assert!(render(&deep, "abcd").is_ok());
    assert!(render(&deep, "abcde").is_err(), "longer than a socket's path may be");
}

#[test]
fn a_host_of_one_placeholder_is_an_address_and_nothing_else() {
    let host = "http://{tenant.attributes.address}:8080";
    assert!(Upstream::parse(host).unwrap().takes_address());
    assert_eq!(render(host, "10.0.0.5").unwrap(), "http://10.0.0.5:8080");
    assert_eq!(render(host, "FD12::0:5").unwrap(), "http://[fd12::5]:8080");
    for value in
        ["app", "localhost", "10.0.0.5:1", "127.1", "2130706433", "0x7f000001", "[fd12::5]", "10.0.0.05", "10.0.0.5/", "fd12::5%eth0"]
    {
        assert!(render(host, value).is_err(), "{value}: {:?}", render(host, value));
    }
}

#[test]
fn what_crosses_a_network_in_clear_is_known() {
    for (text, expected) in [
        ("http://127.0.0.1:8080", false),
        ("http://[::1]:8080", false),
        ("http://localhost", false),
        ("http://app:8080", true),
        ("http://10.0.0.1", true),
        ("https://app:8443", false),
        ("unix:/run/app.sock", false),
        ("unix:/run/{tenant.id}.sock", false),
        ("http://app-{tenant.cell}:8080", true),
        ("https://app-{tenant.cell}:8443", false),
        ("http://{tenant.attributes.a}:80", true),
    ] {
        assert_eq!(Upstream::parse(text).unwrap().crosses_a_network_in_clear(), expected, "{text}");
    }
}

proptest! {
    /// Whatever a record says, scheme, port and the template's own text stay as they are.
    #[test]
    fn no_value_changes_more_than_its_own_label(value in "\\PC{0,12}|[a-z0-9.:/@-]{1,12}|[a-z0-9-]{1,8}") {
        if let Ok(place) = render("https://app-{tenant.cell}.cells.internal:8443", &value) {
            prop_assert_eq!(place, format!("https://app-{value}.cells.internal:8443"));
            prop_assert!(!value.contains(['.', ':', '/', '@']));
        }
        if let Ok(place) = render("unix:/run/cells/{tenant.cell}/app.sock", &value) {
            prop_assert_eq!(place, format!("unix:/run/cells/{value}/app.sock"));
            prop_assert!(!value.contains(['.', '/', '\0']));
        }
        if let Ok(place) = render("http://{tenant.attributes.a}:80", &value) {
            prop_assert!(value.parse::<IpAddr>().is_ok(), "{} came from {}", place, value);
        }
    }
}
