//! A request's input: a JSON document, or a form of the Query protocol, and what its members name.

use std::collections::BTreeMap;

use http::{HeaderValue, Uri, header};
use serde_json::{Map, Value};

use super::{
    Asked, Kind, Resource, Touch, Untold, cbor,
    form::Form,
    json::{Members, member},
    kind::{MISSING, is_account},
    table::{About, Absent, Member, Names, Table},
};
use crate::aws::{dialect::PROTOCOL_HEADER, operation::TARGET_HEADER, service::Service};

const OTHER_PROTOCOL: Untold = "the request is not in the service's JSON protocol";
const OTHER_QUERY: Untold = "the request is not in the service's Query protocol, as a form that is posted";

/// The one way in which the service can read a request.
#[derive(Debug)]
pub(super) enum Input<'a> {
    Document(Members),
    /// With the queue that the path names, where it names one.
    Form(Form, Option<&'a str>),
}

/// The body of a request in a JSON protocol, which nothing beside it could stand in for.
pub(super) fn document(asked: &Asked<'_>) -> Result<Members, Untold> {
    let (target, headers) = (asked.target, asked.headers);
    if !headers.contains_key(TARGET_HEADER)
        || headers.contains_key(PROTOCOL_HEADER)
        || target.path_and_query.path() != "/"
        || target.path_and_query.query().is_some()
    {
        return Err(OTHER_PROTOCOL);
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err("the body is encoded");
    }
    Members::parse(asked.body.ok_or("the body streams")?).ok_or("the body is not one JSON object")
}

/// The same in RPC v2, where service and operation are the path, which is in nothing but its canonical form.
fn packed(table: &Table, operation: &str, asked: &Asked<'_>) -> Result<Members, Untold> {
    let (target, headers) = (asked.target, asked.headers);
    let mut protocols = headers.get_all(PROTOCOL_HEADER).iter();
    let is_said = protocols.next().is_some_and(|value| value == "rpc-v2-cbor") && protocols.next().is_none();
    let service = Service::find(table.key).and_then(|service| service.targets.first()).ok_or(OTHER_PROTOCOL)?;
    let is_there = target.path_and_query.path() == format!("/service/{service}/operation/{operation}");
    if !is_said || !is_there || headers.contains_key(TARGET_HEADER) || target.path_and_query.query().is_some() {
        return Err(OTHER_PROTOCOL);
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err("the body is encoded");
    }
    cbor::object(asked.body.ok_or("the body streams")?)
        .map(Members)
        .ok_or("the body is not one map in CBOR, or could be read in several ways")
}

/// The type that the body says it has, without what says only that it is UTF-8.
fn content_type<'a>(asked: &Asked<'a>) -> Option<&'a str> {
    let mut values = asked.headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let text = HeaderValue::to_str(value).ok()?;
    let (kind, parameter) = text.split_once(';').unwrap_or((text, ""));
    let plain = parameter.is_empty() || parameter.trim().eq_ignore_ascii_case("charset=utf-8");
    plain.then(|| kind.trim())
}

impl<'a> Input<'a> {
    pub(super) fn read(table: &Table, operation: &str, asked: &Asked<'a>) -> Result<Self, Untold> {
        let input = match content_type(asked) {
            Some("application/x-amz-json-1.0" | "application/x-amz-json-1.1" | "application/json") if table.protocols.json => {
                Self::Document(document(asked)?)
            }
            Some("application/cbor") if table.protocols.cbor => Self::Document(packed(table, operation, asked)?),
            Some("application/x-www-form-urlencoded") if table.protocols.form => {
                let form = Self::form(operation, asked)?;
                match form {
                    Self::Form(form, None) if table.protocols.cbor => Self::Document(Members(form.tree().ok_or(OTHER_QUERY)?)),
                    other => other,
                }
            }
            _ if table.protocols.json => return Err(OTHER_PROTOCOL),
            _ => return Err(OTHER_QUERY),
        };
        if table.foreign.iter().any(|name| !matches!(input.text(name), Ok(None))) {
            return Err("the request has a member that names things in a way that is not read here");
        }
        Ok(input)
    }

    fn form(operation: &str, asked: &Asked<'a>) -> Result<Self, Untold> {
        let (target, headers) = (asked.target, asked.headers);
        if headers.contains_key(TARGET_HEADER)
            || headers.contains_key(PROTOCOL_HEADER)
            || headers.contains_key(header::CONTENT_ENCODING)
            || target.path_and_query.query().is_some()
        {
            return Err(OTHER_QUERY);
        }
        let form = Form::parse(asked.body.ok_or("the body streams")?)?;
        if form.get("Action")? != Some(operation) {
            return Err(OTHER_QUERY);
        }
        let path = target.path_and_query.path();
        Ok(Self::Form(form, (path != "/").then_some(path)))
    }

    pub(super) fn touches(&self, about: About) -> Result<Vec<Touch>, Untold> {
        let (members, same) = match about {
            About::Nothing | About::Rest(_) => return Ok(Vec::new()),
            About::Metrics(metrics) => {
                let Self::Document(members) = self else { return Err(OTHER_PROTOCOL) };
                return metrics.touches(&members.0);
            }
            About::Each(members) => (members, false),
            About::Same(members) => (members, true),
        };
        if let Self::Form(_, Some(_)) = self
            && !members.iter().any(|member| matches!(member.names, Names::Url))
        {
            return Err("the path names what the operation is not about");
        }
        let mut touches: Vec<Touch> = Vec::new();
        for member in members {
            touches.extend(self.member(member)?);
        }
        if touches.is_empty() {
            return Err(MISSING);
        }
        if same {
            let names = |touch: &Touch| touch.resource.as_ref().map(|resource| resource.names.clone());
            if touches.windows(2).any(|pair| names(&pair[0]) != names(&pair[1])) {
                return Err("the request names two things where it is about one");
            }
        }
        Ok(touches)
    }

    fn member(&self, member: &Member) -> Result<Vec<Touch>, Untold> {
        if matches!(member.names, Names::Nothing) {
            return if self.all(member.path)?.iter().all(Option::is_none) { Ok(Vec::new()) } else { Err("a member that is not read here") };
        }
        let mut touches = Vec::new();
        for found in self.found(member)? {
            let resource = match found {
                Some(text) => Some(self.resource(member, text)?),
                None => match member.absent {
                    Absent::Refused(why) => return Err(why),
                    Absent::Skipped => continue,
                    Absent::Unnamed => None,
                    Absent::Default(name) => Some(self.resource(member, name)?),
                },
            };
            let context = (!member.context.is_empty()).then(|| self.context(member.context)).transpose()?;
            touches.push(Touch { resource, context, action: member.action });
        }
        Ok(touches)
    }

    /// What stands in the member, each time that it is there.
    fn found(&self, member: &Member) -> Result<Vec<Option<&str>>, Untold> {
        let found = self.all(member.path)?;
        match (self, member.names, &found[..]) {
            (Self::Form(_, Some(path)), Names::Url, [None]) => Ok(vec![Some(path)]),
            (Self::Form(_, Some(path)), Names::Url, [Some(url)]) => {
                if queue(path)? != queue(url)? {
                    return Err("path and parameter name two queues");
                }
                Ok(found)
            }
            _ => Ok(found),
        }
    }

    fn resource(&self, member: &Member, text: &str) -> Result<Resource, Untold> {
        match member.names {
            Names::Arn(kind) => kind.stated(text),
            Names::Name(kind) => kind.named(text),
            Names::Any(kind) => kind.any(text),
            Names::Url => queue(text),
            Names::Owned(kind, owner) => {
                let account = match self.text(owner)? {
                    None => None,
                    Some(account) if is_account(account) => Some(account.to_owned()),
                    Some(_) => return Err(MISSING),
                };
                Ok(Resource { account, ..kind.named(text)? })
            }
            // Everything below: a pattern has to have a * there itself.
            Names::Below(kind) => {
                let path = text.trim_end_matches('/');
                if !text.starts_with('/') || path.contains("//") || path.contains(':') {
                    return Err(MISSING);
                }
                let names = kind.named(&format!("{path}/"))?.names;
                Ok(Resource { kind, names, below: true, account: None, region: None, stated: None, part: None })
            }
            Names::Nothing => Err(MISSING),
        }
    }

    fn text(&self, name: &str) -> Result<Option<&str>, Untold> {
        match self {
            Self::Document(members) => match member(&members.0, name)? {
                None => Ok(None),
                Some(value) => value.as_str().map(Some).ok_or(MISSING),
            },
            Self::Form(form, _) => form.get(name),
        }
    }

    /// Whether a member is there, and says more than that nothing is wanted.
    pub(super) fn says(&self, name: &str) -> Result<bool, Untold> {
        match self {
            Self::Document(members) => {
                let value = member(&members.0, name)?;
                let is_nothing =
                    |value: &Value| matches!(value, Value::Null | Value::Bool(false)) || value.as_array().is_some_and(Vec::is_empty);
                Ok(value.is_some_and(|value| !is_nothing(value)))
            }
            Self::Form(form, _) => Ok(form.get(name)?.is_some()),
        }
    }

    /// What stands at `path`, which has `[]` behind what is a list.
    fn all(&self, path: &str) -> Result<Vec<Option<&str>>, Untold> {
        match self {
            Self::Document(members) => {
                let mut found = Vec::new();
                collect(&members.0, path, &mut found)?;
                Ok(found)
            }
            // No list in a form names anything.
            Self::Form(form, _) if !path.contains(['[', '.']) => Ok(vec![form.get(path)?]),
            Self::Form(..) => Err(OTHER_QUERY),
        }
    }

    /// The encryption context, empty where there is none.
    fn context(&self, name: &str) -> Result<BTreeMap<String, String>, Untold> {
        let Self::Document(members) = self else { return Err(OTHER_PROTOCOL) };
        let Some(value) = member(&members.0, name)? else { return Ok(BTreeMap::new()) };
        let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
        value.as_object().and_then(|pairs| pairs.iter().map(pair).collect()).ok_or("the encryption context is not one of texts")
    }
}

/// Most things that a request names. No batch of the services that are read here is as long.
const MAX_THINGS: usize = 1_000;

fn collect<'v>(members: &'v Map<String, Value>, path: &str, found: &mut Vec<Option<&'v str>>) -> Result<(), Untold> {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let (name, is_list) = head.strip_suffix("[]").map_or((head, false), |name| (name, true));
    let add = |found: &mut Vec<Option<&'v str>>, name| {
        if found.len() == MAX_THINGS {
            return Err("the request names more things than are looked at");
        }
        found.push(name);
        Ok(())
    };
    let mut one = |value: &'v Value| match rest {
        Some(rest) => collect(value.as_object().ok_or(MISSING)?, rest, found),
        None => add(found, Some(value.as_str().ok_or(MISSING)?)),
    };
    match member(members, name)? {
        None => add(found, None),
        Some(value) if is_list => value.as_array().ok_or(MISSING)?.iter().try_for_each(one),
        Some(value) => one(value),
    }
}

/// The queue at `https://HOST/ACCOUNT/NAME`. The host is not where the request goes.
fn queue(url: &str) -> Result<Resource, Untold> {
    // A fragment would be lost in reading.
    let parsed: Uri = url.parse().ok().filter(|_| !url.contains('#')).ok_or(MISSING)?;
    let place = parsed.path().strip_prefix('/').and_then(|path| path.split_once('/')).filter(|_| parsed.query().is_none());
    let (account, name) = place.filter(|(account, _)| is_account(account)).ok_or(MISSING)?;
    Ok(Resource { account: Some(account.to_owned()), ..Kind::Queue.named(name)? })
}
