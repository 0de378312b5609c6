//! Requests to what belongs to a customer: an OpenSearch domain or collection, an API of API Gateway. They have no operations in AWS's models,
//! and IAM has actions for them all the same, which serve as names here.
//!
//! Which of a service's requests these are is for its configured endpoint to say: AWS's own hosts serve the control plane. An endpoint may be a way
//! to the control plane too, so what is named or located as an operation of that stays a reading beside.

use http::Method;

use super::path::PathView;
use crate::aws::target::Target;

/// What a WebSocket API's callbacks are under, behind a stage or not.
pub(super) const CONNECTIONS: &str = "@connections";
/// OpenSearch Dashboards of a collection.
const DASHBOARDS: &str = "_dashboards";

/// The names of a request to a customer's host.
pub(super) fn names(target: &Target, method: &Method, path: &PathView<'_>) -> &'static [&'static str] {
    match target.api.as_str() {
        // An operation of OpenSearch's own has no action: IAM knows methods.
        "es" if target.dial_is_configured => match *method {
            Method::DELETE => &["ESHttpDelete"],
            Method::GET => &["ESHttpGet"],
            Method::HEAD => &["ESHttpHead"],
            Method::PATCH => &["ESHttpPatch"],
            Method::POST => &["ESHttpPost"],
            Method::PUT => &["ESHttpPut"],
            _ => &[],
        },
        "aoss" if target.dial_is_configured && path.mentions(DASHBOARDS) => &["APIAccessAll", "DashboardsAccessAll"],
        "aoss" if target.dial_is_configured => &["APIAccessAll"],
        "execute-api" => &["Invoke"],
        _ => &[],
    }
}

/// The path behind an API's stage, where callbacks are.
pub(super) fn behind_stage(path: &str) -> &str {
    let Some((stage, rest)) = path.strip_prefix('/').and_then(|path| path.split_once('/')) else { return path };
    let callback = rest.split('/').next() == Some(CONNECTIONS) && stage != CONNECTIONS;
    if callback { &path[stage.len() + 1..] } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_callback_is_looked_for_behind_a_stage() {
        assert_eq!(behind_stage("/prod/@connections/abc"), "/@connections/abc");
        for path in ["/@connections/abc", "/@connections/@connections/abc", "/prod/x/@connections/abc", "/prod/%40connections/abc", "/", ""]
        {
            assert_eq!(behind_stage(path), path);
        }
    }
}
