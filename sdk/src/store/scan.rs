//! Reads the whole table.

use std::fmt;
use std::num::NonZeroU16;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};

use super::dynamodb::DynamoDb;
use super::error::ReadError;
use super::pages::Pages;
use super::request::{PageRequest, ScanSegment, key};
use super::selection::Selection;
use super::stored_event::StoredEvent;
use crate::event::EntityId;
use crate::event::timestamp::Timestamp;
use crate::json::reader::number_text;

/// All events of the table, in no particular order: for an export, or for rebuilding a
/// projection.
///
/// It is a stream of `Result<StoredEvent, ReadError>`, which
/// [`EventStore::scan`](super::EventStore::scan) returns. It reads consistently: an event
/// that was stored before the scan started is returned. An event that is stored while the
/// scan runs may or may not be.
///
/// DynamoDB bills a scan for the whole table, even if only some of the events are
/// selected. A scan needs the permission `dynamodb:Scan`.
///
/// - After an error of DynamoDB, the stream ends. To continue, pass
///   [`cursor`](Self::cursor) to [`after`](Self::after) of a new scan.
/// - An item that is not an event is an `Err` with its key, and the stream continues.
///
/// # Cancel safety
///
/// The stream may be dropped at any point; no request remains.
///
/// # Examples
///
/// ```no_run
/// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events::store::ScanCursor;
/// use futures::TryStreamExt;
///
/// let mut scan = store.scan();
/// if let Ok(text) = std::fs::read_to_string("export.cursor") {
///     scan = scan.after(text.parse::<ScanCursor>()?); // continues an interrupted export
/// }
/// while let Some(event) = scan.try_next().await? {
///     println!("{}", serde_json::to_string(&event)?);
///     std::fs::write("export.cursor", scan.cursor().to_string())?;
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream does nothing until it is polled"]
#[derive(Debug)]
pub struct Scan {
    table: DynamoDb,
    selection: Selection,
    positions: Vec<Position>,
    /// One stream for each position, once the scan has started.
    segments: Option<Vec<Option<Pages>>>,
    /// The segment that is polled first, so that all segments make progress.
    turn: usize,
}

/// How far a segment has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Position {
    Start,
    /// The key of the last item that was returned: ID and sort key.
    After(String, String),
    End,
}

/// How far a scan has been read. As text ([`Display`](fmt::Display) and [`FromStr`]) it
/// can be stored, and another process can continue with it.
///
/// # Examples
///
/// ```
/// use domain_events::store::ScanCursor;
///
/// let cursor: ScanCursor = r#"["End",{"After":["order-7","1596719980.5"]}]"#.parse()?;
/// assert_eq!((cursor.segments(), cursor.is_end()), (2, false));
/// # Ok::<(), domain_events::store::InvalidScanCursor>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanCursor(Vec<Position>);

impl ScanCursor {
    /// Returns true if the whole table has been read.
    pub fn is_end(&self) -> bool {
        self.0.iter().all(|position| *position == Position::End)
    }

    /// Returns the number of segments that are read in parallel.
    pub fn segments(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for ScanCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(&self.0).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

/// The text is not the cursor of a scan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the text is not the cursor of a scan; pass the text of a cursor unchanged")]
pub struct InvalidScanCursor;

impl FromStr for ScanCursor {
    type Err = InvalidScanCursor;

    fn from_str(text: &str) -> Result<Self, InvalidScanCursor> {
        let positions: Vec<Position> = serde_json::from_str(text).map_err(|_| InvalidScanCursor)?;
        let is_valid = |position: &Position| match position {
            // The key of an item that is not an event may be any number.
            Position::After(id, sort_key) => {
                EntityId::new(id.clone()).is_ok() && number_text(sort_key).is_some()
            }
            Position::Start | Position::End => true,
        };
        let count = 1..=usize::from(u16::MAX);
        if count.contains(&positions.len()) && positions.iter().all(is_valid) {
            Ok(Self(positions))
        } else {
            Err(InvalidScanCursor)
        }
    }
}

impl Scan {
    pub(crate) fn new(table: DynamoDb) -> Self {
        Self {
            table,
            selection: Selection::default(),
            positions: vec![Position::Start],
            segments: None,
            turn: 0,
        }
    }

    /// Reads this many segments of the table in parallel; 1 unless set. More segments are
    /// faster until they use the table's read capacity. The stream holds at most two pages
    /// (of up to 1 MB each) of each segment.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::num::NonZeroU16;
    ///
    /// const SEGMENTS: NonZeroU16 = NonZeroU16::new(8).unwrap();
    /// let scan = store.scan().segments(SEGMENTS);
    /// # let _ = scan;
    /// # Ok(())
    /// # }
    /// ```
    pub fn segments(mut self, segments: NonZeroU16) -> Self {
        self.positions = vec![Position::Start; usize::from(segments.get())];
        self
    }

    /// Selects only events with a timestamp of `timestamp` or later.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
    /// let scan = store.scan().since("1596067200".parse()?).until("1596672000".parse()?);
    /// # let _ = scan;
    /// # Ok(())
    /// # }
    /// ```
    pub fn since(mut self, timestamp: Timestamp) -> Self {
        self.selection.since = Some(timestamp);
        self
    }

    /// Selects only events with a timestamp before `timestamp`.
    pub fn until(mut self, timestamp: Timestamp) -> Self {
        self.selection.until = Some(timestamp);
        self
    }

    /// Selects only events that were stored at `time` or later, as
    /// [`Events::stored_since`](super::Events::stored_since).
    pub fn stored_since(mut self, time: Timestamp) -> Self {
        self.selection.stored_since = Some(time);
        self
    }

    /// Continues an earlier scan, with its number of segments.
    pub fn after(mut self, cursor: ScanCursor) -> Self {
        self.positions = cursor.0;
        self
    }

    /// Returns the position after the last event that this stream has returned. It may be taken
    /// at any time, including after an error.
    pub fn cursor(&self) -> ScanCursor {
        ScanCursor(self.positions.clone())
    }

    fn start(&self) -> Vec<Option<Pages>> {
        let bounds = self.selection.bounds();
        // A `Scan` has at most `u16::MAX` segments.
        let total_segments = u16::try_from(self.positions.len()).unwrap_or(u16::MAX);
        let segment = |(segment, position): (u16, &Position)| {
            let (from, to) = bounds.clone()?;
            let start = match position {
                Position::Start => None,
                Position::After(id, sort_key) => Some(key(id, sort_key)),
                Position::End => return None,
            };
            let request = PageRequest::Scan(ScanSegment {
                segment,
                total_segments,
                from,
                to,
                stored_since: self.selection.stored_since,
            });
            Some(Pages::new(self.table.clone(), request, start))
        };
        (0..total_segments)
            .zip(&self.positions)
            .map(segment)
            .collect()
    }
}

impl Stream for Scan {
    type Item = Result<StoredEvent, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut segments = match self.segments.take() {
            Some(segments) => segments,
            None => self.start(),
        };
        let next = self.poll_segments(&mut segments, cx);
        if let Poll::Ready(Some(Err(error))) = &next
            && !error.is_about_one_event()
        {
            segments.clear();
        }
        self.segments = Some(segments);
        next
    }
}

impl Scan {
    fn poll_segments(
        &mut self,
        segments: &mut [Option<Pages>],
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<StoredEvent, ReadError>>> {
        let count = segments.len();
        let mut pending = false;
        for segment in (self.turn..count).chain(0..self.turn.min(count)) {
            let Some(pages) = &mut segments[segment] else {
                self.positions[segment] = Position::End;
                continue;
            };
            match pages.poll_next_unpin(cx) {
                Poll::Pending => pending = true,
                Poll::Ready(None) => {
                    segments[segment] = None;
                    self.positions[segment] = Position::End;
                }
                Poll::Ready(Some(next)) => {
                    match &next {
                        Ok(event) => {
                            self.positions[segment] = Position::After(
                                event.entity_id().to_string(),
                                event.sort_key().to_owned(),
                            );
                        }
                        Err(ReadError::Corrupt(item)) => {
                            self.positions[segment] =
                                Position::After(item.id().to_owned(), item.timestamp().to_owned());
                        }
                        Err(_) => {}
                    }
                    self.turn = segment + 1;
                    return Poll::Ready(Some(next));
                }
            }
        }
        if pending {
            Poll::Pending
        } else {
            Poll::Ready(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scan_cursor_text_is_read_back_unchanged() {
        let cursor = ScanCursor(vec![
            Position::Start,
            Position::After("a\"b,:é\u{1}".to_owned(), "1.5".to_owned()),
            Position::After("e".to_owned(), "-1E5".to_owned()),
            Position::End,
        ]);
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }

    #[test]
    fn malformed_scan_cursor_is_refused() {
        for text in [
            "",
            "[]",
            "[1]",
            r#"["Middle"]"#,
            r#"[{"After":["","1"]}]"#,
            r#"[{"After":["e","x"]}]"#,
            r#"["End"] "x""#,
        ] {
            assert_eq!(text.parse::<ScanCursor>(), Err(InvalidScanCursor), "{text}");
        }
    }
}
