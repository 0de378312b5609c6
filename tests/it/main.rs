//! Integration tests, in one binary.

#[cfg(feature = "sandbox")]
mod dev;
#[cfg(test)]
mod typed_states;
