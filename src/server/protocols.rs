//! hyper, told our limits: once for each protocol, because what a connection speaks is known before hyper gets it.

use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::config::ServerConfig;

/// How far hyper's caps lie above ours, so that ours answer, with a reason and a log line.
const HEADROOM_BYTES: usize = 64 * 1024;
/// The same for the number of header lines.
const HEADROOM_LINES: usize = 64;
/// Requests at once on one HTTP/2 connection; a common value, and enough for an SDK's pool.
const MAX_STREAMS: u32 = 128;
/// Response bytes held for one HTTP/2 stream whose client is slow.
const MAX_STREAM_BUFFER: usize = 128 * 1024;
/// HTTP/2 pings find clients that vanished; the values are those that gRPC servers use.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// For HTTP/1. The deadline of a head is not here but the [`Wire`](super::wire::Wire)'s.
pub(super) fn http1(config: &ServerConfig) -> http1::Builder {
    let mut http1 = http1::Builder::new();
    http1.max_buf_size(head_bytes(config)).max_headers(config.headers + HEADROOM_LINES);
    http1
}

/// For HTTP/2.
pub(super) fn http2(config: &ServerConfig) -> http2::Builder<TokioExecutor> {
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(head_bytes(config)).unwrap_or(u32::MAX))
        .max_send_buf_size(MAX_STREAM_BUFFER)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    http2
}

fn head_bytes(config: &ServerConfig) -> usize {
    config.header_bytes + config.uri_bytes + HEADROOM_BYTES
}
