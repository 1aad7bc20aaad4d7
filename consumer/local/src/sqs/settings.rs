//! The attributes of a queue: validation and meaning.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::Value;

use super::arn;
use super::clock::Millis;
use super::error::{ErrorCode, SqsError, invalid_value};

/// Attribute or tag names with their values, as in requests.
pub(super) type AttributeMap = BTreeMap<String, String>;

/// The maximum size of a message and of a batch: 1 MiB.
pub(super) const MAX_MESSAGE_BYTES: usize = 1_048_576;

/// The maximum visibility timeout: twelve hours, in seconds.
pub(super) const MAX_VISIBILITY_TIMEOUT: u64 = 43_200;

/// The maximum delay, in seconds.
pub(super) const MAX_DELAY: u64 = 900;

/// The maximum wait time of a long poll, in seconds.
pub(super) const MAX_WAIT: u64 = 20;

/// The numeric attributes with their range and default (SQS API reference,
/// `SetQueueAttributes`).
const NUMBERS: [(&str, RangeInclusive<u64>, u64); 5] = [
    ("DelaySeconds", 0..=MAX_DELAY, 0),
    ("MaximumMessageSize", 1_024..=1_048_576, 1_048_576),
    ("MessageRetentionPeriod", 60..=1_209_600, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0..=MAX_WAIT, 0),
    ("VisibilityTimeout", 0..=MAX_VISIBILITY_TIMEOUT, 30),
];

/// The validated attributes of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueueSettings {
    /// Every attribute that has a value, in canonical form.
    attributes: AttributeMap,
    pub(super) fifo: bool,
    pub(super) delay: Millis,
    pub(super) max_message_bytes: usize,
    pub(super) retention: Millis,
    pub(super) wait: Millis,
    pub(super) visibility: Millis,
    pub(super) redrive: Option<Redrive>,
    pub(super) redrive_allow: RedriveAllow,
    /// If a message has no deduplication id, a hash of its body is used.
    pub(super) content_based_deduplication: bool,
    /// Deduplication ids are compared within a message group instead of the whole queue.
    pub(super) deduplicate_by_group: bool,
}

/// The redrive policy: the number of receives after which a message is moved, and the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redrive {
    /// The name of the dead-letter queue.
    pub(super) target: String,
    pub(super) max_receives: u32,
}

/// The queues that may use this queue as their dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RedriveAllow {
    All,
    None,
    /// Only the queues with these names.
    By(Vec<String>),
}

impl RedriveAllow {
    pub(super) fn permits(&self, source: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::By(names) => names.iter().any(|name| name == source),
        }
    }
}

impl QueueSettings {
    /// Creates the settings of a new queue.
    ///
    /// # Errors
    ///
    /// An unknown attribute, or a value outside its range.
    pub(super) fn new(given: &AttributeMap) -> Result<Self, SqsError> {
        let mut attributes =
            AttributeMap::from([("SqsManagedSseEnabled".to_owned(), "true".to_owned())]);
        for (name, _, default) in &NUMBERS {
            attributes.insert((*name).to_owned(), default.to_string());
        }
        if given.get("FifoQueue").is_some_and(|value| value == "true") {
            for (name, default) in [
                ("ContentBasedDeduplication", "false"),
                ("DeduplicationScope", "queue"),
                ("FifoThroughputLimit", "perQueue"),
            ] {
                attributes.insert(name.to_owned(), default.to_owned());
            }
        }
        Self::read(merged(attributes, given))
    }

    /// Returns these settings with the attributes in `given` replaced.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), and for an attribute that cannot be changed.
    pub(super) fn with(&self, given: &AttributeMap) -> Result<Self, SqsError> {
        if given.contains_key("FifoQueue") {
            return Err(unknown("FifoQueue"));
        }
        Self::read(merged(self.attributes.clone(), given))
    }

    /// Returns the first attribute in `given` whose value differs from these settings.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub(super) fn differs_from(&self, given: &AttributeMap) -> Result<Option<String>, SqsError> {
        let wanted = Self::new(given)?;
        let same = |name: &str| match name {
            // Two texts can describe the same policy.
            "RedrivePolicy" => self.redrive == wanted.redrive,
            "RedriveAllowPolicy" => self.redrive_allow == wanted.redrive_allow,
            _ => self.attributes.get(name) == wanted.attributes.get(name),
        };
        Ok(given.keys().find(|name| !same(name)).cloned())
    }

    /// Returns every attribute that has a value.
    pub(super) fn attributes(&self) -> &AttributeMap {
        &self.attributes
    }

    fn read(mut attributes: AttributeMap) -> Result<Self, SqsError> {
        let fifo = match attributes.get("FifoQueue").map(String::as_str) {
            None => false,
            Some("true") => true,
            // This attribute exists only on FIFO queues.
            Some(_) => return Err(unknown("FifoQueue")),
        };
        for (name, text) in &mut attributes {
            *text = checked(name, text, fifo)?;
        }
        let number = |name: &str| {
            let text = attributes.get(name).map_or("", String::as_str);
            text.parse::<u64>().map_err(|_| invalid(name))
        };
        let is = |name: &str, value: &str| attributes.get(name).is_some_and(|text| text == value);
        if is("FifoThroughputLimit", "perMessageGroupId")
            && !is("DeduplicationScope", "messageGroup")
        {
            return Err(ErrorCode::InvalidAttributeValue.error(
                "FifoThroughputLimit can be perMessageGroupId only if DeduplicationScope is messageGroup.",
            ));
        }
        Ok(Self {
            fifo,
            delay: number("DelaySeconds")? * 1_000,
            max_message_bytes: usize::try_from(number("MaximumMessageSize")?)
                .unwrap_or(MAX_MESSAGE_BYTES),
            retention: number("MessageRetentionPeriod")? * 1_000,
            wait: number("ReceiveMessageWaitTimeSeconds")? * 1_000,
            visibility: number("VisibilityTimeout")? * 1_000,
            redrive: attributes
                .get("RedrivePolicy")
                .map(|t| redrive(t))
                .transpose()?,
            redrive_allow: attributes
                .get("RedriveAllowPolicy")
                .map_or(Ok(RedriveAllow::All), |text| redrive_allow(text))?,
            content_based_deduplication: is("ContentBasedDeduplication", "true"),
            deduplicate_by_group: is("DeduplicationScope", "messageGroup"),
            attributes,
        })
    }
}

/// Merges two sets of attributes. An empty value removes a policy or a key.
fn merged(mut attributes: AttributeMap, given: &AttributeMap) -> AttributeMap {
    for (name, value) in given {
        let clears = matches!(
            name.as_str(),
            "KmsMasterKeyId" | "Policy" | "RedriveAllowPolicy" | "RedrivePolicy"
        );
        if clears && value.is_empty() {
            attributes.remove(name);
        } else {
            attributes.insert(name.clone(), value.clone());
        }
    }
    attributes
}

/// Checks a value and returns its canonical form.
fn checked(name: &str, text: &str, fifo: bool) -> Result<String, SqsError> {
    if let Some((_, range, _)) = NUMBERS.iter().find(|(number, _, _)| *number == name) {
        return in_range(name, text, range);
    }
    let allowed: &[&str] = match name {
        "FifoQueue" | "ContentBasedDeduplication" if fifo => &["true", "false"],
        "DeduplicationScope" if fifo => &["messageGroup", "queue"],
        "FifoThroughputLimit" if fifo => &["perMessageGroupId", "perQueue"],
        "SqsManagedSseEnabled" => &["true", "false"],
        "KmsDataKeyReusePeriodSeconds" => return in_range(name, text, &(60..=86_400)),
        "Policy" if serde_json::from_str::<Value>(text).is_err() => return Err(invalid(name)),
        "KmsMasterKeyId" | "Policy" | "RedriveAllowPolicy" | "RedrivePolicy" => {
            return Ok(text.to_owned());
        }
        _ => return Err(unknown(name)),
    };
    if allowed.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(invalid(name))
    }
}

fn in_range(name: &str, text: &str, range: &RangeInclusive<u64>) -> Result<String, SqsError> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    Ok(number.ok_or_else(|| invalid(name))?.to_string())
}

fn redrive(text: &str) -> Result<Redrive, SqsError> {
    let refused = |reason: &str| invalid_value(text, "RedrivePolicy", reason);
    let Ok(Value::Object(policy)) = serde_json::from_str(text) else {
        return Err(refused("Redrive policy is not a valid JSON map."));
    };
    let lacks = |name: &str| {
        refused(&format!(
            "Redrive policy does not contain mandatory attribute: {name}."
        ))
    };
    let target = match policy.get("deadLetterTargetArn") {
        Some(Value::String(target)) => target,
        _ => return Err(lacks("deadLetterTargetArn")),
    };
    // The AWS console and some templates send the number as a string.
    let count = match policy.get("maxReceiveCount") {
        Some(Value::Number(count)) => count.to_string(),
        Some(Value::String(count)) => count.clone(),
        _ => return Err(lacks("maxReceiveCount")),
    };
    let max_receives = count.parse().ok().filter(|n| (1..=1_000).contains(n));
    Ok(Redrive {
        target: arn::queue_name(target)
            .ok_or_else(|| refused("Invalid value for deadLetterTargetArn."))?
            .to_owned(),
        max_receives: max_receives.ok_or_else(|| {
            refused(&format!(
                "Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive."
            ))
        })?,
    })
}

fn redrive_allow(text: &str) -> Result<RedriveAllow, SqsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Policy {
        redrive_permission: String,
        source_queue_arns: Option<Vec<String>>,
    }
    let refused = |reason: &str| invalid_value(text, "RedriveAllowPolicy", reason);
    let policy: Policy = serde_json::from_str(text)
        .map_err(|_| refused("Redrive allow policy is not a valid policy."))?;
    match (policy.redrive_permission.as_str(), policy.source_queue_arns) {
        ("allowAll", None) => Ok(RedriveAllow::All),
        ("denyAll", None) => Ok(RedriveAllow::None),
        ("byQueue", Some(arns)) if (1..=10).contains(&arns.len()) => arns
            .iter()
            .map(|arn| arn::queue_name(arn).map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .map(RedriveAllow::By)
            .ok_or_else(|| refused("sourceQueueArns must be ARNs of queues.")),
        ("byQueue", _) => Err(refused("sourceQueueArns must hold 1 to 10 ARNs.")),
        ("allowAll" | "denyAll", Some(_)) => Err(refused(
            "sourceQueueArns can be given only if redrivePermission is byQueue.",
        )),
        _ => Err(refused(
            "redrivePermission must be allowAll, denyAll or byQueue.",
        )),
    }
}

fn unknown(name: &str) -> SqsError {
    ErrorCode::InvalidAttributeName.error(format!("Unknown Attribute {name}."))
}

fn invalid(name: &str) -> SqsError {
    ErrorCode::InvalidAttributeValue.error(format!("Invalid value for the parameter {name}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(pairs: &[(&str, &str)]) -> AttributeMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn new_queue_has_the_defaults_of_sqs() {
        let settings = QueueSettings::new(&AttributeMap::new()).unwrap();
        assert_eq!(settings.visibility, 30_000);
        assert_eq!(settings.retention, 345_600_000);
        assert_eq!(settings.max_message_bytes, MAX_MESSAGE_BYTES);
        assert!(!settings.fifo);
    }

    #[test]
    fn out_of_range_attributes_are_refused() {
        for (name, value, kind) in [
            (
                "VisibilityTimeout",
                "43201",
                ErrorCode::InvalidAttributeValue,
            ),
            ("VisibilityTimeout", "-1", ErrorCode::InvalidAttributeValue),
            ("VisibilityTimeout", "", ErrorCode::InvalidAttributeValue),
            ("DelaySeconds", "901", ErrorCode::InvalidAttributeValue),
            (
                "MaximumMessageSize",
                "1023",
                ErrorCode::InvalidAttributeValue,
            ),
            (
                "MaximumMessageSize",
                "1048577",
                ErrorCode::InvalidAttributeValue,
            ),
            (
                "MessageRetentionPeriod",
                "59",
                ErrorCode::InvalidAttributeValue,
            ),
            ("Policy", "{", ErrorCode::InvalidAttributeValue),
            ("FifoQueue", "false", ErrorCode::InvalidAttributeName),
            ("QueueArn", "x", ErrorCode::InvalidAttributeName),
            (
                "DeduplicationScope",
                "queue",
                ErrorCode::InvalidAttributeName,
            ),
            ("RedrivePolicy", "[]", ErrorCode::InvalidParameterValue),
            ("RedriveAllowPolicy", "{}", ErrorCode::InvalidParameterValue),
        ] {
            let error = QueueSettings::new(&attributes(&[(name, value)])).unwrap_err();
            assert_eq!(error.code, kind, "{name}={value}");
        }
    }

    #[test]
    fn redrive_count_is_a_number_or_a_string() {
        for count in ["3", "\"3\""] {
            let policy = format!(
                r#"{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:d","maxReceiveCount":{count}}}"#
            );
            let settings = QueueSettings::new(&attributes(&[("RedrivePolicy", &policy)])).unwrap();
            let redrive = settings.redrive.unwrap();
            assert_eq!((redrive.target.as_str(), redrive.max_receives), ("d", 3));
        }
    }

    #[test]
    fn empty_policy_removes_the_policy() {
        let policy = attributes(&[("Policy", "{}")]);
        let settings = QueueSettings::new(&policy).unwrap();
        assert!(settings.attributes().contains_key("Policy"));
        let settings = settings.with(&attributes(&[("Policy", "")])).unwrap();
        assert!(!settings.attributes().contains_key("Policy"));
    }

    #[test]
    fn only_given_attributes_are_compared() {
        let settings = QueueSettings::new(&attributes(&[("DelaySeconds", "5")])).unwrap();
        let differs = |pairs: &[(&str, &str)]| settings.differs_from(&attributes(pairs)).unwrap();
        assert_eq!(differs(&[]), None);
        assert_eq!(differs(&[("DelaySeconds", "05")]), None);
        assert_eq!(
            differs(&[("DelaySeconds", "6")]).as_deref(),
            Some("DelaySeconds")
        );
    }
}
