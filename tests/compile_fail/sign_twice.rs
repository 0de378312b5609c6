//! Signing consumes the request.
use palisade::signing::{self, CredentialedRequest};

fn sign(request: CredentialedRequest, now: std::time::SystemTime) {
    let _ = signing::sign(request, now);
    let _ = signing::sign(request, now); //~ E0382 use of moved value: `request`: value used here after move
}

fn main() {}
