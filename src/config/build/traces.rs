//! `telemetry.traces`

use http::{HeaderName, Uri, header};
use serde_json::json;

use super::{Env, Section, identity::secured, parse, secret};
use crate::config::{OtlpProtocol, SamplingConfig, TracesConfig};

/// The port that is OTLP over HTTP by its specification.
const HTTP_PORT: u16 = 4318;
/// Headers that the protocols need for themselves.
const OWN: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
    header::TE,
    header::TRANSFER_ENCODING,
    header::USER_AGENT,
];

pub(super) fn traces(section: &Section<'_>, has_egress: bool, env: Env<'_>) -> Option<TracesConfig> {
    let uri = section.get("otlp", parse::uri);
    let is_tls = uri.as_ref().is_none_or(|uri| uri.scheme_str() == Some("https"));
    let is_secured = uri.is_none() || secured(section, "otlp", is_tls);
    let protocol = uri.as_ref().and_then(|uri| protocol(section, uri));
    let headers = headers(section, is_tls, env);
    let ca = section.file("ca");
    if section.has("ca") && !is_tls {
        section.wrong("ca", "has no effect: otlp is plain http", "remove it, or use https://");
    }
    let timeout = section.get("timeout", parse::duration);
    let service_name = section.get("service_name", parse::text);
    let resource = section.pairs("resource", parse::text);
    if let Some((name, _)) = resource.iter().find(|(name, _)| name == "service.name") {
        section.wrong_entry("resource", name, "is what service_name says", "give service_name");
    }
    let sampling = sampling(&section.section("sampling"));
    let continues_application = section.get("application_context", parse::text)? == "continue";
    if continues_application && !has_egress {
        section.wrong("application_context", "has no effect without egress", "remove it, or add egress");
    }
    let queue = section.get("queue", parse::size);
    let batch = section.get("batch", parse::size);
    if let (Some(queue), Some(batch)) = (queue, batch)
        && batch > queue
    {
        section.wrong("batch", format!("is more than the {queue} spans of queue"), "give as much or less, or a larger queue");
    }
    let delay = section.get("delay", parse::duration);
    if !is_secured {
        return None;
    }
    Some(TracesConfig {
        uri: uri?,
        protocol: protocol?,
        headers: headers?,
        ca,
        timeout: timeout?,
        service_name: service_name?,
        resource,
        sampling: sampling?,
        continues_application,
        queue: queue?,
        batch: batch?,
        delay: delay?,
    })
}

/// As it is said, or by what `uri` looks like.
fn protocol(section: &Section<'_>, uri: &Uri) -> Option<OtlpProtocol> {
    if uri.query().is_some() {
        section.wrong("otlp", "has a query, which is shown where secrets are not", "remove it; a key goes into headers");
    }
    let has_path = !matches!(uri.path(), "" | "/");
    let looks_like = if has_path || uri.port_u16() == Some(HTTP_PORT) { "http/protobuf" } else { "grpc" };
    let said = section.get("protocol", parse::text);
    if said.is_none() {
        if section.has("protocol") {
            return None;
        }
        section.set("protocol", json!(looks_like));
    }
    match said.as_deref().unwrap_or(looks_like) {
        "grpc" if has_path => {
            section.wrong("otlp", "has a path, and protocol is grpc", "remove the path, or set protocol to http/protobuf");
            None
        }
        "grpc" => Some(OtlpProtocol::Grpc),
        _ => Some(OtlpProtocol::HttpProtobuf),
    }
}

fn headers(section: &Section<'_>, is_tls: bool, env: Env<'_>) -> Option<Vec<(HeaderName, crate::secret::Secret)>> {
    if section.has("headers") && !is_tls {
        section.wrong("headers", "would be sent in clear: otlp is plain http", "use https://, or remove it");
        return None;
    }
    let given = section.section("headers");
    let header = |name: String| {
        let parsed = HeaderName::from_bytes(name.as_bytes()).ok()?;
        if OWN.contains(&parsed) || name.starts_with("grpc-") {
            section.wrong_entry("headers", &name, "is a header of the protocol's own", "remove it");
            return None;
        }
        Some((parsed, secret::secret(&given, &name, env)?))
    };
    // All of them, so that one that could not be read is not left out.
    section.names("headers").into_iter().map(header).collect::<Vec<_>>().into_iter().collect()
}

fn sampling(section: &Section<'_>) -> Option<SamplingConfig> {
    let ratio = section.get("ratio", parse::fraction);
    let follow_parent = section.get("follow_parent", parse::boolean);
    let per_second = section.get("per_second", parse::count);
    Some(SamplingConfig { ratio: ratio?, follow_parent: follow_parent?, per_second: per_second? })
}
