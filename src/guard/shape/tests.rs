use super::*;
use crate::{
    config::GuardMode,
    guard::rules::{Opinion, Verdict},
};

/// A tenant, by what it may be called.
struct Tenant(&'static str);

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

impl Values for Tenant {
    fn value(&self, name: &Name) -> Option<Cow<'_, str>> {
        match name {
            Name::TenantId => Some("acme".into()),
            Name::TenantAccount => Some("111122223333".into()),
            Name::TenantKmsKey => Some(self.0.into()),
            _ => None,
        }
    }
}

fn thing(section: &'static str, noun: &'static str, names: &[&str], within: Within) -> Thing {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Thing { section, noun, names, within, actions: vec!["s3:GetObject".into()], account: None, region: None, arn: None }
}

fn touched(names: &[&str], within: Within) -> Touched {
    Touched::of(&thing("s3", "bucket", names, within), &Tenant(KEY))
}

fn named(names: &[&str]) -> Option<String> {
    touched(names, Within::Itself).name
}

#[test]
fn of_a_key_only_its_beginning_is_told_and_only_where_that_is_the_tenant_s() {
    for (key, shape) in [("acme/x", "{tenant.id}/"), ("acme#7", "{tenant.id}#"), ("acme", ID)] {
        assert_eq!(begins(key.as_bytes(), "acme"), shape, "{key}");
    }
    for key in ["acmeX", "acme-x", "acme.x", "globex/acme", "", "/acme"] {
        assert_eq!(begins(key.as_bytes(), "acme"), UNSAID, "{key}");
    }
    // Whoever has no id begins nothing.
    assert_eq!((begins(b"", ""), begins(b"/x", "")), (UNSAID.to_owned(), UNSAID.to_owned()));
}

#[test]
fn separators_are_in_no_id_and_are_no_blanks() {
    assert!(SEPARATORS.chars().any(is_separator) && is_separator('/') && is_separator('#'));
    for other in ['a', 'Z', '7', '-', '_', ' ', '"', '\u{e4}'] {
        assert!(!is_separator(other), "{other:?}");
    }
}

#[test]
fn a_name_is_told_with_placeholders_unless_it_is_long_or_can_be_read_in_two_ways() {
    let (longest, longer) = ("a".repeat(NAME_BYTES), "a".repeat(NAME_BYTES + 1));
    assert_eq!(named(&[&longest]), Some(longest.clone()));
    assert_eq!(named(&[&longer]).as_deref(), Some(UNSAID));
    for (name, shape) in [
        ("pool", "pool"),
        ("pool-acme", "pool-{tenant.id}"),
        ("acmes", "acmes"),
        ("pool-111122223333", "pool-{tenant.account}"),
        // One placeholder is enough to know whose it is.
        ("acme-111122223333", "{tenant.id}-111122223333"),
        ("acme/reports/2026", "{tenant.id}/*"),
    ] {
        assert_eq!(named(&[name]).as_deref(), Some(shape), "{name}");
    }
    assert_eq!(named(&["pool", "other"]).as_deref(), Some(UNSAID));
    assert_eq!(named(&[]), None);
}

#[test]
fn the_tenant_s_key_of_kms_is_told_as_that_in_any_writing_and_nothing_else_is() {
    let name = |section, names: &[&str], key| Touched::of(&thing(section, "key", names, Within::Itself), &Tenant(key)).name;
    let stated = Resource::stated(Kind::Key, KEY).unwrap().names;
    let stated: Vec<&str> = stated.iter().map(AsRef::as_ref).collect();
    let section = Kind::Key.service();
    assert_eq!(name(section, &["k"], "k").as_deref(), Some("{tenant.kms_key}"));
    assert_eq!(name(section, &stated, KEY).as_deref(), Some("{tenant.kms_key}"));
    assert_eq!(name(section, &["l"], "k").as_deref(), Some("l"));
    assert_eq!(name("s3", &["k"], "k").as_deref(), Some("k"));
}

#[test]
fn what_of_a_thing_is_told_and_no_data_of_it() {
    assert_eq!(touched(&["b"], Within::All).whole.as_deref(), Some("all"));
    assert_eq!(touched(&["b"], Within::Settings).whole.as_deref(), Some("settings"));
    assert_eq!(touched(&["b"], Within::Listing(None)).begins.as_deref(), Some(UNSAID));
    assert_eq!(touched(&["b"], Within::Listing(Some("acme/x".into()))).begins.as_deref(), Some("{tenant.id}/"));
    assert_eq!(touched(&["b"], Within::Key("secret".into())).begins.as_deref(), Some(UNSAID));
    let itself = touched(&["b"], Within::Itself);
    assert_eq!((itself.whole, itself.begins, itself.index), (None, None, None));
}

#[test]
fn attributes_of_keys_are_named_and_of_an_item_those_that_could_be_one() {
    let attributes = BTreeMap::from([("pk".to_owned(), b"acme#1".to_vec()), ("sk".to_owned(), b"2026".to_vec())]);
    let items = |is_item| Within::Items { index: Some("by-day".into()), attributes: attributes.clone(), is_item, is_cut: false };
    let told =
        |is_item| touched(&["t"], items(is_item)).attributes.into_iter().map(|(name, shape)| format!("{name}={shape}")).collect::<Vec<_>>();
    assert_eq!(told(false), ["pk={tenant.id}#", "sk=*"]);
    assert_eq!(told(true), ["pk={tenant.id}#"]);
    assert_eq!(touched(&["t"], items(true)).index.as_deref(), Some("by-day"));
    let context = Within::Context(BTreeMap::from([("tenant".to_owned(), "acme".to_owned()), ("other".to_owned(), "globex".to_owned())]));
    assert_eq!(touched(&["k"], context).context, ["tenant"]);
}

#[test]
fn what_is_touched_twice_is_told_once_with_all_that_is_done() {
    let mut touches = Touches::default();
    for action in ["s3:PutObject", "s3:GetObject", "s3:PutObject"] {
        touches.add(Touched { actions: vec![action.to_owned()], ..touched(&["b"], Within::Itself) });
    }
    touches.add(touched(&["c"], Within::Itself));
    assert_eq!((touches.things.len(), touches.left_out), (2, 0));
    assert_eq!(touches.things[0].actions, ["s3:GetObject", "s3:PutObject"]);
    for number in 0..MOST {
        touches.add(touched(&[&format!("d-{number}")], Within::Itself));
    }
    assert_eq!((touches.things.len(), touches.left_out), (MOST, 2));
}

#[test]
fn grounds_are_the_rules_that_allow_and_what_they_allow() {
    let (seen, rules) = (Seen::default(), ["guard.s3[0]", "guard.s3[1]"].map(Arc::<str>::from));
    let (no, yes) = (Opinion::Denied("no".into()), Opinion::Allowed(Vec::new()));
    for bucket in ["a", "b"] {
        seen.next(thing("s3", "bucket", &[bucket], Within::Itself));
        seen.begin();
        seen.hear(&rules[0], GuardMode::Enforce, &no);
        seen.hear(&rules[1], GuardMode::Enforce, &yes);
        seen.end(&Verdict::Allowed(Vec::new()));
    }
    // Judged, and not allowed.
    seen.next(thing("s3", "bucket", &["c"], Within::Itself));
    seen.begin();
    seen.hear(&rules[0], GuardMode::Enforce, &no);
    let grounds = Grounds::of(&seen, &Tenant(KEY));
    assert_eq!(grounds.rules, [rules[1].clone()]);
    let names: Vec<_> = grounds.touches.things.iter().filter_map(|touched| touched.name.as_deref()).collect();
    assert_eq!(names, ["a", "b"]);
}
