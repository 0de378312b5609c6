//! `revoked`, of a tenant and of all.

use super::{Form, Kind, Setting, TEXT, optional, required};

/// At the top of the file of tenant records, and in a record.
pub(super) const REVOKED: &[Setting] = &[
    optional(
        "issued_before",
        MOMENT,
        "Refuses every token made before this moment, and every token that does not say when it was made (`iat`).",
    ),
    optional(
        "subjects",
        Kind::Entries(&Kind::Section(SUBJECT)),
        "Users who are refused. What is said twice of one counts in its stricter form.",
    ),
    optional("tokens", Kind::Entries(&Kind::Section(TOKEN)), "Single tokens that are refused."),
];

const SUBJECT: &[Setting] = &[
    required("issuer", TEXT, "The user's issuer, exactly as in `identity.issuers[].issuer`: one subject of two issuers is two users."),
    required("subject", TEXT, "The user."),
    optional(
        "issued_before",
        MOMENT,
        "Refuses the user's tokens made before this moment alone, instead of all: signs the user out everywhere.",
    ),
];

const TOKEN: &[Setting] = &[
    required("issuer", TEXT, "The token's issuer, exactly as in `identity.issuers[].issuer`."),
    required("id", TEXT, "The token's id, `jti`."),
];

const MOMENT: Kind = Kind::Scalar(Form::Moment);
