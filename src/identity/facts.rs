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
    /// The id of the context that was made in the token's name for deferred work, which revokes that context alone.
    pub context_id: Option<&'a str>,
    /// `iat`
    pub issued_at: Option<SystemTime>,
    /// The tenants that it names itself; none where a directory of users says for whom it speaks.
    pub tenants: &'a [String],
}

impl<'a> TokenFacts<'a> {
    /// Everything that it can be revoked by id with.
    pub fn ids(&self) -> impl Iterator<Item = &'a str> {
        self.token_id.into_iter().chain(self.context_id)
    }
}
