//! Kinds of things that requests name, and what their names are.
//!
//! Formats are those of the Service Authorization Reference, and of the patterns in botocore's models.

mod function;

pub(super) use self::function::is_qualifier;
use super::{Resource, Untold};

/// The member that says what a request is about is missing, or is not what it should be.
pub(super) const MISSING: Untold = "the member that says what the request is about is missing, or is not what it should be";

/// The longest name or ARN.
const MAX_BYTES: usize = 2_048;
/// `-` and six characters, which Secrets Manager puts behind a secret's name in its ARN.
const SUFFIX_BYTES: usize = 7;

/// What kind of thing is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// EventBridge.
    Bus,
    /// Firehose.
    DeliveryStream,
    /// Lambda: also a version, an alias, a run.
    Function,
    /// Bedrock.
    Guardrail,
    /// KMS: by its id, or by an alias.
    Key,
    /// CloudWatch Logs.
    LogGroup,
    /// Bedrock: whatever answers as a model does, by id or ARN. What is not a model or a profile of AWS's has its kind before its id: `application-inference-profile/`.
    Model,
    /// CloudWatch: of metrics, which have no ARN.
    Namespace,
    /// Systems Manager.
    Parameter,
    /// SQS.
    Queue,
    /// Secrets Manager.
    Secret,
    /// Step Functions: also a version, an alias, a run.
    StateMachine,
    /// Kinesis: also a consumer.
    Stream,
    /// SNS: also a subscription.
    Topic,
}

/// The parts of an ARN.
struct Arn<'a> {
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl Kind {
    /// What several are called, in the configuration.
    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::Bus => "buses",
            Self::DeliveryStream | Self::Stream => "streams",
            Self::Function => "functions",
            Self::Guardrail => "guardrails",
            Self::Key => "keys",
            Self::LogGroup => "groups",
            Self::Model => "models",
            Self::Namespace => "namespaces",
            Self::Parameter => "parameters",
            Self::Queue => "queues",
            Self::Secret => "secrets",
            Self::StateMachine => "state_machines",
            Self::Topic => "topics",
        }
    }

    /// What it is called, for logs.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Bus => "bus",
            Self::DeliveryStream => "delivery stream",
            Self::Function => "function",
            Self::Guardrail => "guardrail",
            Self::Key => "key",
            Self::LogGroup => "log group",
            Self::Model => "model",
            Self::Namespace => "namespace",
            Self::Parameter => "parameter",
            Self::Queue => "queue",
            Self::Secret => "secret",
            Self::StateMachine => "state machine",
            Self::Stream => "stream",
            Self::Topic => "topic",
        }
    }

    /// The service in its ARNs.
    pub(crate) const fn service(self) -> &'static str {
        match self {
            Self::Bus => "events",
            Self::DeliveryStream => "firehose",
            Self::Function => "lambda",
            Self::Guardrail | Self::Model => "bedrock",
            Self::Key => "kms",
            Self::LogGroup => "logs",
            Self::Namespace => "cloudwatch",
            Self::Parameter => "ssm",
            Self::Queue => "sqs",
            Self::Secret => "secretsmanager",
            Self::StateMachine => "states",
            Self::Stream => "kinesis",
            Self::Topic => "sns",
        }
    }

    /// What may stand in its names besides letters, digits, `_` and `-`.
    pub(crate) const fn punctuation(self) -> &'static str {
        match self {
            Self::Bus => "./",
            Self::Function | Self::Guardrail => "",
            Self::DeliveryStream | Self::Queue | Self::Stream => ".",
            Self::Key => "/",
            Self::LogGroup => "./#",
            Self::Model => "./:",
            Self::Namespace => "./#:",
            Self::Parameter => "./",
            Self::Secret => "/+=.@",
            // Also letters of other scripts, which nothing here needs.
            Self::StateMachine => ".+=@",
            // Those of a topic that keeps order end with .fifo.
            Self::Topic => ".",
        }
    }

    /// What stands before the name in its ARN.
    const fn before(self) -> &'static str {
        match self {
            Self::Bus => "event-bus/",
            Self::DeliveryStream => "deliverystream/",
            Self::Function => "function:",
            Self::Guardrail => "guardrail/",
            // Also other kinds, which are of the name.
            Self::Model => "inference-profile/",
            Self::Key | Self::Namespace | Self::Queue | Self::Topic => "",
            Self::LogGroup => "log-group:",
            Self::Parameter => "parameter/",
            Self::Secret => "secret:",
            Self::StateMachine => "stateMachine:",
            Self::Stream => "stream/",
        }
    }

    /// Whether `c` may stand in its names.
    pub(crate) fn has_in_names(self, c: char) -> bool {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '-') || self.punctuation().contains(c)
    }

    /// Whether `text` is such a name.
    fn is_name(self, text: &str) -> bool {
        (1..=MAX_BYTES).contains(&text.len()) && text.chars().all(|c| self.has_in_names(c))
    }

    /// What is named by ARN or by name.
    pub(super) fn any(self, text: &str) -> Result<Resource, Untold> {
        if text.starts_with("arn:") { self.stated(text) } else { self.named(text) }
    }

    /// What is named by name alone, in the caller's own account and region.
    pub(super) fn named(self, text: &str) -> Result<Resource, Untold> {
        if self == Self::Function {
            return function::named(text);
        }
        let name = match self {
            // Behind a colon a version or a label is named.
            Self::Parameter => text.split_once(':').map_or(text, |(name, selector)| if is_selector(selector) { name } else { "" }),
            Self::Key if text.contains('/') && !text.starts_with("alias/") => "",
            _ => text,
        };
        if !self.is_name(name) {
            return Err(MISSING);
        }
        Ok(Resource { kind: self, names: vec![name.to_owned()], below: false, account: None, region: None, stated: None, part: None })
    }

    /// What `text`, an ARN, names.
    pub(super) fn stated(self, text: &str) -> Result<Resource, Untold> {
        let arn = Arn::parse(text, self.service(), self == Self::Model).ok_or(MISSING)?;
        if self == Self::Function {
            return function::stated(text, &arn);
        }
        let names = self.names_in(arn.resource).ok_or(MISSING)?;
        if !names.iter().all(|name| self.is_name(name)) {
            return Err(MISSING);
        }
        let (region, account) = (Some(arn.region.to_owned()), Some(arn.account.to_owned()));
        Ok(Resource { kind: self, names, below: false, account, region, stated: Some(text.to_owned()), part: None })
    }

    /// Every name that the last part of an ARN could be of.
    fn names_in(self, resource: &str) -> Option<Vec<String>> {
        let one = |name: &str| Some(vec![name.to_owned()]);
        match self {
            Self::Namespace => None,
            Self::Model => {
                let (kind, id) = resource.split_once('/').filter(|(kind, id)| !kind.is_empty() && !id.is_empty())?;
                // Their ids are given alone, too, and mean nothing else.
                one(if matches!(kind, "foundation-model" | "inference-profile") { id } else { resource })
            }
            Self::Function => one(resource.strip_prefix(self.before())?.split(':').next()?),
            Self::Queue | Self::DeliveryStream | Self::Bus | Self::Guardrail => one(resource.strip_prefix(self.before())?),
            Self::Key if resource.starts_with("alias/") => one(resource),
            Self::Key => one(resource.strip_prefix("key/").filter(|id| !id.contains('/'))?),
            Self::Topic => one(resource.split_once(':').map_or(resource, |(topic, _)| topic)),
            Self::Stream => {
                let rest = resource.strip_prefix(self.before())?;
                match rest.split_once('/') {
                    None => one(rest),
                    Some((name, consumer)) => consumer.starts_with("consumer/").then(|| vec![name.to_owned()]),
                }
            }
            Self::LogGroup => {
                let rest = resource.strip_prefix(self.before())?;
                match rest.split_once(':') {
                    None => one(rest),
                    Some((name, "*")) => one(name),
                    Some((name, stream)) => stream.starts_with("log-stream:").then(|| vec![name.to_owned()]),
                }
            }
            Self::StateMachine => {
                let (kind, rest) = resource.split_once(':')?;
                let name = rest.split_once(':').map_or(rest, |(name, _)| name);
                // A map state inside it, by its label.
                let (name, label) = name.split_once('/').map_or((name, None), |(name, label)| (name, Some(label)));
                let is_known = matches!(kind, "stateMachine" | "execution" | "express" | "mapRun");
                (is_known && label.is_none_or(|label| self.is_name(label))).then(|| vec![name.to_owned()])
            }
            Self::Parameter => {
                let rest = resource.strip_prefix(self.before())?;
                let name = rest.split_once(':').map_or(rest, |(name, selector)| if is_selector(selector) { name } else { "" });
                let deep = format!("/{name}");
                // At the top the slash may be there or not.
                Some(if name.contains('/') { vec![deep] } else { vec![deep, name.to_owned()] })
            }
            Self::Secret => {
                let rest = resource.strip_prefix(self.before())?;
                // An ARN may leave the suffix out, so that what looks like one could be of the name.
                Some(std::iter::once(rest).chain(without_suffix(rest)).map(str::to_owned).collect())
            }
        }
    }

    /// The last part of the ARN of what is called `name`.
    pub(super) fn resource(self, name: &str) -> String {
        match self {
            Self::Key if !name.starts_with("alias/") => format!("key/{name}"),
            Self::Parameter => format!("{}{}", self.before(), name.strip_prefix('/').unwrap_or(name)),
            Self::Model if name.contains('/') => name.to_owned(),
            _ => format!("{}{name}", self.before()),
        }
    }

    /// The ARN of what is called `name`.
    pub(crate) fn arn(self, (partition, region, account): (&str, &str, &str), name: &str) -> String {
        format!("arn:{partition}:{}:{region}:{account}:{}", self.service(), self.resource(name))
    }
}

/// A secret's name, where it ends as its ARN would.
fn without_suffix(text: &str) -> Option<&str> {
    let at = text.len().checked_sub(SUFFIX_BYTES)?;
    let (name, suffix) = (text.get(..at)?, text.get(at..)?);
    let is_suffix = suffix.strip_prefix('-').is_some_and(|random| random.bytes().all(|b| b.is_ascii_alphanumeric()));
    (is_suffix && !name.is_empty()).then_some(name)
}

fn is_selector(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

impl<'a> Arn<'a> {
    /// `ownerless`: whether what it names may be nobody's, as models of AWS's are.
    fn parse(text: &'a str, service: &str, ownerless: bool) -> Option<Self> {
        let parts: [&str; 6] = text.splitn(6, ':').collect::<Vec<_>>().try_into().ok()?;
        let [arn, partition, of, region, account, resource] = parts;
        let is_word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let is_owned = is_account(account) || (ownerless && account.is_empty());
        let fits = text.len() <= MAX_BYTES && arn == "arn" && is_word(partition) && of == service && is_word(region) && is_owned;
        let plain = text.bytes().all(|b| b.is_ascii_graphic());
        (fits && plain).then_some(Self { region, account, resource })
    }
}

#[cfg(test)]
mod tests;
