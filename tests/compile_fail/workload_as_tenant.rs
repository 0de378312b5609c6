//! A workload's request does not get a tenant's credentials.
use palisade::{credentials::Broker, guard::GuardedWorkload, signing::CredentialedRequest};

async fn attach(request: GuardedWorkload, broker: &Broker) {
    let _ = CredentialedRequest::attach(request, broker).await; //~ E0308 mismatched types: expected `GuardedRequest`, found `GuardedWorkload`
}

fn main() {}
