//! A request cannot be let in before the endpoint rules have allowed it.
use palisade::{
    ingress::{AdmittedRequest, VerifiedRequest},
    limits::Limiter,
};

fn admit(request: VerifiedRequest, limiter: &Limiter) {
    let _ = AdmittedRequest::admit(request, limiter); //~ E0308 mismatched types: expected `AuthorisedRequest`, found `VerifiedRequest`
}

fn main() {}
