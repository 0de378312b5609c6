//! What revocation asks of a token.

use std::time::SystemTime;

/// The parts of a verified token by which it, or its user, can be revoked. A view: whoever has it has proved nothing.
#[derive(Debug, Clone, Copy)]
pub struct TokenFacts<'a> {
    /// `iss`
    pub issuer: &'a str,
    /// The user, unique within the issuer.
    pub subject: &'a str,
    /// `jti`, unique within the issuer.
    pub token_id: Option<&'a str>,
    /// `iat`
    pub issued_at: Option<SystemTime>,
    /// The tenants that it names itself; none where a directory of users says for whom it speaks.
    pub tenants: &'a [String],
}
