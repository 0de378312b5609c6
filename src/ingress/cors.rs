//! Scripts of other origins: what browsers are told about who may call (the Fetch standard's CORS protocol).
//!
//! Written here rather than taken from a library, since the usual layers take every `OPTIONS` for a preflight, and put their
//! headers on what passes through them alone: a refusal, which comes from elsewhere, would be hidden from the script.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, InvalidHeaderValue, ORIGIN, VARY,
    },
    request::Parts,
};

use crate::{
    body::{self, Body},
    config::{CorsConfig, CorsRules, Origins},
    reject::{Reason, Refusal},
};

/// What an application says that Palisade says in its place: two answers of one kind are none to a browser.
const OURS: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// What `ingress.cors` says, ready to be sent.
#[derive(Debug)]
pub struct Cors(Policy);

#[derive(Debug)]
enum Policy {
    /// Browsers are told nothing, and let nobody read.
    Off,
    /// The application tells them.
    Pass,
    Answer(Box<Rules>),
}

#[derive(Debug)]
struct Rules {
    origins: Origins,
    credentials: bool,
    methods: HeaderValue,
    headers: HeaderValue,
    expose: Option<HeaderValue>,
    max_age: HeaderValue,
}

/// What becomes of a preflight.
pub(super) enum Preflight {
    /// The application answers it, as a request of nobody.
    Pass,
    /// Here is the answer.
    Answered(Response<Body>),
}

impl Cors {
    /// The policy of a configuration; without one no preflight is told from another request.
    ///
    /// # Errors
    /// A list that makes no header, which the configuration's forms exclude.
    pub fn new(config: Option<&CorsConfig>) -> Result<Self, InvalidHeaderValue> {
        Ok(Self(match config {
            None => Policy::Off,
            Some(CorsConfig::Pass) => Policy::Pass,
            Some(CorsConfig::Answer(rules)) => Policy::Answer(Box::new(Rules::new(rules)?)),
        }))
    }

    /// What to do with a preflight: `OPTIONS` with `Origin` and `Access-Control-Request-Method`, and nothing else is one.
    ///
    /// # Errors
    /// [`Reason::OriginNotAllowed`].
    pub(super) fn preflight(&self, head: &Parts) -> Result<Option<Preflight>, Refusal> {
        let is_preflight =
            head.method == Method::OPTIONS && head.headers.contains_key(ORIGIN) && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        match &self.0 {
            _ if !is_preflight => Ok(None),
            Policy::Off => Ok(None),
            Policy::Pass => Ok(Some(Preflight::Pass)),
            Policy::Answer(rules) => {
                let Some(origin) = origin(&head.headers).filter(|origin| rules.allows(origin)) else {
                    return Err(Refusal::noted(Reason::OriginNotAllowed, "a preflight for an origin outside ingress.cors"));
                };
                let mut response = Response::new(body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                let headers = response.headers_mut();
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, rules.methods.clone());
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, rules.headers.clone());
                headers.insert(ACCESS_CONTROL_MAX_AGE, rules.max_age.clone());
                headers.insert(VARY, HeaderValue::from_static("access-control-request-method, access-control-request-headers"));
                rules.tell(Some(&origin), headers);
                Ok(Some(Preflight::Answered(response)))
            }
        }
    }

    /// Whether the scripts of `origin` may send a user's cookies.
    pub(super) fn trusts_with_cookies(&self, origin: &HeaderValue) -> bool {
        matches!(&self.0, Policy::Answer(rules) if rules.credentials && rules.allows(origin))
    }

    /// Tells the browser, on whatever the response is, whether scripts of `origin` may read it. What the application says about
    /// that is replaced, unless it is the one to say it.
    pub(super) fn dress(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let Policy::Answer(rules) = &self.0 else { return };
        for name in &OURS {
            headers.remove(name);
        }
        if rules.tell(origin, headers)
            && let Some(expose) = &rules.expose
        {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }
}

impl Rules {
    fn new(config: &CorsRules) -> Result<Self, InvalidHeaderValue> {
        Ok(Self {
            origins: config.origins.clone(),
            credentials: config.credentials,
            methods: HeaderValue::try_from(config.methods.join(", "))?,
            headers: HeaderValue::try_from(config.headers.join(", "))?,
            expose: if config.expose.is_empty() { None } else { Some(HeaderValue::try_from(config.expose.join(", "))?) },
            max_age: HeaderValue::from(config.max_age.as_secs()),
        })
    }

    /// Says in `headers` whether scripts of `origin` may read the response.
    fn tell(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
        if self.origins != Origins::Any {
            // Whoever keeps the response must not show it to another origin (the Fetch standard, "CORS protocol and HTTP caches").
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        let Some(origin) = origin.filter(|origin| self.allows(origin)) else { return false };
        let allowed = if self.origins == Origins::Any { HeaderValue::from_static("*") } else { origin.clone() };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        true
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        match &self.origins {
            Origins::Any => true,
            Origins::These(list) => list.iter().any(|known| known.as_bytes() == origin.as_bytes()),
        }
    }
}

/// The one origin that a request names. Several are as good as none.
pub(super) fn origin(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut origins = headers.get_all(ORIGIN).iter();
    origins.next().filter(|_| origins.next().is_none()).cloned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;

    use super::*;

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let origins = if origins == ["*"] { Origins::Any } else { Origins::These(words(origins)) };
        let rules = CorsRules {
            origins,
            methods: words(&["GET", "PUT"]),
            headers: words(&["authorization", "x-tenant-id"]),
            expose: words(&["x-request-id"]),
            credentials,
            max_age: Duration::from_secs(600),
        };
        Cors::new(Some(&CorsConfig::Answer(rules))).unwrap()
    }

    fn head(method: Method, headers: &[(&str, &str)]) -> Parts {
        let request = headers.iter().fold(Request::builder().method(method), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    const A: &str = "https://a.example";
    const ASKS: (&str, &str) = ("access-control-request-method", "PUT");

    fn answered(cors: &Cors, head: &Parts) -> Option<Response<Body>> {
        match cors.preflight(head).unwrap() {
            Some(Preflight::Answered(response)) => Some(response),
            Some(Preflight::Pass) | None => None,
        }
    }

    #[test]
    fn a_preflight_of_an_allowed_origin_is_answered() {
        let response = answered(&cors(&[A, "https://b.example"], true), &head(Method::OPTIONS, &[("origin", A), ASKS])).unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        let header =
            |name: HeaderName| response.headers().get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(header(ACCESS_CONTROL_ALLOW_ORIGIN), [A]);
        assert_eq!(header(ACCESS_CONTROL_ALLOW_CREDENTIALS), ["true"]);
        assert_eq!(header(ACCESS_CONTROL_ALLOW_METHODS), ["GET, PUT"]);
        assert_eq!(header(ACCESS_CONTROL_ALLOW_HEADERS), ["authorization, x-tenant-id"]);
        assert_eq!(header(ACCESS_CONTROL_MAX_AGE), ["600"]);
        assert_eq!(header(VARY), ["access-control-request-method, access-control-request-headers", "origin"]);
    }

    #[test]
    fn origins_are_compared_exactly() {
        let cors = cors(&[A], false);
        for bad in [
            "https://a.example.evil",
            "http://a.example",
            "https://A.example",
            "https://a.example:443",
            "https://a.example/",
            "null",
            "",
            "*",
            "https://evil.a.example",
        ] {
            let refused = cors.preflight(&head(Method::OPTIONS, &[("origin", bad), ASKS]));
            assert!(matches!(refused, Err(Refusal { reason: Reason::OriginNotAllowed, .. })), "{bad}");
        }
        assert!(cors.preflight(&head(Method::OPTIONS, &[("origin", A), ("origin", A), ASKS])).is_err(), "two origins are none");
    }

    #[test]
    fn only_a_preflight_is_one() {
        for request in [
            head(Method::OPTIONS, &[("origin", A)]),
            head(Method::OPTIONS, &[ASKS]),
            head(Method::OPTIONS, &[]),
            head(Method::GET, &[("origin", A), ASKS]),
            head(Method::POST, &[("origin", A), ASKS]),
        ] {
            assert!(cors(&[A], true).preflight(&request).unwrap().is_none(), "{request:?}");
        }
        let preflight = head(Method::OPTIONS, &[("origin", "https://evil.example"), ASKS]);
        assert!(Cors::new(None).unwrap().preflight(&preflight).unwrap().is_none());
        assert!(matches!(Cors::new(Some(&CorsConfig::Pass)).unwrap().preflight(&preflight), Ok(Some(Preflight::Pass))));
    }

    fn dressed(cors: &Cors, origin: Option<&'static str>, headers: &[(&str, &str)]) -> HeaderMap {
        let mut map = head(Method::GET, headers).headers;
        cors.dress(origin.map(HeaderValue::from_static).as_ref(), &mut map);
        map
    }

    #[test]
    fn responses_say_who_may_read_them() {
        let both = cors(&[A], true);
        let headers = dressed(
            &both,
            Some(A),
            &[("access-control-allow-origin", "*"), ("access-control-allow-methods", "DELETE"), ("vary", "accept")],
        );
        assert_eq!(headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter().collect::<Vec<_>>(), [A]);
        assert_eq!(
            (&headers[ACCESS_CONTROL_ALLOW_CREDENTIALS], &headers[ACCESS_CONTROL_EXPOSE_HEADERS]),
            (&"true".parse().unwrap(), &"x-request-id".parse().unwrap())
        );
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_METHODS));
        assert_eq!(headers.get_all(VARY).iter().collect::<Vec<_>>(), ["accept", "origin"]);
        for origin in [None, Some("https://evil.example"), Some("null")] {
            let headers = dressed(&both, origin, &[("access-control-allow-origin", "https://evil.example")]);
            assert_eq!(headers, HeaderMap::from_iter([(VARY, HeaderValue::from_static("origin"))]), "{origin:?}");
        }
        let anybody = dressed(&cors(&["*"], false), Some("https://evil.example"), &[]);
        assert_eq!(anybody[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!anybody.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS) && !anybody.contains_key(VARY));
    }

    #[test]
    fn where_the_application_answers_nothing_is_changed() {
        for cors in [Cors::new(None).unwrap(), Cors::new(Some(&CorsConfig::Pass)).unwrap()] {
            let headers = dressed(&cors, Some(A), &[("access-control-allow-origin", "https://b.example")]);
            assert_eq!(headers, HeaderMap::from_iter([(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://b.example"))]));
            assert!(!cors.trusts_with_cookies(&HeaderValue::from_static(A)));
        }
    }
}
