//! What the application gets: the request, and who is asking.
//!
//! Every header that asserts identity is set or removed, never left as found. The caller's token stays here.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, Request, header, request};

use super::{
    CONTEXT,
    admitted::{AdmittedPublic, AdmittedRequest, PublicPermit},
    origin::{Origin, Origins},
    trace::Trace,
};
use crate::{
    body::Body,
    config::template::{Name, Template, Values},
    directory::ActiveTenant,
    hop,
    identity::{IdentityHeaders, Passport, unverified::strip_spoofed_headers},
    limits::Permit,
    reject::{REQUEST_ID_HEADER, Reason, Refusal},
    server::ClientCertificate,
    telemetry::RequestId,
};

/// Carries the passport.
pub const PASSPORT: HeaderName = HeaderName::from_static("x-palisade-passport");
/// Carries the verified subject.
const SUBJECT: HeaderName = HeaderName::from_static("x-palisade-subject");
/// Carries the issuer that vouched for the subject, which is unique within it alone.
const ISSUER: HeaderName = HeaderName::from_static("x-palisade-issuer");
/// Carries the verified roles, a structured-field list of strings (RFC 9651).
const ROLES: HeaderName = HeaderName::from_static("x-palisade-roles");
/// Carries what the client's verified certificate says, a structured-field dictionary (RFC 9651).
const CLIENT: HeaderName = HeaderName::from_static("x-palisade-client");

/// A request as the application gets it. A leaf: nothing else can build one.
#[derive(Debug)]
pub struct ForwardRequest {
    request: Request<Body>,
    /// Whom its headers name.
    tenant: Option<ActiveTenant>,
    expects_continue: bool,
}

/// What is said to the application about any request.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Its id.
    pub request_id: &'a RequestId,
    /// Where it comes from.
    pub origin: &'a Origin,
    /// The certificate that its client showed.
    pub client: Option<&'a ClientCertificate>,
    /// The trace that it is part of.
    pub trace: &'a Trace,
}

/// What is said of a request that is somebody's.
#[derive(Debug, Clone, Copy)]
struct Identity<'a> {
    /// Whose it is.
    tenant: &'a ActiveTenant,
    /// The authority that it gives, where there is an egress to use it on.
    passport: Option<&'a Passport>,
    /// Who is asking, signed, where that is wanted.
    context: Option<&'a HeaderValue>,
}

/// What templates of headers can say: of the tenant and its user, and of the client that brought the request.
struct Known<'a> {
    tenant: &'a ActiveTenant,
    client: Option<&'a ClientCertificate>,
}

impl Values for Known<'_> {
    fn value(&self, name: &Name) -> Option<Cow<'_, str>> {
        match name {
            Name::ClientSpiffeId => Some(self.client?.spiffe_id()?.as_str().into()),
            Name::ClientSubject => Some(self.client?.subject()).filter(|subject| !subject.is_empty()).map(Into::into),
            name => self.tenant.value(name),
        }
    }
}

/// The configured names and extra headers.
#[derive(Debug)]
pub struct ForwardHeaders {
    /// Where the caller's claim stood.
    pub names: IdentityHeaders,
    /// `ingress.headers`
    pub mapped: Vec<(HeaderName, Template)>,
    /// What is believed of proxies in front.
    pub origins: Origins,
}

impl ForwardRequest {
    /// Builds the application's request from the caller's, and hands out the caller's place, to be kept until the end.
    ///
    /// # Errors
    /// [`Reason::Internal`] for a value that no header can carry.
    pub fn for_tenant(
        request: AdmittedRequest,
        (passport, context): (Option<&Passport>, Option<&HeaderValue>),
        headers: &ForwardHeaders,
        about: About<'_>,
    ) -> Result<(Self, Permit), Refusal> {
        let (tenant, head, body, permit) = request.into_parts();
        Ok((Self::new(head, body, headers, Some(Identity { tenant: &tenant, passport, context }), about)?, permit))
    }

    /// The same for a request of nobody: no header that speaks of an identity is left, and none is set.
    ///
    /// # Errors
    /// As [`ForwardRequest::for_tenant`].
    pub fn for_nobody(request: AdmittedPublic, headers: &ForwardHeaders, about: About<'_>) -> Result<(Self, PublicPermit), Refusal> {
        let (head, body, permit) = request.into_parts();
        Ok((Self::new(head, body, headers, None, about)?, permit))
    }

    fn new(
        head: request::Parts,
        body: Body,
        headers: &ForwardHeaders,
        identity: Option<Identity<'_>>,
        about: About<'_>,
    ) -> Result<Self, Refusal> {
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.version_mut() = head.version;
        *request.headers_mut() = head.headers;
        // HTTP/2 names the host in the request's target (RFC 9113, section 8.3.1); the application gets it in one place.
        if let (None, Some(authority)) = (request.headers().get(header::HOST), head.uri.authority()) {
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Reason::MalformedRequest)?;
            request.headers_mut().insert(header::HOST, host);
        }
        *request.uri_mut() = head.uri;
        let expects_continue = hop::take_expectation(request.headers_mut());
        headers.write(request.headers_mut(), identity, about)?;
        Ok(Self { request, tenant: identity.map(|identity| identity.tenant.clone()), expects_continue })
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
    fn write(&self, headers: &mut HeaderMap, identity: Option<Identity<'_>>, about: About<'_>) -> Result<(), Refusal> {
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
        let kept = self.origins.kept(about.origin);
        strip_spoofed_headers(headers, &self.names, self.mapped.iter().map(|(name, _)| name), kept);
        headers.remove(header::TRAILER);
        if let Some(identity) = identity {
            self.write_identity(headers, identity, about.client)?;
        }
        set(headers, REQUEST_ID_HEADER, Some(about.request_id.as_str().to_owned()))?;
        about.trace.write(headers);
        about.origin.write(headers);
        Ok(())
    }

    /// Says whose request it is. What the caller said about that is gone.
    fn write_identity(&self, headers: &mut HeaderMap, identity: Identity<'_>, client: Option<&ClientCertificate>) -> Result<(), Refusal> {
        let Identity { tenant, passport, context } = identity;
        set(headers, self.names.tenant.clone(), Some(tenant.id().to_string()))?;
        let verified = tenant.verified();
        set(headers, SUBJECT, Some(visible(verified.subject())))?;
        set(headers, ISSUER, Some(visible(verified.issuer())))?;
        set(headers, ROLES, roles(verified.roles()))?;
        if let Some(client) = client {
            headers.insert(CLIENT, client.header_value().ok_or(Reason::Internal)?);
        }
        if let Some(passport) = passport {
            headers.insert(PASSPORT, passport.header_value()?);
        }
        if let Some(context) = context {
            headers.insert(CONTEXT, context.clone());
        }
        for (name, template) in &self.mapped {
            // A claim that the token lacks, or that no header can carry, leaves the header away.
            set(headers, name.clone(), template.render(&Known { tenant, client }).ok())?;
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
impl ForwardRequest {
    /// `GET /` of a tenant, for unit tests of other rooms.
    pub(crate) fn for_tests(tenant: &ActiveTenant) -> Self {
        let (head, ()) = Request::get("/").header(header::HOST, "h").body(()).unwrap().into_parts();
        let names = IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") };
        let headers = ForwardHeaders { names, mapped: Vec::new(), origins: Origins::default() };
        let peer = crate::server::Peer::at("192.0.2.1:5".parse().unwrap());
        let (request_id, origin) = (RequestId::random(), headers.origins.of(&peer, &head.headers, &head.uri));
        let about = About { request_id: &request_id, origin: &origin, client: None, trace: &Trace::begun(&request_id) };
        Self::new(head, crate::body::empty(), &headers, Some(Identity { tenant, passport: None, context: None }), about).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use serde_json::json;

    use super::*;
    use crate::{
        body,
        clock::Clock,
        config::OriginConfig,
        config::template::Lands,
        directory::TenantRecord,
        identity::{Passports, VerifiedTenant},
        server::Peer,
    };

    fn forward(sent: &[(&str, &str)]) -> HeaderMap {
        forward_to("/a?b=1", sent)
    }

    fn forward_to(target: &str, sent: &[(&str, &str)]) -> HeaderMap {
        let from = (&Peer::at("192.0.2.1:5".parse().unwrap()), OriginConfig::default());
        build(from, target, sent, true)
    }

    fn forward_from(peer: &Peer, origin: OriginConfig, target: &str, sent: &[(&str, &str)]) -> HeaderMap {
        build((peer, origin), target, sent, true)
    }

    fn build((peer, origin): (&Peer, OriginConfig), target: &str, sent: &[(&str, &str)], is_somebodys: bool) -> HeaderMap {
        let claims = json!({"email": "a@example.com"}).as_object().unwrap().clone();
        let verified = VerifiedTenant::for_tests_with("acme", "us er\u{e9}%", claims);
        let tenant = ActiveTenant::join(verified.clone(), Arc::new(TenantRecord::bare("acme".parse().unwrap()))).unwrap();
        let passports = Passports::for_tests(Duration::from_secs(60), Clock::system());
        let passport = passports.mint_for_tests(&verified, &RequestId::random()).unwrap();
        let headers = ForwardHeaders {
            names: IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") },
            mapped: vec![
                (HeaderName::from_static("x-user-email"), Template::parse("{claims.email}", Lands::Header).unwrap()),
                (HeaderName::from_static("x-user-phone"), Template::parse("{claims.phone}", Lands::Header).unwrap()),
                (HeaderName::from_static("x-workload"), Template::parse("{client.spiffe_id}", Lands::Header).unwrap()),
                (HeaderName::from_static("x-holder"), Template::parse("{client.subject}", Lands::Header).unwrap()),
            ],
            origins: Origins::new(origin),
        };
        let mut request = Request::builder().uri(target);
        for (name, value) in sent {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let (request_id, origin) = (RequestId::random(), headers.origins.of(peer, &head.headers, &head.uri));
        let about = About { request_id: &request_id, origin: &origin, client: peer.client(), trace: &Trace::begun(&request_id) };
        let identity = is_somebodys.then_some(Identity { tenant: &tenant, passport: Some(&passport), context: None });
        ForwardRequest::new(head, body::empty(), &headers, identity, about).unwrap().into_request().headers().clone()
    }

    #[test]
    fn of_nobodys_request_the_application_learns_where_it_came_from_alone() {
        let forged = [
            ("x-tenant-id", "acme"),
            ("X_Tenant_Id", "acme"),
            ("x-tenant-token", "T"),
            ("x-palisade-subject", "root"),
            ("x-palisade-issuer", "https://idp.example/"),
            ("x-palisade-roles", "\"admin\""),
            ("x-palisade-passport", "psp1_x"),
            ("x-user-email", "evil@example.com"),
            ("accept", "*/*"),
        ];
        let headers = build((&Peer::at("192.0.2.1:5".parse().unwrap()), OriginConfig::default()), "/a", &forged, false);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let origin = ["forwarded", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-real-ip"];
        let mut expected: Vec<_> = ["accept", "traceparent", "x-request-id"].into_iter().chain(origin).collect();
        expected.sort_unstable();
        assert_eq!(names, expected);
    }

    #[test]
    fn the_application_learns_who_is_asking() {
        let headers = forward(&[("host", "app.example.com")]);
        assert_eq!(headers["x-tenant-id"], "acme");
        assert_eq!(headers[SUBJECT], "us%20er%C3%A9%25");
        assert_eq!(headers[ISSUER], "https://idp.test/");
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
    fn the_application_learns_of_the_client_s_certificate_from_us_alone() {
        let forged = [
            ("x-palisade-client", "spiffe-id=\"spiffe://evil/a\""),
            ("x-forwarded-client-cert", "By=x"),
            ("x-workload", "evil"),
            ("client-cert", ":AA==:"),
        ];
        let without = forward(&forged);
        for (name, _) in forged {
            assert!(!without.contains_key(name), "{name}");
        }
        let peer = Peer::for_tests(ClientCertificate::for_tests(Some("spiffe://prod/a"), "CN=a", &[]));
        let headers = forward_from(&peer, OriginConfig::default(), "/", &forged);
        let told: Vec<_> = headers.get_all(CLIENT).iter().collect();
        assert!(
            told.len() == 1 && told[0].to_str().unwrap().starts_with("spiffe-id=\"spiffe://prod/a\", subject=\"CN=a\", sha256=:"),
            "{told:?}"
        );
        assert_eq!((&headers["x-workload"], &headers["x-holder"]), (&"spiffe://prod/a".parse().unwrap(), &"CN=a".parse().unwrap()));
        assert!(!headers.contains_key("x-forwarded-client-cert") && !headers.contains_key("client-cert"));
    }

    /// An application server that folds names would find another end of the body than hyper did.
    #[test]
    fn nothing_that_a_caller_sends_frames_the_request_for_the_application() {
        let odd = [
            ("Transfer_Encoding", "chunked"),
            ("content_length", "5"),
            ("Content.Length", "0"),
            ("keep_alive", "timeout=9"),
            ("Proxy_Connection", "close"),
        ];
        let sent = [&odd[..], &[("content-length", "3"), ("content-type", "text/plain"), ("x_plain", "1")]].concat();
        for headers in [forward(&sent), build((&Peer::at("192.0.2.1:5".parse().unwrap()), OriginConfig::default()), "/a", &sent, false)] {
            assert!(odd.iter().all(|(name, _)| !headers.contains_key(*name)), "{headers:?}");
            assert_eq!(
                (&headers["content-length"], &headers["content-type"], &headers["x_plain"]),
                (&"3".parse().unwrap(), &"text/plain".parse().unwrap(), &"1".parse().unwrap())
            );
        }
        let kept = OriginConfig { hops: 1, keep: vec![HeaderName::from_static("transfer_encoding")], ..OriginConfig::default() };
        let relayed = [&[("x-forwarded-for", "198.51.100.7")], &odd[..]].concat();
        assert!(!forward_from(&Peer::at("192.0.2.1:5".parse().unwrap()), kept, "/", &relayed).contains_key("transfer_encoding"));
    }

    #[test]
    fn a_caller_cannot_have_our_headers_removed() {
        let ours = "x-tenant-id, X-Palisade-Subject, x-palisade-passport, x-forwarded-for, forwarded, x-request-id, host, x-user-email";
        let headers = forward(&[("host", "app.example.com"), ("connection", ours), ("connection", "x-palisade-roles, traceparent")]);
        for name in ours
            .split(", ")
            .map(str::to_ascii_lowercase)
            .filter(|name| name != "host")
            .chain(["x-palisade-roles".into(), "traceparent".into()])
        {
            assert_eq!(headers.get_all(&name).iter().count(), 1, "{name}");
        }
        assert_eq!(headers["forwarded"], "for=192.0.2.1;proto=https;host=\"app.example.com\"");
        assert!(!headers.contains_key("connection"));
    }

    #[test]
    fn what_a_trusted_proxy_sets_may_stay() {
        let config =
            || OriginConfig { hops: 1, proto: true, keep: vec![HeaderName::from_static("x-forwarded-prefix")], ..OriginConfig::default() };
        let sent = [
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-prefix", "/shop"),
            ("x_forwarded_prefix", "/evil"),
            ("x-forwarded-proto", "http"),
            ("host", "h"),
        ];
        let peer = Peer::at("192.0.2.1:5".parse().unwrap());
        let headers = forward_from(&peer, config(), "/", &sent);
        assert_eq!(
            (&headers["x-forwarded-prefix"], &headers["x-forwarded-for"]),
            (&"/shop".parse().unwrap(), &"198.51.100.7".parse().unwrap())
        );
        assert_eq!((&headers["x-forwarded-proto"], &headers["x-forwarded-port"]), (&"http".parse().unwrap(), &"80".parse().unwrap()));
        assert!(!headers.contains_key("x_forwarded_prefix"));
        // Not through the proxy, as far as can be seen.
        assert!(!forward_from(&peer, config(), "/", &sent[1..]).contains_key("x-forwarded-prefix"));
        assert!(!forward(&sent).contains_key("x-forwarded-prefix"));
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
