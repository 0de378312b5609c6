//! What a judgement was about, and what each rule said: for whoever has to explain it.
//!
//! The judges themselves tell it, while they judge, so that there is no second opinion on what a request touches. Nobody listens where requests are
//! allowed or refused; where one would have been refused ([`shape`](super::shape)) and in `palisade explain` somebody does.
//!
//! A [`Thing`] has the tenant's data in it, keys and all. It is for the memory of one request, or for whoever wrote that request; what goes into a log is its
//! [shape](super::shape).

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use super::rules::{Opinion, Verdict};
use crate::{aws::action::Needed, config::GuardMode};

/// One thing that a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thing {
    /// Where its rules stand below `guard`.
    pub(crate) section: &'static str,
    /// What it is called: `bucket`.
    pub(crate) noun: &'static str,
    /// Its name, in every way in which the service could read it. Nothing where something else says it.
    pub(crate) names: Vec<String>,
    /// What of it.
    pub(crate) within: Within,
    /// What is done with it, in IAM's words.
    pub(crate) actions: Vec<String>,
    /// Its account, where the request states it.
    pub(crate) account: Option<String>,
    /// Its region, where the request states it.
    pub(crate) region: Option<String>,
    /// Its ARN, where the request states it.
    pub(crate) arn: Option<String>,
}

/// What of a thing a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Within {
    /// The thing by its name, without looking into it.
    Itself,
    /// Whatever is in it.
    All,
    /// Everything whose name begins so.
    Below,
    /// How it is set up.
    Settings,
    /// The object with this key.
    Key(String),
    /// Objects whose keys begin so.
    Listing(Option<String>),
    /// Items in which these attributes have these values.
    Items {
        /// Asked for by this index.
        index: Option<String>,
        /// Only what could be a key, as it is stored.
        attributes: BTreeMap<String, Vec<u8>>,
        /// Whether the attributes are a whole item's, of which most are no keys.
        is_item: bool,
        /// Whether there are more than are kept, so that one which is not here may be there.
        is_cut: bool,
    },
    /// With this encryption context.
    Context(BTreeMap<String, String>),
}

/// A thing, and what was said of it.
#[derive(Debug)]
pub(crate) struct Judged {
    /// `None` where the request is about nothing of anybody's.
    pub(crate) thing: Option<Thing>,
    /// The rules that were asked, in their order. The first that allows it is the last.
    pub(crate) heard: Vec<Heard>,
    /// Whether it is allowed.
    pub(crate) is_allowed: bool,
}

/// A rule, and what it said.
#[derive(Debug)]
pub(crate) struct Heard {
    /// Where it stands.
    pub(crate) rule: Arc<str>,
    pub(crate) mode: GuardMode,
    pub(crate) said: Said,
}

/// What a rule said of a thing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Allowed,
    Denied(String),
    /// It is about other things.
    Silent,
    /// Whether it is about this thing cannot be told.
    Untold(String),
}

/// Everything that was judged of a request so far.
#[derive(Debug, Default)]
pub(super) struct Seen(RefCell<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next: Option<Thing>,
    judged: Vec<Judged>,
    untold: Option<String>,
}

impl Thing {
    pub(super) fn new(section: &'static str, noun: &'static str, name: &str, within: Within, needed: &Needed<'_>) -> Self {
        let names = vec![name.to_owned()];
        Self { section, noun, names, within, actions: needed.actions(), account: None, region: None, arn: None }
    }
}

impl Seen {
    /// What is judged next is about `thing`.
    pub(super) fn next(&self, thing: Thing) {
        self.0.borrow_mut().next = Some(thing);
    }

    /// It is about to be judged.
    pub(super) fn begin(&self) {
        let inner = &mut *self.0.borrow_mut();
        inner.judged.push(Judged { thing: inner.next.take(), heard: Vec::new(), is_allowed: false });
    }

    /// What a rule said of it.
    pub(super) fn hear(&self, rule: &Arc<str>, mode: GuardMode, opinion: &Opinion) {
        let said = match opinion {
            Opinion::Allowed(_) => Said::Allowed,
            Opinion::Denied(why) | Opinion::DeniedForNow(why) => Said::Denied(why.to_string()),
            Opinion::Silent => Said::Silent,
            Opinion::Untold(why) => Said::Untold(why.to_string()),
        };
        if let Some(judged) = self.0.borrow_mut().judged.last_mut() {
            judged.heard.push(Heard { rule: rule.clone(), mode, said });
        }
    }

    /// What came out.
    pub(super) fn end(&self, verdict: &Verdict) {
        if let Some(judged) = self.0.borrow_mut().judged.last_mut() {
            judged.is_allowed = matches!(verdict, Verdict::Allowed(_));
        }
    }

    /// What the request is about, or a part of it, cannot be told.
    pub(super) fn untold(&self, why: &str) {
        self.0.borrow_mut().untold.get_or_insert_with(|| why.to_owned());
    }

    /// Why it cannot be told what the request is about, where it cannot.
    #[cfg(feature = "cedar")]
    pub(super) fn why_untold(&self) -> Option<String> {
        self.0.borrow().untold.clone()
    }

    /// Looks at what was judged so far.
    pub(super) fn look<T>(&self, at: impl FnOnce(&[Judged]) -> T) -> T {
        at(&self.0.borrow().judged)
    }

    pub(super) fn into_judged(self) -> Vec<Judged> {
        self.0.into_inner().judged
    }
}
