//! What a request to a named service is about, read the other way round: place by place in a plain document, or in the pairs of a form.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::{
    super::{
        Asked, Kind, Resource, Touch,
        table::{About, Absent, Member, Metrics, Names, Rest, Table},
        touches,
    },
    arithmetic::is_arithmetic,
    as_json,
};
use crate::{
    aws::{
        service::Service,
        target::{Style, Target},
    },
    fuzzing::json::has_no_member_twice,
};

/// What every path has for the label of a model.
const MODEL: &str = "a-model";

/// The first line is service, operation and protocol (`json`, `form`, `cbor`, or `rest`), what follows is the body. What is taken is about exactly what
/// another reader finds where the table says that names stand.
pub(crate) fn body(bytes: &[u8]) -> bool {
    let Some(at) = bytes.iter().position(|b| *b == b'\n') else { return false };
    let (line, body) = (&bytes[..at], &bytes[at + 1..]);
    let words: Vec<&str> = std::str::from_utf8(line).unwrap_or_default().split(' ').collect();
    let [service, operation, protocol] = words[..] else { return false };
    let Some(table) = Table::of(service) else { return false };
    let Ok(about) = table.about(operation) else { return false };
    let Some((path, headers)) = envelope(service, operation, protocol) else { return false };
    let is_read = match about {
        // Of others the body is the application's own.
        About::Rest(rest) => rest == Rest::Model && protocol == "rest",
        _ => protocol != "rest",
    };
    if !is_read {
        return false;
    }
    let target = Target::for_tests((service, service, table.signing_name()), Style::Plain, &path);
    let labels = [("modelId", MODEL.to_owned())];
    let asked = Asked { target: &target, operation: Some(operation), labels: &labels, headers: &headers, body: Some(body) };
    let Ok(touches) = touches(table, &asked) else { return false };
    let plain = match protocol {
        "cbor" => Plain::Document(as_json(&ciborium::from_reader(body).unwrap_or_else(|error| panic!("{error}")))),
        "form" => Plain::Form(form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()),
        _ => {
            assert!(has_no_member_twice(body), "a member is there twice");
            Plain::Document(serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}")))
        }
    };
    for name in table.foreign {
        assert!(!plain.is_there(&format!("/{name}")), "{name} names something elsewhere");
    }
    hold(&plain, about, &touches);
    true
}

/// Path and headers, as SDKs have them.
fn envelope(service: &str, operation: &str, protocol: &str) -> Option<(String, HeaderMap)> {
    let headers = |list: &[(&'static str, &'static str)]| {
        list.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    };
    let content_type = "content-type";
    Some(match protocol {
        "json" => ("/".to_owned(), headers(&[(content_type, "application/x-amz-json-1.1"), ("x-amz-target", "T.O")])),
        "form" => ("/".to_owned(), headers(&[(content_type, "application/x-www-form-urlencoded")])),
        "cbor" => {
            let target = Service::find(service)?.targets.first()?;
            let path = format!("/service/{target}/operation/{operation}");
            (path, headers(&[(content_type, "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]))
        }
        "rest" => ("/".to_owned(), headers(&[(content_type, "application/json")])),
        _ => return None,
    })
}

/// A body, as somebody reads it who takes everything.
enum Plain {
    Document(Value),
    Form(Vec<(String, String)>),
}

impl Plain {
    /// What stands at a place: `/Entries/0/EventBusName`. In a form that is `Entries.member.1.EventBusName`.
    fn text(&self, place: &str) -> Option<&str> {
        match self {
            Self::Document(document) => {
                only_so(document, place);
                document.pointer(place).map(|value| value.as_str().unwrap_or_else(|| panic!("{place} is no text: {value}")))
            }
            Self::Form(pairs) => {
                let below = self.parts(place);
                assert!(below.is_empty(), "{place} has parts: {below:?}");
                pairs.iter().find(|(name, _)| *name == key(place)).map(|(_, value)| value.as_str())
            }
        }
    }

    fn is_there(&self, place: &str) -> bool {
        match self {
            Self::Document(document) => {
                only_so(document, place);
                document.pointer(place).is_some()
            }
            Self::Form(pairs) => !self.parts(place).is_empty() || pairs.iter().any(|(name, _)| *name == key(place)),
        }
    }

    /// How many items a list has.
    fn count(&self, place: &str) -> usize {
        match self {
            Self::Document(document) => {
                only_so(document, place);
                document.pointer(place).map_or(0, |list| list.as_array().unwrap_or_else(|| panic!("{place} is no list: {list}")).len())
            }
            Self::Form(_) => {
                let number = |rest: &&str| {
                    let number = rest.strip_prefix("member.").and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
                    number.unwrap_or_else(|| panic!("{place} has a part that is no item: {rest}"))
                };
                let items: BTreeSet<usize> = self.parts(place).iter().map(number).collect();
                assert!(items.iter().copied().eq(1..=items.len()), "{place} has items {items:?}");
                items.len()
            }
        }
    }

    /// What is below a place of a form, where nothing is that is called so in another case.
    fn parts(&self, place: &str) -> Vec<&str> {
        let Self::Form(pairs) = self else { return Vec::new() };
        let key = key(place);
        let mut parts = Vec::new();
        for (name, _) in pairs {
            let Some((start, rest)) = name.split_at_checked(key.len()) else { continue };
            if start.eq_ignore_ascii_case(&key) && (rest.is_empty() || rest.starts_with('.')) {
                assert_eq!(start, key, "a parameter's name is spelled in another way");
                parts.extend(rest.strip_prefix('.'));
            }
        }
        parts
    }
}

/// Whether all readers find the same member there, those too who do not mind the case of a name.
fn only_so(document: &Value, place: &str) {
    let (above, name) = place.rsplit_once('/').unwrap_or_default();
    let Some(members) = document.pointer(above).and_then(Value::as_object) else { return };
    let alike: Vec<&String> = members.keys().filter(|other| other.eq_ignore_ascii_case(name)).collect();
    assert!(alike.iter().all(|other| *other == name), "{place} is spelled as {alike:?}");
}

fn key(place: &str) -> String {
    let word = |word: &str| word.parse::<usize>().map_or_else(|_| word.to_owned(), |number| format!("member.{}", number + 1));
    place.split('/').skip(1).map(word).collect::<Vec<_>>().join(".")
}

/// Whether `touches` are what stands in `plain`, one by one.
fn hold(plain: &Plain, about: About, touches: &[Touch]) {
    let mut left = touches.iter();
    let mut next = || left.next().unwrap_or_else(|| panic!("something is not seen"));
    match about {
        About::Nothing => {}
        About::Each(members) | About::Same(members) => {
            for member in members {
                for place in places(plain, member.path) {
                    let text = plain.text(&place);
                    let text = match (text, member.absent) {
                        (Some(_), _) => text,
                        (None, _) if member.names == Names::Nothing => continue,
                        (None, Absent::Default(name)) => Some(name),
                        (None, Absent::Refused(_)) => panic!("{place} is not there"),
                        (None, Absent::Skipped) => continue,
                        (None, Absent::Unnamed) => None,
                    };
                    is_of(next(), plain, member, text);
                }
            }
            let names: BTreeSet<_> = touches.iter().filter_map(|touch| touch.resource.as_ref()).map(|resource| &resource.names).collect();
            assert!(names.len() == 1 || !matches!(about, About::Same(_)), "it is about {names:?}");
            assert!(!touches.is_empty(), "it is about nothing");
        }
        About::Metrics(metrics) => {
            for place in metrics_in(plain, metrics) {
                let touch = next();
                // The namespace of data stands once for all.
                let above = if metrics == Metrics::Data { "" } else { &*place };
                let namespace = plain.text(&format!("{above}/Namespace")).unwrap_or_else(|| panic!("{place} is in no namespace"));
                let resource = touch.resource.as_ref().unwrap_or_else(|| panic!("a metric is nothing"));
                assert!(resource.kind == Kind::Namespace && resource.names == [namespace], "{namespace} is read as {resource:?}");
                assert_eq!(touch.context, Some(dimensions(plain, &place)), "{place}");
            }
        }
        About::Rest(_) => {
            let model = next().resource.as_ref();
            assert!(model.is_some_and(|model| model.kind == Kind::Model && model.names == [MODEL]), "{model:?}");
            if let Some(guardrail) = plain.text("/guardrailConfig/guardrailIdentifier") {
                let resource = next().resource.as_ref().unwrap_or_else(|| panic!("a guardrail is nothing"));
                is_named(resource, Names::Any(Kind::Guardrail), guardrail);
            }
            is_self_contained(plain);
        }
    }
    let more: Vec<_> = left.collect();
    assert!(more.is_empty(), "what is not there is seen: {more:?}");
}

/// Every place of a member, which has `[]` where a list is.
fn places(plain: &Plain, path: &str) -> Vec<String> {
    let mut places = vec![String::new()];
    for part in path.split('.') {
        let (name, is_list) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
        let deeper = |place: String| {
            let place = format!("{place}/{name}");
            // What is not there once says nothing once.
            match is_list && plain.is_there(&place) {
                true => (0..plain.count(&place)).map(|number| format!("{place}/{number}")).collect(),
                false => vec![place],
            }
        };
        places = places.into_iter().flat_map(deeper).collect();
    }
    places
}

/// Where metrics stand, none of which is found in another way.
fn metrics_in(plain: &Plain, metrics: Metrics) -> Vec<String> {
    let items = |list: &str| (0..plain.count(list)).map(|number| format!("{list}/{number}")).collect::<Vec<_>>();
    match metrics {
        Metrics::Data => items("/MetricData"),
        Metrics::Listing | Metrics::One => vec![String::new()],
        Metrics::Queries => {
            let queries = items("/MetricDataQueries");
            let ids: Vec<&str> = queries.iter().filter_map(|query| plain.text(&format!("{query}/Id"))).collect();
            let is_metric = |query: &String| {
                assert!(!plain.is_there(&format!("{query}/AccountId")), "{query} is of another account");
                let is_metric = plain.is_there(&format!("{query}/MetricStat"));
                match plain.text(&format!("{query}/Expression")) {
                    Some(text) => {
                        assert!(!is_metric, "{query} is of two things");
                        is_arithmetic(text, &ids);
                    }
                    None => assert!(is_metric, "{query} is of nothing"),
                }
                is_metric
            };
            queries.iter().filter(|query| is_metric(query)).map(|query| format!("{query}/MetricStat/Metric")).collect()
        }
    }
}

fn dimensions(plain: &Plain, place: &str) -> BTreeMap<String, String> {
    let (mut found, mut names) = (BTreeMap::new(), BTreeSet::new());
    for number in 0..plain.count(&format!("{place}/Dimensions")) {
        let text = |name: &str| plain.text(&format!("{place}/Dimensions/{number}/{name}"));
        let name = text("Name").unwrap_or_else(|| panic!("a dimension of {place} has no name"));
        assert!(names.insert(name), "{name} is there twice");
        found.extend(text("Value").map(|value| (name.to_owned(), value.to_owned())));
    }
    found
}

/// Whether no member, wherever it is, names a place in S3.
fn is_self_contained(plain: &Plain) {
    let Plain::Document(document) = plain else { panic!("a model is asked in JSON") };
    let mut left = vec![document];
    while let Some(value) = left.pop() {
        left.extend(value.as_array().into_iter().flatten());
        for (name, value) in value.as_object().into_iter().flatten() {
            assert!(!name.eq_ignore_ascii_case("s3location"), "a model is read from S3");
            left.push(value);
        }
    }
}

/// Whether a touch is of what a member says, or of nothing where it says nothing.
fn is_of(touch: &Touch, plain: &Plain, member: &Member, text: Option<&str>) {
    match (&touch.resource, text) {
        (Some(resource), Some(text)) => is_named(resource, member.names, text),
        (None, None) => {}
        other => panic!("{}: {other:?}", member.path),
    }
    if let (Names::Owned(_, owner), Some(resource)) = (member.names, &touch.resource) {
        assert_eq!(resource.account.as_deref(), plain.text(&format!("/{owner}")), "{owner}");
    }
    assert_eq!(touch.action, member.action);
    let said = (!member.context.is_empty()).then(|| match plain {
        Plain::Document(document) => {
            let place = format!("/{}", member.context);
            only_so(document, &place);
            let pairs = document.pointer(&place).map(|pairs| pairs.as_object().unwrap_or_else(|| panic!("{pairs}")));
            let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned();
            pairs.into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect::<BTreeMap<_, _>>()
        }
        Plain::Form(_) => panic!("no form has an encryption context"),
    });
    assert_eq!(touch.context, said);
}

/// Whether a resource is what `text` names. It may have more readings.
fn is_named(resource: &Resource, names: Names, text: &str) {
    let arn: Option<[&str; 6]> = text.starts_with("arn:").then(|| text.splitn(6, ':').collect::<Vec<_>>().try_into().ok()).flatten();
    let seen = (resource.names.iter().map(String::as_str).collect::<Vec<_>>(), resource.account.as_deref(), resource.region.as_deref());
    let (kind, is_one, wants) = match (names, arn) {
        (Names::Url, _) => {
            let mut parts = text.rsplit('/');
            let (name, account) = (parts.next().unwrap_or_default(), parts.next());
            (Kind::Queue, true, (name.to_owned(), account, None))
        }
        (Names::Any(kind) | Names::Arn(kind), Some([_, _, service, region, account, rest])) => {
            assert_eq!(service, kind.service(), "{text}");
            // Names of parameters are with or without a slash, and a secret's may have its suffix.
            let is_one = !matches!(kind, Kind::Parameter | Kind::Secret);
            (kind, is_one, (in_arn(kind, rest).unwrap_or_else(|| panic!("{text} names nothing")), Some(account), Some(region)))
        }
        (Names::Any(kind) | Names::Name(kind), None) => (kind, true, (by_name(kind, text), None, None)),
        (Names::Owned(kind, _), None) => (kind, true, (by_name(kind, text), resource.account.as_deref(), None)),
        (Names::Below(kind), None) => (kind, true, (format!("{}/", text.trim_end_matches('/')), None, None)),
        other => panic!("{text} is read as {resource:?}: {other:?}"),
    };
    assert_eq!((seen.1, seen.2), (wants.1, wants.2), "{text}");
    assert!(seen.0.contains(&&*wants.0) && (seen.0.len() == 1 || !is_one), "{text} is {wants:?}, and not {seen:?}");
    assert_eq!((resource.kind, resource.below), (kind, matches!(names, Names::Below(_))), "{text}");
}

fn by_name(kind: Kind, text: &str) -> String {
    let end = if kind == Kind::Parameter { text.find(':') } else { None };
    text[..end.unwrap_or(text.len())].to_owned()
}

/// By the formats of the Service Authorization Reference, of what is of the right format.
fn in_arn(kind: Kind, rest: &str) -> Option<String> {
    let mut words = rest.split([':', '/']);
    Some(match kind {
        Kind::Bus | Kind::DeliveryStream | Kind::Guardrail => rest.split_once('/')?.1.to_owned(),
        Kind::Key if rest.starts_with("alias/") => rest.to_owned(),
        Kind::Key | Kind::StateMachine | Kind::Stream => words.nth(1)?.to_owned(),
        Kind::LogGroup => rest.split(':').nth(1)?.to_owned(),
        Kind::Parameter => format!("/{}", by_name(kind, rest.split_once('/')?.1)),
        Kind::Queue => rest.to_owned(),
        Kind::Secret => rest.split_once(':')?.1.to_owned(),
        Kind::Topic => words.next()?.to_owned(),
        Kind::Function | Kind::Model | Kind::Namespace => return None,
    })
}
