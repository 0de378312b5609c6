//! A request without credentials cannot be signed.
use palisade::{guard::GuardedRequest, signing};

fn sign(request: GuardedRequest, now: std::time::SystemTime) {
    let _ = signing::sign(request, now); //~ E0308 mismatched types: expected `CredentialedRequest`, found `GuardedRequest`
}

fn main() {}
