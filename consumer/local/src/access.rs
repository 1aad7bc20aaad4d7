//! Refuses requests that a web page of another site sends through a browser.
//!
//! The endpoints do not authenticate clients, so every page that a developer visits could
//! use them. Two headers, which a page cannot change, identify such requests: after DNS
//! rebinding, `Host` contains the name of the page's site; and in each cross-site request
//! that can change data, `Origin` contains this site.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;

/// Whether the `Host` header is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostCheck {
    /// `Host` must name this machine: a loopback address or `localhost`.
    Loopback,
    /// Any `Host` is accepted, for clients in containers and on other machines.
    Off,
}

/// Adds the checks to all routes of `router`.
pub(crate) fn protect(router: Router, check: HostCheck) -> Router {
    router.layer(middleware::from_fn_with_state(check, run))
}

async fn run(State(check): State<HostCheck>, request: Request, next: Next) -> Response<Body> {
    let headers = request.headers();
    if check == HostCheck::Loopback && !has_loopback_host(headers) {
        return refused(
            "The Host header does not name this machine. Use http://127.0.0.1 or \
             http://localhost, or start the endpoint with --host to accept any name.\n",
        );
    }
    if has_foreign_origin(headers) {
        return refused("The Origin header names a web page of another site.\n");
    }
    next.run(request).await
}

fn refused(reason: &'static str) -> Response<Body> {
    tracing::warn!(reason = reason.trim_end(), "refused a request");
    (StatusCode::FORBIDDEN, reason).into_response()
}

/// Returns true if the `Host` header names this machine. A request without `Host` passes,
/// because only browsers are subject to DNS rebinding, and browsers always send `Host`.
fn has_loopback_host(headers: &HeaderMap) -> bool {
    headers
        .get(header::HOST)
        .is_none_or(|host| host.to_str().is_ok_and(is_loopback))
}

fn has_foreign_origin(headers: &HeaderMap) -> bool {
    let is_local = |origin: &HeaderValue| {
        let origin = origin.to_str().ok();
        let host = origin.and_then(|origin| origin.split_once("://"));
        host.is_some_and(|(_, host)| is_loopback(host))
    };
    headers
        .get(header::ORIGIN)
        .is_some_and(|origin| !is_local(origin))
}

/// Returns true if `host`, with or without a port, is a loopback address or a name under
/// `localhost`, which browsers resolve to loopback addresses without DNS.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(ip, _)| ip),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_hosts_are_recognised() {
        for (host, expected) in [
            ("127.0.0.1:9324", true),
            ("127.8.9.1", true),
            ("localhost:1", true),
            ("LOCALHOST", true),
            ("a.localhost:80", true),
            ("[::1]:80", true),
            ("[::1]", true),
            ("evil.example", false),
            ("evil.example:9324", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("192.168.0.1:9324", false),
            ("[2001:db8::1]:80", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }

    #[test]
    fn origins_of_other_sites_are_recognised() {
        for (origin, foreign) in [
            ("http://localhost:3000", false),
            ("https://127.0.0.1", false),
            ("https://evil.example", true),
            ("http://localhost.evil.example", true),
            ("null", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            assert_eq!(has_foreign_origin(&headers), foreign, "{origin}");
        }
        assert!(!has_foreign_origin(&HeaderMap::new()));
    }
}
