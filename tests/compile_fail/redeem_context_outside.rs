//! Contexts of deferred work are redeemed by the verifier alone.
use palisade::identity::Redeemer;

fn redeem(redeemer: &Redeemer) {
    let _ = redeemer.redeem("pdc1_x"); //~ E0624 method `redeem` is private: private method
}

fn main() {}
