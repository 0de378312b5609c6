//! The operations of every service: `models.txt`, which is generated, and what a configured service has of it.

use std::{collections::HashMap, sync::LazyLock};

use super::route::Routes;

const MODELS: &str = include_str!("models.txt");

/// The text of each service's section, found in one pass: no more of it is read than the services that are configured.
static SECTIONS: LazyLock<HashMap<&'static str, &'static str>> =
    LazyLock::new(|| MODELS.split("\n[").skip(1).filter_map(|section| section.split_once("]\n")).collect());

/// The operations of a service.
#[derive(Debug)]
pub(super) struct Models {
    /// Of operations that requests state, sorted.
    stated: Vec<&'static str>,
    pub(super) routes: Routes,
}

impl Models {
    /// Those of the service with this key; none of one that is in no table.
    pub(super) fn of(key: &str) -> Self {
        let (mut stated, mut located) = (Vec::new(), Vec::new());
        for line in SECTIONS.get(key).copied().unwrap_or_default().lines() {
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some(name), Some(method), Some(template)) => located.push((name, method, template)),
                (Some(name), ..) => stated.push(name),
                (None, ..) => {}
            }
        }
        stated.sort_unstable();
        Self { stated, routes: Routes::new(located.into_iter()) }
    }

    /// The operation that is called exactly so.
    pub(super) fn stated(&self, name: &str) -> Option<&'static str> {
        self.stated.binary_search(&name).ok().map(|index| self.stated[index])
    }
}

/// Every operation of a service, stated or located.
#[cfg(any(test, feature = "cedar"))]
pub(crate) fn names_of(key: &str) -> impl Iterator<Item = &'static str> {
    lines_of(key).map(|words| words[0])
}

/// The words of each line of a service.
#[cfg(any(test, feature = "cedar"))]
pub(crate) fn lines_of(key: &str) -> impl Iterator<Item = Vec<&'static str>> {
    SECTIONS.get(key).copied().unwrap_or_default().lines().map(|line| line.split(' ').collect())
}

#[cfg(test)]
mod tests;
