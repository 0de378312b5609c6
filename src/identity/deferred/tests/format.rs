//! The format of a context, made a second time from nothing but primitives: two versions in one cluster have to agree on it.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hmac,
};

use super::*;

/// Bytes of the longest context.
const LONGEST: usize = 6_144;

/// Seals `plain` with key 1, tied to what stands in front of it.
fn by_hand(plain: &str) -> String {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
    let sealing = hmac::sign(&secret, b"palisade deferred context 1: sealing");
    let id = &hmac::sign(&secret, b"palisade deferred context 1: key id").as_ref()[..8].to_vec();
    let (nonce, mut sealed) = ([9; NONCE_LEN], plain.as_bytes().to_vec());
    let tied_to = Aad::from([b"pdc1_", id.as_slice()].concat());
    let aead = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, sealing.as_ref()).unwrap());
    aead.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), tied_to, &mut sealed).unwrap();
    format!("pdc1_{}", URL_SAFE_NO_PAD.encode([id, &nonce[..], &sealed].concat()))
}

/// Contents that make a context of so many bytes.
fn filled(bytes: usize) -> String {
    let with = |length: usize| contents(&json!({"subject": "s".repeat(length)}));
    (bytes / 2..bytes).map(with).find(|plain| by_hand(plain).len() >= bytes).unwrap()
}

#[test]
fn a_context_is_what_the_format_says() {
    let redeemer = redeemer("reports", &[1], &clock());
    let context = redeem(&redeemer, &by_hand(&contents(&json!({"subject": "somebody"})))).unwrap();
    assert_eq!(context.into_parts().subject, "somebody");
}

#[test]
fn the_longest_is_taken_and_a_longer_one_is_not() {
    let redeemer = redeemer("reports", &[1], &clock());
    let sealed = |plain: &str| Seal::of(&key(1)).unwrap().seal(Zeroizing::new(plain.as_bytes().to_vec()));
    let (longest, longer) = (filled(LONGEST), filled(LONGEST + 1));
    assert_eq!((by_hand(&longest).len(), by_hand(&longer).len()), (LONGEST, LONGEST + 1));
    assert!(redeem(&redeemer, &by_hand(&longest)).is_ok());
    assert_eq!(redeem(&redeemer, &by_hand(&longer)).unwrap_err(), Reason::DeferredUnknown, "under a good seal");
    assert_eq!(sealed(&longest).unwrap().expose().len(), LONGEST);
    assert!(sealed(&longer).is_none());
}
