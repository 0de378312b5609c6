//! Integration tests, in one binary.

mod typed_states;
