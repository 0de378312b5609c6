//! That an issuer may speak for a tenant is found out with the tenant's record, and never simply said.
use palisade::identity::Entitled;

fn main() {
    let _forged = Entitled(()); //~ E0423 cannot initialize a tuple struct which contains private fields
}
