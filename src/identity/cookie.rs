//! A token in a cookie (RFC 6265), read strictly.
//!
//! The one cookie is taken out and the others stay, since they are the application's. Cookies can be planted by sibling
//! domains, and which of two a server takes is anybody's guess: two are refused.

use http::{HeaderMap, HeaderValue, header::COOKIE};

use crate::{
    reject::{Reason, Refusal},
    secret::Secret,
};

/// The name of the cookie that carries the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieName(String);

impl CookieName {
    /// Takes a name that is a token (RFC 6265, section 4.1.1).
    pub fn new(name: &str) -> Option<Self> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        ((1..=128).contains(&name.len()) && name.bytes().all(is_token)).then(|| Self(name.to_owned()))
    }

    /// Whether browsers keep other hosts from planting it (RFC 6265bis, section 4.1.3.2).
    pub fn is_bound_to_host(&self) -> bool {
        self.0.starts_with("__Host-")
    }

    /// Takes the token out of the request's cookies.
    ///
    /// # Errors
    /// [`Reason::TokenAmbiguous`] for two of them, [`Reason::TokenMalformed`] for one that is no text.
    pub(super) fn take(&self, headers: &mut HeaderMap) -> Result<Option<Secret>, Refusal> {
        let mut values = self.remove(headers)?;
        let Some(value) = values.pop() else { return Ok(None) };
        if !values.is_empty() {
            return Err(Refusal::noted(Reason::TokenAmbiguous, "the token's cookie is there more than once"));
        }
        let text =
            String::from_utf8(value).map_err(|_| Refusal::noted(Reason::TokenMalformed, "the token's cookie is not visible ASCII"))?;
        Ok(Some(Secret::new(text)))
    }

    /// Takes every cookie of this name away. What is left is one header line: HTTP/2 splits cookies into several, and HTTP/1.1
    /// knows but one (RFC 9113, section 8.2.3).
    ///
    /// # Errors
    /// [`Reason::Internal`] where the rest makes no header, which cannot be.
    pub(super) fn remove(&self, headers: &mut HeaderMap) -> Result<Vec<Vec<u8>>, Refusal> {
        let (mut found, mut rest) = (Vec::new(), Vec::new());
        let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
            match pair.strip_prefix(name) {
                Some(value) if name == self.0.as_bytes() => {
                    let value = value.trim_ascii_start();
                    found.push(value.strip_prefix(b"=").unwrap_or(value).trim_ascii().to_vec());
                }
                _ => rest.push(pair),
            }
        }
        if found.is_empty() {
            return Ok(found);
        }
        let rest = rest.join(&b"; "[..]);
        headers.remove(COOKIE);
        if !rest.is_empty() {
            let mut value = HeaderValue::from_bytes(&rest).map_err(|_| Reason::Internal)?;
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The token, and what is left of the cookies.
    fn take(lines: &[&str]) -> Result<(Option<String>, Vec<String>), Reason> {
        let mut headers: HeaderMap = lines.iter().map(|line| (COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap())).collect();
        let token = CookieName::new("__Host-token").unwrap().take(&mut headers).map_err(|refusal| refusal.reason)?;
        let left = headers.get_all(COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        Ok((token.map(|token| token.expose().to_owned()), left))
    }

    #[test]
    fn the_token_is_taken_out_and_the_rest_stays() {
        let taken = |lines: &[&str]| take(lines).unwrap();
        assert_eq!(taken(&["__Host-token=T"]), (Some("T".into()), vec![]));
        assert_eq!(taken(&["a=1; __Host-token=T; b=2"]), (Some("T".into()), vec!["a=1; b=2".into()]));
        assert_eq!(taken(&["a=1", "__Host-token=T=", "b=x=y"]), (Some("T=".into()), vec!["a=1; b=x=y".into()]));
        assert_eq!(taken(&["__Host-token = T ;;"]), (Some("T".into()), vec![]));
        assert_eq!(taken(&["__Host-token="]), (Some(String::new()), vec![]));
    }

    #[test]
    fn other_cookies_are_left_alone() {
        for line in ["a=1; b=2", "__host-token=T", "x__Host-token=T", "__Host-tokenx=T", "a=__Host-token=T", ""] {
            assert_eq!(take(&[line]).unwrap(), (None, vec![line.to_owned()]), "{line}");
        }
        assert_eq!(take(&["a=1", "b=2"]).unwrap(), (None, vec!["a=1".into(), "b=2".into()]));
        assert_eq!(take(&[]).unwrap(), (None, vec![]));
    }

    #[test]
    fn two_are_refused_wherever_they_stand() {
        for lines in [
            &["__Host-token=T; __Host-token=T"][..],
            &["__Host-token=T", "__Host-token=U"],
            &["__Host-token=T;a=1;__Host-token"],
            // Readers that know quotes would see one, those that do not see two.
            &["__Host-token=T; a=\"x; __Host-token=U\""],
        ] {
            assert_eq!(take(lines), Err(Reason::TokenAmbiguous), "{lines:?}");
        }
        assert_eq!(take(&["__Host-token"]).unwrap().0, Some(String::new()), "without a value it is there, and empty");
    }

    #[test]
    fn a_value_that_is_no_text_is_malformed() {
        let mut headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_bytes(b"t=\xff").unwrap())]);
        assert_eq!(CookieName::new("t").unwrap().take(&mut headers).unwrap_err().reason, Reason::TokenMalformed);
    }

    #[test]
    fn names_are_tokens() {
        assert!(CookieName::new("__Host-token").unwrap().is_bound_to_host() && !CookieName::new("token").unwrap().is_bound_to_host());
        for bad in ["", "a b", "a=b", "a;b", "a,b", "\"a\"", "\u{e9}", &"a".repeat(129)] {
            assert!(CookieName::new(bad).is_none(), "{bad}");
        }
    }
}
