//! The keys of the most recently written items, for the web page.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::broadcast;

/// The maximum number of recent keys.
const MAX_RECENT: usize = 500;
/// How many keys a slow receiver may lag behind before it misses keys.
const MAX_BEHIND: usize = 1_024;

/// The key of an item, and the id of the event in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ItemKey {
    pub(crate) id: String,
    /// The sort key, as DynamoDB writes numbers.
    pub(crate) timestamp: String,
    pub(crate) event_id: String,
}

/// Recent keys, and a channel for new ones.
#[derive(Debug)]
pub(crate) struct Feed {
    recent: Mutex<VecDeque<ItemKey>>,
    added: broadcast::Sender<ItemKey>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self {
            recent: Mutex::new(VecDeque::new()),
            added: broadcast::Sender::new(MAX_BEHIND),
        }
    }

    /// Returns the recent keys, oldest first, and a receiver of all later keys.
    pub(crate) fn subscribe(&self) -> (Vec<ItemKey>, broadcast::Receiver<ItemKey>) {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        (recent.iter().cloned().collect(), self.added.subscribe())
    }

    pub(crate) fn add(&self, keys: impl IntoIterator<Item = ItemKey>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if recent.len() == MAX_RECENT {
                recent.pop_front();
            }
            recent.push_back(key.clone());
            // The channel has no receiver while no page is open.
            let _ = self.added.send(key);
        }
    }
}

/// Returns the keys of the events that a successful DynamoDB request inserted into `table`.
/// Recognises `PutItem` and the statements of `EventStore`.
pub(crate) fn inserted(
    operation: &str,
    table: &str,
    request: &[u8],
    response: &[u8],
) -> Vec<ItemKey> {
    match operation {
        "BatchExecuteStatement" => batch(table, request, response).unwrap_or_default(),
        "PutItem" => put(table, request).into_iter().collect(),
        _ => Vec::new(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchRequest {
    statements: Vec<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    statement: String,
    #[serde(default)]
    parameters: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchResponse {
    responses: Vec<StatementResponse>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StatementResponse {
    error: Option<serde::de::IgnoredAny>,
}

fn batch(table: &str, request: &[u8], response: &[u8]) -> Option<Vec<ItemKey>> {
    let request: BatchRequest = serde_json::from_slice(request).ok()?;
    let response: BatchResponse = serde_json::from_slice(response).ok()?;
    let statements = request.statements.iter().zip(response.responses);
    let stored = statements.filter(|(_, response)| response.error.is_none());
    Some(
        stored
            .filter_map(|(statement, _)| insert(table, statement))
            .collect(),
    )
}

/// Returns the key in a statement such as
/// `INSERT INTO "events" VALUE {'ID':?,'Timestamp':?,…}`.
fn insert(table: &str, statement: &Statement) -> Option<ItemKey> {
    let start = format!("INSERT INTO \"{table}\" VALUE {{");
    let names = statement.statement.strip_prefix(&start)?;
    let mut names = names.split('\'').skip(1).step_by(2);
    let value = |name: &str| {
        let position = names.clone().position(|other| other == name)?;
        statement.parameters.get(position)
    };
    let key = ItemKey {
        id: text(value("ID")?, "S")?,
        timestamp: text(value("Timestamp")?, "N")?,
        event_id: text(value("EventId")?, "S")?,
    };
    names.next().is_some().then_some(key)
}

fn put(table: &str, request: &[u8]) -> Option<ItemKey> {
    let request: Value = serde_json::from_slice(request).ok()?;
    let item = request.get("Item")?;
    (request.get("TableName")?.as_str()? == table).then_some(())?;
    Some(ItemKey {
        id: text(item.get("ID")?, "S")?,
        timestamp: text(item.get("Timestamp")?, "N")?,
        event_id: text(item.get("EventId")?, "S")?,
    })
}

fn text(value: &Value, kind: &str) -> Option<String> {
    Some(value.get(kind)?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_statements_of_a_batch_are_found() {
        let statement = |id: &str, table: &str| {
            serde_json::json!({
                "Statement": format!("INSERT INTO \"{table}\" VALUE {{'EventId':?,'ID':?,'Timestamp':?}}"),
                "Parameters": [{"S": format!("e-{id}")}, {"S": id}, {"N": "1.5"}],
            })
        };
        let request = serde_json::json!({
            "Statements": [statement("a", "events"), statement("b", "events"), statement("c", "other")]
        });
        let response = br#"{"Responses":[{},{"Error":{"Code":"DuplicateItem"}},{}]}"#;
        let found = inserted(
            "BatchExecuteStatement",
            "events",
            request.to_string().as_bytes(),
            response,
        );
        let expected = ItemKey {
            id: "a".to_owned(),
            timestamp: "1.5".to_owned(),
            event_id: "e-a".to_owned(),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn other_requests_are_ignored() {
        for request in ["", "{}", "[]", r#"{"Statements":[{"Statement":"SELECT"}]}"#] {
            for operation in ["BatchExecuteStatement", "PutItem", "Query"] {
                let response = br#"{"Responses":[{}]}"#;
                assert!(inserted(operation, "events", request.as_bytes(), response).is_empty());
            }
        }
    }

    #[test]
    fn feed_keeps_the_latest_keys() {
        let feed = Feed::new();
        let key = |n: usize| ItemKey {
            id: n.to_string(),
            timestamp: String::new(),
            event_id: String::new(),
        };
        feed.add((0..MAX_RECENT + 3).map(key));
        let (recent, mut added) = feed.subscribe();
        assert_eq!(recent.len(), MAX_RECENT);
        assert_eq!(recent[0], key(3));
        feed.add([key(7)]);
        assert_eq!(added.try_recv().unwrap(), key(7));
    }
}
