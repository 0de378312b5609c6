//! A small HTTP server for the sandbox's own parts, on loopback.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{net::TcpListener, sync::Semaphore};

use crate::body::Body;

const MAX_CONNECTIONS: usize = 256;
/// Silence between requests and slow heads both end here.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_HEAD: usize = 64 * 1024;
/// How long requests in progress may take to end once a server is told to stop.
const DRAIN: Duration = Duration::from_secs(1);

/// Serves HTTP/1.1 until `shutdown` is ready, then lets requests in progress end, for a second at most.
pub(super) async fn serve<F, R>(listener: TcpListener, shutdown: impl Future<Output = ()>, handler: F)
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEAD);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        // The permit comes first: more connections than there are permits wait in the kernel's queue.
        let accepted = async {
            let permit = permits.clone().acquire_owned().await.ok()?;
            Some((listener.accept().await, permit))
        };
        let (stream, permit) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepted => match accepted {
                None => break,
                Some((Ok((stream, _)), permit)) => (stream, permit),
                Some((Err(_), _)) => {
                    // Out of file descriptors, most likely: trying again at once would only burn the processor.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let handler = handler.clone();
        let service = service_fn(move |request| {
            let answer = handler(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // A connection that breaks is its caller's business.
            let _ = connection.await;
            drop(permit);
        });
    }
    let _ = tokio::time::timeout(DRAIN, connections.shutdown()).await;
}

#[cfg(test)]
mod tests {
    use http::{Method, StatusCode};

    use super::*;
    use crate::{
        admin::client::{self, CallError},
        body,
    };

    #[tokio::test]
    async fn answers_until_told_to_stop() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let echo = |request: Request<Incoming>| async move { Response::new(body::full(request.uri().to_string())) };
        let served = tokio::spawn(serve(listener, async { drop(stopped.await) }, echo));
        let ask = || client::call(&address, Method::GET, "/a?b=c", None, Duration::from_secs(5));
        assert_eq!(ask().await.unwrap(), (StatusCode::OK, "/a?b=c".into()));
        stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(5), served).await.unwrap().unwrap();
        assert!(matches!(ask().await, Err(CallError::Connect { .. })));
    }
}
