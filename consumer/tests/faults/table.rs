//! Scans the table repeatedly during a run, and finds items that were changed or removed.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use tokio::time::Instant;

/// The key of an item.
type Key = (String, String);

#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: HashMap<Key, u64>,
    pub(crate) scans: u64,
    /// Changed and removed items.
    pub(crate) changes: Vec<String>,
}

impl Watch {
    /// Scans until `stop`, and then once more.
    pub(crate) async fn run(
        mut self,
        client: Client,
        table: &str,
        mut stop: tokio::sync::oneshot::Receiver<()>,
    ) -> Self {
        loop {
            let started = Instant::now();
            self.scan(&client, table).await;
            // The scans take at most a tenth of the time of the endpoint.
            let pause = (started.elapsed() * 9).max(Duration::from_secs(1));
            if tokio::time::timeout(pause, &mut stop).await.is_ok() {
                self.scan(&client, table).await;
                return self;
            }
        }
    }

    pub(crate) async fn scan(&mut self, client: &Client, table: &str) {
        let mut gone: BTreeSet<Key> = self.seen.keys().cloned().collect();
        let mut start = None;
        loop {
            let request = client
                .scan()
                .table_name(table)
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let output = request.send().await.unwrap();
            for item in output.items() {
                let (Ok(id), Ok(timestamp)) = (item["ID"].as_s(), item["Timestamp"].as_n()) else {
                    panic!("an item has no key");
                };
                let key = (id.clone(), timestamp.clone());
                let mut hasher = DefaultHasher::new();
                hash(&AttributeValue::M(item.clone()), &mut hasher);
                let found = hasher.finish();
                gone.remove(&key);
                let before = self.seen.insert(key, found);
                if before.is_some_and(|before| before != found) {
                    self.changes
                        .push(format!("the item {id} {timestamp} was changed"));
                }
            }
            start = output.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                break;
            }
        }
        for key in gone {
            self.changes
                .push(format!("the item {} {} was removed", key.0, key.1));
            self.seen.remove(&key);
        }
        self.scans += 1;
    }

    /// All entities that have a history.
    pub(crate) fn entities(&self) -> BTreeSet<&str> {
        self.seen.keys().map(|(id, _)| &**id).collect()
    }

    pub(crate) fn items(&self) -> usize {
        self.seen.len()
    }

    /// Items with a tie-break: more than nine decimals.
    pub(crate) fn ties(&self) -> usize {
        let decimals =
            |(_, timestamp): &&Key| timestamp.split_once('.').map_or(0, |(_, d)| d.len());
        self.seen.keys().filter(|key| decimals(key) > 9).count()
    }
}

/// Equal values have equal hashes, regardless of the order of a map.
fn hash(value: &AttributeValue, hasher: &mut DefaultHasher) {
    match value {
        AttributeValue::M(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            members.len().hash(hasher);
            for (name, value) in members {
                name.hash(hasher);
                hash(value, hasher);
            }
        }
        AttributeValue::L(members) => {
            members.len().hash(hasher);
            members.iter().for_each(|member| hash(member, hasher));
        }
        scalar => format!("{scalar:?}").hash(hasher),
    }
}
