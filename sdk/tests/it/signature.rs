//! The signature of a request, computed as the service does it ("Create a signed AWS API
//! request" in the IAM user guide).

use std::time::SystemTime;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use chrono::{DateTime, NaiveDateTime, Utc};
use sha2::{Digest, Sha256};

/// Panics if the signature in the head does not belong to the head and the body.
pub(crate) fn assert_signed(head: &str, body: &[u8]) {
    let lines: Vec<(String, &str)> = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .collect();
    let header = |name: &str| {
        let values: Vec<&str> = lines
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| *value)
            .collect();
        assert_eq!(values.len(), 1, "header {name}: {values:?}");
        values[0]
    };
    assert_eq!(header("content-length"), body.len().to_string());
    let authorization = header("authorization");
    let part = |name: &str| {
        let (_, rest) = authorization.split_once(name).unwrap();
        rest.split(',').next().unwrap()
    };
    let names = part("SignedHeaders=");
    let signed: String = names
        .split(';')
        .map(|name| format!("{name}:{}\n", header(name)))
        .collect();
    let path = head.split(' ').nth(1).unwrap();
    let canonical = format!("POST\n{path}\n\n{signed}\n{names}\n{}", hash(body));
    let date = header("x-amz-date");
    let credential: Vec<&str> = part("Credential=").split('/').collect();
    let ["key", day, region, service, "aws4_request"] = credential[..] else {
        panic!("{credential:?}");
    };
    let text = format!(
        "AWS4-HMAC-SHA256\n{date}\n{day}/{region}/{service}/aws4_request\n{}",
        hash(canonical.as_bytes())
    );
    let time = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").unwrap();
    let time: DateTime<Utc> = time.and_utc();
    let key = generate_signing_key("secret", SystemTime::from(time), region, service);
    assert_eq!(
        calculate_signature(key, text.as_bytes()),
        part("Signature=")
    );
}

fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
