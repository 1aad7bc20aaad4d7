//! JSON text ⇄ DynamoDB's attribute values, without losing a digit.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::json::document::Json;
use crate::json::escape::push_quoted;
use crate::json::limits;
use crate::json::number::Number;
use crate::json::reader::{Reader, Token, number_text};

/// JSON text as an attribute value. The text was checked when its envelope was created.
pub(crate) fn from_json(json: &str) -> AttributeValue {
    let mut reader = Reader::new(json);
    next_value(&mut reader).unwrap_or(AttributeValue::Null(true))
}

/// The next value, or `None` at the end of its container.
fn next_value(reader: &mut Reader<'_>) -> Option<AttributeValue> {
    Some(match reader.next().ok()? {
        Token::BeginObject => {
            let mut members = HashMap::new();
            while let Ok(Token::Key(key)) = reader.next() {
                members.insert(limits::stored_key(key.into_owned()), next_value(reader)?);
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

/// The number of bytes that a value takes in a request, where it is JSON: `{"N":"1"}`
/// and a comma, and so on. Escapes are counted at their greatest length.
pub(crate) fn request_bytes(value: &AttributeValue) -> usize {
    let text = |text: &str| -> usize {
        let escaped = |b: u8| match b {
            0..0x20 => 6,
            b'"' | b'\\' => 2,
            _ => 1,
        };
        2 + text.bytes().map(escaped).sum::<usize>()
    };
    let rest = r#"{"BOOL":false},"#.len();
    match value {
        AttributeValue::S(string) => rest + text(string),
        AttributeValue::N(number) => rest + number.len(),
        AttributeValue::L(members) => rest + members.iter().map(request_bytes).sum::<usize>(),
        AttributeValue::M(members) => {
            let member =
                |(key, value): (&String, &AttributeValue)| text(key) + request_bytes(value);
            rest + members.iter().map(member).sum::<usize>()
        }
        _ => rest,
    }
}

/// Whether two values are equal. Numbers are compared by value, because DynamoDB trims
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

/// An attribute as JSON text. The keys are sorted: DynamoDB keeps no order, and two
/// reads of one item must be equal.
pub(crate) fn to_json(name: &str, value: &AttributeValue) -> Result<Json, String> {
    let mut text = String::new();
    write_json(&mut text, value)
        .map_err(|kind| format!("{name} contains {kind}, which JSON does not have"))?;
    let unreadable = || format!("{name} cannot be read");
    let mut reader = Reader::new(&text);
    let first = reader.next().map_err(|_| unreadable())?;
    let mut faults = limits::Faults::default();
    let size = limits::value(&mut reader, first, None, 1, &mut faults).map_err(|_| unreadable())?;
    if faults.is_empty() {
        Ok(Json { text, size })
    } else {
        Err(unreadable())
    }
}

fn write_json(out: &mut String, value: &AttributeValue) -> Result<(), &'static str> {
    match value {
        AttributeValue::S(text) => push_quoted(out, text),
        // Text that is not a number is found when the JSON is read.
        AttributeValue::N(number) => match number_text(number) {
            Some(lexeme) => out.push_str(&Number::read_text(lexeme)),
            None => out.push_str(number),
        },
        AttributeValue::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        AttributeValue::Null(_) => out.push_str("null"),
        AttributeValue::L(members) => {
            out.push('[');
            for (i, member) in members.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_json(out, member)?;
            }
            out.push(']');
        }
        AttributeValue::M(members) => {
            out.push('{');
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| a.0.cmp(b.0));
            for (i, (key, member)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                push_quoted(out, limits::original_key(key));
                out.push(':');
                write_json(out, member)?;
            }
            out.push('}');
        }
        AttributeValue::B(_) => return Err("binary data"),
        AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_) => {
            return Err("a set");
        }
        _ => return Err("an unknown type"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_value_is_read_back_unchanged() {
        let text = r#"{"":1,"\u0000":{"":2},"a":[null,true,"",{},[],"\ufffe\u0000😀"],"n":12345678901234567890123456789012345678}"#;
        let read = to_json("Data", &from_json(text)).unwrap();
        assert_eq!(from_json(&read.text), from_json(text));
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
