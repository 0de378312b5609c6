//! The sandbox's demo application: what stands behind the ingress, and what is not trusted.
//!
//! It holds no credential. For each request it has a passport, and it asks the egress as an AWS SDK would: with a placeholder
//! signature whose access key id names the tenant and whose session token is the passport. Part of it misbehaves on purpose,
//! so that one can see what a compromised application gets.
//!
//! | request | what it does |
//! | --- | --- |
//! | `GET /whoami` | says who the ingress says is asking |
//! | `GET /objects`, `GET`, `PUT`, `DELETE /objects/{key}` | the tenant's objects, under `<tenant>/` in one bucket for all |
//! | `GET /items`, `GET`, `PUT /items/{id}` | the tenant's items, under `<tenant>#items` in one table for all; an item is any JSON |
//! | `GET /as/{tenant}/objects`, `/as/{tenant}/objects/{key}`, `/as/{tenant}/items` | **misbehaves**: reads another tenant's data with this request's passport |
//! | `GET /replay` | **misbehaves**: keeps this request's passport and, when called again, uses it after its request has ended |
//!
//! What the egress refuses is passed on with its status. No answer has a passport in it.

mod answer;
mod caller;
mod egress;
mod items;
mod objects;
mod route;
#[cfg(test)]
mod tests;
mod xml;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use serde_json::json;
use tokio::net::TcpListener;

use self::{caller::Caller, egress::Egress, route::Route};
use super::loopback;
use crate::{
    body::{Body, BoxError},
    clock::Clock,
};

/// The application. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct DemoApp(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    egress: Egress,
    /// What `/replay` keeps past its request: the whole caller, passport included.
    kept: Mutex<Option<Caller>>,
}

impl DemoApp {
    /// An application that reaches AWS through `egress` alone.
    pub fn new(egress: SocketAddr, clock: Clock) -> Self {
        Self(Arc::new(Inner { egress: Egress::new(egress, clock), kept: Mutex::new(None) }))
    }

    /// Serves HTTP/1.1 until `shutdown` is ready.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let handler = move |request| {
            let app = self.clone();
            async move { app.handle(request).await }
        };
        loopback::serve(listener, shutdown, handler).await;
    }

    /// Answers one request, without a socket.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        let route = match Route::find(&head.method, head.uri.path()) {
            Ok(route) => route,
            Err(no_route) => return no_route.answer(),
        };
        let caller = match Caller::read(&head.headers) {
            Ok(caller) => caller,
            Err(missing) => return answer::error(StatusCode::UNAUTHORIZED, missing),
        };
        let egress = &self.0.egress;
        let outcome = match route {
            Route::Whoami => Ok(whoami(&caller)),
            Route::Replay => self.replay(caller).await,
            Route::Objects => objects::list(egress, &caller, &caller.tenant).await,
            Route::Object(key) if head.method == Method::PUT => {
                let body = body.map_err(Into::into).boxed_unsync();
                objects::put(egress, &caller, &key, &head.headers, body).await
            }
            Route::Object(key) if head.method == Method::DELETE => objects::delete(egress, &caller, &key).await,
            Route::Object(key) => objects::get(egress, &caller, &caller.tenant, &key).await,
            Route::Items => items::list(egress, &caller, &caller.tenant).await,
            Route::Item(id) if head.method == Method::PUT => {
                let body = body.map_err(Into::into).boxed_unsync();
                items::put(egress, &caller, &id, body).await
            }
            Route::Item(id) => items::get(egress, &caller, &id).await,
            Route::ObjectsOf(other) => objects::list(egress, &caller, &other).await,
            Route::ObjectOf(other, key) => objects::get(egress, &caller, &other, &key).await,
            Route::ItemsOf(other) => items::list(egress, &caller, &other).await,
        };
        outcome.unwrap_or_else(|failed| failed.answer())
    }

    /// The first call keeps its passport, the next one uses it: by then the request that it was made for has ended.
    async fn replay(&self, caller: Caller) -> Result<Response<Body>, egress::Failed> {
        // Its lock is held for this line only.
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        match kept {
            Some(earlier) => objects::list(&self.0.egress, &earlier, &earlier.tenant).await,
            None => {
                *self.0.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(caller);
                let next = "call this again: the passport of this request will then be used, after its request has ended";
                Ok(answer::json(StatusCode::OK, &json!({"kept": true, "next": next})))
            }
        }
    }
}

fn whoami(caller: &Caller) -> Response<Body> {
    let about = json!({
        "tenant": caller.tenant,
        "subject": caller.subject,
        "roles": caller.roles,
        "request_id": caller.request_id,
        "passport": "given, not shown",
        "aws_credentials": "none",
    });
    answer::json(StatusCode::OK, &about)
}
