//! The reasons why a reader cannot read a written value.

use std::fmt;

/// A position at which the reader cannot read a written value, and the reason.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Incompatibility {
    /// A JSON Pointer into the data. `*` stands for every item or member.
    pub(super) pointer: String,
    pub(super) fault: Fault,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    /// The reader requires the field, and the writer may omit it.
    Required,
    /// The reader does not know the field, and ignores it.
    Dropped,
    /// The reader does not know the field, and refuses the event.
    Refused,
    Type {
        written: String,
        read: String,
    },
    /// The reader does not know this value.
    Value(String),
    /// The reader accepts fewer values of the same type.
    Narrower(&'static str),
    /// The reader's schema has a rule that this comparison does not know.
    Rule(String),
    TooDeep,
}

/// Describes the fault as a change from the program that wrote to the program that reads.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => f.write_str("the field is required now"),
            Self::Dropped => f.write_str("the field was removed"),
            Self::Refused => f.write_str("the field was removed, and unknown fields are refused"),
            Self::Type { written, read } => write!(f, "the type was {written} and is {read} now"),
            Self::Value(value) => write!(f, "{value} is no longer one of the values"),
            Self::Narrower(what) => write!(f, "the {what} is narrower now"),
            Self::Rule(rule) => write!(f, "the schema's rule `{rule}` is new or changed"),
            Self::TooDeep => f.write_str("the schema is nested too deeply to be compared"),
        }
    }
}

impl Fault {
    /// Describes the fault as a contradiction between the written and the read form of one
    /// type.
    pub(super) fn of_own_output(&self) -> String {
        match self {
            Self::Required => "the field may be absent, and reading requires it".to_owned(),
            Self::Dropped => "the field is written, and reading ignores it".to_owned(),
            Self::Refused => "the field is written, and reading refuses it".to_owned(),
            Self::Type { written, read } => format!("{written} is written, and {read} is read"),
            Self::Value(value) => format!("{value} is written, and is not one of the values read"),
            Self::Narrower(what) => format!("the {what} is narrower for reading"),
            Self::Rule(rule) => format!("only reading has the rule `{rule}`"),
            Self::TooDeep => self.to_string(),
        }
    }

    /// Describes the fault as a contradiction between a value and a schema.
    pub(super) fn of_value(&self) -> String {
        match self {
            Self::Required => "the field is absent, and the schema requires it".to_owned(),
            Self::Dropped | Self::Refused => "the schema does not allow the field".to_owned(),
            Self::Type { written, read } => {
                format!("the value is {written}, and the schema says {read}")
            }
            Self::Value(value) => format!("the schema does not list the value {value}"),
            Self::Narrower(what) => format!("the value is outside of the schema's {what}"),
            Self::Rule(rule) => format!("the schema has the rule `{rule}`"),
            Self::TooDeep => self.to_string(),
        }
    }
}

pub(super) fn incompatibility(pointer: &str, fault: Fault) -> Vec<Incompatibility> {
    vec![Incompatibility {
        pointer: pointer.to_owned(),
        fault,
    }]
}
