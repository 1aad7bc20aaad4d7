//! The names by which requests speak of a queue: URL and ARN.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The account every queue belongs to.
pub(super) const ACCOUNT: &str = "000000000000";

const REGION: &str = "us-east-1";

/// The URL of the queue `name` on the endpoint that listens on `endpoint`.
///
/// ```text
/// http://127.0.0.1:9324/000000000000/orders
/// ```
pub fn queue_url(endpoint: SocketAddr, name: &str) -> String {
    // Nobody can connect to "any address".
    let host = match endpoint.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let endpoint = SocketAddr::new(host, endpoint.port());
    format!("http://{endpoint}/{ACCOUNT}/{name}")
}

/// The ARN of the queue `name`.
pub fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

/// The queue's name in an ARN, whatever its region and account.
pub(super) fn queue_name(arn: &str) -> Option<&str> {
    let mut parts = arn.split(':');
    let head = [parts.next()?, parts.next()?, parts.next()?];
    let (_region, _account, name) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = head[0] == "arn" && head[2] == "sqs" && parts.next().is_none();
    (whole && !name.is_empty()).then_some(name)
}

/// The queue's name in a queue URL, whatever its host.
pub(super) fn name_in_url(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_an_address_that_can_be_connected_to() {
        for (endpoint, url) in [
            ("127.0.0.1:80", "http://127.0.0.1:80/000000000000/q"),
            ("0.0.0.0:80", "http://127.0.0.1:80/000000000000/q"),
            ("[::]:80", "http://[::1]:80/000000000000/q"),
        ] {
            assert_eq!(queue_url(endpoint.parse().unwrap(), "q"), url);
        }
    }

    #[test]
    fn a_queue_is_known_by_the_last_part_of_its_url_and_arn() {
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
