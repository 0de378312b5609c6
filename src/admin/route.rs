//! Which paths there are.

use http::{HeaderValue, Method};

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// The audit log's last checkpoint.
    AuditHead,
    /// What checkpoints are verified with.
    AuditKey,
    /// The effective configuration.
    Config,
    /// How far the drain is; its start.
    Drain,
    /// Forgetting a tenant's sessions. The id is as it stands in the path: its alphabet needs no escapes.
    Evict(&'a str),
    /// Whether the process runs.
    Livez,
    /// Prometheus text.
    Metrics,
    /// The end.
    Quit,
    /// Whether the process takes traffic.
    Readyz,
    /// Tenant sessions.
    Tenants,
    /// What is running.
    Version,
}

impl<'a> Route<'a> {
    /// The route of a path, matched exactly.
    pub(super) fn find(path: &'a str) -> Option<Self> {
        Some(match path {
            "/audit/head" => Self::AuditHead,
            "/audit/key" => Self::AuditKey,
            "/config" => Self::Config,
            "/drain" => Self::Drain,
            "/livez" => Self::Livez,
            "/metrics" => Self::Metrics,
            "/quit" => Self::Quit,
            "/readyz" => Self::Readyz,
            "/tenants" => Self::Tenants,
            "/version" => Self::Version,
            _ => {
                let id = path.strip_prefix("/tenants/")?.strip_suffix("/evict")?;
                if id.contains('/') {
                    return None;
                }
                Self::Evict(id)
            }
        })
    }

    /// What the audit log calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AuditHead => "audit-head",
            Self::AuditKey => "audit-key",
            Self::Config => "config",
            Self::Drain => "drain",
            Self::Evict(_) => "evict",
            Self::Livez => "livez",
            Self::Metrics => "metrics",
            Self::Quit => "quit",
            Self::Readyz => "readyz",
            Self::Tenants => "tenants",
            Self::Version => "version",
        }
    }

    /// The methods that the route takes.
    pub(super) const fn methods(self) -> &'static [Method] {
        match self {
            Self::AuditHead
            | Self::AuditKey
            | Self::Config
            | Self::Livez
            | Self::Metrics
            | Self::Readyz
            | Self::Tenants
            | Self::Version => &[Method::GET, Method::HEAD],
            Self::Drain => &[Method::GET, Method::HEAD, Method::POST],
            Self::Evict(_) | Self::Quit => &[Method::POST],
        }
    }

    /// The methods, as `Allow` lists them.
    pub(super) fn allow(self) -> HeaderValue {
        let names: Vec<_> = self.methods().iter().map(Method::as_str).collect();
        HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_exactly_or_not_at_all() {
        assert_eq!(Route::find("/tenants/acme/evict"), Some(Route::Evict("acme")));
        assert_eq!(Route::find("/readyz"), Some(Route::Readyz));
        for path in ["/", "", "/readyz/", "//readyz", "/READYZ", "/tenants/", "/tenants/a/b/evict", "/tenants/evict", "/config/x"] {
            assert_eq!(Route::find(path), None, "{path}");
        }
    }
}
