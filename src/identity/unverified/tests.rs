use super::*;

fn names() -> IdentityHeaders {
    IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") }
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    lines.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), HeaderValue::from_str(v).unwrap())).collect()
}

/// With the host of the request as what the client asked for.
fn take(mut headers: HeaderMap, places: &Places, in_path: &[&str]) -> (Result<Presented, Refusal>, HeaderMap) {
    let in_path: Vec<String> = in_path.iter().map(|said| (*said).to_owned()).collect();
    let host = headers.get(header::HOST).map(|host| host.to_str().unwrap().parse().unwrap());
    let presented = Presented::take_ingress(&mut headers, &names(), places, host.as_ref(), &in_path);
    (presented, headers)
}

fn ingress(lines: &[(&str, &str)]) -> Result<(Option<String>, String, HeaderMap), Reason> {
    let (presented, map) = take(headers(lines), &Places::default(), &[]);
    let presented = presented.map_err(|r| r.reason)?;
    assert!(!presented.is_by_cookie());
    Ok((presented.tenant.map(|t| t.id().to_string()), presented.proof.unwrap().expose().to_owned(), map))
}

#[test]
fn each_place_of_a_proof_works_and_is_emptied() {
    for place in [("authorization", "Bearer T"), ("authorization", "bEARER  T"), ("x-tenant-token", "T"), ("x-amz-security-token", "T")] {
        let (tenant, proof, rest) = ingress(&[("x-tenant-id", "acme"), place]).unwrap();
        assert_eq!((tenant.as_deref(), proof.as_str()), (Some("acme"), "T"));
        assert!(rest.is_empty(), "{rest:?} is left");
    }
}

#[test]
fn the_same_proof_twice_is_one_and_two_are_refused() {
    assert!(ingress(&[("authorization", "Bearer T"), ("x-tenant-token", "T")]).is_ok());
    assert_eq!(ingress(&[("authorization", "Bearer T"), ("x-tenant-token", "U")]).unwrap_err(), Reason::TokenAmbiguous);
    assert_eq!(ingress(&[("x-amz-security-token", "T"), ("x-tenant-token", "U")]).unwrap_err(), Reason::TokenAmbiguous);
    assert_eq!(ingress(&[("authorization", "Bearer T"), ("authorization", "Bearer T")]).unwrap_err(), Reason::TokenAmbiguous);
    assert_eq!(ingress(&[("x-tenant-token", "T"), ("x-tenant-token", "T")]).unwrap_err(), Reason::TokenAmbiguous);
}

#[test]
fn absent_duplicated_and_malformed_tenants_are_three_answers() {
    let token = ("x-tenant-token", "T");
    assert_eq!(ingress(&[token]).unwrap().0, None);
    assert_eq!(ingress(&[token, ("x-tenant-id", "a1"), ("x-tenant-id", "a1")]).unwrap_err(), Reason::TenantAmbiguous);
    for bad in ["", "a", "a,b", "acme, globex", "acme*", " ", "a\tb", "acm\u{e9}"] {
        let mut map = headers(&[token]);
        map.insert("x-tenant-id", HeaderValue::from_bytes(bad.as_bytes()).unwrap());
        assert_eq!(take(map, &Places::default(), &[]).0.unwrap_err().reason, Reason::TenantMalformed, "{bad:?}");
    }
}

#[test]
fn no_proof_is_a_refusal_and_other_schemes_are_none() {
    assert_eq!(ingress(&[("x-tenant-id", "acme")]).unwrap_err(), Reason::TokenMissing);
    assert_eq!(ingress(&[("authorization", "Basic eDp5")]).unwrap_err(), Reason::TokenMissing);
    assert_eq!(ingress(&[("authorization", "Bearer ")]).unwrap_err(), Reason::TokenMissing);
    assert_eq!(ingress(&[("authorization", "Bearer")]).unwrap_err(), Reason::TokenMissing);
    let (_, _, rest) = ingress(&[("authorization", "Basic eDp5"), ("x-tenant-token", "T")]).unwrap();
    assert!(rest.contains_key("authorization"), "a scheme that is no proof stays with the request");
}

#[test]
fn what_an_application_could_take_for_a_bearer_token_is_refused_or_taken_out() {
    for loose in ["Bearer\tU", "bEARER\tU", "BearerU", "Bearer,U", "Bearer=U", " Bearer\tU", "\tBearerU"] {
        let headers = [("authorization", loose), ("x-tenant-token", "T")];
        assert_eq!(ingress(&headers).unwrap_err(), Reason::TokenMalformed, "{loose:?}");
        assert_eq!(ingress(&headers[..1]).unwrap_err(), Reason::TokenMalformed, "{loose:?}");
        let mut public = self::headers(&headers);
        discard_proofs(&mut public, &names(), &Places::default()).unwrap();
        assert!(public.is_empty(), "{loose:?} stays on a public path");
    }
    assert_eq!(ingress(&[("authorization", "Bearer"), ("x-tenant-token", "T")]).unwrap_err(), Reason::TokenAmbiguous);
    let (_, _, rest) = ingress(&[("authorization", "Beare U"), ("x-tenant-token", "T")]).unwrap();
    assert!(rest.contains_key("authorization"), "another scheme");
}

fn places() -> Places {
    Places { cookie: CookieName::new("token"), host: TenantHost::parse("{tenant}.app.example.com") }
}

/// The tenant, the proof, and whether it is by cookie.
fn everywhere(lines: &[(&str, &str)], in_path: &[&str]) -> Result<(Option<String>, String, bool), Reason> {
    let presented = take(headers(lines), &places(), in_path).0.map_err(|refusal| refusal.reason)?;
    let by_cookie = presented.is_by_cookie();
    Ok((presented.tenant.map(|t| t.id().to_string()), presented.proof.unwrap().expose().to_owned(), by_cookie))
}

#[test]
fn a_token_in_a_cookie_is_a_proof_that_others_may_have_sent() {
    let proof = |lines: &[(&str, &str)]| everywhere(lines, &[]).map(|(_, proof, by_cookie)| (proof, by_cookie));
    assert_eq!(proof(&[("cookie", "a=b; token=T")]), Ok(("T".into(), true)));
    assert_eq!(proof(&[("cookie", "token=T"), ("authorization", "Bearer T")]), Ok(("T".into(), false)));
    assert_eq!(proof(&[("cookie", "token=T"), ("authorization", "Basic eDp5")]), Ok(("T".into(), true)));
    assert_eq!(proof(&[("cookie", "token=T"), ("x-tenant-token", "U")]), Err(Reason::TokenAmbiguous));
    assert_eq!(proof(&[("cookie", "token=T"), ("x-tenant-token", "")]), Err(Reason::TokenMissing), "an empty proof is not an absent one");
    assert_eq!(proof(&[("cookie", "token=T; token=T")]), Err(Reason::TokenAmbiguous));
    assert_eq!(proof(&[("cookie", "token=")]), Err(Reason::TokenMissing));
    assert_eq!(proof(&[("cookie", "other=T")]), Err(Reason::TokenMissing));
    let (unconfigured, left) = take(headers(&[("cookie", "token=T")]), &Places::default(), &[]);
    assert_eq!(unconfigured.unwrap_err().reason, Reason::TokenMissing);
    assert!(left.contains_key("cookie"));
}

#[test]
fn every_place_that_names_the_tenant_has_to_agree() {
    let token = ("x-tenant-token", "T");
    let (header, host) = (("x-tenant-id", "acme"), ("host", "acme.app.example.com"));
    let tenant = |lines: &[(&str, &str)], in_path: &[&str]| everywhere(lines, in_path).map(|(tenant, ..)| tenant.unwrap_or_default());
    for (lines, in_path) in [
        (&[token, header][..], &[][..]),
        (&[token, host], &[]),
        (&[token], &["acme"]),
        (&[token], &["acme", "acme"]),
        (&[token, header, host], &["acme"]),
        (&[token, header, ("host", "www.example.com")], &[]),
    ] {
        assert_eq!(tenant(lines, in_path), Ok("acme".into()), "{lines:?} {in_path:?}");
    }
    assert_eq!(tenant(&[token, ("host", "www.example.com")], &[]), Ok(String::new()));
    let other = ("host", "globex.app.example.com");
    for (lines, in_path) in [
        (&[token, header, other][..], &[][..]),
        (&[token, header], &["globex"]),
        (&[token, other], &["acme"]),
        (&[token], &["acme", "globex"]),
        (&[token, header, host], &["acme", "ACME"]),
        (&[token, ("x-tenant-id", "ACME"), host], &[]),
    ] {
        assert_eq!(tenant(lines, in_path), Err(Reason::TenantAmbiguous), "{lines:?} {in_path:?}");
    }
    for said in ["a", "acme%2e", "a..b", "*", "acm%C3%A9"] {
        assert_eq!(tenant(&[token], &[said]), Err(Reason::TenantMalformed), "{said}");
    }
}

/// Claim and proof of a request for one of Palisade's own paths; whatever it says is taken out.
fn own(lines: &[(&str, &str)], query: &str) -> Result<(Option<String>, String), Reason> {
    let mut map = headers(lines);
    let uri = format!("/_palisade/credentials{query}").parse().unwrap();
    let presented = Presented::take_own(&mut map, &uri, &names()).map_err(|refusal| refusal.reason)?;
    assert!(map.is_empty() && presented.may_be_sole && !presented.is_by_cookie(), "{map:?}");
    Ok((presented.tenant.map(|tenant| tenant.id().to_string()), presented.proof.unwrap().expose().to_owned()))
}

#[test]
fn our_own_paths_take_what_sdks_can_be_told_to_send() {
    for lines in [
        &[("authorization", "T")][..],
        &[("authorization", "Bearer T")],
        &[("authorization", "bearer  T")],
        &[("authorization", "T"), ("x-tenant-token", "T")],
        &[("x-tenant-token", "T")],
    ] {
        assert_eq!(own(lines, ""), Ok((None, "T".to_owned())), "{lines:?}");
    }
    for (lines, reason) in [
        (&[("authorization", "Basic eDp5")][..], Reason::TokenMalformed),
        (&[("authorization", "AWS4-HMAC-SHA256 Credential=a")], Reason::TokenMalformed),
        (&[("authorization", "T"), ("x-tenant-token", "U")], Reason::TokenAmbiguous),
        (&[("authorization", "T"), ("authorization", "T")], Reason::TokenAmbiguous),
        (&[("authorization", "Bearer ")], Reason::TokenMissing),
        (&[("authorization", "")], Reason::TokenMissing),
        (&[], Reason::TokenMissing),
    ] {
        assert_eq!(own(lines, ""), Err(reason), "{lines:?}");
    }
}

#[test]
fn our_own_paths_are_told_the_tenant_by_one_parameter() {
    let (token, header) = (("x-tenant-token", "T"), ("x-tenant-id", "acme"));
    for (lines, query) in
        [(&[token][..], "?tenant=acme"), (&[token], "?&tenant=acme&"), (&[token, header], ""), (&[token, header], "?tenant=acme")]
    {
        assert_eq!(own(lines, query).unwrap().0.as_deref(), Some("acme"), "{lines:?} {query}");
    }
    for (lines, query, reason) in [
        (&[token][..], "?tenant=acme&tenant=acme", Reason::TenantAmbiguous),
        (&[token, header], "?tenant=globex", Reason::TenantAmbiguous),
        (&[token], "?tenant=", Reason::TenantMalformed),
        (&[token], "?tenant=acm%65", Reason::TenantMalformed),
        (&[token], "?tenant", Reason::MalformedRequest),
        (&[token], "?Tenant=acme", Reason::MalformedRequest),
        (&[token], "?tenant=acme&x=1", Reason::MalformedRequest),
    ] {
        assert_eq!(own(lines, query), Err(reason), "{lines:?} {query}");
    }
}

#[test]
fn a_scheme_is_a_word_and_a_space() {
    let is_bearer = |text: &str| is_scheme(&HeaderValue::from_str(text).unwrap(), "bearer");
    for text in ["Bearer T", "bearer ", "BEARER  T"] {
        assert!(is_bearer(text), "{text}");
    }
    for text in ["", "B", "Bearer", "Bearer\tT", "BearerT x", "Basic. T", "Basic T", "xBearer T"] {
        assert!(!is_bearer(text), "{text}");
    }
}

#[test]
fn what_needs_no_proof_carries_none() {
    let mut map = headers(&[
        ("authorization", "Basic eDp5"),
        ("authorization", "bEARER\tT"),
        ("x-tenant-token", "T"),
        ("x-tenant-token", "U"),
        ("x-amz-security-token", "T"),
        ("cookie", "token=T; a=1"),
        ("cookie", "token=U"),
        ("accept", "*/*"),
    ]);
    discard_proofs(&mut map, &names(), &places()).unwrap();
    assert_eq!(map, headers(&[("cookie", "a=1"), ("accept", "*/*")]));
    let mut basic = headers(&[("authorization", "Basic eDp5")]);
    discard_proofs(&mut basic, &names(), &Places::default()).unwrap();
    assert!(basic.contains_key("authorization"), "a signature or password of the application's own stays");
}

#[test]
fn identity_headers_go_in_every_spelling() {
    let mut map = headers(&[
        ("x-tenant-id", "a1"),
        ("x_tenant_id", "a1"),
        ("x_tenant-id", "a1"),
        ("x.tenant.id", "a1"),
        ("x!palisade~roles", "admin"),
        ("x_forwarded_for", "10.0.0.1"),
        ("x-palisade-passport", "p"),
        ("x_palisade_roles", "admin"),
        ("x-palisade-anything-new", "x"),
        ("x-request-id", "1"),
        ("traceparent", "1"),
        ("x-user-email", "e"),
        ("x_user_email", "e"),
        ("x-tenant-token", "t"),
        ("accept", "*/*"),
    ]);
    let mapped = [HeaderName::from_static("x-user-email")];
    strip_identity_headers(&mut map, &names(), mapped.iter());
    assert_eq!(map.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
}

#[test]
fn what_poses_as_a_proxy_s_word_goes_too_unless_it_is_kept() {
    let lines = [
        ("x-tenant-id", "a1"),
        ("x-original-url", "/admin"),
        ("x_original_url", "/admin"),
        ("cf-connecting-ip", "192.0.2.1"),
        ("cf_connecting_ip", "192.0.2.1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("accept", "*/*"),
    ];
    let left = |kept: &[&'static str]| {
        let mut map = headers(&lines);
        let kept: Vec<_> = kept.iter().map(|name| HeaderName::from_static(name)).collect();
        strip_spoofed_headers(&mut map, &names(), std::iter::empty(), &kept);
        map.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(left(&[]), ["accept"]);
    assert_eq!(left(&["cf-connecting-ip"]), ["cf-connecting-ip", "accept"]);
    assert_eq!(left(&["x-forwarded-for", "x-tenant-id"]), ["accept"], "what we say ourselves is never kept");
}

#[test]
fn a_workload_is_named_in_one_place_or_alike_in_two() {
    let named = |header: Option<&str>, key: Option<&str>| {
        let mut map = headers(&header.map(|name| ("x-palisade-workload", name)).into_iter().collect::<Vec<_>>());
        let taken = take_workload(&mut map, key.map(|name| name.parse().unwrap()));
        assert!(taken.is_err() || map.is_empty(), "it is not for anybody else");
        taken.map(|name| name.map(|name| name.to_string())).map_err(|refusal| refusal.reason)
    };
    let poller = || Ok(Some("poller".to_owned()));
    assert_eq!(named(None, None), Ok(None));
    assert_eq!(
        (named(Some("poller"), None), named(None, Some("poller")), named(Some("poller"), Some("poller"))),
        (poller(), poller(), poller())
    );
    assert_eq!(named(Some("poller"), Some("metrics")), Err(Reason::WorkloadAmbiguous));
    assert_eq!(named(Some("no workload"), None), Err(Reason::WorkloadUnproved));
    let mut twice = headers(&[("x-palisade-workload", "poller"), ("x-palisade-workload", "poller")]);
    assert_eq!(take_workload(&mut twice, None).map_err(|refusal| refusal.reason), Err(Reason::WorkloadAmbiguous));
}

#[test]
fn whether_a_tenant_is_named_is_known() {
    let presented = |lines: &[(&str, &str)]| take(headers(lines), &Places::default(), &[]).0.unwrap();
    let token = ("x-tenant-token", "T");
    assert!(presented(&[("x-tenant-id", "acme"), token]).names_a_tenant());
    assert!(!Presented::new(None, None).names_a_tenant());
}
