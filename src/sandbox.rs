//! Doubles of what surrounds Palisade, for `palisade dev` and for tests. Behind the cargo feature `sandbox`, and not in the
//! release image: nothing here may be reached from the request path of `palisade run`.

pub mod app;
pub mod aws;
pub mod idp;
mod loopback;
pub mod tenants;
