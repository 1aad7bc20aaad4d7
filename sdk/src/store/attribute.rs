//! Values as the AWS SDK represents them, for comparing an event with an item.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::json::limits;
use crate::json::number::Number;
use crate::json::reader::{Reader, Token, number_text};

/// JSON text as an attribute value. The text was checked when its envelope was created.
pub(crate) fn from_json(json: &str) -> AttributeValue {
    let mut reader = Reader::new(json);
    next_value(&mut reader).unwrap_or(AttributeValue::Null(true))
}

/// Returns the next value, or `None` at the end of its container.
fn next_value(reader: &mut Reader<'_>) -> Option<AttributeValue> {
    Some(match reader.next().ok()? {
        Token::BeginObject => {
            let mut members = HashMap::new();
            while let Ok(Token::Key(key)) = reader.next() {
                members.insert(limits::stored_key(key).into_owned(), next_value(reader)?);
            }
            AttributeValue::M(members)
        }
        Token::BeginArray => {
            let mut members = Vec::new();
            while let Some(member) = next_value(reader) {
                members.push(member);
            }
            AttributeValue::L(members)
        }
        Token::String(text) => AttributeValue::S(text.into_owned()),
        Token::Number(lexeme) => AttributeValue::N(Number::stored_text(lexeme)),
        Token::Bool(value) => AttributeValue::Bool(value),
        Token::Null => AttributeValue::Null(true),
        Token::EndArray | Token::EndObject | Token::Key(_) | Token::End => return None,
    })
}

/// Returns true if two values are equal. Numbers are compared by value, because DynamoDB trims
/// zeros and chooses the exponent.
pub(crate) fn is_same(a: &AttributeValue, b: &AttributeValue) -> bool {
    match (a, b) {
        (AttributeValue::N(a), AttributeValue::N(b)) => {
            a == b
                || number_text(a)
                    .zip(number_text(b))
                    .is_some_and(|(a, b)| Number::stored_text(a) == Number::stored_text(b))
        }
        (AttributeValue::L(a), AttributeValue::L(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (AttributeValue::M(a), AttributeValue::M(b)) => {
            let in_b = |(key, value)| b.get(key).is_some_and(|other| is_same(value, other));
            a.len() == b.len() && a.iter().all(in_b)
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_has_one_text_per_value() {
        for (number, stored) in [("0.10", "0.1"), ("-0", "0"), ("1e2", "100"), ("0e900", "0")] {
            assert_eq!(from_json(number), AttributeValue::N(stored.to_owned()));
        }
    }

    #[test]
    fn values_are_compared_by_value() {
        let number = |text: &str| AttributeValue::N(text.to_owned());
        for (a, b) in [
            ("1.0", "1"),
            ("1E+2", "100"),
            ("-0", "0"),
            ("1e-3", "0.001"),
        ] {
            assert!(is_same(&number(a), &number(b)), "{a} {b}");
        }
        assert!(!is_same(
            &number("1"),
            &number("1.0000000000000000000000000001")
        ));
        assert!(!is_same(&number("1"), &AttributeValue::S("1".to_owned())));
        let json = |text: &str| from_json(text);
        assert!(is_same(
            &json(r#"{"a":[1.0],"b":1}"#),
            &json(r#"{"b":1e0,"a":[1]}"#)
        ));
        for other in [
            "{}",
            r#"{"a":[1]}"#,
            r#"{"a":[1,1],"b":1}"#,
            r#"{"a":[1],"c":1}"#,
        ] {
            assert!(
                !is_same(&json(r#"{"a":[1],"b":1}"#), &json(other)),
                "{other}"
            );
        }
    }
}
