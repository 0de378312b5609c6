//! Which request is which.

use http::{HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::percent_decode_str;

use super::answer;
use crate::body::Body;

/// What is asked for. Object keys stay as they were sent, percent-encoded; tenants and item ids are decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    Item(String),
    Items,
    ItemsOf(String),
    Object(String),
    ObjectOf(String, String),
    Objects,
    ObjectsOf(String),
    Replay,
    Whoami,
}

/// Why nothing is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoRoute {
    /// The path has other methods.
    Method(&'static str),
    Path,
}

impl Route {
    pub(super) fn find(method: &Method, path: &str) -> Result<Self, NoRoute> {
        let (route, allowed) = Self::of_path(path.strip_prefix('/').unwrap_or(path)).ok_or(NoRoute::Path)?;
        match allowed.split(", ").any(|name| name == method.as_str()) {
            true => Ok(route),
            false => Err(NoRoute::Method(allowed)),
        }
    }

    fn of_path(path: &str) -> Option<(Self, &'static str)> {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        Some(match (first, rest) {
            ("whoami", "") => (Self::Whoami, "GET"),
            ("replay", "") => (Self::Replay, "GET"),
            ("objects", "") => (Self::Objects, "GET"),
            ("objects", key) => (Self::Object(key.to_owned()), "GET, PUT, DELETE"),
            ("items", "") => (Self::Items, "GET"),
            ("items", id) if !id.contains('/') => (Self::Item(decoded(id)?), "GET, PUT"),
            ("as", rest) => {
                let (tenant, rest) = rest.split_once('/')?;
                let tenant = decoded(tenant)?;
                match rest.split_once('/').unwrap_or((rest, "")) {
                    ("objects", "") => (Self::ObjectsOf(tenant), "GET"),
                    ("objects", key) => (Self::ObjectOf(tenant, key.to_owned()), "GET"),
                    ("items", "") => (Self::ItemsOf(tenant), "GET"),
                    _ => return None,
                }
            }
            _ => return None,
        })
    }
}

fn decoded(text: &str) -> Option<String> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    (!text.is_empty()).then(|| text.into_owned())
}

impl NoRoute {
    pub(super) fn answer(&self) -> Response<Body> {
        match self {
            Self::Path => answer::error(
                StatusCode::NOT_FOUND,
                "try /whoami, /objects, /objects/{key}, /items, /items/{id}, /as/{tenant}/objects or /replay",
            ),
            Self::Method(allowed) => {
                let mut response = answer::error(StatusCode::METHOD_NOT_ALLOWED, "this path has other methods");
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
                response
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_they_should() {
        let get = |path: &str| Route::find(&Method::GET, path);
        let owned = str::to_owned;
        for (path, route) in [
            ("/whoami", Route::Whoami),
            ("/replay", Route::Replay),
            ("/objects", Route::Objects),
            ("/objects/", Route::Objects),
            ("/objects/a/b%2Fc", Route::Object(owned("a/b%2Fc"))),
            ("/objects//a", Route::Object(owned("/a"))),
            ("/items", Route::Items),
            ("/items/a%20b", Route::Item(owned("a b"))),
            ("/as/globex/objects", Route::ObjectsOf(owned("globex"))),
            ("/as/globex/objects/a/b", Route::ObjectOf(owned("globex"), owned("a/b"))),
            ("/as/globex/items", Route::ItemsOf(owned("globex"))),
        ] {
            assert_eq!(get(path), Ok(route), "{path}");
        }
        for path in ["/", "/whoami/x", "/object", "/items/a/b", "/items/%ff", "/as/globex", "/as//objects", "/as/globex/whoami"] {
            assert_eq!(get(path), Err(NoRoute::Path), "{path}");
        }
    }

    #[test]
    fn methods_are_those_of_the_path() {
        let find = |method: Method, path: &str| Route::find(&method, path);
        assert!(
            find(Method::PUT, "/objects/a").is_ok() && find(Method::DELETE, "/objects/a").is_ok() && find(Method::PUT, "/items/a").is_ok()
        );
        assert_eq!(find(Method::PUT, "/objects"), Err(NoRoute::Method("GET")));
        assert_eq!(find(Method::DELETE, "/items/a"), Err(NoRoute::Method("GET, PUT")));
        assert_eq!(find(Method::PUT, "/as/globex/objects/a"), Err(NoRoute::Method("GET")));
        assert_eq!(NoRoute::Method("GET").answer().headers()[header::ALLOW], "GET");
    }
}
