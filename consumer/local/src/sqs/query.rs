//! Translates requests and responses between the query protocol of SQS and the JSON protocol.
//!
//! A request of the query protocol is a form: `Action=SendMessage&MessageBody=…`. Names with
//! dots and numbers describe lists and maps (`MessageAttribute.1.Name`), which are arrays and
//! objects in the JSON protocol. A response is XML, in which a list is a repeated element.
//! The names of the fields come from the API reference of SQS, version 2012-11-05.

use std::collections::BTreeMap;

use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use super::error::{ErrorCode, SqsError, invalid_value};

const NAMESPACE: &str = "http://queue.amazonaws.com/doc/2012-11-05/";

/// The JSON form of a list in a request.
enum List {
    /// An array of the values.
    Array(&'static str),
    /// An object: each entry has a key under the first name and a value under the second.
    Object(&'static str, &'static str, &'static str),
}

/// Returns the list that `name` represents in a form.
fn list(name: &str) -> Option<List> {
    Some(match name {
        "AttributeName" => List::Array("AttributeNames"),
        "MessageAttributeName" => List::Array("MessageAttributeNames"),
        "MessageSystemAttributeName" => List::Array("MessageSystemAttributeNames"),
        "TagKey" => List::Array("TagKeys"),
        "StringListValue" => List::Array("StringListValues"),
        "BinaryListValue" => List::Array("BinaryListValues"),
        "SendMessageBatchRequestEntry"
        | "DeleteMessageBatchRequestEntry"
        | "ChangeMessageVisibilityBatchRequestEntry" => List::Array("Entries"),
        "Attribute" => List::Object("Attributes", "Name", "Value"),
        "MessageAttribute" => List::Object("MessageAttributes", "Name", "Value"),
        "MessageSystemAttribute" => List::Object("MessageSystemAttributes", "Name", "Value"),
        "Tag" => List::Object("Tags", "Key", "Value"),
        _ => return None,
    })
}

/// The parameters that are numbers in JSON.
const NUMBERS: [&str; 6] = [
    "DelaySeconds",
    "MaxNumberOfMessages",
    "MaxNumberOfMessagesPerSecond",
    "MaxResults",
    "VisibilityTimeout",
    "WaitTimeSeconds",
];

/// Parameters that are ignored: parameters of the protocol, of signatures and of older API
/// versions.
const IGNORED: [&str; 9] = [
    "Action",
    "Version",
    "AWSAccessKeyId",
    "Expires",
    "SecurityToken",
    "Signature",
    "SignatureMethod",
    "SignatureVersion",
    "Timestamp",
];

/// A form as a tree: the parts of each name lead to its value.
#[derive(Default)]
struct Node {
    value: Option<String>,
    children: BTreeMap<String, Node>,
}

/// Returns the action of a form, and its parameters as a JSON request. A request without
/// `QueueUrl` applies to the queue at whose URL it arrived.
///
/// # Errors
///
/// `InvalidMessageContents` if the form is not UTF-8, `MissingParameter` if there is no action, `InvalidParameterValue` if a numeric parameter is
/// not a number, and `UnknownOperation` if the names do not describe a request.
pub(super) fn request(path: &str, form: &[u8]) -> Result<(String, Vec<u8>), SqsError> {
    // `form_urlencoded` replaces bytes that are not UTF-8, which would change a message.
    if percent_decode(form).decode_utf8().is_err() {
        let error = ErrorCode::InvalidMessageContents;
        return Err(error.error("The form of the request is not UTF-8."));
    }
    let mut root = Node::default();
    let mut action = None;
    for (name, value) in form_urlencoded::parse(form) {
        if name == "Action" {
            action = Some(value.clone().into_owned());
        }
        if IGNORED.contains(&&*name) {
            continue;
        }
        let mut node = &mut root;
        // No parameter of SQS has more than five parts. The limit bounds the depth of the tree.
        for part in name.splitn(8, '.') {
            node = node.children.entry(part.to_owned()).or_default();
        }
        node.value = Some(value.into_owned());
    }
    let action = action.ok_or_else(|| {
        ErrorCode::MissingParameter.error("The request must contain the parameter Action.")
    })?;
    let mut parameters = object(root)?;
    if !parameters.contains_key("QueueUrl") && path.len() > 1 {
        parameters.insert("QueueUrl".to_owned(), path.into());
    }
    let json = Value::Object(parameters).to_string();
    Ok((action, json.into_bytes()))
}

fn object(node: Node) -> Result<Map<String, Value>, SqsError> {
    let mut members = Map::new();
    for (name, child) in node.children {
        let (name, value) = match list(&name) {
            Some(List::Array(json)) => (json.to_owned(), array(child)?.into()),
            Some(List::Object(json, key, value)) => {
                (json.to_owned(), entries(child, key, value)?.into())
            }
            None => {
                let value = value(&name, child)?;
                (name, value)
            }
        };
        members.insert(name, value);
    }
    Ok(members)
}

fn value(name: &str, node: Node) -> Result<Value, SqsError> {
    match node.value {
        Some(text) if NUMBERS.contains(&name) => match text.parse::<i64>() {
            Ok(number) => Ok(number.into()),
            Err(_) => Err(invalid_value(text, name, "Must be a whole number.")),
        },
        Some(text) => Ok(text.into()),
        None => object(node).map(Value::Object),
    }
}

/// Returns the elements of a list, in the order of their numbers. Older clients send a list of
/// one element without a number: `AttributeName=All`, or `Attribute.Name=…&Attribute.Value=…`.
fn elements(node: Node) -> Vec<Node> {
    let mut single = Node {
        value: node.value,
        children: BTreeMap::new(),
    };
    let mut numbered: Vec<(u32, Node)> = Vec::new();
    for (part, node) in node.children {
        match part.parse() {
            Ok(number) => numbered.push((number, node)),
            Err(_) => drop(single.children.insert(part, node)),
        }
    }
    numbered.sort_by_key(|(number, _)| *number);
    let is_present = single.value.is_some() || !single.children.is_empty();
    let numbered = numbered.into_iter().map(|(_, node)| node);
    is_present
        .then_some(single)
        .into_iter()
        .chain(numbered)
        .collect()
}

fn array(node: Node) -> Result<Vec<Value>, SqsError> {
    let elements = elements(node).into_iter();
    elements.map(|element| value("", element)).collect()
}

fn entries(node: Node, key: &str, value_name: &str) -> Result<Map<String, Value>, SqsError> {
    let mut members = Map::new();
    for mut entry in elements(node) {
        let name = entry.children.remove(key).and_then(|node| node.value);
        let Some(name) = name else {
            return Err(ErrorCode::MissingParameter.error(format!(
                "The request must contain the parameter {key} for each entry."
            )));
        };
        let content = entry.children.remove(value_name).unwrap_or_default();
        members.insert(name, value("", content)?);
    }
    Ok(members)
}

/// Converts the JSON response of `action` to XML.
pub(super) fn response(action: &str, json: &[u8], request_id: &str) -> Vec<u8> {
    let mut xml = Xml::default();
    let members = match serde_json::from_slice(json) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    xml.0.push_str("<?xml version=\"1.0\"?>");
    xml.0
        .push_str(&format!("<{action}Response xmlns=\"{NAMESPACE}\">"));
    if !is_without_result(action) {
        xml.element(&format!("{action}Result"), |xml| {
            xml.members(action, &members);
        });
    }
    xml.element("ResponseMetadata", |xml| xml.text("RequestId", request_id));
    xml.0.push_str(&format!("</{action}Response>"));
    xml.0.into_bytes()
}

/// Converts an error to XML.
pub(super) fn error(error: &SqsError, request_id: &str) -> Vec<u8> {
    let mut xml = Xml::default();
    xml.0.push_str("<?xml version=\"1.0\"?>");
    xml.0
        .push_str(&format!("<ErrorResponse xmlns=\"{NAMESPACE}\">"));
    xml.element("Error", |xml| {
        xml.text("Type", error.code.fault());
        xml.text("Code", error.code.query_code());
        xml.text("Message", &error.message);
        xml.0.push_str("<Detail/>");
    });
    xml.text("RequestId", request_id);
    xml.0.push_str("</ErrorResponse>");
    xml.0.into_bytes()
}

/// Returns true if clients expect no result element in the response of `action`.
fn is_without_result(action: &str) -> bool {
    matches!(
        action,
        "ChangeMessageVisibility"
            | "DeleteMessage"
            | "DeleteQueue"
            | "PurgeQueue"
            | "SetQueueAttributes"
            | "TagQueue"
            | "UntagQueue"
    )
}

#[derive(Default)]
struct Xml(String);

impl Xml {
    fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.0.push_str(&format!("<{name}>"));
        content(self);
        self.0.push_str(&format!("</{name}>"));
    }

    fn text(&mut self, name: &str, text: &str) {
        self.element(name, |xml| xml.escaped(text));
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                // An XML parser would replace a bare carriage return with a line feed.
                '\r' => self.0.push_str("&#13;"),
                // XML does not allow these characters. An error may quote a parameter.
                '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                    self.0.push('\u{fffd}');
                }
                c => self.0.push(c),
            }
        }
    }

    fn members(&mut self, action: &str, members: &Map<String, Value>) {
        for (name, value) in members {
            match (name.as_str(), value) {
                ("Attributes", Value::Object(map)) => self.map("Attribute", "Name", action, map),
                ("MessageAttributes", Value::Object(map)) => {
                    self.map("MessageAttribute", "Name", action, map);
                }
                ("Tags", Value::Object(map)) => self.map("Tag", "Key", action, map),
                (name, Value::Array(elements)) => {
                    let element = match name {
                        "QueueUrls" | "queueUrls" => "QueueUrl".to_owned(),
                        "Messages" => "Message".to_owned(),
                        "Failed" => "BatchResultErrorEntry".to_owned(),
                        // `Successful` of a batch, and `Results` of move tasks.
                        _ => format!("{action}ResultEntry"),
                    };
                    for value in elements {
                        self.value(&element, action, value);
                    }
                }
                (name, value) => self.value(name, action, value),
            }
        }
    }

    fn map(&mut self, element: &str, key: &str, action: &str, map: &Map<String, Value>) {
        for (name, value) in map {
            self.element(element, |xml| {
                xml.text(key, name);
                xml.value("Value", action, value);
            });
        }
    }

    fn value(&mut self, name: &str, action: &str, value: &Value) {
        match value {
            Value::Object(members) => self.element(name, |xml| xml.members(action, members)),
            Value::String(text) => self.text(name, text),
            other => self.text(name, &other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(form: &str) -> (String, Value) {
        let (action, json) = request("/", form.as_bytes()).unwrap();
        (action, serde_json::from_slice(&json).unwrap())
    }

    #[test]
    fn form_lists_become_arrays_and_objects() {
        let (action, json) = parsed(
            "Action=SendMessageBatch&Version=2012-11-05&QueueUrl=http%3A%2F%2Fh%2Fq\
             &SendMessageBatchRequestEntry.2.Id=b\
             &SendMessageBatchRequestEntry.10.Id=j\
             &SendMessageBatchRequestEntry.1.Id=a\
             &SendMessageBatchRequestEntry.1.DelaySeconds=5\
             &SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=k\
             &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String\
             &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=a+%26",
        );
        assert_eq!(action, "SendMessageBatch");
        assert_eq!(
            json,
            serde_json::json!({
                "QueueUrl": "http://h/q",
                "Entries": [
                    { "Id": "a", "DelaySeconds": 5, "MessageAttributes": {
                        "k": { "DataType": "String", "StringValue": "a &" } } },
                    { "Id": "b" },
                    { "Id": "j" },
                ],
            })
        );
    }

    #[test]
    fn single_element_needs_no_number() {
        for (form, expected) in [
            (
                "Attribute.Name=VisibilityTimeout&Attribute.Value=35",
                serde_json::json!({"Attributes": {"VisibilityTimeout": "35"}}),
            ),
            (
                "AttributeName=All",
                serde_json::json!({"AttributeNames": ["All"]}),
            ),
            (
                "MessageAttribute.Name=k&MessageAttribute.Value.DataType=String",
                serde_json::json!({"MessageAttributes": {"k": {"DataType": "String"}}}),
            ),
            (
                "DeleteMessageBatchRequestEntry.Id=a&DeleteMessageBatchRequestEntry.2.Id=b",
                serde_json::json!({"Entries": [{"Id": "a"}, {"Id": "b"}]}),
            ),
        ] {
            let (_, mut json) = parsed(&format!("Action=A&QueueUrl=u&{form}"));
            json.as_object_mut().unwrap().remove("QueueUrl");
            assert_eq!(json, expected, "{form}");
        }
    }

    #[test]
    fn error_is_xml_whatever_it_quotes() {
        let refused = request("/", b"Action=A&DelaySeconds=%00%0B%EF%BF%BF<").unwrap_err();
        let xml = String::from_utf8(error(&refused, "r")).unwrap();
        assert!(
            xml.contains("Value \u{fffd}\u{fffd}\u{fffd}&lt; for"),
            "{xml}"
        );
    }

    #[test]
    fn queue_of_the_path_is_the_default() {
        let (_, json) = request("/000000000000/q", b"Action=PurgeQueue").unwrap();
        assert_eq!(json, br#"{"QueueUrl":"/000000000000/q"}"#);
    }

    #[test]
    fn malformed_forms_are_refused() {
        for (form, code) in [
            ("", ErrorCode::MissingParameter),
            (
                "Action=SendMessage&MessageBody=a%FFb",
                ErrorCode::InvalidMessageContents,
            ),
            (
                "Action=SendMessage&MessageBody=%C3",
                ErrorCode::InvalidMessageContents,
            ),
            (
                "Action=A&DelaySeconds=soon",
                ErrorCode::InvalidParameterValue,
            ),
            ("Action=A&Attribute.1.Value=5", ErrorCode::MissingParameter),
        ] {
            let error = request("/", form.as_bytes()).unwrap_err();
            assert_eq!(error.code, code, "{form}");
        }
        let deep = format!("Action=A&{}=1", "a.".repeat(100_000));
        assert!(request("/", deep.as_bytes()).is_ok());
    }

    #[test]
    fn response_text_is_escaped() {
        let json =
            br#"{"Messages":[{"Body":"<a href=\"x\">&\r\n","Attributes":{"SentTimestamp":"1"}}]}"#;
        let xml = String::from_utf8(response("ReceiveMessage", json, "r")).unwrap();
        assert!(
            xml.contains(
                "<ReceiveMessageResult><Message><Body>&lt;a href=&quot;x&quot;&gt;&amp;&#13;\n</Body>"
            ) || xml.contains("<Body>&lt;a href=&quot;x&quot;&gt;&amp;&#13;\n</Body></Message>"),
            "{xml}"
        );
        assert!(
            xml.contains("<Attribute><Name>SentTimestamp</Name><Value>1</Value></Attribute>"),
            "{xml}"
        );
    }
}
