//! What weakens the claim.

use super::{CONFIG, check_text};

#[test]
fn what_weakens_the_claim_is_said() {
    let weak = CONFIG
            .replace("127.0.0.1:8080", "app:8080")
            .replace(
                "{s3: {}}",
                "{s3: {endpoint: 'http://127.0.0.1:5000', insecure: true}}, proofs: [passport, jwt, deferred], listen: 0.0.0.0:8180, presign: {}, \
                 defer: {audiences: {mails: {key: {file: seal1}, actions: 's3:*', max_lifetime: 24h}}}, redeem: {audience: reports, keys: [{file: seal2}]}",
            )
            .replace("{uri: https:", "{insecure: true, uri: http:")
            .replace(
                "{file: base}",
                "{static: {access_key_id: test, secret_access_key: {env: X}}}\n  sts: {endpoint: 'http://127.0.0.1:5000', insecure: true}",
            )
            .replace("{file: tenants.yaml}", "{any: {}}")
            .replace("{issuers:", "{verification: {failures: {per_second: 10000}}, issuers:")
            + "admin: {listen: 0.0.0.0:8190}\n";
    let (code, _, err) = check_text(&weak, "");
    assert_eq!(code, 0, "{err}");
    let said = [
        "egress.proofs",
        "egress.listen",
        "egress.presign",
        "egress.defer.audiences.mails is set: outside the security claim, since a context outlives its request, and its caller's token, by up to 24h",
        "egress.redeem",
        "egress.services.s3.endpoint",
        "ingress.upstream",
        "one Palisade beside each copy",
        "sts.endpoint",
        "credentials.source",
        "the keys of i",
        "identity.verification.failures",
        "tenants.directory is any: no tenant",
        "those of tokens (tenants.directory is any): every request of a tenant whose id has a capital letter is refused",
        "admin.metrics_token",
    ];
    assert_eq!(err.lines().count(), said.len(), "{err}");
    for said in said {
        assert!(err.contains(said), "{said}: {err}");
    }
    let routed = "upstream: 'http://app-{cell}.internal', routes: [{cells: c1, upstream: 'unix:/run/a.sock'}]";
    let (_, _, err) = check_text(
        &CONFIG.replace("upstream: http://127.0.0.1:8080", routed),
        "tenants: {acme: {}, globex: {cell: c1}, b1: {status: suspended}}",
    );
    assert!(err.contains("ingress.upstream http://app-{cell}.internal is not loopback"), "{err}");
    assert!(err.contains("(no-route): acme: the upstream is named by the tenant's record: {tenant.cell} has no value"), "{err}");
    assert!(err.contains("ingress.upstream is not on this host") && err.lines().count() == 3, "{err}");
    let any = CONFIG.replace("upstream: http://127.0.0.1:8080", routed).replace("{file: tenants.yaml}", "{any: {}}");
    let (_, _, err) = check_text(&any, "");
    assert!(err.contains("ingress.upstream: every request would be refused") && err.contains("ingress.routes[0] is for nobody"), "{err}");
    let (_, _, err) = check_text(
        &CONFIG.replace("keys}", "keys, max_stale: 25h}").replace("audience: a", "audience: a, claims: {audience: azp}"),
        "tenants: {}",
    );
    assert!(err.contains("jwks.max_stale of i is over 24h") && err.contains("claims.audience of i is azp"), "{err}");
    let (_, _, err) = check_text(
        &CONFIG.replace(
            "issuer: i, audience: a, jwks: {uri: https:",
            "issuer: 'http://i', audience: a, jwks: {discovery: true, insecure: true, discovery_uri: http:",
        ),
        "tenants: {}",
    );
    assert!(err.contains("the keys of http://i come over plain HTTP"), "{err}");
    let chained = CONFIG.replace("{file: base}", "{web_identity: {token_file: junk, role_arn: 'arn:aws:iam::111122223333:role/base'}}");
    let (_, _, err) = check_text(
        &chained.replace(
            "{role_arn: 'arn:aws:iam::111122223333:role/tenants/{",
            "{duration: 2h, role_arn: 'arn:aws:iam::111122223333:role/tenants/{",
        ),
        "tenants: {}",
    );
    assert!(err.contains("is over 1h"), "{err}");
    assert!(!check_text(&chained, "tenants: {}").2.contains("is over 1h"));
    let chain = CONFIG.replace("{file: base}", "{default_chain: {}}");
    let (_, _, err) = check_text(&chain, "tenants: {}");
    assert!(err.contains("default_chain: a start is refused where") && err.lines().count() == 1, "{err}");
    let (_, _, err) =
        check_text(&chain.replace("default_chain: {}}", "default_chain: {}}\n  shared_with_application: accepted"), "tenants: {}");
    assert!(err.contains("shared_with_application is accepted: outside the security claim") && err.lines().count() == 1, "{err}");
    let secured = "{dynamodb: {unguarded: true}}, presign: {}, listen: 0.0.0.0:8180, tls: {certificate: tls.crt, private_key: tls.key}";
    let (_, _, err) =
        check_text(&CONFIG.replace("{s3: {}}", secured).replace("{s3: [{buckets: [pool], prefix: '{tenant.id}/'}]}", "{}"), "tenants: {}");
    assert!(err.contains("egress.presign has no effect") && !err.contains("egress.listen"), "{err}");
    let bound = |more: &str| CONFIG.replace("{issuers:", &format!("{{passport: {{{more}}}, issuers:"));
    let (_, _, err) = check_text(&bound("grace: 2s, actions: ['s3:Get*', 'monitoring:*']"), "tenants: {}");
    assert!(err.contains("passport.grace is set") && err.contains("names monitoring") && err.lines().count() == 2, "{err}");
    let named = bound("actions: ['s3:*', 'cloudwatch:*'], max_uses: 5, upgrade_max_age: 1h")
        .replace("{s3: {}}", "{s3: {}, monitoring: {unguarded: true}}");
    assert_eq!(check_text(&named, "tenants: {}").2, "");
    let (_, _, err) = check_text(&named.replace("{s3: {}, monitoring: {unguarded: true}}", "{s3: {}}, proofs: [jwt]"), "tenants: {}");
    assert!(err.contains("identity.passport binds nothing"), "{err}");
    let hops =
        |more: &str| check_text(&CONFIG.replace("upstream: http", &format!("trusted_hops: 1{more}, upstream: http")), "tenants: {}").2;
    assert!(hops("").contains("ingress.trusted_hops without trusted_proxies"), "{}", hops(""));
    assert_eq!(hops(", trusted_proxies: [10.0.0.0/8]"), "");
    let role = "assume_role: {role_arn: 'arn:aws:iam::111122223333:role/w'}, actions: ['sns:Publish', 's3:GetObject'], resources: '*'";
    let working = format!("{CONFIG}workloads: {{poller: {{token_file: token, {role}}}}}\n");
    let (_, _, err) = check_text(&working, "tenants: {}");
    assert!(err.contains("workloads.poller.resources is everything") && err.contains("workloads.poller.actions names sns"), "{err}");
    assert_eq!(err.lines().count(), 2, "{err}");
    let certificates = "{s3: {}}, tls: {certificate: tls.crt, private_key: tls.key, client_ca: tls.crt}, proofs: [passport, certificate]";
    let workload = "identity: {workloads: [{spiffe_id: 'spiffe://prod/a', tenant: acme}], ";
    let (code, _, err) = check_text(&CONFIG.replace("{s3: {}}", certificates).replace("identity: {", workload), "tenants: {}");
    assert!(code == 0 && err.contains("egress.proofs takes certificates"), "{err}");
    let junk = check_text(&CONFIG.replace("private_key: tls.key", "private_key: tls.key, client_ca: junk"), "tenants: {}");
    assert!(junk.0 == 2 && junk.2.contains("ingress.tls: F/junk: it holds no PEM certificate"), "{}", junk.2);
    let open = "endpoints: [{path: '/hooks/*', auth: none}], endpoints_default: allow, token_cookie: token, \
                    cors: {answer: {origins: ['http://a.example']}}, upstream: http://127";
    let (_, _, err) = check_text(&CONFIG.replace("upstream: http://127", open), "tenants: {}");
    for said in ["ingress.endpoints[0] /hooks/* is public", "ingress.endpoints_default", "ingress.token_cookie", "has http://a.example"] {
        assert!(err.contains(said), "{said}: {err}");
    }
    let asking =
        CONFIG.replace("upstream: http://127", "endpoints: [{path: /a, roles: admin}, {path: /**, scopes: write}], upstream: http://127");
    assert_eq!(check_text(&asking, "tenants: {}").2, "");
    let two = |granted: &str| {
        let issuers = format!(
            "issuers: [{{issuer: j, audience: a, jwks: {{uri: 'https://j.example/keys'}}, tenants: ['j-*']{granted}}}, {{tenants: [a*], scopes: ['*'], roles: ['*'], "
        );
        check_text(&asking.replace("issuers: [{", &issuers), "tenants: {}").2
    };
    let err = two("");
    assert!(err.contains("roles of j is unset") && err.contains("scopes of j is unset") && err.lines().count() == 2, "{err}");
    assert_eq!(two(", roles: [reader], scopes: ['read-*']"), "");
    let hook = "endpoints: [{path: /hook, auth: none, clients: [{dns: a}]}], upstream: http://127";
    let mutual = CONFIG.replace("private_key: tls.key", "private_key: tls.key, client_ca: tls.crt");
    let (_, _, err) = check_text(&mutual.replace("upstream: http://127", hook), "tenants: {}");
    assert!(err.contains("/hook is public: each of its clients may call it") && err.lines().count() == 1, "{err}");
    let closed = "endpoints: [{path: /**}], token_cookie: __Host-t, cors: {answer: {origins: '*'}}, upstream: http://127";
    let (_, _, err) = check_text(&CONFIG.replace("upstream: http://127", closed), "tenants: {}");
    assert!(err.contains("origins is everybody") && err.lines().count() == 1, "{err}");
}

#[test]
fn an_audit_log_that_proves_little_is_told() {
    let told = |audit: &str| {
        let (code, _, err) = check_text(&format!("{CONFIG}telemetry: {{audit: {{path: stdout, {audit}}}}}\n"), "tenants: {acme: {}}");
        assert_eq!(code, 0, "{err}");
        err.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let [key] = &told("timeout: 1s")[..] else { panic!() };
    assert!(key.contains("telemetry.audit.checkpoint.key is unset"), "{key}");
    let [_, goes_on] = &told("on_failure: continue")[..] else { panic!() };
    assert!(goes_on.contains("telemetry.audit.on_failure is continue"), "{goes_on}");
}

#[test]
fn a_trace_that_callers_can_choose_is_said() {
    let continued = CONFIG.replace("upstream: http", "trusted_proxies: [10.0.0.0/8], trace_context: continue, upstream: http");
    let traces = |sampling| format!("telemetry: {{traces: {{otlp: 'http://127.0.0.1:4317', insecure: true, sampling: {sampling}}}}}\n");
    for (config, is_said) in [
        (continued.clone() + &traces("{}"), true),
        (continued.clone() + &traces("{follow_parent: false}"), false),
        (continued, false),
        (CONFIG.to_owned() + &traces("{}"), false),
    ] {
        let (code, _, err) = check_text(&config, "tenants: {acme: {}}");
        assert_eq!(code, 0, "{err}");
        assert_eq!(
            err.contains("ingress.trace_context is continue, and telemetry.traces.sampling.follow_parent is true"),
            is_said,
            "{err}"
        );
    }
}
