//! What is wrong with a source, where waiting would not help.

/// A source that is not there, or must not be used. Says so without a secret, and names the cure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    /// The file of keys has none that can be used.
    #[error("{0}")]
    File(String),
    /// The default chain came to its end.
    #[error(
        "the default chain found no credentials: neither environment, profile, web identity, container nor instance has any; set one of them up \
         for Palisade, or name a source of its own (credentials.source.web_identity or credentials.source.file)"
    )]
    Nothing,
    /// The default chain leads to a source that the application can ask as well.
    #[error(
        "the default chain leads to {0}, which the application can ask as well, past Palisade; give Palisade an identity of its own \
         (credentials.source.web_identity with a token that is mounted in its container alone, or credentials.source.file), or set \
         credentials.shared_with_application to accepted"
    )]
    Shared(&'static str),
}
