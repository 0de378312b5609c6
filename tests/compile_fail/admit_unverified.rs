//! A request that was not verified cannot be charged to a tenant.
use palisade::{egress::AdmittedRequest, limits::Limiter};

fn admit(head: http::request::Parts, limiter: &Limiter) {
    let _ = AdmittedRequest::admit(head, limiter); //~ E0308 mismatched types: expected `VerifiedRequest`, found `Parts`
}

fn main() {}
