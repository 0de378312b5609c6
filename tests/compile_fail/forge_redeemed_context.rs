//! Nothing but an opened seal makes a redeemed context.
use palisade::identity::RedeemedContext;

fn forge(other: RedeemedContext) -> RedeemedContext {
    RedeemedContext { ..other } //~ E0451 fields `contents`, `tenant` and `deferred` of struct `RedeemedContext` are private: fields `contents`, `tenant` and `deferred` are private
}

fn main() {}
