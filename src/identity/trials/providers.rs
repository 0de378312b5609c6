//! The presets: each example of `config/examples`, and tokens with all the claims that its provider sends, right and wrong.

use super::*;

/// A token that the example takes, and ways to change it with what becomes of them.
struct Case {
    example: &'static str,
    header: &'static str,
    claims: Value,
    tenant: &'static str,
    subject: &'static str,
    roles: &'static [&'static str],
    scopes: &'static [&'static str],
    /// Other tokens of the same provider; members that are null are taken away.
    wrong: Vec<(&'static str, Reason, Value)>,
}

async fn run(case: Case) {
    let issuer = issuer_of(&example(case.example));
    let (verifier, ..) = verifier(issuer, Box::new(Fixed(json!({"keys": [Signer::Rsa.jwk("k+1=")]}))));
    let sign = |header: &str, claims: &Value| Signer::Rsa.sign(header, claims.to_string().as_bytes());
    let verified = verifier.verify_token(presented(case.tenant, &sign(case.header, &case.claims)), CALLER).await;
    let verified = verified.unwrap_or_else(|refusal| panic!("{}: {refusal:?}", case.example));
    assert_eq!((verified.tenant().as_str(), verified.subject()), (case.tenant, case.subject), "{}", case.example);
    assert_eq!((verified.roles(), verified.scopes()), (&*owned(case.roles), &*owned(case.scopes)), "{}", case.example);
    for (what, expected, changes) in case.wrong {
        let mut claims = case.claims.clone();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(name),
                value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        let found = reason(&verifier, case.tenant, &sign(case.header, &claims)).await;
        assert_eq!(found, Some(expected), "{}: {what}", case.example);
    }
    // A key of somebody else under the same name, and the algorithms that nobody should take.
    let mut forged = sign(case.header, &case.claims);
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    assert_eq!(reason(&verifier, case.tenant, &forged).await, Some(Reason::TokenSignature));
    for algorithm in ["HS256", "none", "RS512"] {
        let header = case.header.replace("RS256", algorithm);
        assert_eq!(reason(&verifier, case.tenant, &sign(&header, &case.claims)).await, Some(Reason::TokenAlgorithm), "{algorithm}");
    }
    let expired = json!({"exp": NOW - 31});
    let mut claims = case.claims.clone();
    claims["exp"] = expired["exp"].clone();
    assert_eq!(reason(&verifier, case.tenant, &sign(case.header, &claims)).await, Some(Reason::TokenExpired));
    assert_eq!(reason(&verifier, "initech", &sign(case.header, &case.claims)).await, Some(Reason::TenantMismatch));
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test]
async fn cognito() {
    let issuer = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE01";
    run(Case {
        example: "issuer-cognito.yaml",
        header: r#"{"kid":"k+1=","alg":"RS256"}"#,
        claims: json!({
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "device_key": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "cognito:groups": ["testers", "devs"], "iss": issuer, "version": 2, "client_id": "1example23456789",
            "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "event_id": "6f9ec5a4-1b84-4c0a-8dce-9d8f1a3a2d9d", "token_use": "access",
            "scope": "phone openid profile resourceserver.1/appclient2 email", "auth_time": NOW - 60, "exp": NOW + 3_540, "iat": NOW - 60,
            "jti": "aaaaaaaa-bbbb-cccc-dddd-ffffffffffff", "username": "my-test-user", "tenant_id": "acme",
        }),
        tenant: "acme",
        subject: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        roles: &["testers", "devs"],
        scopes: &["phone", "openid", "profile", "resourceserver.1/appclient2", "email"],
        wrong: vec![
            (
                "an ID token",
                Reason::TokenClaims,
                json!({"token_use": "id", "aud": "1example23456789", "client_id": null, "scope": null,
                "cognito:username": "my-test-user", "custom:tenant_id": "acme", "email_verified": true, "at_hash": "x"}),
            ),
            (
                "an ID token that says access by a claim of its own",
                Reason::TokenAudience,
                json!({"aud": "1example23456789", "client_id": null}),
            ),
            ("a token of another client of the pool", Reason::TokenAudience, json!({"client_id": "2example23456789"})),
            ("bound to a resource that is another", Reason::TokenAudience, json!({"aud": "https://other.example.com"})),
            ("of another pool", Reason::TokenIssuer, json!({"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE02"})),
            ("without the trigger's claim", Reason::TenantNotInToken, json!({"tenant_id": null})),
        ],
    })
    .await;
}

#[tokio::test]
async fn auth0() {
    run(Case {
        example: "issuer-auth0.yaml",
        header: r#"{"alg":"RS256","typ":"JWT","kid":"k+1="}"#,
        claims: json!({
            "iss": "https://example.eu.auth0.com/", "sub": "auth0|507f1f77bcf86cd799439020",
            "aud": ["https://api.example.com", "https://example.eu.auth0.com/userinfo"], "iat": NOW - 60, "exp": NOW + 86_340,
            "scope": "openid profile read:parks", "azp": "my_client_id", "org_id": "org_9ybsU1dN2dKfDkBi",
            "permissions": ["read:parks", "write:parks"], "https://example.com/plan": "pro",
        }),
        tenant: "org_9ybsU1dN2dKfDkBi",
        subject: "auth0|507f1f77bcf86cd799439020",
        roles: &["read:parks", "write:parks"],
        scopes: &["openid", "profile", "read:parks"],
        wrong: vec![
            (
                "an ID token",
                Reason::TokenAudience,
                json!({"aud": "my_client_id", "azp": null, "scope": null, "permissions": null,
                "nonce": "n", "email": "a@example.com", "sid": "s"}),
            ),
            ("for the userinfo endpoint alone", Reason::TokenAudience, json!({"aud": ["https://example.eu.auth0.com/userinfo"]})),
            ("for another API", Reason::TokenAudience, json!({"aud": "https://billing.example.com"})),
            ("of a user outside of any organization", Reason::TenantNotInToken, json!({"org_id": null})),
            ("of the issuer without its slash", Reason::TokenIssuer, json!({"iss": "https://example.eu.auth0.com"})),
            ("bound to a key", Reason::TokenClaims, json!({"cnf": {"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}})),
        ],
    })
    .await;
}

/// The other profile that an Auth0 API may have.
#[tokio::test]
async fn auth0_by_rfc_9068() {
    run(Case {
        example: "issuer-auth0.yaml",
        header: r#"{"alg":"RS256","typ":"at+jwt","kid":"k+1="}"#,
        claims: json!({
            "iss": "https://example.eu.auth0.com/", "sub": "auth0|507f1f77bcf86cd799439020", "aud": "https://api.example.com",
            "iat": NOW - 60, "exp": NOW + 3_540, "scope": "read:parks", "jti": "73WakrfVbNJBaAmhQtEeDv", "client_id": "my_client_id",
            "org_id": "org_9ybsU1dN2dKfDkBi",
        }),
        tenant: "org_9ybsU1dN2dKfDkBi",
        subject: "auth0|507f1f77bcf86cd799439020",
        roles: &[],
        scopes: &["read:parks"],
        wrong: vec![("for another API", Reason::TokenAudience, json!({"aud": "https://billing.example.com"}))],
    })
    .await;
}

#[tokio::test]
async fn okta() {
    run(Case {
        example: "issuer-okta.yaml",
        header: r#"{"kid":"k+1=","alg":"RS256"}"#,
        claims: json!({
            "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "iss": "https://example.okta.com/oauth2/default",
            "aud": "api://default", "iat": NOW - 60, "exp": NOW + 3_540, "cid": "0oab8eb55Kb9jdMIr5d6", "uid": "00ujmkLgagxeRrAg20g3",
            "scp": ["openid", "parks.read"], "auth_time": NOW - 90, "sub": "anna@example.com", "groups": ["admins"], "tenant_id": "acme",
        }),
        tenant: "acme",
        subject: "anna@example.com",
        roles: &["admins"],
        scopes: &["openid", "parks.read"],
        wrong: vec![
            (
                "an ID token",
                Reason::TokenClaims,
                json!({"jti": "ID.4eAWJOCMB3SX8XewDfVR", "aud": "0oab8eb55Kb9jdMIr5d6", "cid": null,
                "uid": null, "scp": null, "sub": "00ujmkLgagxeRrAg20g3", "amr": ["pwd"], "at_hash": "x"}),
            ),
            ("an ID token of a client named as the audience", Reason::TokenClaims, json!({"cid": null, "uid": null, "scp": null})),
            ("of the org's own server", Reason::TokenIssuer, json!({"iss": "https://example.okta.com", "aud": "https://example.okta.com"})),
            ("of another custom server", Reason::TokenIssuer, json!({"iss": "https://example.okta.com/oauth2/aus1"})),
            ("for another audience", Reason::TokenAudience, json!({"aud": "api://billing"})),
        ],
    })
    .await;
}

#[tokio::test]
async fn entra() {
    let directory = "11111111-2222-3333-4444-555555555555";
    let other = "99999999-2222-3333-4444-555555555555";
    run(Case {
        example: "issuer-entra.yaml",
        header: r#"{"typ":"JWT","alg":"RS256","kid":"k+1="}"#,
        claims: json!({
            "aud": "66666666-7777-8888-9999-000000000000", "iss": format!("https://login.microsoftonline.com/{directory}/v2.0"),
            "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 4_200, "aio": "AVQAq/8TAAAA", "azp": "1950a258-227b-4e31-a9cf-717495945fc2",
            "azpacr": "0", "name": "Anna Example", "oid": "00000000-0000-0000-66f3-3332eca7ea81", "preferred_username": "anna@example.com",
            "rh": "0.AXEA", "roles": ["Parks.Admin"], "scp": "parks.read parks.write", "sid": "s", "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "tid": directory, "uti": "fqiBqXLPj0eQa82S-IYFAA", "ver": "2.0", "extn.tenantId": ["acme"],
        }),
        tenant: "acme",
        subject: "00000000-0000-0000-66f3-3332eca7ea81",
        roles: &["Parks.Admin"],
        scopes: &["parks.read", "parks.write"],
        wrong: vec![
            ("of another directory", Reason::TokenIssuer,
                json!({"iss": format!("https://login.microsoftonline.com/{other}/v2.0"), "tid": other})),
            ("of another directory under this one's name", Reason::TokenClaims, json!({"tid": other})),
            ("an ID token for the same application", Reason::TokenClaims, json!({"azp": null, "azpacr": null, "scp": null, "nonce": "n"})),
            ("of version 1", Reason::TokenIssuer, json!({"iss": format!("https://sts.windows.net/{directory}/"), "ver": "1.0", "azp": null,
                "appid": "1950a258-227b-4e31-a9cf-717495945fc2"})),
            ("of version 1 under the issuer of version 2", Reason::TokenClaims, json!({"ver": "1.0"})),
            ("a version that is a number", Reason::TokenClaims, json!({"ver": 2.0})),
            ("for Microsoft Graph", Reason::TokenAudience, json!({"aud": "00000003-0000-0000-c000-000000000000"})),
            ("of an application without a user, and without a tenant", Reason::TenantNotInToken,
                json!({"idtyp": "app", "scp": null, "name": null, "extn.tenantId": null})),
        ],
    })
    .await;
}

#[tokio::test]
async fn keycloak() {
    run(Case {
        example: "issuer-keycloak.yaml",
        header: r#"{"alg":"RS256","typ" : "JWT","kid" : "k+1="}"#,
        claims: json!({
            "exp": NOW + 240, "iat": NOW - 60, "auth_time": NOW - 90, "jti": "onrtac:6b4f0f5c-5d0e-4f7b-8a57-3f9d8d1b3b52",
            "iss": "https://keycloak.example.com/realms/saas", "aud": ["api", "account"], "sub": "f5c2d7f3-6fb0-4ac7-8f2e-6ed9a3bf7a10",
            "typ": "Bearer", "azp": "web", "sid": "d2a0c7b5-4d5f-4c0a-9f55-1d2a3a1f9f11", "acr": "1", "allowed-origins": ["https://app.example.com"],
            "realm_access": {"roles": ["default-roles-saas", "reader"]},
            "resource_access": {"account": {"roles": ["manage-account"]}}, "scope": "openid email profile organization",
            "email_verified": true, "organization": ["acme", "globex"], "name": "Anna Example", "preferred_username": "anna",
            "given_name": "Anna", "family_name": "Example", "email": "anna@example.com",
        }),
        tenant: "acme",
        subject: "f5c2d7f3-6fb0-4ac7-8f2e-6ed9a3bf7a10",
        roles: &["default-roles-saas", "reader"],
        scopes: &["openid", "email", "profile", "organization"],
        wrong: vec![
            ("an ID token", Reason::TokenClaims, json!({"typ": "ID", "aud": "web", "at_hash": "x", "realm_access": null, "scope": null})),
            ("an ID token of the client api", Reason::TokenClaims, json!({"typ": "ID", "aud": "api", "azp": "api"})),
            ("a refresh token", Reason::TokenClaims, json!({"typ": "Refresh", "aud": "https://keycloak.example.com/realms/saas"})),
            ("an offline token", Reason::TokenClaims, json!({"typ": "Offline", "aud": ["api"]})),
            ("a logout token", Reason::TokenClaims, json!({"typ": "Logout", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}})),
            ("bound by DPoP", Reason::TokenClaims, json!({"typ": "DPoP", "cnf": {"jkt": "x"}})),
            ("for nobody but the account console", Reason::TokenAudience, json!({"aud": "account"})),
            ("of another realm", Reason::TokenIssuer, json!({"iss": "https://keycloak.example.com/realms/master"})),
            ("with organizations as a mapping", Reason::TenantNotInToken, json!({"organization": {"acme": {"id": "42c3e46f"}}})),
            ("without the scope organization", Reason::TenantNotInToken, json!({"organization": null})),
        ],
    })
    .await;
}

#[tokio::test]
async fn kubernetes() {
    run(Case {
        example: "issuer-kubernetes.yaml",
        header: r#"{"alg":"RS256","kid":"k+1="}"#,
        claims: json!({
            "aud": ["palisade"], "exp": NOW + 3_547, "iat": NOW - 60, "iss": "https://kubernetes.default.svc.cluster.local",
            "jti": "ea28ed49-2e11-4280-9ec5-bc3d1d84661a",
            "kubernetes.io": {
                "namespace": "acme",
                "node": {"name": "node-1", "uid": "646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1"},
                "pod": {"name": "worker-5c8f7d4b9-abcde", "uid": "5e0bd49b-f040-43b0-99b7-22765a53f7f3"},
                "serviceaccount": {"name": "worker", "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"},
            },
            "nbf": NOW - 60, "sub": "system:serviceaccount:acme:worker",
        }),
        tenant: "acme",
        subject: "system:serviceaccount:acme:worker",
        roles: &[],
        scopes: &[],
        wrong: vec![
            ("for the API server", Reason::TokenAudience, json!({"aud": ["https://kubernetes.default.svc.cluster.local"]})),
            ("for Vault", Reason::TokenAudience, json!({"aud": ["vault"]})),
            (
                "of another namespace",
                Reason::TenantMismatch,
                json!({"sub": "system:serviceaccount:globex:worker", "kubernetes.io":
                {"namespace": "globex", "serviceaccount": {"name": "worker", "uid": "u"}}}),
            ),
            ("of another cluster", Reason::TokenIssuer, json!({"iss": "https://kubernetes.default.svc"})),
            ("without what it is bound to", Reason::TokenClaims, json!({"kubernetes.io": null})),
            (
                "out of a secret, which never expires",
                Reason::TokenClaims,
                json!({"exp": null, "iat": null, "nbf": null, "aud": null, "kubernetes.io": null,
                "kubernetes.io/serviceaccount/namespace": "acme", "kubernetes.io/serviceaccount/service-account.name": "worker"}),
            ),
            ("extended to a year", Reason::TokenClaims, json!({"exp": NOW + 31_536_607})),
        ],
    })
    .await;
}

/// The effective configuration is what there is to see of a preset.
#[test]
fn every_value_of_a_preset_shows_and_gives_way() {
    let parse = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("c"), "x").unwrap();
        Config::parse(text, "P", folder.path(), &|_| None)
    };
    let config = |issuer: &str| {
        format!(
            "{{ingress: {{tls: {{certificate: c, private_key: c}}, upstream: 'http://a'}}, tenants: {{directory: {{any: {{}}}}}}, identity: {{issuers: [{{{issuer}}}]}}}}"
        )
    };
    let shown =
        |issuer: &str| parse(&config(issuer)).unwrap_or_else(|errors| panic!("{errors}")).effective["identity"]["issuers"][0].clone();
    let plain = "issuer: 'https://idp.test', audience: api, claims: {tenant: t}";
    assert_eq!(
        shown(&format!("preset: cognito, {plain}")),
        json!({
            "preset": "cognito", "issuer": "https://idp.test", "audience": ["api"], "algorithms": ["RS256"], "leeway": "30s", "tenants": ["*"],
            "claims": {"tenant": "t", "subject": "sub", "roles": "cognito:groups", "scopes": "scope", "audience": "client_id"},
            "token_types": ["absent", "JWT", "at+jwt"], "required_claims": {"token_use": "access"},
            "jwks": {
                "discovery": true, "discovery_uri": "https://idp.test/.well-known/openid-configuration", "insecure": false,
                "refresh": {"least": "1m", "most": "15m"}, "unknown_key_interval": "30s", "max_stale": "24h", "timeout": "5s",
            },
        })
    );
    let given = shown(
        "preset: cognito, issuer: 'https://idp.test', audience: api, algorithms: PS256, token_types: at+jwt, jwks: {file: c}, \
         claims: {tenant: t, subject: username, roles: r, scopes: s, audience: aud}, required_claims: {token_use: [access, id], acr: '*'}",
    );
    assert_eq!((&given["algorithms"], &given["token_types"]), (&json!(["PS256"]), &json!(["at+jwt"])));
    assert_eq!(given["claims"], json!({"tenant": "t", "subject": "username", "roles": "r", "scopes": "s", "audience": "aud"}));
    assert_eq!(given["required_claims"], json!({"token_use": ["access", "id"], "acr": "*"}));
    assert_eq!(given["jwks"]["discovery"], Value::Null);
    // Adding a demand takes none away.
    let more = shown(&format!("preset: keycloak, {plain}, required_claims: {{azp: [web, app], email_verified: true}}"));
    assert_eq!(more["required_claims"], json!({"typ": "Bearer", "azp": ["web", "app"], "email_verified": true}));
    for (issuer, error) in [
        ("preset: okta, issuer: 'https://idp.test', audience: api", "claims.tenant: is missing, and the preset has none"),
        ("preset: google, issuer: 'https://idp.test', audience: api", "preset: \"google\" is not taken here; give auth0 or cognito"),
        (
            "preset: entra, issuer: 'https://login.microsoftonline.com/common/v2.0', audience: api, claims: {tenant: tid}",
            "issuer: names no directory",
        ),
        ("preset: auth0, issuer: 'urn:idp', audience: api, claims: {tenant: t}", "jwks.discovery: needs an issuer that is an https:// URI"),
        ("preset: auth0, issuer: 'http://idp', audience: api, claims: {tenant: t}", "jwks.discovery: is plain http"),
        ("preset: auth0, issuer: 'https://idp?a', audience: api, claims: {tenant: t}", "jwks.discovery: needs an issuer"),
        ("preset: auth0, issuer: 'https://u@idp', audience: api, claims: {tenant: t}", "jwks.discovery: needs an issuer"),
    ] {
        let errors = parse(&config(issuer)).map(drop).unwrap_err().to_string();
        assert!(errors.lines().count() == 1 && errors.contains(&format!("identity.issuers[0].{error}")), "{issuer}: {errors}");
    }
}
