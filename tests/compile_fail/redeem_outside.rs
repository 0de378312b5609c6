//! Passports are redeemed by the verifier alone.
use palisade::identity::Passports;

fn redeem(passports: &Passports) {
    let _ = passports.redeem("psp1_x", None); //~ E0624 method `redeem` is private: private method
}

fn main() {}
