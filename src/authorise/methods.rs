//! Sets of methods.

use http::Method;

/// A set of the methods that the ingress takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Methods(u8);

impl Methods {
    /// What a rule can name, in order.
    pub const NAMES: [&'static str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
    /// None.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self(0x7f);

    /// The set of one method, by its name. `GET` brings `HEAD` along (RFC 9110, section 9.3.2: the same without the content): servers
    /// give both to one handler, and a `HEAD` that fell through to a later rule would tell whether something is there.
    pub fn of(name: &str) -> Option<Self> {
        let bit = Self::NAMES.iter().position(|known| *known == name)?;
        let get = if name == "GET" { 1 << 2 } else { 0 };
        Some(Self(1 << bit | get))
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `method` is in the set. One that cannot be named is in none.
    pub fn contains(self, method: &Method) -> bool {
        let bit = match *method {
            Method::DELETE => 0,
            Method::GET => 1,
            Method::HEAD => 2,
            Method::OPTIONS => 3,
            Method::PATCH => 4,
            Method::POST => 5,
            Method::PUT => 6,
            _ => return false,
        };
        self.0 & (1 << bit) != 0
    }

    /// Whether the sets have a method in common.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The methods of the set, each as a set of its own.
    pub(super) fn each(self) -> impl Iterator<Item = Self> {
        (0..Self::NAMES.len()).map(|bit| Self(1 << bit)).filter(move |one| self.meets(*one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_its_own_method_and_get_brings_head() {
        for name in Methods::NAMES {
            let set = Methods::of(name).unwrap();
            for other in Methods::NAMES {
                let method = Method::from_bytes(other.as_bytes()).unwrap();
                assert_eq!(set.contains(&method), name == other || (name, other) == ("GET", "HEAD"), "{name} {other}");
                assert!(Methods::ALL.contains(&method) && !Methods::NONE.contains(&method));
            }
        }
        assert_eq!(Methods::of("get"), None);
        assert!(!Methods::ALL.contains(&Method::TRACE) && !Methods::ALL.contains(&Method::from_bytes(b"BREW").unwrap()));
        assert_eq!(Methods::ALL.each().count(), 7);
    }
}
