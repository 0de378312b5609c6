//! A request whose method and path were looked at. A leaf: nothing else can build one.

use http::{Uri, request::Parts, uri::PathAndQuery};

use crate::{
    authorise::{Endpoints, PathPattern, Ruling, SafePath, Shown, TENANT},
    body::Body,
    identity::{IdentityHeaders, Places, unverified::discard_proofs},
    reject::{Reason, Refusal},
    telemetry::traces,
};

/// What looks at methods and paths.
#[derive(Debug)]
pub struct Matcher {
    /// The endpoint rules.
    pub endpoints: Endpoints,
    /// Paths that name their tenant, whatever rule is about them.
    pub tenant_path: Option<PathPattern>,
}

/// What a request turned out to be.
#[derive(Debug)]
pub enum Arrival {
    /// One that has to prove whose it is.
    Guarded(MatchedRequest),
    /// One that does not.
    Public(PublicRequest),
}

/// A request with what the rules say about its method and path; what they ask for is still to be asked.
#[derive(Debug)]
pub struct MatchedRequest {
    head: Parts,
    body: Body,
    ruling: Ruling,
    /// What its path says of the tenant.
    tenants: Vec<String>,
}

/// A request that the rules let this client make without a token, and without the one that it may have brought.
#[derive(Debug)]
pub struct PublicRequest {
    head: Parts,
    body: Body,
}

/// What a path decides, and the tenants that it names.
type PathRead = (Ruling, Vec<String>);

impl Matcher {
    /// Reads the path, where anything depends on it, and finds the rule. From here on the request has the path that was read.
    ///
    /// # Errors
    /// [`Reason::PathAmbiguous`]; what [`Ruling::permit_nobody`] has against a public one.
    pub fn look(&self, head: Parts, body: Body, names: &IdentityHeaders, places: &Places, client: Shown<'_>) -> Result<Arrival, Refusal> {
        let (mut head, read) = self.read(head)?;
        let Some((ruling, tenants)) = read else {
            let ruling = self.endpoints.without_path().ok_or(Reason::Internal)?;
            return Ok(Arrival::Guarded(MatchedRequest { head, body, ruling, tenants: Vec::new() }));
        };
        if ruling.is_public() {
            ruling.permit_nobody(client)?;
            discard_proofs(&mut head.headers, names, places)?;
            return Ok(Arrival::Public(PublicRequest { head, body }));
        }
        Ok(Arrival::Guarded(MatchedRequest { head, body, ruling, tenants }))
    }

    /// A preflight that the application answers, whatever the rules say: browsers send none with a token.
    ///
    /// # Errors
    /// [`Reason::PathAmbiguous`].
    pub fn preflight(&self, head: Parts, body: Body, names: &IdentityHeaders, places: &Places) -> Result<PublicRequest, Refusal> {
        let (mut head, _) = self.read(head)?;
        discard_proofs(&mut head.headers, names, places)?;
        Ok(PublicRequest { head, body })
    }

    /// Without rules and patterns a path means nothing to us, and goes on as it came, whatever is in it.
    fn read(&self, mut head: Parts) -> Result<(Parts, Option<PathRead>), Refusal> {
        if self.endpoints.without_path().is_some() && self.tenant_path.is_none() {
            return Ok((head, None));
        }
        let path = self.endpoints.read(head.uri.path())?;
        let ruling = self.endpoints.rule_on(&head.method, &path);
        if let Some(pattern) = ruling.pattern() {
            traces::note("http.route", || pattern.to_owned());
        }
        let by_pattern = self.tenant_path.as_ref().and_then(|pattern| pattern.find(TENANT, &path, self.endpoints.ignore_case()));
        let tenants = [ruling.tenant(&path), by_pattern].into_iter().flatten().map(str::to_owned).collect();
        if let Some(uri) = replaced(&head.uri, path)? {
            head.uri = uri;
        }
        Ok((head, Some((ruling, tenants))))
    }
}

/// The target with the path as it was read, if that is another text.
fn replaced(uri: &Uri, path: SafePath<'_>) -> Result<Option<Uri>, Refusal> {
    let Some(mut text) = path.changed() else { return Ok(None) };
    if let Some(query) = uri.query() {
        text.push('?');
        text.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).map_err(|_| Reason::Internal)?);
    Uri::from_parts(parts).map(Some).map_err(|_| Reason::Internal.into())
}

impl MatchedRequest {
    /// Gives the parts to the next state.
    pub(super) fn into_parts(self) -> (Parts, Body, Ruling, Vec<String>) {
        (self.head, self.body, self.ruling, self.tenants)
    }
}

impl PublicRequest {
    /// Gives the parts to the next state.
    pub(super) fn into_parts(self) -> (Parts, Body) {
        (self.head, self.body)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::{HeaderName, Request};

    use super::*;
    use crate::{
        authorise::{Asks, Methods, Rule, Unmatched},
        body,
        client_pattern::ClientPattern,
        config::PassportRule,
        server::ClientCertificate,
    };

    fn matcher(rules: &[(&str, bool)], tenant_path: Option<&str>) -> Matcher {
        let asks =
            |public: bool| if public { Asks::Nothing } else { Asks::Tenant { roles: [].into(), scopes: [].into(), tiers: [].into() } };
        let rules: Vec<_> = rules
            .iter()
            .map(|(path, public)| Rule {
                methods: Methods::ALL,
                path: PathPattern::parse(path).unwrap(),
                clients: if *path == "/open/mesh" { [ClientPattern::for_tests("CN=a")].into() } else { [].into() },
                asks: asks(*public),
                passport: PassportRule::default(),
            })
            .collect();
        let endpoints = if rules.is_empty() { Endpoints::none() } else { Endpoints::new(rules, Unmatched::Deny, false) };
        Matcher { endpoints, tenant_path: tenant_path.map(|pattern| PathPattern::parse(pattern).unwrap()) }
    }

    fn look(matcher: &Matcher, target: &str) -> Result<Arrival, Reason> {
        look_as(matcher, target, None)
    }

    fn look_as(matcher: &Matcher, target: &str, certificate: Option<&ClientCertificate>) -> Result<Arrival, Reason> {
        let request = Request::builder().uri(target).header("x-tenant-token", "T").header("authorization", "Bearer T");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let names = IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") };
        let client = Shown { certificate, at: UNIX_EPOCH + Duration::from_secs(5_000) };
        matcher.look(head, body::empty(), &names, &Places::default(), client).map_err(|refusal| refusal.reason)
    }

    /// The target that is forwarded, and what the path says of the tenant.
    fn guarded(matcher: &Matcher, target: &str) -> Result<(String, Vec<String>), Reason> {
        match look(matcher, target)? {
            Arrival::Guarded(request) => {
                assert!(request.head.headers.contains_key("x-tenant-token"));
                Ok((request.head.uri.to_string(), request.tenants))
            }
            Arrival::Public(request) => panic!("{request:?} is public"),
        }
    }

    #[test]
    fn without_rules_a_path_passes_as_it_came() {
        for target in ["/a%2Fb/../c//;x?%zz#", "/%61", "/"] {
            assert_eq!(guarded(&matcher(&[], None), target).unwrap().0, target.trim_end_matches('#'));
        }
    }

    #[test]
    fn a_pattern_of_tenants_can_ignore_case_where_there_are_no_rules() {
        let Matcher { endpoints, tenant_path } = matcher(&[], Some("/t/{tenant}/**"));
        let exact = Matcher { endpoints: endpoints.clone(), tenant_path: tenant_path.clone() };
        let folded = Matcher { endpoints: endpoints.ignoring_case(true), tenant_path };
        let named = |matcher: &Matcher, target: &str| guarded(matcher, target).unwrap().1;
        assert_eq!((named(&exact, "/t/acme/x"), named(&exact, "/T/acme/x")), (vec!["acme".to_owned()], Vec::new()));
        assert_eq!((named(&folded, "/t/acme/x"), named(&folded, "/T/Acme/x")), (vec!["acme".to_owned()], vec!["Acme".to_owned()]));
    }

    #[test]
    fn with_rules_what_was_read_is_what_is_forwarded() {
        let matcher = matcher(&[("/a/**", false)], None);
        for (target, forwarded) in [
            ("/a/b%20c?x=%2F..", "/a/b%20c?x=%2F.."),
            ("/%61/%7Eb/?%61=%2e%2e", "/a/~b/?%61=%2e%2e"),
            ("https://host.example/%61?q", "https://host.example/a?q"),
            ("/a?", "/a?"),
        ] {
            assert_eq!(guarded(&matcher, target).unwrap().0, forwarded, "{target}");
        }
        for target in ["/a/%2e%2e/b", "/a//b", "/a/b%2fc", "/a;x=1", "/a/..", "//a"] {
            assert_eq!(guarded(&matcher, target), Err(Reason::PathAmbiguous), "{target}");
        }
    }

    #[test]
    fn a_path_can_name_its_tenant_in_both_ways() {
        let by_pattern = matcher(&[], Some("/t/{tenant}/**"));
        assert_eq!(guarded(&by_pattern, "/t/acme/x").unwrap().1, ["acme"]);
        assert_eq!(guarded(&by_pattern, "/t/ac%6de/x").unwrap(), ("/t/acme/x".to_owned(), vec!["acme".to_owned()]));
        assert_eq!(guarded(&by_pattern, "/u/acme").unwrap().1, Vec::<String>::new());
        assert_eq!(guarded(&by_pattern, "/t/acme%2f..%2fglobex"), Err(Reason::PathAmbiguous));
        let by_both = matcher(&[("/t/*/as/{tenant}", false), ("/**", false)], Some("/t/{tenant}/**"));
        assert_eq!(guarded(&by_both, "/t/acme/as/globex").unwrap().1, ["globex", "acme"]);
    }

    #[test]
    fn a_public_request_can_be_for_some_clients() {
        let matcher = matcher(&[("/open/mesh", true), ("/open/**", true)], None);
        let client = |subject| ClientCertificate::for_tests(None, subject, &[]);
        assert!(matches!(look_as(&matcher, "/open/mesh", Some(&client("CN=a"))), Ok(Arrival::Public(_))));
        for stranger in [None, Some(&client("CN=b"))] {
            assert!(matches!(look_as(&matcher, "/%6fpen/mesh", stranger), Err(Reason::EndpointNotAllowed)));
            assert!(matches!(look_as(&matcher, "/open/x", stranger), Ok(Arrival::Public(_))));
        }
    }

    #[test]
    fn a_public_request_loses_its_proofs_and_a_preflight_too() {
        let matcher = matcher(&[("/open/**", true), ("/**", false)], None);
        let Arrival::Public(request) = look(&matcher, "/%6fpen/x").unwrap() else { panic!("not public") };
        assert_eq!((request.head.uri.path(), request.head.headers.len()), ("/open/x", 0));
        assert!(matches!(look(&matcher, "/opening"), Ok(Arrival::Guarded(_))));
        assert!(matches!(look(&matcher, "/open/%2e%2e/x"), Err(Reason::PathAmbiguous)));
        let (head, ()) = Request::builder().method("OPTIONS").uri("/secret").header("x-tenant-token", "T").body(()).unwrap().into_parts();
        let names = IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") };
        assert!(matcher.preflight(head, body::empty(), &names, &Places::default()).unwrap().head.headers.is_empty());
    }
}
