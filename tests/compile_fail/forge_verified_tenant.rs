//! A proof cannot be written down: only the verifier makes one.
use palisade::identity::VerifiedTenant;

fn main() {
    let _forged = VerifiedTenant { tenant: "acme".parse().unwrap() }; //~ cannot construct `VerifiedTenant` with struct literal syntax due to private fields
}
