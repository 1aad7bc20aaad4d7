//! The response of a `Query` or a `Scan`.

use aws_sdk_dynamodb::types::AttributeValue;

use super::attribute_json::{Scalar, scalar};
use super::error::CorruptItem;
use super::item::Item;
use super::item_reader;
use super::stored_event::StoredEvent;
use crate::json::reader::{Reader, SyntaxError, Token};

/// A page of events, and the key after which the next page starts.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) events: Vec<Result<StoredEvent, CorruptItem>>,
    pub(crate) next: Option<Item>,
}

/// Reads the body of a response. `None` if it is not a page.
pub(crate) fn read(body: &str) -> Option<Page> {
    let mut reader = Reader::new(body);
    let page = members(&mut reader).ok()??;
    matches!(reader.next(), Ok(Token::End)).then_some(page)
}

fn members(reader: &mut Reader<'_>) -> Result<Option<Page>, SyntaxError> {
    let mut page = Page::default();
    if reader.next()? != Token::BeginObject {
        return Ok(None);
    }
    while let Token::Key(name) = reader.next()? {
        let outside = reader.depth();
        match (&*name, reader.next()?) {
            ("Items", Token::BeginArray) => {
                while reader.next()? == Token::BeginObject {
                    page.events.push(item_reader::read(reader)?);
                }
                if reader.depth() != outside {
                    return Ok(None);
                }
            }
            ("LastEvaluatedKey", Token::BeginObject) => {
                let Some(key) = key(reader)? else {
                    return Ok(None);
                };
                page.next = Some(key).filter(|key| !key.is_empty());
            }
            ("Items" | "LastEvaluatedKey", Token::Null) => {}
            // A page whose items are missing must not look like an empty one.
            ("Items" | "LastEvaluatedKey", _) => return Ok(None),
            _ => reader.skip_to_depth(outside)?,
        }
    }
    Ok(Some(page))
}

/// Reads a key, which has only strings and numbers.
fn key(reader: &mut Reader<'_>) -> Result<Option<Item>, SyntaxError> {
    let mut key = Item::new();
    while let Token::Key(name) = reader.next()? {
        let value = match scalar(reader)? {
            Scalar::Text(text) => AttributeValue::S(text.into_owned()),
            Scalar::Number(number) => AttributeValue::N(number.into_owned()),
            Scalar::Null | Scalar::Other => return Ok(None),
        };
        key.insert(name.into_owned(), value);
    }
    Ok(Some(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: &str = r#"{"EventType":{"S":"A"},"Timestamp":{"N":"1.5"},"ID":{"S":"e"},"EmitterId":{"S":"u"},"EmitterType":{"S":"USER"},"EventId":{"S":"i"},"Data":{"M":{"b":{"N":"1"},"a":{"S":"\u00e9"}}},"x":{"L":[]},"StoredAt":{"N":"2"},"IndexKey":{"S":"A#0"}}"#;

    #[test]
    fn page_is_read_in_any_order_of_its_members() {
        for body in [
            format!(r#"{{"Items":[{ITEM},{ITEM}],"Count":2,"ScannedCount":2}}"#),
            format!(r#" {{ "Count" : 2 , "New" : {{"a":[1]}}, "Items" : [ {ITEM} , {ITEM} ] }} "#),
        ] {
            let page = read(&body).unwrap();
            assert_eq!(page.events.len(), 2);
            assert!(page.next.is_none());
            let event = page.events[0].as_ref().unwrap();
            assert_eq!(event.data(), Some(r#"{"a":"é","b":1}"#));
            assert_eq!(event.timestamp().to_string(), "1.5");
            assert_eq!(event.stored_at().unwrap().to_string(), "2");
            assert_eq!(event.extra_fields().collect::<Vec<_>>(), [("x", "[]")]);
        }
    }

    #[test]
    fn last_key_is_where_the_next_page_starts() {
        let body = r#"{"Items":[],"LastEvaluatedKey":{"ID":{"S":"e"},"Timestamp":{"N":"1"}}}"#;
        let next = read(body).unwrap().next.unwrap();
        assert_eq!(next["ID"], AttributeValue::S("e".to_owned()));
        assert_eq!(next["Timestamp"], AttributeValue::N("1".to_owned()));
        assert!(read(r#"{"LastEvaluatedKey":{}}"#).unwrap().next.is_none());
        assert!(read(r#"{"LastEvaluatedKey":null,"Items":null}"#).is_some());
    }

    #[test]
    fn corrupt_item_does_not_hide_the_next_one() {
        for corrupt in [
            "{}",
            r#"{"ID":{"S":"e"},"Timestamp":{"N":"1"},"Data":{"M":{"a":{"L":[{"B":"AA=="}]}}}}"#,
            r#"{"ID":{"L":[{"S":"e"}]},"Timestamp":{"BOOL":true},"Data":{"L":[{"M":5}]}}"#,
        ] {
            let page = read(&format!(r#"{{"Items":[{corrupt},{ITEM}]}}"#)).unwrap();
            assert!(page.events[0].is_err(), "{corrupt}");
            assert!(page.events[1].is_ok(), "{corrupt}");
            assert_eq!(page.events.len(), 2);
        }
    }

    #[test]
    fn body_that_is_not_a_page_is_not_read() {
        let cut = format!(r#"{{"Items":[{ITEM},{ITEM}"#);
        for body in [
            "",
            "[]",
            "<html>",
            &cut,
            &cut[..cut.len() - 40],
            r#"{"Items":[1]}"#,
            r#"{"Items":[{},1,{}]}"#,
            r#"{"Items":{}}"#,
            r#"{"Items":[]}x"#,
            r#"{"Items":[],"LastEvaluatedKey":{"ID":{"B":"AA=="}}}"#,
            r#"{"Items":[],"LastEvaluatedKey":"x"}"#,
        ] {
            assert!(read(body).is_none(), "{body}");
        }
    }
}
