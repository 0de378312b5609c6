//! Whose tenant, and what the directories say of tenant, user and token.

use super::{
    super::{
        attempt::Certificate,
        directory::{BOUND, LASTING, MOMENT, MOMENT_HERE, SIGNED_OUT},
    },
    *,
};

rows! {
    UserKnown {
        Both UserUnknown ["rules", "claim:sub", "claim:iss", "claim:tenant_id"] "a user without a record" => |a| a.user("stranger");
        Both UserUnknown ["rules", "claim:sub", "claim:iss", "claim:tenant_id"] "another issuer's user of the same name" => |a| {
            a.user("u");
            a.claim("iss", json!(BOUND));
        };
        Both UsersUnavailable ["rules", "claim:sub", "claim:iss", "claim:tenant_id"] "a user who cannot be looked up" => |a| a.user("unlucky");
    }
    UserActive {
        Both UserSuspended ["rules", "claim:sub", "claim:iss", "claim:tenant_id"] "a suspended user" => |a| a.user("suspended");
    }
    UserTenant {
        Both TenantNotActive ["rules", "claim:sub", "claim:iss", "claim:tenant_id", "tenants"] "a user with another active tenant" => |a| a.user("turned");
        Both TenantNotActive ["rules", "claim:sub", "claim:iss", "claim:tenant_id", "tenants"] "a user without an active tenant" => |a| a.user("undecided");
        Both TenantNotActive ["rules", "claim:sub", "claim:iss", "claim:tenant_id", "tenants"] "a user who has left the active tenant" => |a| a.user("left");
    }
    Tenant {
        Both TenantMismatch ["claim:tenant_id"] "a token of another tenant" => |a| a.claim("tenant_id", json!("globex"));
        Both TenantMismatch ["claim:tenant_id"] "a token of other tenants" => |a| a.claim("tenant_id", json!(["globex", "acme-eu"]));
        Both TenantMismatch ["claim:tenant_id"] "a token of a tenant in another case" => |a| a.claim("tenant_id", json!("Acme"));
        Both TenantMismatch ["claim:tenant_id"] "a token of a tenant that begins alike" => |a| a.claim("tenant_id", json!("acme-eu"));
        Both TenantMismatch ["claim:tenant_id"] "a token of a shorter tenant" => |a| a.claim("tenant_id", json!("acm"));
        Both TenantMismatch ["claim:tenant_id"] "a final space in the token" => |a| a.claim("tenant_id", json!("acme "));
        Both TenantMismatch ["claim:tenant_id"] "a list in a text" => |a| a.claim("tenant_id", json!("acme,globex"));
        Both TenantMismatch ["claim:tenant_id"] "names with a space between" => |a| a.claim("tenant_id", json!("acme globex"));
        Both TenantMismatch ["claim:tenant_id"] "a wildcard in the token" => |a| a.claim("tenant_id", json!("*"));
        Both TenantMismatch ["claim:tenant_id"] "an empty tenant in the token" => |a| a.claim("tenant_id", json!(""));
        Both TenantMismatch ["claim:tenant_id"] "a look-alike in the token" => |a| a.claim("tenant_id", json!("\u{430}cme"));
        Both TenantMismatch ["claim:tenant_id", "tenants", "proof", "certificate"] "a token of another tenant than the certificate's" => |a| {
            a.tenants.clear();
            a.certificate = Some(Certificate::Of("globex/worker"));
        };
        Both TenantMismatch ["tenants", "proof"] "the other tenant's name" => |a| a.tenants = vec![b"globex"];
    }
    IssuersTenants {
        Both IssuerNotForTenant ["claim:tenant_id", "tenants", "proof"] "a tenant that the issuer may not name" => |a| a.tenant("umbrella");
        Both IssuerNotForTenant ["claim:tenant_id", "tenants", "proof"] "a tenant that begins like one of the issuer's" => |a| a.tenant("acme-2");
        Both IssuerNotForTenant ["rules", "claim:sub", "claim:iss", "claim:tenant_id", "tenants", "proof"] "a user whose tenant the issuer may not name" => |a| {
            a.user("of-umbrella");
            a.tenants = vec![b"umbrella"];
        };
    }
    Revoked {
        Both TokenRevoked ["claim:sub", "claim:iss"] "a user who is revoked" => |a| a.claim("sub", json!("gone"));
        Both TokenRevoked ["claim:sub", "claim:iss", "claim:iat"] "a user's token of before the user was signed out" => |a| {
            a.claim("sub", json!("signed-out"));
            a.claim("iat", json!(SIGNED_OUT - 1));
        };
        Both TokenRevoked ["claim:jti", "claim:iss"] "a token that is revoked" => |a| a.claim("jti", json!("leaked"));
        Both TokenRevoked ["claim:iat"] "a token of before the moment" => |a| a.claim("iat", json!(MOMENT - 1));
        Both TokenRevoked ["claim:iss", "claim:iat", "claim:exp"] "a token that does not say when it was made" => |a| {
            a.claim("iss", json!(LASTING));
            a.claim("iat", None);
        };
        Egress TokenRevoked [ALONE] "a workload that is revoked" => |a| a.proved_by(Certificate::Of("acme/leaver"));
        Egress TokenRevoked [ALONE] "a workload's certificate of before the moment" => |a| a.proved_by(Certificate::MadeAt(MOMENT - 1));
    }
    Known {
        Both TenantUnknown ["claim:tenant_id", "tenants", "proof"] "a tenant without a record" => |a| a.tenant("ghost");
        Egress TenantUnknown [ALONE] "a workload of a tenant without a record" => |a| a.proved_by(Certificate::Of("ghost/worker"));
    }
    RevokedHere {
        Both TokenRevoked ["claim:sub", "claim:iss"] "a user whom the tenant has revoked" => |a| a.claim("sub", json!("gone-here"));
        Both TokenRevoked ["claim:sub", "claim:iss", "claim:iat"] "a user's token of before the tenant signed the user out" => |a| {
            a.claim("sub", json!("signed-out-here"));
            a.claim("iat", json!(SIGNED_OUT - 1));
        };
        Both TokenRevoked ["claim:jti", "claim:iss"] "a token that the tenant has revoked" => |a| a.claim("jti", json!("leaked-here"));
        Both TokenRevoked ["claim:iat"] "a token of before the tenant's moment" => |a| a.claim("iat", json!(MOMENT_HERE - 1));
        Egress TokenRevoked [ALONE] "a workload that the tenant has revoked" => |a| a.proved_by(Certificate::Of("acme/leaver-here"));
        Egress TokenRevoked [ALONE] "a workload's certificate of before the tenant's moment" => |a| a.proved_by(Certificate::MadeAt(MOMENT_HERE - 1));
    }
    NamedByTenant {
        Both IssuerNotForTenant ["claim:iss", "claim:tenant_id", "tenants", "proof"] "a bound issuer, and a tenant that names none" => |a| a.bound("globex");
        Both IssuerNotForTenant ["claim:iss", "claim:tenant_id", "tenants", "proof"] "a bound issuer, and a tenant that names another" => |a| a.bound("soylent");
        Both IssuerNotForTenant ["claim:iss", "claim:tenant_id", "tenants", "proof"] "a bound issuer, and a tenant that names one spelled alike" => |a| a.bound("vandelay");
    }
    Active {
        Both TenantSuspended ["claim:tenant_id", "tenants", "proof"] "a suspended tenant" => |a| a.tenant("initech");
        Egress TenantSuspended [ALONE] "a workload of a suspended tenant" => |a| a.proved_by(Certificate::Of("initech/worker"));
    }
}
