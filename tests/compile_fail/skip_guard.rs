//! Credentials cannot be attached to a request that the guard has not seen.
use palisade::{credentials::Broker, egress::AdmittedRequest, signing::CredentialedRequest};

async fn attach(request: AdmittedRequest, broker: &Broker) {
    let _ = CredentialedRequest::attach(request, broker).await; //~ E0308 mismatched types: expected `GuardedRequest`, found `AdmittedRequest`
}

fn main() {}
