//! A request that has to prove whose it is cannot be forwarded as one that does not.
use palisade::ingress::{AdmittedPublic, PublicRoom, MatchedRequest};

fn admit(request: MatchedRequest, room: &PublicRoom) {
    let _ = AdmittedPublic::admit(request, room); //~ E0308 mismatched types: expected `PublicRequest`, found `MatchedRequest`
}

fn main() {}
