//! `revoked`, of a tenant and of all.

use super::{Section, parse};
use crate::directory::Revoked;

/// The deny-list in `section`. An entry that is not complete has been reported, and the file is not taken.
pub(crate) fn revoked(section: &Section<'_>) -> Revoked {
    let mut revoked = Revoked::default();
    if let Some(moment) = section.get("issued_before", parse::moment) {
        revoked.all_before(moment);
    }
    for (_, entry) in section.sections("subjects") {
        let (issuer, subject) = (entry.get("issuer", parse::text), entry.get("subject", parse::text));
        if let (Some(issuer), Some(subject)) = (issuer, subject) {
            // One that is there and cannot be read must not widen into all of the user's tokens, nor be lost: it has been reported.
            revoked.subject(issuer, subject, entry.get("issued_before", parse::moment));
        }
    }
    for (_, entry) in section.sections("tokens") {
        if let (Some(issuer), Some(id)) = (entry.get("issuer", parse::text), entry.get("id", parse::text)) {
            revoked.token(issuer, id);
        }
    }
    revoked
}
