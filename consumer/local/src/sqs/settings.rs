//! The attributes of a queue: what they may be, and what they mean.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::Value;

use super::arn;
use super::clock::Millis;
use super::error::{Kind, Refusal, invalid_value};

/// Attribute names and their values, as they stand in requests.
pub(super) type Texts = BTreeMap<String, String>;

/// The largest message, and the largest batch: 1 MiB.
pub(super) const MAXIMUM_SIZE: usize = 1_048_576;

/// The longest time a message can be in flight: twelve hours, in seconds.
pub(super) const LONGEST_VISIBILITY: u64 = 43_200;

/// The longest delay, in seconds.
pub(super) const LONGEST_DELAY: u64 = 900;

/// The longest long poll, in seconds.
pub(super) const LONGEST_WAIT: u64 = 20;

/// The attributes that are numbers, with their range and default
/// (`SetQueueAttributes` in the API reference).
const NUMBERS: [(&str, RangeInclusive<u64>, u64); 5] = [
    ("DelaySeconds", 0..=LONGEST_DELAY, 0),
    ("MaximumMessageSize", 1_024..=1_048_576, 1_048_576),
    ("MessageRetentionPeriod", 60..=1_209_600, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0..=LONGEST_WAIT, 0),
    ("VisibilityTimeout", 0..=LONGEST_VISIBILITY, 30),
];

/// The attributes of one queue, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// Every attribute that has a value, in its canonical text.
    texts: Texts,
    pub(super) fifo: bool,
    pub(super) delay: Millis,
    pub(super) maximum_size: usize,
    pub(super) retention: Millis,
    pub(super) wait: Millis,
    pub(super) visibility: Millis,
    pub(super) redrive: Option<Redrive>,
    pub(super) redrive_allow: RedriveAllow,
    /// A body's digest stands in for an absent deduplication id.
    pub(super) content_based_deduplication: bool,
    /// Deduplication ids are compared within a group, not the whole queue.
    pub(super) deduplicate_by_group: bool,
}

/// When a message is given up, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redrive {
    /// The name of the dead-letter queue.
    pub(super) target: String,
    pub(super) max_receives: u32,
}

/// Which queues may use this one as their dead-letter queue.
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

impl Settings {
    /// The settings of a new queue.
    ///
    /// # Errors
    ///
    /// An unknown attribute, or a value outside its range.
    pub(super) fn new(given: &Texts) -> Result<Self, Refusal> {
        let mut texts = Texts::from([("SqsManagedSseEnabled".to_owned(), "true".to_owned())]);
        for (name, _, default) in &NUMBERS {
            texts.insert((*name).to_owned(), default.to_string());
        }
        if given.get("FifoQueue").is_some_and(|value| value == "true") {
            for (name, default) in [
                ("ContentBasedDeduplication", "false"),
                ("DeduplicationScope", "queue"),
                ("FifoThroughputLimit", "perQueue"),
            ] {
                texts.insert(name.to_owned(), default.to_owned());
            }
        }
        Self::read(merged(texts, given))
    }

    /// These settings with `given` in place of what they were.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), and for an attribute that cannot change.
    pub(super) fn with(&self, given: &Texts) -> Result<Self, Refusal> {
        if given.contains_key("FifoQueue") {
            return Err(unknown("FifoQueue"));
        }
        Self::read(merged(self.texts.clone(), given))
    }

    /// The first of `given`'s attributes that has another value here.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub(super) fn differs_from(&self, given: &Texts) -> Result<Option<String>, Refusal> {
        let wanted = Self::new(given)?;
        let same = |name: &str| match name {
            // A policy's text may differ and mean the same.
            "RedrivePolicy" => self.redrive == wanted.redrive,
            "RedriveAllowPolicy" => self.redrive_allow == wanted.redrive_allow,
            _ => self.texts.get(name) == wanted.texts.get(name),
        };
        Ok(given.keys().find(|name| !same(name)).cloned())
    }

    /// Every attribute that has a value.
    pub(super) fn texts(&self) -> &Texts {
        &self.texts
    }

    fn read(mut texts: Texts) -> Result<Self, Refusal> {
        let fifo = match texts.get("FifoQueue").map(String::as_str) {
            None => false,
            Some("true") => true,
            // AWS knows the attribute on FIFO queues only.
            Some(_) => return Err(unknown("FifoQueue")),
        };
        for (name, text) in &mut texts {
            *text = checked(name, text, fifo)?;
        }
        let number = |name: &str| {
            let text = texts.get(name).map_or("", String::as_str);
            text.parse::<u64>().map_err(|_| invalid(name))
        };
        let is = |name: &str, value: &str| texts.get(name).is_some_and(|text| text == value);
        if is("FifoThroughputLimit", "perMessageGroupId")
            && !is("DeduplicationScope", "messageGroup")
        {
            return Err(Kind::InvalidAttributeValue.because(
                "FifoThroughputLimit can be perMessageGroupId only if DeduplicationScope is messageGroup.",
            ));
        }
        Ok(Self {
            fifo,
            delay: number("DelaySeconds")? * 1_000,
            maximum_size: usize::try_from(number("MaximumMessageSize")?).unwrap_or(MAXIMUM_SIZE),
            retention: number("MessageRetentionPeriod")? * 1_000,
            wait: number("ReceiveMessageWaitTimeSeconds")? * 1_000,
            visibility: number("VisibilityTimeout")? * 1_000,
            redrive: texts.get("RedrivePolicy").map(|t| redrive(t)).transpose()?,
            redrive_allow: texts
                .get("RedriveAllowPolicy")
                .map_or(Ok(RedriveAllow::All), |text| redrive_allow(text))?,
            content_based_deduplication: is("ContentBasedDeduplication", "true"),
            deduplicate_by_group: is("DeduplicationScope", "messageGroup"),
            texts,
        })
    }
}

/// An empty policy takes the policy away.
fn merged(mut texts: Texts, given: &Texts) -> Texts {
    for (name, value) in given {
        let clears = matches!(
            name.as_str(),
            "KmsMasterKeyId" | "Policy" | "RedriveAllowPolicy" | "RedrivePolicy"
        );
        if clears && value.is_empty() {
            texts.remove(name);
        } else {
            texts.insert(name.clone(), value.clone());
        }
    }
    texts
}

/// The canonical text of a value that is allowed.
fn checked(name: &str, text: &str, fifo: bool) -> Result<String, Refusal> {
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

fn in_range(name: &str, text: &str, range: &RangeInclusive<u64>) -> Result<String, Refusal> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    Ok(number.ok_or_else(|| invalid(name))?.to_string())
}

fn redrive(text: &str) -> Result<Redrive, Refusal> {
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
    // Consoles and templates send the count as a text.
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

fn redrive_allow(text: &str) -> Result<RedriveAllow, Refusal> {
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

fn unknown(name: &str) -> Refusal {
    Kind::InvalidAttributeName.because(format!("Unknown Attribute {name}."))
}

fn invalid(name: &str) -> Refusal {
    Kind::InvalidAttributeValue.because(format!("Invalid value for the parameter {name}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_new_queue_has_the_defaults_of_sqs() {
        let settings = Settings::new(&Texts::new()).unwrap();
        assert_eq!(settings.visibility, 30_000);
        assert_eq!(settings.retention, 345_600_000);
        assert_eq!(settings.maximum_size, MAXIMUM_SIZE);
        assert!(!settings.fifo);
    }

    #[test]
    fn attributes_outside_their_range_are_refused() {
        for (name, value, kind) in [
            ("VisibilityTimeout", "43201", Kind::InvalidAttributeValue),
            ("VisibilityTimeout", "-1", Kind::InvalidAttributeValue),
            ("VisibilityTimeout", "", Kind::InvalidAttributeValue),
            ("DelaySeconds", "901", Kind::InvalidAttributeValue),
            ("MaximumMessageSize", "1023", Kind::InvalidAttributeValue),
            ("MaximumMessageSize", "1048577", Kind::InvalidAttributeValue),
            ("MessageRetentionPeriod", "59", Kind::InvalidAttributeValue),
            ("Policy", "{", Kind::InvalidAttributeValue),
            ("FifoQueue", "false", Kind::InvalidAttributeName),
            ("QueueArn", "x", Kind::InvalidAttributeName),
            ("DeduplicationScope", "queue", Kind::InvalidAttributeName),
            ("RedrivePolicy", "[]", Kind::InvalidParameterValue),
            ("RedriveAllowPolicy", "{}", Kind::InvalidParameterValue),
        ] {
            let refusal = Settings::new(&texts(&[(name, value)])).unwrap_err();
            assert_eq!(refusal.kind, kind, "{name}={value}");
        }
    }

    #[test]
    fn a_redrive_policy_takes_the_count_as_number_or_text() {
        for count in ["3", "\"3\""] {
            let policy = format!(
                r#"{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:d","maxReceiveCount":{count}}}"#
            );
            let settings = Settings::new(&texts(&[("RedrivePolicy", &policy)])).unwrap();
            let redrive = settings.redrive.unwrap();
            assert_eq!((redrive.target.as_str(), redrive.max_receives), ("d", 3));
        }
    }

    #[test]
    fn an_empty_policy_takes_the_policy_away() {
        let policy = texts(&[("Policy", "{}")]);
        let settings = Settings::new(&policy).unwrap();
        assert!(settings.texts().contains_key("Policy"));
        let settings = settings.with(&texts(&[("Policy", "")])).unwrap();
        assert!(!settings.texts().contains_key("Policy"));
    }

    #[test]
    fn only_the_given_attributes_are_compared() {
        let settings = Settings::new(&texts(&[("DelaySeconds", "5")])).unwrap();
        let differs = |pairs: &[(&str, &str)]| settings.differs_from(&texts(pairs)).unwrap();
        assert_eq!(differs(&[]), None);
        assert_eq!(differs(&[("DelaySeconds", "05")]), None);
        assert_eq!(
            differs(&[("DelaySeconds", "6")]).as_deref(),
            Some("DelaySeconds")
        );
    }
}
