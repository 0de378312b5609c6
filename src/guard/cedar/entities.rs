//! Things that requests touch, as entities.

use std::borrow::Cow;

use cedar_policy::{Entity, EntityUid, RestrictedExpression};

use super::{
    published::{Names, Unsaid},
    reach::Reach,
};
use crate::guard::seen::{Thing, Within};

/// A kind of thing that the guard's readers know, and what policies know of it.
#[derive(Debug)]
pub(super) struct Kind {
    /// What readers call it.
    pub(super) noun: &'static str,
    pub(super) entity: &'static str,
    /// IAM's services.
    pub(super) services: &'static [&'static str],
    pub(super) shape: Shape,
    /// A comment.
    pub(super) about: &'static str,
}

/// What there is to know of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Bucket,
    /// Items of a table.
    Items,
    /// It has a name, and an ARN.
    Named,
    /// The same, and it may be all that is named so in the beginning.
    Path,
    Object,
    /// It has a name, and what is asked of it says more in pairs. The name may be missing.
    Paired,
    Table,
    /// It has a name, which may stand for several.
    Wild,
}

const fn kind(noun: &'static str, entity: &'static str, services: &'static [&'static str], shape: Shape, about: &'static str) -> Kind {
    Kind { noun, entity, services, shape, about }
}

/// All of them.
pub(super) const KINDS: &[Kind] = &[
    kind("bucket", "Bucket", &["s3"], Shape::Bucket, "A bucket, its settings, or a listing of what is in it (context.prefix)."),
    kind("bucket", "Object", &["s3"], Shape::Object, "\"BUCKET/KEY\"."),
    kind("table", "Table", &["dynamodb"], Shape::Table, "A table as a whole: all that is in it, or what it looks like."),
    kind(
        "table",
        "Item",
        &["dynamodb"],
        Shape::Items,
        "Items of a table; the id says nothing. Tags are what the request says of them: the attributes of an item that is written, the key of one that is read, \
         changed or deleted,\n  // what a query wants to be equal. Text, numbers and binaries that are text.",
    ),
    kind("bus", "EventBus", &["events"], Shape::Named, "A bus of EventBridge."),
    kind("delivery stream", "DeliveryStream", &["firehose"], Shape::Named, "A stream of Firehose."),
    kind(
        "function",
        "Function",
        &["lambda"],
        Shape::Paired,
        "A function of Lambda, whatever its version. Tags: whom it is invoked for, where the request says so.",
    ),
    kind("guardrail", "Guardrail", &["bedrock"], Shape::Named, "A guardrail of Bedrock."),
    kind(
        "index",
        "Index",
        &["aoss", "es"],
        Shape::Wild,
        "An index of OpenSearch, or (below) every index that fits the name, which has a wildcard then.",
    ),
    kind(
        "key",
        "Key",
        &["kms"],
        Shape::Paired,
        "A key of KMS, by id or alias; without a name where the ciphertext says which. Tags: the encryption context.",
    ),
    kind("log group", "LogGroup", &["logs"], Shape::Named, "A group of CloudWatch Logs."),
    kind("model", "Model", &["bedrock"], Shape::Named, "A model of Bedrock, or what answers as one."),
    kind("namespace", "Namespace", &["cloudwatch"], Shape::Paired, "A namespace of metrics. Tags: the dimensions of the metric."),
    kind("parameter", "Parameter", &["ssm"], Shape::Path, "A parameter of Systems Manager, or (below) all whose names begin so."),
    kind("queue", "Queue", &["sqs"], Shape::Named, "A queue of SQS."),
    kind("secret", "Secret", &["secretsmanager"], Shape::Named, "A secret of Secrets Manager."),
    kind("state machine", "StateMachine", &["states"], Shape::Named, "A state machine of Step Functions."),
    kind("stream", "Stream", &["kinesis"], Shape::Named, "A stream of Kinesis."),
    kind("topic", "Topic", &["sns"], Shape::Named, "A topic of SNS."),
];

impl Kind {
    /// The type of what it is in.
    pub(super) fn parent(&self) -> &'static str {
        match self.shape {
            Shape::Object => "Bucket",
            Shape::Items => "Table",
            Shape::Bucket | Shape::Named | Shape::Paired | Shape::Path | Shape::Table | Shape::Wild => "Service",
        }
    }

    /// Names and types.
    pub(super) fn attributes(&self) -> Vec<(&'static str, &'static str)> {
        let place = [("account?", "String"), ("region", "String")];
        let own: &[_] = match self.shape {
            Shape::Bucket => return vec![("name", "String"), ("region", "String")],
            Shape::Object => return vec![("bucket", "String"), ("key", "String"), ("region", "String")],
            Shape::Table => &[("name", "String")],
            Shape::Wild => return vec![("name", "String"), ("below", "Bool"), ("region", "String")],
            Shape::Items => &[("table", "String"), ("index?", "String")],
            Shape::Named => &[("name", "String"), ("arn?", "String")],
            Shape::Path => &[("name", "String"), ("arn?", "String"), ("below", "Bool")],
            Shape::Paired => &[("name?", "String"), ("arn?", "String")],
        };
        own.iter().copied().chain(place).collect()
    }

    pub(super) fn has_tags(&self) -> bool {
        matches!(self.shape, Shape::Items | Shape::Paired)
    }

    /// The kind of a thing, which may be something in what its readers call it.
    fn of(thing: &Thing) -> Option<&'static Self> {
        let fits = |kind: &&Self| match (kind.shape, &thing.within) {
            (Shape::Object, Within::Key(_)) | (Shape::Items, Within::Items { .. }) => true,
            (Shape::Object | Shape::Items, _) => false,
            (Shape::Bucket, within) => !matches!(within, Within::Key(_)),
            (Shape::Table, within) => !matches!(within, Within::Items { .. }),
            (Shape::Path | Shape::Wild, within) => matches!(within, Within::Itself | Within::Below),
            (Shape::Named, within) => *within == Within::Itself,
            (Shape::Paired, within) => matches!(within, Within::Itself | Within::Context(_)),
        };
        KINDS.iter().filter(|kind| kind.noun == thing.noun).find(fits)
    }
}

/// What a request is asked about.
#[derive(Debug)]
pub(super) struct Resource<'t> {
    pub(super) uid: EntityUid,
    pub(super) itself: Entity,
    pub(super) prefix: Option<String>,
    /// Its type, for logs.
    pub(super) entity: &'static str,
    said: Said<'t>,
}

/// What is known of a thing.
#[derive(Debug, Default)]
struct Said<'t> {
    texts: Vec<(&'static str, &'t str)>,
    below: Option<bool>,
    tags: Vec<(&'t str, &'t str)>,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The key in `egress.services`.
    pub(super) service: &'a str,
    pub(super) region: &'a str,
}

impl<'t> Resource<'t> {
    /// An attribute that is a text.
    pub(super) fn text(&self, attribute: &str) -> Option<&'t str> {
        self.said.texts.iter().find(|(name, _)| *name == attribute).map(|(_, text)| *text)
    }

    pub(super) fn tag(&self, name: &str) -> Option<&'t str> {
        self.said.tags.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    /// A service, of a request that is about nothing in particular.
    pub(super) fn service(names: &Names, place: Place<'t>, reach: &Reach) -> Result<Self, Unsaid> {
        let uid = names.uid("Service", place.service)?;
        let said = Said { texts: vec![("name", place.service), ("region", place.region)], ..Said::default() };
        let itself = said.entity(uid.clone(), Vec::new(), reach)?;
        Ok(Self { uid, itself, prefix: None, entity: "Service", said })
    }

    /// The thing, in every way in which its name can be read, with as much of it as is read.
    ///
    /// # Errors
    /// Policies have no word for it.
    pub(super) fn readings(names: &Names, thing: &'t Thing, place: Place<'t>, reach: &Reach) -> Result<Vec<Self>, Unsaid> {
        let kind = Kind::of(thing).ok_or("a thing that policies have no word for")?;
        if thing.names.is_empty() {
            // Only what is said in pairs may do without.
            return match (kind.shape, &thing.within) {
                (Shape::Paired, Within::Context(_)) => Ok(vec![Self::named((names, reach), kind, thing, None, place)?]),
                _ => Err("a thing without a name"),
            };
        }
        thing.names.iter().map(|name| Self::named((names, reach), kind, thing, Some(name), place)).collect()
    }

    fn named(
        (names, reach): (&Names, &Reach),
        kind: &Kind,
        thing: &'t Thing,
        name: Option<&'t str>,
        place: Place<'t>,
    ) -> Result<Self, Unsaid> {
        let mut said = Said { texts: vec![("region", thing.region.as_deref().unwrap_or(place.region))], ..Said::default() };
        let whole = name.unwrap_or_default();
        let (mut id, mut prefix) = (Cow::Borrowed(whole), None);
        match (kind.shape, &thing.within) {
            (Shape::Object, Within::Key(key)) => {
                id = format!("{whole}/{key}").into();
                said.add("bucket", name);
                said.add("key", Some(key));
            }
            (Shape::Items, Within::Items { is_cut: true, .. }) if reach.reads_tags() => return Err(TOO_MANY),
            (Shape::Items, Within::Items { index, attributes, .. }) => {
                said.add("table", name);
                said.add("index", index.as_deref());
                said.tags.extend(attributes.iter().filter_map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value).ok()?))));
            }
            (_, within) => {
                said.add("name", name);
                match within {
                    Within::Context(pairs) => said.tags.extend(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
                    Within::Listing(of) => prefix.clone_from(of),
                    _ => {}
                }
            }
        }
        if !matches!(kind.shape, Shape::Bucket | Shape::Object | Shape::Wild) {
            said.add("account", thing.account.as_deref());
        }
        if matches!(kind.shape, Shape::Named | Shape::Paired | Shape::Path) {
            said.add("arn", thing.arn.as_deref());
        }
        if matches!(kind.shape, Shape::Path | Shape::Wild) {
            said.below = Some(thing.within == Within::Below);
        }
        let mut within = vec![names.uid("Service", place.service)?];
        if kind.parent() != "Service" {
            within.push(names.uid(kind.parent(), whole)?);
        }
        within.retain(|uid| reach.names(uid));
        let uid = names.uid(kind.entity, &id)?;
        let itself = said.entity(uid.clone(), within, reach)?;
        Ok(Self { uid, itself, prefix, entity: kind.entity, said })
    }
}

/// Most tags of a thing. Each costs more here than it has bytes.
const MOST_TAGS: usize = 512;
const TOO_MANY: Unsaid = "a thing of which the request says more than policies are told";

impl<'t> Said<'t> {
    fn add(&mut self, attribute: &'static str, value: Option<&'t str>) {
        self.texts.extend(value.map(|value| (attribute, value)));
    }

    /// What of it is read.
    fn entity(&self, uid: EntityUid, within: Vec<EntityUid>, reach: &Reach) -> Result<Entity, Unsaid> {
        if reach.reads_tags() && self.tags.len() > MOST_TAGS {
            return Err(TOO_MANY);
        }
        let texts = reach.only(self.texts.iter().copied()).map(|(name, value)| (name.to_owned(), text(value)));
        let below = reach.only(self.below.map(|below| ("below", below)));
        let attributes = texts.chain(below.map(|(name, below)| (name.to_owned(), RestrictedExpression::new_bool(below))));
        let tags = self.tags.iter().filter(|_| reach.reads_tags()).map(|(name, value)| ((*name).to_owned(), text(value)));
        Entity::new_with_tags(uid, attributes, within, tags).map_err(|_| "an attribute that cannot be evaluated")
    }
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::guard::cedar::published::Published;

    /// An item of which a part is left out is denied where policies could look for that part, and nowhere else.
    #[test]
    fn an_item_that_is_cut_is_told_where_no_tag_is_read() {
        let thing = |is_cut| Thing {
            section: "dynamodb",
            noun: "table",
            names: vec!["orders".to_owned()],
            within: Within::Items {
                index: None,
                attributes: BTreeMap::from([("pk".to_owned(), b"acme#1".to_vec())]),
                is_item: true,
                is_cut,
            },
            actions: vec!["dynamodb:PutItem".to_owned()],
            account: None,
            region: None,
            arn: None,
        };
        let names = &Published::get().unwrap().names;
        let place = Place { service: "dynamodb", region: "eu-west-1" };
        let (tags, no_tags) = (Reach::EVERYTHING, Reach::default());
        for (reach, is_cut, is_told) in [(&tags, false, true), (&tags, true, false), (&no_tags, false, true), (&no_tags, true, true)] {
            let thing = thing(is_cut);
            let readings = Resource::readings(names, &thing, place, reach);
            assert_eq!(readings.is_ok(), is_told, "{readings:?}");
            let tag = readings.ok().and_then(|readings| readings[0].itself.tag("pk").map(|tag| tag.is_ok()));
            assert_eq!(tag.is_some(), is_told && reach.reads_tags());
        }
    }
}
