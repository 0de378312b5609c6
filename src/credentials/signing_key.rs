//! SigV4 signing keys, derived from a secret key that never leaves this file.
//!
//! Derivation as in <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>: four HMACs
//! over date, region, service and a constant. A key is good for one day, so it is derived once and kept.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Keys kept per session. Regions and services come from the configuration, so few tenants use more pairs than this a day.
const KEPT: usize = 8;

/// The key that signs for one day, region and service. Wiped when the last clone goes.
#[derive(Clone)]
pub struct SigningKey(Arc<Zeroizing<[u8; 32]>>);

impl AsRef<[u8]> for SigningKey {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey([redacted])")
    }
}

/// A secret access key and what was derived from it.
#[derive(Debug)]
pub(super) struct SigningKeys {
    secret_access_key: Secret,
    derived: ArcSwap<Vec<Derived>>,
}

#[derive(Debug, Clone)]
struct Derived {
    /// Days since the Unix epoch.
    day: u64,
    region: String,
    service: String,
    key: SigningKey,
}

impl SigningKeys {
    pub(super) fn new(secret_access_key: Secret) -> Self {
        Self { secret_access_key, derived: ArcSwap::default() }
    }

    /// The key for the day of `time` (UTC). The oldest of [`KEPT`] keys makes room for a new one.
    pub(super) fn key(&self, time: SystemTime, region: &str, service: &str) -> SigningKey {
        let day = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
        let fits = |derived: &&Derived| derived.day == day && derived.region == region && derived.service == service;
        if let Some(derived) = self.derived.load().iter().find(fits) {
            return derived.key.clone();
        }
        let key = derive(&self.secret_access_key, &date(day), region, service);
        let new = Derived { day, region: region.to_owned(), service: service.to_owned(), key: key.clone() };
        self.derived.rcu(|kept| {
            // Callers that derived the same key at the same time keep it once.
            let mut kept: Vec<_> = kept.iter().filter(|derived| !fits(derived)).cloned().collect();
            if kept.len() >= KEPT {
                kept.remove(0);
            }
            kept.push(new.clone());
            kept
        });
        key
    }
}

fn derive(secret: &Secret, date: &str, region: &str, service: &str) -> SigningKey {
    let start = Zeroizing::new([b"AWS4", secret.expose().as_bytes()].concat());
    let mut key = Zeroizing::new([0; 32]);
    mac_into(&mut key, &start, date);
    for part in [region, service, "aws4_request"] {
        let with = key.clone();
        mac_into(&mut key, with.as_slice(), part);
    }
    SigningKey(Arc::new(key))
}

fn mac_into(out: &mut [u8; 32], key: &[u8], data: &str) {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data.as_bytes());
    out.copy_from_slice(tag.as_ref());
}

/// `YYYYMMDD` of a day since the Unix epoch, proleptic Gregorian.
///
/// Years are counted from March, so that the leap day is a year's last: the day of the year then follows from the month by
/// one formula (Hinnant, "chrono-compatible low-level date algorithms").
fn date(days: u64) -> String {
    let days = days + 719_468; // from 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn keys() -> SigningKeys {
        SigningKeys::new(Secret::new(SECRET.to_owned()))
    }

    #[test]
    fn derives_the_key_of_awss_documentation() {
        let key = keys().key(at(1_440_938_160), "us-east-1", "iam"); // 2015-08-30T12:36:00Z
        let hex: String = key.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
    }

    #[test]
    fn agrees_with_the_sdk_for_every_date_region_and_service() {
        let keys = keys();
        for seconds in [0, 951_782_400, 951_868_800, 1_709_164_799, 1_709_164_800, 1_767_225_599, 4_107_542_400] {
            for (region, service) in [("eu-west-1", "s3"), ("us-gov-east-1", "dynamodb")] {
                let theirs = aws_sigv4::sign::v4::generate_signing_key(SECRET, at(seconds), region, service);
                assert_eq!(keys.key(at(seconds), region, service).as_ref(), theirs.as_ref(), "{seconds} {region} {service}");
            }
        }
    }

    #[test]
    fn a_key_is_derived_once_a_day_and_few_are_kept() {
        let keys = keys();
        let first = keys.key(at(86_400), "eu-west-1", "s3");
        assert!(Arc::ptr_eq(&first.0, &keys.key(at(2 * 86_400 - 1), "eu-west-1", "s3").0), "the same day");
        assert!(!Arc::ptr_eq(&first.0, &keys.key(at(2 * 86_400), "eu-west-1", "s3").0), "the next day");
        for n in 0..100 {
            keys.key(at(0), "eu-west-1", &format!("service-{n}"));
        }
        assert_eq!(keys.derived.load().len(), KEPT);
        assert_eq!(keys.key(at(86_400), "eu-west-1", "s3").as_ref(), first.as_ref());
    }

    #[test]
    fn debug_shows_neither_secret_nor_key() {
        let keys = keys();
        let key = keys.key(at(0), "eu-west-1", "s3");
        let shown = format!("{keys:?} {key:?}");
        assert!(!shown.contains(SECRET) && !shown.contains(&format!("{:?}", key.as_ref())), "{shown}");
    }
}
