//! The URL and the ARN of a queue.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The account of every queue.
pub(super) const ACCOUNT: &str = "000000000000";

const REGION: &str = "us-east-1";

/// Returns the URL of the queue `name` at the endpoint that listens on `endpoint`.
///
/// ```text
/// http://127.0.0.1:9324/000000000000/orders
/// ```
pub fn queue_url(endpoint: SocketAddr, name: &str) -> String {
    url(&endpoint_url(endpoint), name)
}

/// Returns the URL of an endpoint that listens on `address`.
pub(crate) fn endpoint_url(address: SocketAddr) -> String {
    // Clients cannot connect to the unspecified address.
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(host, address.port()))
}

/// Returns the URL of the queue `name` at an endpoint such as `http://127.0.0.1:9324`.
pub(crate) fn url(endpoint: &str, name: &str) -> String {
    format!("{endpoint}/{ACCOUNT}/{name}")
}

/// Returns the ARN of the queue `name`.
///
/// # Examples
///
/// ```
/// use domain_events_local::sqs::queue_arn;
///
/// assert_eq!(queue_arn("orders"), "arn:aws:sqs:us-east-1:000000000000:orders");
/// ```
pub fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

/// Returns the name of the queue in an ARN. The region and the account are ignored.
pub(super) fn queue_name(arn: &str) -> Option<&str> {
    let mut parts = arn.split(':');
    let head = [parts.next()?, parts.next()?, parts.next()?];
    let (_region, _account, name) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = head[0] == "arn" && head[2] == "sqs" && parts.next().is_none();
    (whole && !name.is_empty()).then_some(name)
}

/// Returns the name of the queue in a queue URL. The host is ignored.
pub(super) fn name_in_url(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_url_has_a_reachable_address() {
        for (endpoint, url) in [
            ("127.0.0.1:80", "http://127.0.0.1:80/000000000000/q"),
            ("0.0.0.0:80", "http://127.0.0.1:80/000000000000/q"),
            ("[::]:80", "http://[::1]:80/000000000000/q"),
        ] {
            assert_eq!(queue_url(endpoint.parse().unwrap(), "q"), url);
        }
    }

    #[test]
    fn queue_name_is_the_end_of_url_and_arn() {
        assert_eq!(name_in_url("http://localhost:1/000000000000/q"), "q");
        assert_eq!(name_in_url("q"), "q");
        assert_eq!(queue_name(&queue_arn("q")), Some("q"));
        assert_eq!(
            queue_name("arn:aws:sqs:eu-west-1:123456789012:q"),
            Some("q")
        );
        for other in [
            "q",
            "arn:aws:sns:r:1:q",
            "arn:aws:sqs:r:1:",
            "arn:aws:sqs:r:1:q:x",
        ] {
            assert_eq!(queue_name(other), None, "{other}");
        }
    }
}
