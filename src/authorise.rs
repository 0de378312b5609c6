//! Who may call what: the endpoint rules of the ingress.
//!
//! A rule says of some methods and paths what a caller must have: a role, a scope, a tier, a client certificate, or nothing at all,
//! not even a token. The **first** rule, from the top, whose method and path fit decides alone; what it asks for and the caller lacks
//! is a refusal, and later rules are not looked at. So a rule can be read without knowing those below it, and one that could
//! never be reached is refused when the configuration loads. What no rule fits is decided by `ingress.endpoints_default`.
//!
//! Two readers of one path must not disagree about what it is. [`SafePath`] is the only form of a path that rules are applied to,
//! there is one for a request only if every common server sees the same segments in it, and its text is what the
//! application gets.
//!
//! The room is pure: nothing here reads a header or a clock, waits, or knows of a token.

mod methods;
mod path;
mod pattern;
mod reach;
mod rules;
mod trie;

pub use self::{
    methods::Methods,
    path::SafePath,
    pattern::PathPattern,
    reach::shadowed,
    rules::{Asks, Endpoints, Rule, Ruling, Shown, TENANT, Unmatched},
};
