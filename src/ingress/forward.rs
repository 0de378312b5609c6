//! What the application gets: the request, and who is asking.
//!
//! Every header that asserts identity is set or removed, never left as found. The caller's token stays here.

use http::{HeaderMap, HeaderName, HeaderValue, Request, header, request};

use super::CONTEXT;
use crate::{
    body::Body,
    config::template::Template,
    directory::ActiveTenant,
    hop,
    identity::{IdentityHeaders, Passport, unverified::strip_identity_headers},
    reject::{REQUEST_ID_HEADER, Reason, Refusal},
    server::Peer,
    telemetry::RequestId,
};

/// Carries the passport.
pub const PASSPORT: HeaderName = HeaderName::from_static("x-palisade-passport");
/// Carries the verified subject.
const SUBJECT: HeaderName = HeaderName::from_static("x-palisade-subject");
/// Carries the verified roles, a structured-field list of strings (RFC 9651).
const ROLES: HeaderName = HeaderName::from_static("x-palisade-roles");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request as the application gets it. A leaf: nothing else can build one.
#[derive(Debug)]
pub struct ForwardRequest {
    request: Request<Body>,
    /// Whom its headers name.
    tenant: Option<ActiveTenant>,
    expects_continue: bool,
}

/// What is said to the application about a request.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Whose it is.
    pub tenant: &'a ActiveTenant,
    /// The authority that it gives, where there is an egress to use it on.
    pub passport: Option<&'a Passport>,
    /// Who is asking, signed, where that is wanted.
    pub context: Option<&'a HeaderValue>,
    /// Its id.
    pub request_id: &'a RequestId,
    /// Where it came from.
    pub peer: &'a Peer,
}

/// The configured names and extra headers.
#[derive(Debug)]
pub struct ForwardHeaders {
    /// Where the caller's claim stood.
    pub names: IdentityHeaders,
    /// `ingress.headers`
    pub mapped: Vec<(HeaderName, Template)>,
}

impl ForwardRequest {
    /// Builds the application's request from the caller's.
    pub fn new(head: request::Parts, body: Body, headers: &ForwardHeaders, about: About<'_>) -> Result<Self, Refusal> {
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.version_mut() = head.version;
        // HTTP/2 names the host in the request's target (RFC 9113, section 8.3.1); the application gets it in one place.
        if let (None, Some(authority)) = (head.headers.get(header::HOST), head.uri.authority()) {
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Reason::MalformedRequest)?;
            request.headers_mut().insert(header::HOST, host);
        }
        *request.uri_mut() = head.uri;
        request.headers_mut().extend(head.headers);
        let expects_continue = hop::take_expectation(request.headers_mut());
        let tenant = Some(about.tenant.clone());
        headers.write(request.headers_mut(), about)?;
        Ok(Self { request, tenant, expects_continue })
    }

    /// The tenant that it is from, and that its headers name; `None` for a request of nobody.
    pub fn tenant(&self) -> Option<&ActiveTenant> {
        self.tenant.as_ref()
    }

    /// Whether the caller waits to be asked for the body.
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Gives the request to the client.
    pub fn into_request(self) -> Request<Body> {
        self.request
    }
}

impl ForwardHeaders {
    /// Removes what the caller said about identity and the way here, then says it ourselves.
    fn write(&self, headers: &mut HeaderMap, about: About<'_>) -> Result<(), Refusal> {
        let (upgrade, te) = (headers.get(header::UPGRADE).cloned(), headers.get(header::TE).cloned());
        hop::strip(headers);
        if let Some(upgrade) = upgrade {
            headers.insert(header::UPGRADE, upgrade);
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        // gRPC announces with it that it takes trailers.
        if te.is_some_and(|te| te == "trailers") {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        strip_identity_headers(headers, &self.names, self.mapped.iter().map(|(name, _)| name));
        headers.remove(header::TRAILER);
        set(headers, self.names.tenant.clone(), Some(about.tenant.id().to_string()))?;
        let verified = about.tenant.verified();
        set(headers, SUBJECT, Some(visible(verified.subject())))?;
        set(headers, ROLES, roles(verified.roles()))?;
        set(headers, REQUEST_ID_HEADER, Some(about.request_id.as_str().to_owned()))?;
        let id = about.request_id.as_str();
        set(headers, TRACEPARENT, id.get(..16).map(|span| format!("00-{id}-{span}-00")))?;
        if let Some(passport) = about.passport {
            headers.insert(PASSPORT, passport.header_value()?);
        }
        if let Some(context) = about.context {
            headers.insert(CONTEXT, context.clone());
        }
        for (name, template) in &self.mapped {
            // A claim that the token lacks, or that no header can carry, leaves the header away.
            set(headers, name.clone(), template.render(about.tenant).ok())?;
        }
        set(headers, HeaderName::from_static("x-forwarded-for"), Some(about.peer.ip().to_string()))?;
        set(headers, HeaderName::from_static("x-forwarded-proto"), Some("https".to_owned()))?;
        let host = headers.get(header::HOST).cloned();
        if let Some(host) = host {
            headers.insert("x-forwarded-host", host);
        }
        Ok(())
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<String>) -> Result<(), Refusal> {
    match value {
        None => headers.remove(name),
        Some(value) => headers.insert(name, HeaderValue::try_from(value).map_err(|_| Reason::Internal)?),
    };
    Ok(())
}

/// A subject as visible ASCII: every other byte, and `%` itself, percent-encoded.
fn visible(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'%' | 0..=b' ' | 0x7f.. => out.push_str(&format!("%{byte:02X}")),
            byte => out.push(char::from(byte)),
        }
        out
    })
}

/// RFC 9651: printable ASCII as a String, anything else as a Display String. Absent for no roles.
fn roles(roles: &[String]) -> Option<String> {
    let item = |role: &String| {
        if role.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return format!("\"{}\"", role.replace('\\', "\\\\").replace('"', "\\\""));
        }
        let encoded = role.bytes().fold(String::new(), |mut out, byte| {
            match byte {
                b'%' | b'"' | 0..0x20 | 0x7f.. => out.push_str(&format!("%{byte:02x}")),
                byte => out.push(char::from(byte)),
            }
            out
        });
        format!("%\"{encoded}\"")
    };
    (!roles.is_empty()).then(|| roles.iter().map(item).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use serde_json::json;

    use super::*;
    use crate::{
        body,
        clock::Clock,
        config::template::Lands,
        directory::TenantRecord,
        identity::{Passports, VerifiedTenant},
    };

    fn forward(sent: &[(&str, &str)]) -> HeaderMap {
        forward_to("/a?b=1", sent)
    }

    fn forward_to(target: &str, sent: &[(&str, &str)]) -> HeaderMap {
        let claims = json!({"email": "a@example.com"}).as_object().unwrap().clone();
        let verified = VerifiedTenant::for_tests_with("acme", "us er\u{e9}%", claims);
        let tenant = ActiveTenant::join(verified.clone(), Arc::new(TenantRecord::bare("acme".parse().unwrap()))).unwrap();
        let passports = Passports::for_tests(Duration::from_secs(60), Clock::system());
        let passport = passports.mint(&verified, &RequestId::random()).unwrap();
        let headers = ForwardHeaders {
            names: IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") },
            mapped: vec![
                (HeaderName::from_static("x-user-email"), Template::parse("{claims.email}", Lands::Header).unwrap()),
                (HeaderName::from_static("x-user-phone"), Template::parse("{claims.phone}", Lands::Header).unwrap()),
            ],
        };
        let mut request = Request::builder().uri(target);
        for (name, value) in sent {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let about = About {
            tenant: &tenant,
            passport: Some(&passport),
            context: None,
            request_id: &RequestId::random(),
            peer: &Peer::at("192.0.2.1:5".parse().unwrap()),
        };
        ForwardRequest::new(head, body::empty(), &headers, about).unwrap().into_request().headers().clone()
    }

    #[test]
    fn the_application_learns_who_is_asking() {
        let headers = forward(&[("host", "app.example.com")]);
        assert_eq!(headers["x-tenant-id"], "acme");
        assert_eq!(headers[SUBJECT], "us%20er%C3%A9%25");
        assert_eq!(headers[ROLES], "\"reader\"");
        assert_eq!(headers["x-user-email"], "a@example.com");
        assert!(headers[PASSPORT].to_str().unwrap().starts_with("psp1_") && headers[PASSPORT].is_sensitive());
        assert_eq!(headers["x-forwarded-for"], "192.0.2.1");
        assert_eq!(headers["x-forwarded-host"], "app.example.com");
        let trace = headers["traceparent"].to_str().unwrap();
        assert_eq!(trace.split('-').map(str::len).collect::<Vec<_>>(), [2, 32, 16, 2]);
        assert!(trace.contains(headers["x-request-id"].to_str().unwrap()));
    }

    #[test]
    fn the_host_of_http2_is_told_too() {
        let headers = forward_to("https://app.example.com/a", &[]);
        assert_eq!(
            (&headers["host"], &headers["x-forwarded-host"]),
            (&"app.example.com".parse().unwrap(), &"app.example.com".parse().unwrap())
        );
    }

    #[test]
    fn nothing_that_a_caller_sends_survives_as_identity() {
        let forged = [
            ("x-palisade-subject", "root"),
            ("x-palisade-roles", "\"admin\""),
            ("x-palisade-passport", "psp1_x"),
            ("x-palisade-context", "e30.e30.x"),
            ("x_palisade_context", "e30.e30.x"),
            ("x_palisade_passport", "psp1_x"),
            ("x_tenant_id", "globex"),
            ("x-user-email", "evil@example.com"),
            ("x-user-phone", "1"),
            ("x_user_phone", "1"),
            ("x-request-id", "mine"),
            ("traceparent", "00-mine"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
        ];
        let headers = forward(&forged);
        for (name, value) in forged {
            assert!(headers.get_all(name).iter().all(|v| v != value), "{name}: {value} survived");
            assert!(headers.get_all(name).iter().count() <= 1);
        }
        assert!(!headers.contains_key("x-user-phone"), "a header of a claim that is not there stays away");
    }

    #[test]
    fn no_role_can_forge_another() {
        let list = |roles_in: &[&str]| roles(&roles_in.iter().map(|r| (*r).to_owned()).collect::<Vec<_>>());
        assert_eq!(list(&[]), None);
        assert_eq!(list(&["reader", "a\", \"admin"]).unwrap(), r#""reader", "a\", \"admin""#);
        assert_eq!(list(&["a\\"]).unwrap(), r#""a\\""#);
        assert_eq!(list(&["f\u{fc}r\r\n\"%"]).unwrap(), "%\"f%c3%bcr%0d%0a%22%25\"");
    }
}
