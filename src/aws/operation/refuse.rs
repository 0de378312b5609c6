//! What is refused always: operations and services whose answers are credentials or tokens.

use http::Method;

use super::{form::Pairs, path::PathView, refused_table::REFUSED};
use crate::aws::{dialect::Dialect, service::Service};

/// An operation that hands out credentials or tokens.
#[derive(Debug)]
pub(super) struct Refused {
    /// Key of the service, or its signing name.
    service: &'static str,
    operation: &'static str,
    /// Empty for operations that are named and not located.
    method: &'static str,
    /// Path template, with the query parameters that have to be there.
    path: &'static str,
}

/// A row of the table.
pub(super) const fn refused(service: &'static str, operation: &'static str, method: &'static str, path: &'static str) -> Refused {
    Refused { service, operation, method, path }
}

/// Services that must not be configured, by key, signing name or client name, and why.
const SERVICES: &[(&str, &str)] = &[
    ("account-access", IDENTITY),
    ("account-access-runtime", IDENTITY),
    ("awsssoportal", IDENTITY),
    ("cloudshell", "it gives shells that have credentials"),
    ("codecatalyst", "it hands out access tokens"),
    ("cognito-identity", "it hands out credentials of identity pool roles"),
    ("credentials-iot", "it hands out credentials of role aliases"),
    ("dsql", "requests signed for it are database passwords"),
    ("ec2-instance-connect", "it gives access to instances, which have credentials"),
    ("eks-auth", "it hands out credentials of pods"),
    ("ec2messages", "it is the channel of the Systems Manager agent"),
    ("iot-credentials", "it hands out credentials of role aliases"),
    ("kafka-cluster", "requests signed for it are cluster passwords"),
    ("oidc", IDENTITY),
    ("portal-sso", IDENTITY),
    ("rds-db", "requests signed for it are database passwords"),
    ("redshift-connect", "requests signed for it are database passwords"),
    ("rolesanywhere", "it hands out credentials for certificates"),
    ("signin", IDENTITY),
    ("ssmmessages", "it is the channel of Session Manager"),
    ("sso", IDENTITY),
    ("sso-admin", IDENTITY),
    ("sso-oauth", IDENTITY),
    ("sso-oidc", IDENTITY),
    ("sts", "it hands out credentials; Palisade alone calls it"),
];

const IDENTITY: &str = "it hands out credentials or tokens of the identity centre";

/// Why `name` must not be in `egress.services`, neither as key nor as signing name.
pub fn service_is_refused(name: &str) -> Option<&'static str> {
    SERVICES.iter().find(|(service, _)| name.eq_ignore_ascii_case(service)).map(|(_, why)| *why)
}

/// What is refused of one service. Picked out when the configuration is loaded, so that requests are compared with little.
#[derive(Debug)]
pub(super) struct Refusals {
    /// By method and path.
    located: Vec<&'static Refused>,
    /// By name.
    named: Vec<&'static str>,
}

impl Refusals {
    /// Those of `service`, which signs as `signing_name`.
    ///
    /// What STS calls its operations is refused everywhere: an endpoint of one's own, such as an emulator's, may serve several
    /// services at one address.
    pub(super) fn of(service: Option<&Service>, signing_name: &str) -> Self {
        let has_name = |row: &&Refused| row.service == "sts" || row.service == signing_name || row.is_of(service);
        Self {
            located: REFUSED.iter().filter(|row| !row.method.is_empty() && row.is_of(service)).collect(),
            named: REFUSED.iter().filter(has_name).map(|row| row.operation).collect(),
        }
    }

    /// Whether a request may not state the operation `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.named.iter().any(|refused| refused.eq_ignore_ascii_case(name))
    }

    /// The refused operations that method, path and query of a REST request fit.
    pub(super) fn fitting<'r>(
        &'r self,
        method: &'r Method,
        path: &'r PathView<'_>,
        query: &'r Pairs<'_>,
    ) -> impl Iterator<Item = &'static str> + use<'r> {
        self.located.iter().filter(move |row| row.method == method.as_str() && row.fits(path, query)).map(|row| row.operation)
    }
}

impl Refused {
    /// An unknown service may be any, and whatever speaks S3's protocol may have all of its operations.
    fn is_of(&self, service: Option<&Service>) -> bool {
        let speaks_s3 = |service: &Service| service.protocols.contains(&Dialect::S3Xml);
        service.is_none_or(|s| self.service == s.key || self.service == s.signing_name || (self.service == "s3" && speaks_s3(s)))
    }

    /// Service, operation, method and path, for tests over the whole table.
    #[cfg(test)]
    pub(super) const fn parts(&self) -> (&'static str, &'static str, &'static str, &'static str) {
        (self.service, self.operation, self.method, self.path)
    }

    fn fits(&self, path: &PathView<'_>, query: &Pairs<'_>) -> bool {
        let (template, wanted) = self.path.split_once('?').unwrap_or((self.path, ""));
        let there = |part: &str| part.split_once('=').map_or_else(|| query.has(part), |(key, value)| query.has_value(key, value));
        path.fits(template) && wanted.split('&').filter(|part| !part.is_empty()).all(there)
    }
}
