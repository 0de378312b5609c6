//! Destinations that were worked out before.
//!
//! An application goes to few places, and what decides where a request goes is the same few words each time. An answer that was given to the same words holds for as long as the
//! configuration does. It is kept in a slot that its words' hash chooses, and whatever is put there next takes its place: what
//! a sender makes up costs others a reckoning now and then, and no memory.
//!
//! [`Question`] is all that [`Targets`](super::Targets) looks at of a request, but for its path, which is in no answer: what is not in it cannot decide. Refusals are not kept.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use arc_swap::ArcSwapOption;

use super::{Scope, place::Placed};

/// More than an application has buckets in hosts, and little enough to have in every process: a pointer each.
const SLOTS: usize = 256;

/// Everything of a request that decides where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Question<'a> {
    /// That of the request's target, or its `Host`.
    pub(super) authority: Option<&'a str>,
    pub(super) scope: Option<Scope<'a>>,
    /// The service's part of `X-Amz-Target`.
    pub(super) prefix: Option<&'a str>,
    /// Whether S3 Control is meant rather than S3.
    pub(super) is_control: bool,
}

/// The answers.
#[derive(Debug)]
pub(super) struct Memory {
    slots: Box<[ArcSwapOption<Answered>]>,
    /// Of its own in each process, so that nobody can choose a slot.
    hashes: RandomState,
}

#[derive(Debug)]
struct Answered {
    authority: Option<Box<str>>,
    scope: Option<(Box<str>, Box<str>)>,
    prefix: Option<Box<str>>,
    is_control: bool,
    answer: Placed,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| ArcSwapOption::empty()).collect(), hashes: RandomState::new() }
    }

    /// What was answered to the same question.
    pub(super) fn get(&self, question: &Question<'_>) -> Option<Placed> {
        let answered = self.slot(question)?.load();
        answered.as_ref().filter(|answered| answered.question() == *question).map(|answered| answered.answer.clone())
    }

    pub(super) fn put(&self, question: &Question<'_>, answer: Placed) {
        let Question { authority, scope, prefix, is_control } = *question;
        let scope = scope.map(|scope| (scope.service.into(), scope.region.into()));
        let answered = Answered { authority: authority.map(Box::from), scope, prefix: prefix.map(Box::from), is_control, answer };
        if let Some(slot) = self.slot(question) {
            slot.store(Some(Arc::new(answered)));
        }
    }

    fn slot(&self, question: &Question<'_>) -> Option<&ArcSwapOption<Answered>> {
        self.slots.get(self.hashes.hash_one(question) as usize % SLOTS)
    }
}

impl Answered {
    fn question(&self) -> Question<'_> {
        Question {
            authority: self.authority.as_deref(),
            scope: self.scope.as_ref().map(|(service, region)| Scope { service, region }),
            prefix: self.prefix.as_deref(),
            is_control: self.is_control,
        }
    }
}
