//! Nothing but an opened seal makes a redeemed context.
use palisade::identity::RedeemedContext;

fn forge(other: RedeemedContext) -> RedeemedContext {
    RedeemedContext { ..other }
}

fn main() {}
