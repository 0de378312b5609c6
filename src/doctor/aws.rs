//! Calls to AWS as Palisade itself, or as the operator: the two identities that `doctor` has.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, header};

use crate::{
    aws::partition::Partition,
    clock::Clock,
    config::{Config, Endpoint},
    signing::own::{OwnKey, OwnRequest, sign_own},
    upstream,
};

/// Largest answer that is read, in bytes; lists are asked for one entry.
const MAX_ANSWER: usize = 1 << 20;
/// Longest error code and message that are kept, in characters.
const KEPT: usize = 300;

/// A service, as it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) endpoint: Endpoint,
    pub(super) region: String,
    pub(super) signing_name: &'static str,
    /// PEM file of extra roots.
    pub(super) ca: Option<PathBuf>,
}

/// A call, by the service's protocol.
#[derive(Debug, Clone)]
pub(super) enum Call {
    /// A `GET` of `/`: S3's list of buckets.
    Get,
    /// AWS JSON: the value of `x-amz-target`, and the version in the content type.
    Json(&'static str, &'static str),
    /// AWS Query: parameters.
    Query(Vec<(String, String)>),
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// When the server says that it is.
    pub(super) date: Option<SystemTime>,
    body: Bytes,
}

/// Who is asked with which keys.
pub(super) struct Caller {
    pub(super) key: OwnKey,
    pub(super) clock: Clock,
    pub(super) limit: Duration,
}

impl Caller {
    /// One call, without retries.
    ///
    /// # Errors
    /// Nobody answered. No secret is in it.
    pub(super) async fn call(&self, place: &Place, call: &Call) -> Result<Answer, String> {
        let target = HeaderName::from_static("x-amz-target");
        let (method, headers, body) = match call {
            Call::Get => (Method::GET, Vec::new(), Bytes::new()),
            Call::Json(operation, version) => {
                (Method::POST, vec![(target, *operation), (header::CONTENT_TYPE, *version)], Bytes::from_static(b"{}"))
            }
            Call::Query(parameters) => {
                let pair =
                    |(name, value): &(String, String)| format!("{name}={}", crate::sigv4::canonical::encode(value.as_bytes(), false));
                let body = parameters.iter().map(pair).collect::<Vec<_>>().join("&");
                (Method::POST, vec![(header::CONTENT_TYPE, "application/x-www-form-urlencoded")], Bytes::from(body))
            }
        };
        let request = OwnRequest {
            endpoint: &place.endpoint,
            region: &place.region,
            signing_name: place.signing_name,
            method,
            headers: &headers,
            body,
        };
        let signed = sign_own(request, &self.key, self.clock.now()).map_err(|refusal| format!("{:?}", refusal.reason))?;
        let fetcher = upstream::https_client(place.ca.as_deref()).map_err(|error| error.to_string())?;
        let response = fetcher.exchange(signed, MAX_ANSWER, self.limit).await.map_err(|error| error.to_string())?;
        let date = response.headers().get(header::DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        Ok(Answer { status: response.status(), date, body: response.into_body() })
    }
}

impl Answer {
    /// The text of each element of this name, as far as it is plain.
    pub(super) fn elements(&self, name: &str) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.body);
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let inside = |piece: &str| piece.split_once(&*close).map(|(inside, _)| inside.to_owned());
        text.split(&*open).skip(1).filter_map(inside).collect()
    }

    /// The error's code, in whichever of AWS's forms.
    pub(super) fn code(&self) -> String {
        let of_json = || {
            let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
            let code = body.get("__type").or_else(|| body.get("code"))?.as_str()?.to_owned();
            Some(code.rsplit_once('#').map_or(code.clone(), |(_, code)| code.to_owned()))
        };
        let code = self.elements("Code").into_iter().next().or_else(of_json).unwrap_or_default();
        code.chars().filter(char::is_ascii_alphanumeric).take(KEPT).collect()
    }

    /// Whether AWS knew who asks, and said no.
    pub(super) fn is_denied(&self) -> bool {
        let code = self.code();
        ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"].contains(&code.as_str())
    }
}

/// Where STS is, by the configuration.
pub(super) fn sts(config: &crate::config::StsConfig) -> Option<Place> {
    let endpoint = config.endpoint.clone().or_else(|| of_region("sts", &config.region))?;
    Some(Place { endpoint, region: config.region.clone(), signing_name: "sts", ca: config.ca.clone() })
}

/// Where `service` is: what the configuration says of it, as far as that is AWS too, or AWS's own endpoint. `None` where STS is not AWS's own and
/// nothing is said of the service: it would be another AWS than the one that is looked at.
pub(super) fn place(config: &Config, sts: &crate::config::StsConfig, service: &'static str) -> Option<Place> {
    let egress = config.egress.as_ref();
    let configured = egress.and_then(|egress| egress.services.get(service));
    let of_aws = || if sts.endpoint.is_none() { of_region(service, &sts.region) } else { None };
    // A store of somebody else's has no business with keys of an identity at AWS.
    let is_same_aws = |endpoint: &Endpoint| sts.endpoint.is_some() || Partition::split_suffix(endpoint.authority.host()).is_some();
    let endpoint = configured.and_then(|service| service.endpoint.clone()).filter(is_same_aws).or_else(of_aws)?;
    let ca = configured.and_then(|service| service.ca.clone()).or_else(|| egress?.ca.clone());
    Some(Place { endpoint, region: sts.region.clone(), signing_name: service, ca })
}

/// Where IAM is, which has one endpoint for a partition.
/// <https://docs.aws.amazon.com/general/latest/gr/iam-service.html>
pub(super) fn iam(sts: &crate::config::StsConfig, given: Option<&Endpoint>) -> Option<Place> {
    let of_partition = match Partition::of(&sts.region).map(|partition| partition.id) {
        Some("aws") => Some(("iam.amazonaws.com", "us-east-1")),
        Some("aws-cn") => Some(("iam.cn-north-1.amazonaws.com.cn", "cn-north-1")),
        Some("aws-us-gov") => Some(("iam.us-gov.amazonaws.com", "us-gov-west-1")),
        _ => None,
    };
    let of_aws = || {
        let (host, _) = of_partition.filter(|_| sts.endpoint.is_none())?;
        Some(Endpoint { tls: true, authority: host.parse().ok()? })
    };
    let endpoint = given.cloned().or_else(of_aws)?;
    Some(Place {
        endpoint,
        region: of_partition.map_or(sts.region.as_str(), |(_, region)| region).to_owned(),
        signing_name: "iam",
        ca: sts.ca.clone(),
    })
}

fn of_region(service: &str, region: &str) -> Option<Endpoint> {
    let suffix = Partition::of(region)?.suffix;
    Some(Endpoint { tls: true, authority: format!("{service}.{region}.{suffix}").parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer { status: StatusCode::from_u16(status).unwrap(), date: None, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn a_denial_is_told_from_other_errors_in_each_protocol() {
        for body in [
            "<Error><Code>AccessDenied</Code><Message>no</Message></Error>",
            "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code></Error></ErrorResponse>",
            r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no"}"#,
            r#"{"__type":"AccessDeniedException"}"#,
        ] {
            assert!(answer(403, body).is_denied(), "{body}");
        }
        for body in ["", "<Error><Code>SignatureDoesNotMatch</Code></Error>", r#"{"__type":"UnrecognizedClientException"}"#, "{}", "<html>"]
        {
            assert!(!answer(403, body).is_denied(), "{body}");
        }
        assert_eq!(answer(200, "<a><b>1</b><b>2</b><b>").elements("b"), ["1", "2"]);
    }

    #[test]
    fn another_aws_than_the_one_that_is_looked_at_is_never_called() {
        let sts = |endpoint: Option<&str>, region: &str| crate::config::StsConfig {
            endpoint: endpoint.map(|authority| Endpoint { tls: false, authority: authority.parse().unwrap() }),
            region: region.to_owned(),
            ca: None,
            timeout: Duration::from_secs(1),
        };
        let host = |place: Option<Place>| place.map(|place| (place.endpoint.authority.to_string(), place.region));
        assert_eq!(host(super::sts(&sts(None, "eu-west-1"))), Some(("sts.eu-west-1.amazonaws.com".into(), "eu-west-1".into())));
        assert_eq!(host(iam(&sts(None, "cn-north-1"), None)), Some(("iam.cn-north-1.amazonaws.com.cn".into(), "cn-north-1".into())));
        assert_eq!(host(iam(&sts(None, "eu-west-1"), None)), Some(("iam.amazonaws.com".into(), "us-east-1".into())));
        assert_eq!(iam(&sts(Some("127.0.0.1:1"), "eu-west-1"), None), None);
    }

    #[test]
    fn somebody_else_s_store_is_not_shown_the_identity() {
        let folder = tempfile::tempdir().unwrap();
        let host = |s3: &str, sts: &str| {
            let text = format!(
                "egress: {{region: eu-west-1, services: {{s3: {s3}}}}}
identity: {{issuers: [{{issuer: i, audience: a, jwks: {{uri: https://idp.example.com/keys}}}}]}}
tenants: {{directory: {{any: {{}}}}}}
credentials: {{source: {{default_chain: {{}}}}, sts: {sts}, assume_role: {{role_arn: 'arn:aws:iam::111122223333:role/{{tenant.id}}'}}}}"
            );
            std::fs::write(folder.path().join("palisade.yaml"), text).unwrap();
            let config = Config::load(&folder.path().join("palisade.yaml"), &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
            place(&config, &config.credentials.as_ref().unwrap().sts, "s3").map(|place| place.endpoint.authority.to_string())
        };
        let (aws, emulator) = ("{}", "{endpoint: 'http://127.0.0.1:1', insecure: true}");
        let own = Some("s3.eu-west-1.amazonaws.com".to_owned());
        assert_eq!(host("{}", aws), own);
        assert_eq!(host("{endpoint: 'https://store.example.com'}", aws), own);
        let vpc = "vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com";
        assert_eq!(host(&format!("{{endpoint: 'https://{vpc}'}}"), aws).as_deref(), Some(vpc));
        assert_eq!(host("{endpoint: 'http://127.0.0.1:2', insecure: true}", emulator).as_deref(), Some("127.0.0.1:2"));
        assert_eq!(host("{}", emulator), None);
    }
}
