//! What a token says of itself and of its user.

use super::*;

rows! {
    ExpiryType {
        Both TokenClaims ["claim:exp"] "no exp" => |a| a.claim("exp", None);
        Both TokenClaims ["claim:exp"] "exp is text" => |a| a.claim("exp", json!("4000000000"));
        Both TokenClaims ["claim:exp"] "exp is null" => |a| a.claim("exp", Value::Null);
        Both TokenClaims ["claim:exp"] "exp is a list" => |a| a.claim("exp", json!([NOW + 60]));
        Both TokenClaims ["claim:exp"] "exp is true" => |a| a.claim("exp", json!(true));
        Both TokenClaims ["claim:exp"] "exp is negative" => |a| a.claim("exp", json!(-1));
        Both TokenClaims ["claim:exp"] "exp is past all dates" => |a| a.claim("exp", json!(u64::MAX));
        Both TokenClaims ["claim:exp"] "exp is in milliseconds" => |a| a.claim("exp", json!((NOW + 60) * 1_000));
    }
    Expiry {
        Both TokenExpired ["claim:exp"] "expired" => |a| a.claim("exp", json!(NOW));
        Both TokenExpired ["claim:exp"] "expired at this moment" => |a| a.claim("exp", json!(NOW + 10));
        Both TokenExpired ["claim:exp"] "expired long ago" => |a| a.claim("exp", json!(0));
        Both TokenExpired ["claim:exp"] "expired a fraction ago" => |a| a.claim("exp", json!(NOW as f64 + 9.9));
    }
    DatesType {
        Both TokenClaims ["claim:nbf"] "nbf is text" => |a| a.claim("nbf", json!("0"));
        Both TokenClaims ["claim:nbf"] "nbf is null" => |a| a.claim("nbf", Value::Null);
        Both TokenClaims ["claim:nbf"] "nbf is negative" => |a| a.claim("nbf", json!(-5));
        Both TokenClaims ["claim:iat"] "iat is text" => |a| a.claim("iat", json!("0"));
        Both TokenClaims ["claim:iat"] "iat is an object" => |a| a.claim("iat", json!({}));
        Both TokenClaims ["claim:iat"] "iat is past all dates" => |a| a.claim("iat", json!(1_000_000_000_000_000_000_u64));
    }
    NotYet {
        Both TokenNotYetValid ["claim:nbf"] "not valid yet" => |a| a.claim("nbf", json!(NOW + 3_600));
        Both TokenNotYetValid ["claim:nbf"] "valid in a second" => |a| a.claim("nbf", json!(NOW + 11));
        Both TokenNotYetValid ["claim:iat"] "issued in the future" => |a| a.claim("iat", json!(NOW + 11));
    }
    Lifetime {
        Both TokenClaims ["claim:exp"] "a lifetime over the limit" => |a| a.claim("exp", json!(NOW + 3_600));
        Both TokenClaims ["claim:iat"] "no iat, which the limit needs" => |a| a.claim("iat", None);
    }
    Bound {
        Both TokenClaims ["claim:cnf"] "bound to a key" => |a| a.claim("cnf", json!({"jkt": "x"}));
        Both TokenClaims ["claim:cnf"] "bound to nothing" => |a| a.claim("cnf", Value::Null);
    }
    Required {
        Both TokenClaims ["claim:token_use"] "a required claim is absent" => |a| a.claim("token_use", None);
        Both TokenClaims ["claim:token_use"] "an id token" => |a| a.claim("token_use", json!("id"));
        Both TokenClaims ["claim:token_use"] "a required claim is an object" => |a| a.claim("token_use", json!({"access": true}));
        Both TokenClaims ["claim:token_use"] "a required claim in another case" => |a| a.claim("token_use", json!("Access"));
    }
    Audience {
        Both TokenAudience ["claim:aud"] "no audience" => |a| a.claim("aud", None);
        Both TokenAudience ["claim:aud"] "another audience" => |a| a.claim("aud", json!("billing"));
        Both TokenAudience ["claim:aud"] "an audience that begins alike" => |a| a.claim("aud", json!("api2"));
        Both TokenAudience ["claim:aud"] "an audience in another case" => |a| a.claim("aud", json!("API"));
        Both TokenAudience ["claim:aud"] "other audiences" => |a| a.claim("aud", json!(["billing", "api2"]));
        Both TokenAudience ["claim:aud"] "no audiences" => |a| a.claim("aud", json!([]));
        Both TokenClaims ["claim:aud"] "an audience that is null" => |a| a.claim("aud", Value::Null);
        Both TokenClaims ["claim:aud"] "an audience that is an object" => |a| a.claim("aud", json!({"api": true}));
        Both TokenClaims ["claim:aud"] "a number among audiences" => |a| a.claim("aud", json!(["api", 7]));
    }
    Subject {
        Both TokenClaims ["claim:sub"] "no subject" => |a| a.claim("sub", None);
        Both TokenClaims ["claim:sub"] "an empty subject" => |a| a.claim("sub", json!(""));
        Both TokenClaims ["claim:sub"] "a subject that is a number" => |a| a.claim("sub", json!(7));
        Both TokenClaims ["claim:sub"] "a subject that is a list" => |a| a.claim("sub", json!(["u"]));
        Both TokenClaims ["claim:sub"] "a subject that is null" => |a| a.claim("sub", Value::Null);
        Both TokenClaims ["claim:sub"] "a subject with a line's end" => |a| a.claim("sub", json!("u\nadmin"));
        Both TokenClaims ["claim:sub"] "a subject of 257 bytes" => |a| a.claim("sub", json!("u".repeat(257)));
    }
    TenantClaim {
        Both TenantNotInToken ["claim:tenant_id"] "no tenant claim" => |a| a.claim("tenant_id", None);
        Both TenantNotInToken ["claim:tenant_id"] "a tenant claim that is null" => |a| a.claim("tenant_id", Value::Null);
        Both TenantNotInToken ["claim:tenant_id"] "a tenant claim that is a number" => |a| a.claim("tenant_id", json!(7));
        Both TenantNotInToken ["claim:tenant_id"] "a tenant claim that is true" => |a| a.claim("tenant_id", json!(true));
        Both TenantNotInToken ["claim:tenant_id"] "a tenant claim that is an object" => |a| a.claim("tenant_id", json!({"acme": true}));
        Both TenantNotInToken ["claim:tenant_id"] "an empty list of tenants" => |a| a.claim("tenant_id", json!([]));
        Both TenantNotInToken ["claim:tenant_id"] "a number among tenants" => |a| a.claim("tenant_id", json!(["acme", 7]));
        Both TenantNotInToken ["claim:tenant_id"] "a list in a list of tenants" => |a| a.claim("tenant_id", json!([["acme"]]));
        Both TenantNotInToken ["claim:tenant_id"] "too many tenants" => |a| a.claim("tenant_id", json!(vec!["acme"; 257]));
        Both TenantNotInToken ["claim:tenant_id"] "a tenant of 257 bytes" => |a| a.claim("tenant_id", json!("a".repeat(257)));
        Both TenantNotInToken ["claim:tenant_id"] "a final NUL in the token" => |a| a.claim("tenant_id", json!("acme\0"));
        Both TenantNotInToken ["claim:tenant_id"] "the tenant in another claim" => |a| {
            a.claim("tenant_id", None);
            a.claim("tenant", json!("acme"));
        };
    }
    Roles {
        Both TokenClaims ["claim:roles"] "roles are a number" => |a| a.claim("roles", json!(7));
        Both TokenClaims ["claim:roles"] "a number among roles" => |a| a.claim("roles", json!(["admin", 7]));
        Both TokenClaims ["claim:roles"] "roles are an object" => |a| a.claim("roles", json!({"admin": true}));
        Both TokenClaims ["claim:roles"] "roles are null" => |a| a.claim("roles", Value::Null);
        Both TokenClaims ["claim:roles"] "a role with a line's end" => |a| a.claim("roles", json!(["reader", "a\r\nb"]));
        Both TokenClaims ["claim:roles"] "too many roles in a text" => |a| a.claim("roles", json!("r ".repeat(257)));
        Both TokenClaims ["claim:roles"] "too many roles" => |a| a.claim("roles", json!(vec!["r"; 257]));
    }
    Scopes {
        Both TokenClaims ["claim:scope"] "scopes are a number" => |a| a.claim("scope", json!(7));
        Both TokenClaims ["claim:scope"] "a list among scopes" => |a| a.claim("scope", json!(["read", ["write"]]));
        Both TokenClaims ["claim:scope"] "scopes are true" => |a| a.claim("scope", json!(true));
    }
    TokenId {
        Both TokenClaims ["claim:jti"] "jti is a number" => |a| a.claim("jti", json!(7));
        Both TokenClaims ["claim:jti"] "jti is empty" => |a| a.claim("jti", json!(""));
        Both TokenClaims ["claim:jti"] "jti is null" => |a| a.claim("jti", Value::Null);
        Both TokenClaims ["claim:jti"] "jti of 257 bytes" => |a| a.claim("jti", json!("j".repeat(257)));
    }
}
