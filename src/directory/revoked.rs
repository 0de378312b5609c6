//! The deny-list: who and what is refused although a token says otherwise.
//!
//! Users are keyed by issuer and subject, token ids by issuer: neither means anything without the issuer. What is said twice
//! counts in its stricter form, so that a list that several hands write to never says less than any of them did. The list is
//! asked on every request, of tokens that are remembered and of passports as well; nothing else that goes by a revocation
//! (caches that are emptied, sessions that are let go) is needed for it to hold.

use std::{
    collections::{HashMap, HashSet},
    time::SystemTime,
};

use crate::{
    identity::TokenFacts,
    reject::{Reason, Refusal},
};

/// A deny-list, of one tenant or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revoked {
    issued_before: Option<SystemTime>,
    /// By issuer, then by subject.
    subjects: HashMap<String, HashMap<String, Denied>>,
    /// By issuer.
    tokens: HashMap<String, HashSet<String>>,
}

/// What of a user is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    /// Tokens made before then.
    Before(SystemTime),
    /// Every token.
    All,
}

impl Denied {
    fn stricter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Before(one), Self::Before(another)) => Self::Before(one.max(another)),
            (Self::All, _) | (_, Self::All) => Self::All,
        }
    }
}

impl Revoked {
    /// Denies every token made before `moment`.
    pub fn all_before(&mut self, moment: SystemTime) {
        self.issued_before = self.issued_before.max(Some(moment));
    }

    /// Denies a user: the tokens made before a moment, or all.
    pub fn subject(&mut self, issuer: String, subject: String, before: Option<SystemTime>) {
        let denied = before.map_or(Denied::All, Denied::Before);
        let of_issuer = self.subjects.entry(issuer).or_default();
        of_issuer.entry(subject).and_modify(|known| *known = known.stricter(denied)).or_insert(denied);
    }

    /// Denies one token.
    pub fn token(&mut self, issuer: String, id: String) {
        self.tokens.entry(issuer).or_default().insert(id);
    }

    /// Whether the token may be used, as far as this list goes.
    ///
    /// # Errors
    /// [`Reason::TokenRevoked`]. A token that does not say when it was made counts as made before any moment.
    pub fn check(&self, token: &TokenFacts<'_>) -> Result<(), Refusal> {
        let made_before = |moment: SystemTime| token.issued_at.is_none_or(|made| made < moment);
        let user = self.subjects.get(token.issuer).and_then(|subjects| subjects.get(token.subject));
        let note = if matches!(user, Some(Denied::All)) {
            "the user is revoked"
        } else if matches!(user, Some(Denied::Before(moment)) if made_before(*moment)) {
            "the user's tokens of its time are revoked"
        } else if self.tokens.get(token.issuer).is_some_and(|ids| token.ids().any(|id| ids.contains(id))) {
            "the token is revoked"
        } else if self.issued_before.is_some_and(made_before) {
            "tokens of its time are revoked"
        } else {
            return Ok(());
        };
        Err(Refusal::noted(Reason::TokenRevoked, note))
    }

    /// The moment before which all tokens are denied.
    pub fn issued_before(&self) -> Option<SystemTime> {
        self.issued_before
    }

    /// The issuers that entries name: one that is not configured is a slip, and its entries deny nothing.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.subjects.keys().chain(self.tokens.keys()).map(String::as_str)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        let subjects: usize = self.subjects.values().map(HashMap::len).sum();
        let tokens: usize = self.tokens.values().map(HashSet::len).sum();
        subjects + tokens + usize::from(self.issued_before.is_some())
    }

    /// Whether nothing is denied.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    const IDP: &str = "https://idp.test/";

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn facts<'a>(issuer: &'a str, subject: &'a str, id: Option<&'a str>, made: Option<u64>) -> TokenFacts<'a> {
        TokenFacts { issuer, subject, token_id: id, context_id: None, issued_at: made.map(at), tenants: &[] }
    }

    fn denies(revoked: &Revoked, facts: TokenFacts<'_>) -> bool {
        revoked.check(&facts).is_err_and(|refusal| refusal.reason == Reason::TokenRevoked)
    }

    #[test]
    fn one_subject_of_two_issuers_is_two_users() {
        let mut revoked = Revoked::default();
        revoked.subject(IDP.into(), "u".into(), None);
        revoked.token(IDP.into(), "t".into());
        assert!(denies(&revoked, facts(IDP, "u", None, Some(5))));
        assert!(denies(&revoked, facts(IDP, "other", Some("t"), Some(5))));
        for issuer in ["https://other.test/", "https://idp.test", ""] {
            assert!(!denies(&revoked, facts(issuer, "u", Some("t"), Some(5))), "{issuer}");
        }
        assert!(!denies(&revoked, facts(IDP, "U", Some("T"), Some(5))), "equality is exact");
        let context = TokenFacts { context_id: Some("t"), ..facts(IDP, "other", Some("x"), Some(5)) };
        assert!(denies(&revoked, context), "a context of deferred work has an id too");
    }

    #[test]
    fn a_moment_denies_what_was_made_before_it_and_what_does_not_say() {
        let mut tenant = Revoked::default();
        tenant.all_before(at(100));
        let mut user = Revoked::default();
        user.subject(IDP.into(), "u".into(), Some(at(100)));
        for revoked in [&tenant, &user] {
            assert!(denies(revoked, facts(IDP, "u", None, Some(99))));
            assert!(denies(revoked, facts(IDP, "u", None, None)), "without iat");
            assert!(!denies(revoked, facts(IDP, "u", None, Some(100))));
        }
        assert!(denies(&tenant, facts(IDP, "other", None, None)) && !denies(&user, facts(IDP, "other", None, None)));
        let half = TokenFacts { issued_at: Some(at(99) + Duration::from_millis(999)), ..facts(IDP, "u", None, None) };
        assert!(denies(&tenant, half));
    }

    #[test]
    fn what_is_said_twice_counts_in_its_stricter_form() {
        for order in [[None, Some(at(10))], [Some(at(10)), None]] {
            let mut revoked = Revoked::default();
            order.into_iter().for_each(|before| revoked.subject(IDP.into(), "u".into(), before));
            assert!(denies(&revoked, facts(IDP, "u", None, Some(1_000))), "{order:?}");
            assert_eq!(revoked.len(), 1);
        }
        let mut revoked = Revoked::default();
        [20, 30, 10].into_iter().for_each(|moment| {
            revoked.subject(IDP.into(), "u".into(), Some(at(moment)));
            revoked.all_before(at(moment - 5));
        });
        assert!(denies(&revoked, facts(IDP, "u", None, Some(29))) && !denies(&revoked, facts(IDP, "u", None, Some(30))));
        assert_eq!(revoked.issued_before(), Some(at(25)));
    }

    proptest! {
        /// Adding an entry never lets in what was denied before.
        #[test]
        fn a_longer_list_never_denies_less(
            entries in prop::collection::vec((0..3_u8, 0..3_u8, 0..4_u8, prop::option::of(0..6_u64)), 1..12),
            probe in (0..3_u8, 0..3_u8, prop::option::of(0..4_u8), prop::option::of(0..6_u64)),
        ) {
            let (issuer, subject, id, made) = probe;
            let (issuer, subject, id) = (format!("i{issuer}"), format!("s{subject}"), id.map(|id| format!("t{id}")));
            let token = facts(&issuer, &subject, id.as_deref(), made);
            let (mut revoked, mut denied) = (Revoked::default(), false);
            for (issuer, subject, id, moment) in entries {
                match id {
                    0 => revoked.all_before(at(moment.unwrap_or(0))),
                    1 => revoked.token(format!("i{issuer}"), format!("t{subject}")),
                    _ => revoked.subject(format!("i{issuer}"), format!("s{subject}"), moment.map(at)),
                }
                let now = denies(&revoked, token);
                prop_assert!(now || !denied);
                denied = now;
            }
        }
    }
}
