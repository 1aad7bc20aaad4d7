//! Parses the URL of an SQS queue.
//!
//! Hosts: "Amazon Simple Queue Service endpoints and quotas" (AWS General Reference),
//! and "Internetwork traffic privacy" (SQS developer guide) for VPC endpoints.

use std::fmt;

/// The suffixes of AWS host names. If a suffix ends with another suffix, it comes before it.
const AWS_SUFFIXES: [&str; 11] = [
    ".amazonaws.com.cn",
    ".amazonaws.com",
    ".amazonaws.eu",
    ".api.amazonwebservices.com.cn",
    ".api.amazonwebservices.eu",
    ".api.aws",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
    ".on.aws",
];
/// The maximum length of a queue name (SQS developer guide, "Queue quotas").
const MAX_NAME_BYTES: usize = 80;
/// The maximum length of a value that an error quotes. The rest is cut off.
const MAX_QUOTED_CHARS: usize = 200;

/// A queue URL. It determines the host to which requests are sent and, if the host belongs to
/// AWS, the region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueUrl {
    text: String,
    endpoint: Option<String>,
    region: Option<String>,
    account: String,
    name: String,
}

/// Why a text is not the URL of a queue. `Display` does not repeat the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidQueueUrl(String);

impl fmt::Display for InvalidQueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidQueueUrl {}

impl QueueUrl {
    /// Parses a URL of the form that `GetQueueUrl` returns. White space is not trimmed.
    ///
    /// # Errors
    ///
    /// [`InvalidQueueUrl`] if the text is not the URL of a queue. The error explains the
    /// expected form.
    pub fn parse(text: &str) -> Result<Self, InvalidQueueUrl> {
        let fail = |reason: &str| Err(InvalidQueueUrl(reason.to_owned()));
        if text.is_empty() {
            return fail("it is empty; give the URL of the queue");
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return fail("a URL contains no white space or line break; remove it");
        }
        if let Some(arn) = text.strip_prefix("arn:") {
            return Err(InvalidQueueUrl(match url_of_arn(arn) {
                Some(url) => format!("it is an ARN; give the queue's URL, {url}"),
                None => "it is an ARN; give the queue's URL".to_owned(),
            }));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return fail(
                "it is not a URL; `aws sqs get-queue-url --queue-name NAME` prints the URL of a queue",
            );
        };
        if !matches!(scheme, "https" | "http") {
            return fail("it must start with https://, or http:// for a local endpoint");
        }
        if rest.contains(['?', '#', '@', '\\', '%']) {
            return fail("a queue's URL has no user name, query, fragment or escapes");
        }
        if rest.ends_with('/') {
            return fail("it ends with a slash; the URL ends with the queue's name");
        }
        let mut parts = rest.split('/');
        let authority = parts.next().unwrap_or_default();
        let path: Vec<&str> = parts.collect();
        let Some(host) = host_of(authority) else {
            return fail("its host is not a valid name with an optional port");
        };
        // Host names are not case-sensitive.
        let host = host.to_ascii_lowercase();
        let [.., account, name] = path[..] else {
            return fail("its path must be /ACCOUNT/NAME");
        };
        if path.iter().any(|part| part.is_empty()) {
            return fail("its path must be /ACCOUNT/NAME, without empty parts");
        }
        if !is_queue_name(name) {
            return fail(
                "the last part is not a queue's name: 1 to 80 of A-Z, a-z, 0-9, - and _, with .fifo at the end for a FIFO queue",
            );
        }
        let aws = AwsHost::parse(&host);
        if let AwsHost::Other = aws {
            return fail(
                "its host belongs to AWS and not to SQS; give the URL of a queue, for example https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
            );
        }
        if !matches!(aws, AwsHost::NotAws)
            && (path.len() != 2
                || account.len() != 12
                || !account.bytes().all(|b| b.is_ascii_digit()))
        {
            return fail("its path must be /ACCOUNT/NAME, where ACCOUNT has 12 digits");
        }
        let (region, is_default) = match aws {
            AwsHost::Regional(region) => (
                Some(region),
                scheme == "https" && authority.eq_ignore_ascii_case(&host),
            ),
            AwsHost::Specific(region) => (Some(region), false),
            AwsHost::NotAws | AwsHost::Other => (region_of_emulator(&host), false),
        };
        Ok(Self {
            endpoint: (!is_default).then(|| format!("{scheme}://{authority}")),
            region,
            account: account.to_owned(),
            name: name.to_owned(),
            text: text.to_owned(),
        })
    }

    /// The URL, as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme, host and port to which requests are sent. `None` if the endpoint is the
    /// one that the AWS SDK chooses for the region.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// The region, if the host names it.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The account that owns the queue. It can be any text if the endpoint does not belong to
    /// AWS.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The name of the queue.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns true if this is a FIFO queue.
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

/// Prints the name, and the region or the endpoint: `orders (eu-west-1)`.
impl fmt::Display for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match self.region().or(self.endpoint()) {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}

/// Checks an endpoint that is configured outside of a queue's URL.
///
/// # Errors
///
/// The reason why the endpoint is invalid, which starts with "it" or "its". An endpoint must
/// start with a scheme and a host.
pub fn check_endpoint(text: &str) -> Result<(), &'static str> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or("it must start with https:// or http://")?;
    let authority = rest.split('/').next().unwrap_or_default();
    match host_of(authority) {
        Some(_) => Ok(()),
        None => Err("its host is not a valid name with an optional port"),
    }
}

/// Returns `text` in quotes for an error: with a limited length, escaped, and without the
/// parts of a URL that may be secret, which are the user with the password, and the query.
pub fn quoted(text: &str) -> String {
    let (scheme, rest) = match text.find("://") {
        Some(at) => text.split_at(at + "://".len()),
        None => ("", text),
    };
    // A password may contain any character.
    let (user, rest) = rest.split_at(rest.rfind('@').unwrap_or_default());
    let query = rest.find(['?', '#']).unwrap_or(rest.len());
    let hidden = |part: &str| if part.is_empty() { "" } else { "…" };
    let shown = format!(
        "{scheme}{}{}{}",
        hidden(user),
        &rest[..query],
        hidden(&rest[query..])
    );
    match shown.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{:?}…", &shown[..end]),
        None => format!("{shown:?}"),
    }
}

enum AwsHost {
    /// The host that the AWS SDK chooses for this region, or a former name of this host.
    Regional(String),
    /// Another host of SQS: FIPS, dual-stack, a VPC endpoint.
    Specific(String),
    /// A host of another service.
    Other,
    NotAws,
}

impl AwsHost {
    fn parse(host: &str) -> Self {
        let stripped = AWS_SUFFIXES
            .iter()
            .find_map(|suffix| Some((host.strip_suffix(suffix)?, *suffix)));
        let Some((rest, suffix)) = stripped else {
            return Self::NotAws;
        };
        let labels: Vec<&str> = rest.split('.').collect();
        let (region, regional) = match labels[..] {
            ["sqs", region] => (region, suffix_of(region) == suffix),
            ["sqs-fips", region] => (region, false),
            [endpoint, "sqs", region, "vpce"] if endpoint.starts_with("vpce-") => (region, false),
            // These are legacy hosts. The current host of the region serves the same queue.
            ["queue"] => ("us-east-1", true),
            [region, "queue"] => (region, suffix_of(region) == suffix),
            _ => return Self::Other,
        };
        match (is_region(region), regional) {
            (false, _) => Self::Other,
            (true, true) => Self::Regional(region.to_owned()),
            (true, false) => Self::Specific(region.to_owned()),
        }
    }
}

/// Returns the suffix of the default host of a region, which depends on its partition.
fn suffix_of(region: &str) -> &'static str {
    let partitions = [
        ("cn-", ".amazonaws.com.cn"),
        ("eusc-", ".amazonaws.eu"),
        ("us-iso-", ".c2s.ic.gov"),
        ("us-isob-", ".sc2s.sgov.gov"),
        ("eu-isoe-", ".cloud.adc-e.uk"),
        ("us-isof-", ".csp.hci.ic.gov"),
    ];
    let partition = partitions
        .iter()
        .find(|(prefix, _)| region.starts_with(prefix));
    partition.map_or(".amazonaws.com", |(_, suffix)| suffix)
}

/// Returns the region in the host of an emulator, such as
/// `sqs.eu-west-1.localhost.localstack.cloud`.
fn region_of_emulator(host: &str) -> Option<String> {
    let mut labels = host.split('.');
    let region = match (labels.next()?, labels.next()?) {
        ("sqs", region) | (region, "queue") => region,
        _ => return None,
    };
    is_region(region).then(|| region.to_owned())
}

/// Returns true for a text like `eu-west-1`: lower-case words, and a number at the end.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else {
        return false;
    };
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    words.len() >= 2
        && words.iter().all(is_word)
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// Returns the host of `host[:port]`.
fn host_of(authority: &str) -> Option<String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (
                format!("[{address}]"),
                port.strip_prefix(':').or(port.is_empty().then_some("0"))?,
            )
        }
        None => {
            let (host, port) = authority.split_once(':').unwrap_or((authority, "0"));
            let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
            let valid = host.bytes().all(is_host) && host.split('.').all(|label| !label.is_empty());
            valid.then(|| (host.to_owned(), port))?
        }
    };
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    (digits && port.parse::<u16>().is_ok()).then_some(host)
}

fn is_queue_name(name: &str) -> bool {
    let base = name.strip_suffix(".fifo").unwrap_or(name);
    name.len() <= MAX_NAME_BYTES
        && !base.is_empty()
        && base
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Returns the URL of the queue with this ARN. `arn` does not contain the prefix `arn:`.
fn url_of_arn(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts[..] {
        [_, "sqs", region, account, name] if is_region(region) && is_queue_name(name) => {
            let suffix = suffix_of(region);
            Some(format!("https://sqs.{region}{suffix}/{account}/{name}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_determines_region_and_endpoint() {
        let check = |host: &str, region: Option<&str>, endpoint: Option<&str>| {
            let url = QueueUrl::parse(&format!("{host}/123456789012/orders")).unwrap();
            assert_eq!(url.region(), region, "{host}");
            assert_eq!(url.endpoint(), endpoint, "{host}");
            assert_eq!((url.account(), url.name()), ("123456789012", "orders"));
        };
        // These hosts are the endpoint that the AWS SDK chooses, or legacy names of it.
        for (host, region) in [
            ("https://sqs.eu-west-1.amazonaws.com", "eu-west-1"),
            ("https://sqs.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("https://sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("https://sqs.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
            ("https://sqs.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
            ("https://eu-west-1.queue.amazonaws.com", "eu-west-1"),
            ("https://cn-north-1.queue.amazonaws.com.cn", "cn-north-1"),
            ("https://queue.amazonaws.com", "us-east-1"),
            ("https://SQS.EU-West-1.AmazonAWS.com", "eu-west-1"),
        ] {
            check(host, Some(region), None);
        }
        for (host, region) in [
            ("https://sqs-fips.us-east-1.amazonaws.com", "us-east-1"),
            ("https://sqs.eu-west-1.api.aws", "eu-west-1"),
            ("https://sqs-fips.us-west-2.api.aws", "us-west-2"),
            (
                "https://sqs.cn-north-1.api.amazonwebservices.com.cn",
                "cn-north-1",
            ),
            (
                "https://vpce-0a1b-2c3d.sqs.eu-west-1.vpce.amazonaws.com",
                "eu-west-1",
            ),
            (
                "https://vpce-0a1b-2c3d-eu-west-1a.sqs.eu-west-1.vpce.amazonaws.com",
                "eu-west-1",
            ),
            ("http://sqs.eu-west-1.amazonaws.com", "eu-west-1"),
            (
                "http://sqs.eu-west-1.localhost.localstack.cloud:4566",
                "eu-west-1",
            ),
        ] {
            check(host, Some(region), Some(host));
        }
        let port = "https://Sqs.eu-west-1.amazonaws.com:443";
        check(port, Some("eu-west-1"), Some(port));
        for host in [
            "http://localhost:4566",
            "http://127.0.0.1:9324",
            "http://[::1]:9324",
        ] {
            check(host, None, Some(host));
        }
    }

    #[test]
    fn invalid_url_error_shows_a_valid_url() {
        let check = |text: &str, expected: &str| {
            let error = QueueUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        };
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
        for space in ["\n", " ", "\r\n", "\u{a0}", "\0", "\t"] {
            check(&format!("{url}{space}"), "white space");
            check(&format!("{url}.fifo{space}"), "white space");
            check(&format!("{space}{url}"), "white space");
        }
        check(&format!("{url}/"), "ends with a slash");
        check("", "empty");
        check("orders", "get-queue-url");
        check("orders.fifo", "get-queue-url");
        check(
            "sqs.eu-west-1.amazonaws.com/123456789012/orders",
            "not a URL",
        );
        check(
            "arn:aws:sqs:eu-west-1:123456789012:orders",
            "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
        );
        check(
            "arn:aws-cn:sqs:cn-north-1:1:q",
            "https://sqs.cn-north-1.amazonaws.com.cn/1/q",
        );
        check("arn:aws:s3:::bucket", "it is an ARN");
        check("ftp://localhost/1/orders", "https://");
        check(
            "HTTPS://sqs.eu-west-1.amazonaws.com/123456789012/orders",
            "https://",
        );
        check("http://user:secret@localhost/1/orders", "no user name");
        check(&format!("{url}?a=b"), "query");
        check("http://localhost:99999/1/orders", "host");
        check("http:///1/orders", "host");
        check("http://localhost/orders", "/ACCOUNT/NAME");
        check("http://localhost//orders", "/ACCOUNT/NAME");
        check("http://localhost", "/ACCOUNT/NAME");
        check("https://sqs.eu-west-1.amazonaws.com/1/orders", "12 digits");
        check(
            "https://sqs.eu-west-1.amazonaws.com/a/123456789012/orders",
            "12 digits",
        );
        check(
            "https://s3.eu-west-1.amazonaws.com/123456789012/orders",
            "not to SQS",
        );
        check("http://localhost/1/Größe", "not a queue's name");
        check("http://localhost/1/.fifo", "not a queue's name");
        check("http://localhost/1/orders.FIFO", "not a queue's name");
        check(
            &format!("http://localhost/1/{}", "x".repeat(81)),
            "not a queue's name",
        );
    }

    #[test]
    fn fifo_is_recognised_by_the_exact_suffix() {
        let fifo = |name: &str| {
            let url = QueueUrl::parse(&format!("http://localhost/1/{name}"));
            url.unwrap().is_fifo()
        };
        assert!(fifo("orders.fifo"));
        assert!(!fifo("ordersfifo") && !fifo("orders-fifo"));
    }

    #[test]
    fn quoted_value_hides_a_password() {
        assert_eq!(quoted("a\nb\u{202e}"), r#""a\nb\u{202e}""#);
        let shown = quoted("http://user:secret@localhost/1/orders");
        assert_eq!(shown, "\"http://…@localhost/1/orders\"");
        for text in [
            "http://user:se/cret@localhost/1/orders",
            "http://user:se@cret@localhost/1/orders",
            "user:secret@localhost/1/orders",
            "https://localhost/1/orders?X-Amz-Security-Token=secret",
            "https://localhost/1/orders#secret",
            "http://user:se?cret@localhost/1/orders?a=secret",
        ] {
            let shown = quoted(text);
            let is_hidden = !shown.contains("secret") && !shown.contains("cret@");
            assert!(is_hidden && shown.contains("localhost/1/orders"), "{shown}");
        }
        assert!(quoted(&"x".repeat(5_000)).len() < 250);
    }

    #[test]
    fn endpoint_without_a_scheme_is_refused() {
        for endpoint in [
            "http://127.0.0.1:9324",
            "https://example.com",
            "http://[::1]:80/",
        ] {
            assert!(check_endpoint(endpoint).is_ok(), "{endpoint}");
        }
        for endpoint in [
            "127.0.0.1:9324",
            "localhost",
            "http://",
            "http://a b",
            "sqs://x",
            "",
        ] {
            assert!(check_endpoint(endpoint).is_err(), "{endpoint}");
        }
    }
}
