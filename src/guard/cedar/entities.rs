//! Things that requests touch, as entities.

use std::collections::BTreeMap;

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
pub(super) struct Resource {
    pub(super) uid: EntityUid,
    pub(super) itself: Entity,
    pub(super) prefix: Option<String>,
    /// Its type, for logs.
    pub(super) entity: &'static str,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The key in `egress.services`.
    pub(super) service: &'a str,
    pub(super) region: &'a str,
}

type Attributes = BTreeMap<&'static str, RestrictedExpression>;
type Tags<'t> = Vec<(&'t str, &'t str)>;

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

impl Resource {
    /// A service, of a request that is about nothing in particular.
    pub(super) fn service(names: &Names, place: Place<'_>, reach: &Reach) -> Result<Self, Unsaid> {
        let uid = names.uid("Service", place.service)?;
        let attributes = BTreeMap::from([("name", text(place.service)), ("region", text(place.region))]);
        let itself = entity(uid.clone(), attributes, Vec::new(), Vec::new(), reach)?;
        Ok(Self { uid, itself, prefix: None, entity: "Service" })
    }

    /// The thing, in every way in which its name can be read, with as much of it as is read.
    ///
    /// # Errors
    /// Policies have no word for it.
    pub(super) fn readings(names: &Names, thing: &Thing, place: Place<'_>, reach: &Reach) -> Result<Vec<Self>, Unsaid> {
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

    fn named((names, reach): (&Names, &Reach), kind: &Kind, thing: &Thing, name: Option<&str>, place: Place<'_>) -> Result<Self, Unsaid> {
        let region = thing.region.as_deref().unwrap_or(place.region);
        let mut attributes = Attributes::from([("region", text(region))]);
        let mut said = |attribute, value: Option<&str>| attributes.extend(value.map(|value| (attribute, text(value))));
        let whole = name.unwrap_or_default();
        let (mut id, mut prefix, mut tags) = (whole.to_owned(), None, Tags::new());
        match (kind.shape, &thing.within) {
            (Shape::Object, Within::Key(key)) => {
                id = format!("{whole}/{key}");
                said("bucket", name);
                said("key", Some(key));
            }
            (Shape::Items, Within::Items { is_cut: true, .. }) if reach.reads_tags() => return Err(TOO_MANY),
            (Shape::Items, Within::Items { index, attributes, .. }) => {
                said("table", name);
                said("index", index.as_deref());
                tags.extend(attributes.iter().filter_map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value).ok()?))));
            }
            (_, within) => {
                said("name", name);
                match within {
                    Within::Context(pairs) => tags.extend(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
                    Within::Listing(of) => prefix.clone_from(of),
                    _ => {}
                }
            }
        }
        if !matches!(kind.shape, Shape::Bucket | Shape::Object | Shape::Wild) {
            said("account", thing.account.as_deref());
        }
        if matches!(kind.shape, Shape::Named | Shape::Paired | Shape::Path) {
            said("arn", thing.arn.as_deref());
        }
        if matches!(kind.shape, Shape::Path | Shape::Wild) {
            attributes.insert("below", RestrictedExpression::new_bool(thing.within == Within::Below));
        }
        let mut within = vec![names.uid("Service", place.service)?];
        if kind.parent() != "Service" {
            within.push(names.uid(kind.parent(), whole)?);
        }
        within.retain(|uid| reach.names(uid));
        let uid = names.uid(kind.entity, &id)?;
        let itself = entity(uid.clone(), attributes, within, tags, reach)?;
        Ok(Self { uid, itself, prefix, entity: kind.entity })
    }
}

/// Most tags of a thing. Each costs more here than it has bytes.
const MOST_TAGS: usize = 512;
const TOO_MANY: Unsaid = "a thing of which the request says more than policies are told";

fn entity(uid: EntityUid, attributes: Attributes, within: Vec<EntityUid>, tags: Tags<'_>, reach: &Reach) -> Result<Entity, Unsaid> {
    let attributes = reach.only(attributes).map(|(name, value)| (name.to_owned(), value));
    if reach.reads_tags() && tags.len() > MOST_TAGS {
        return Err(TOO_MANY);
    }
    let tags = tags.into_iter().filter(|_| reach.reads_tags()).map(|(name, value)| (name.to_owned(), text(value)));
    Entity::new_with_tags(uid, attributes, within, tags).map_err(|_| "an attribute that cannot be evaluated")
}

#[cfg(test)]
mod tests {
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
            let readings = Resource::readings(names, &thing(is_cut), place, reach);
            assert_eq!(readings.is_ok(), is_told, "{readings:?}");
            let tag = readings.ok().and_then(|readings| readings[0].itself.tag("pk").map(|tag| tag.is_ok()));
            assert_eq!(tag.is_some(), is_told && reach.reads_tags());
        }
    }
}
