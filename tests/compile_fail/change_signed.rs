//! What was signed cannot be changed.
use palisade::signing::SignedRequest;

fn change(request: &mut SignedRequest) {
    request.parts.request.headers_mut().clear(); //~ E0616 field `parts` of struct `SignedRequest` is private: private field
}

fn main() {}
