//! A passport ends when it is dropped, so there is only one of each.
use palisade::identity::Passport;

fn copy(passport: &Passport) -> Passport {
    passport.clone()
}

fn main() {}
