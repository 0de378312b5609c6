//! A passport ends when it is dropped, so there is only one of each.
use palisade::identity::Passport;

fn copy(passport: &Passport) -> Passport {
    passport.clone() //~ E0308 mismatched types: expected `Passport`, found `&Passport`
}

fn main() {}
