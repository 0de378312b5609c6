//! A request cannot be let in before the endpoint rules have allowed it.
use palisade::{
    ingress::{AdmittedRequest, VerifiedRequest},
    limits::Limiter,
};

fn admit(request: VerifiedRequest, limiter: &Limiter) {
    let _ = AdmittedRequest::admit(request, limiter);
}

fn main() {}
