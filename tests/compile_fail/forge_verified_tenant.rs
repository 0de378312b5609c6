//! A proof cannot be written down: only the verifier makes one.
use palisade::identity::VerifiedTenant;

fn main() {
    let _forged = VerifiedTenant { tenant: "acme".parse().unwrap() };
}
