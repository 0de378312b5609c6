//! Passports are redeemed by the verifier alone.
use palisade::identity::Passports;

fn redeem(passports: &Passports) {
    let _ = passports.redeem("psp1_x", None);
}

fn main() {}
