//! The code that both SQL databases share.

use std::time::Duration;

use crate::rows::{Backlog, Cursor, Page, PageRequest, Row};

/// Returns the `event_id` after which a page begins. It is empty for the first page, because no
/// event has an empty identity.
pub(crate) fn first_id(request: &PageRequest) -> String {
    request
        .after
        .as_ref()
        .map_or_else(String::new, |cursor| cursor.0.clone())
}

pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Converts the result of a query to a page. There may be a further page unless the result is
/// empty.
pub(crate) fn page(rows: Vec<(String, String)>) -> Page {
    let next = rows.last().map(|(event_id, _)| Cursor(event_id.clone()));
    let rows = rows
        .into_iter()
        .map(|(event_id, message)| Row { event_id, message })
        .collect();
    Page { rows, next }
}

/// Converts the result of a count. A row whose time is in the future has the age 0.
pub(crate) fn backlog(rows: i64, oldest_seconds: Option<f64>) -> Backlog {
    let age = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Backlog {
        rows: rows.unsigned_abs(),
        oldest: oldest_seconds.map(age),
    }
}
