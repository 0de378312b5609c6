//! Credentials come from the broker alone.
use palisade::credentials::ScopedCredentials;

fn main() {
    let _forged = ScopedCredentials { expires: std::time::SystemTime::UNIX_EPOCH }; //~ cannot construct `ScopedCredentials` with struct literal syntax due to private fields
}
