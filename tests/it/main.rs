//! Integration tests, in one binary.

#[cfg(feature = "sandbox")]
mod dev;
mod typed_states;
