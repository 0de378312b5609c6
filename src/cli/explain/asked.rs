//! The request that is asked about, out of the command line.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};

use crate::{
    aws::{dialect::Dialect, operation::target_header, service::Service},
    body::{self, Body},
    config::Config,
    identity::Placeholder,
};

/// Most that is read of a body: more than any service takes in one that is looked into.
const BODY_BYTES: u64 = 64 << 20;

/// The request, as often as it is wanted.
#[derive(Debug)]
pub(super) struct Asking {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
    placeholder: Option<Placeholder>,
    note: Option<String>,
}

/// `NAME=VALUE`
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| "give NAME=VALUE".to_owned())
}

/// A date and time with an offset (RFC 3339).
#[cfg(feature = "cedar")]
pub(super) fn moment(text: &str) -> Result<std::time::SystemTime, String> {
    use aws_smithy_types::{DateTime, date_time::Format};
    let time = DateTime::from_str(text, Format::DateTimeWithOffset).ok().and_then(|time| std::time::SystemTime::try_from(time).ok());
    time.ok_or_else(|| "give a date and time with an offset such as 2026-11-28T10:00:00Z".to_owned())
}

/// `NAME: VALUE`
pub(super) fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("give 'NAME: VALUE'")?;
    let name = name.trim().parse().map_err(|_| "the name is no header's")?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| "the value has what stands in no header")?;
    Ok((name, value))
}

/// A file, or standard input for `-`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let wrong = |error: io::Error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(BODY_BYTES + 1).read_to_end(&mut bytes)
    } else {
        fs::File::open(path).map_err(wrong)?.take(BODY_BYTES + 1).read_to_end(&mut bytes)
    };
    match read.map_err(wrong)? as u64 {
        length if length <= BODY_BYTES => Ok(bytes),
        _ => Err(format!("{}: has more than {BODY_BYTES} bytes", path.display())),
    }
}

impl Asking {
    /// A request to `url`, as it comes to the egress. `scope` is the service and the region that an SDK would sign for.
    ///
    /// # Errors
    /// There is no such request, or it has a proof, which nobody would look at.
    pub(super) fn new(
        config: &Config,
        method: Method,
        url: &str,
        given: &[(HeaderName, HeaderValue)],
        body: Option<Vec<u8>>,
        scope: Option<(&str, &str)>,
    ) -> Result<Self, String> {
        let whole: Uri = url.parse().map_err(|error| format!("{url}: {error}; what is not plain in a URL has to be percent-encoded"))?;
        let authority = whole.authority().filter(|_| matches!(whole.scheme_str(), Some("http" | "https")));
        let authority =
            authority.ok_or_else(|| format!("{url}: give a URL such as https://pool-data.s3.eu-west-1.amazonaws.com/acme/x"))?;
        if url.contains('#') {
            return Err(format!("{url}: '#' ends a URL; write %23 where it is a part of a key"));
        }
        let uri = Uri::from(whole.path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")));
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(authority.as_str()).map_err(|error| error.to_string())?);
        let proofs = [&config.identity.token_header, &config.identity.tenant_header];
        for (name, value) in given {
            let is_proof = *name == header::AUTHORIZATION || name.as_str() == "x-amz-security-token" || proofs.contains(&name);
            if is_proof || *name == header::HOST {
                return Err(format!("{name}: leave it out; --tenant says the tenant, the URL the host, and no proof is looked at"));
            }
            headers.append(name.clone(), value.clone());
        }
        if uri.query().is_some_and(|query| query.to_ascii_lowercase().contains("x-amz-signature=")) {
            return Err("the URL is signed: give it without X-Amz-Signature and what belongs to it".to_owned());
        }
        let note = body.as_ref().and_then(|_| usual_type(&mut headers));
        let placeholder = scope.map(|(service, region)| Placeholder::of_our_own(region, service));
        Ok(Self { method, uri, headers, body: body.unwrap_or_default(), placeholder, note })
    }

    /// As it comes in.
    pub(super) fn request(&self) -> Request<Body> {
        let mut request = Request::new(if self.body.is_empty() { body::empty() } else { body::full(self.body.clone()) });
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// What an SDK would sign it for.
    pub(super) fn placeholder(&self) -> Option<&Placeholder> {
        self.placeholder.as_ref()
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// What was added to what was given.
    pub(super) fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }
}

/// Puts in the `Content-Type` that SDKs send with `X-Amz-Target`, where none is given.
fn usual_type(headers: &mut HeaderMap) -> Option<String> {
    let target = target_header(headers).ok().flatten().filter(|_| !headers.contains_key(header::CONTENT_TYPE))?;
    let service = Service::targeted(target.prefix).next()?;
    let usual = service.protocols.iter().find_map(|protocol| match protocol {
        Dialect::AwsJson10 | Dialect::AwsJson10Compatible => Some("application/x-amz-json-1.0"),
        Dialect::AwsJson11 => Some("application/x-amz-json-1.1"),
        _ => None,
    })?;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(usual));
    Some(format!("content-type: {usual} was added, as SDKs send it"))
}
