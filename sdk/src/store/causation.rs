//! The events of a conversation as a tree: which event caused which.

use std::collections::{HashMap, HashSet};

use super::stored_event::StoredEvent;
use crate::event::EventId;

/// An event and its place in a tree of causes and effects.
#[derive(Debug, Clone, PartialEq)]
pub struct CausationNode {
    /// The event.
    pub event: StoredEvent,
    /// How many causes lead from a root of the tree to this event; 0 for a root.
    pub depth: usize,
    /// The index of the event that caused this one, in the list of nodes; `None` for a
    /// root.
    pub cause: Option<usize>,
}

/// Arranges events by their causes, for example those of
/// [`EventStore::conversation`](super::EventStore::conversation).
///
/// The list contains every event once. Each event comes after its cause, followed by the
/// events that it caused, so printing the list with an indentation of `depth` shows the
/// tree. Events with the same cause keep their order.
///
/// An event is a root if it has no `CausationId`, or if its cause is not among the events.
/// If events name each other as causes in a circle, the first of them is a root.
///
/// # Examples
///
/// ```no_run
/// # async fn run(store: &domain_events::EventStore) -> Result<(), Box<dyn std::error::Error>> {
/// use domain_events::store::causation_tree;
/// use futures::TryStreamExt;
///
/// let events = store.conversation("request-9f2c").try_collect().await?;
/// for node in causation_tree(events) {
///     println!("{:width$}{}", "", node.event.event_type(), width = 2 * node.depth);
/// }
/// // ORDER_PLACED
/// //   PAYMENT_REQUESTED
/// //     PAYMENT_RECEIVED
/// # Ok(())
/// # }
/// ```
pub fn causation_tree(events: Vec<StoredEvent>) -> Vec<CausationNode> {
    let mut position: HashMap<&EventId, usize> = HashMap::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        position.entry(event.event_id()).or_insert(index);
    }
    let causes: Vec<Option<usize>> = events
        .iter()
        .map(|event| {
            let cause = EventId::new(event.causation_id()?.as_str().to_owned()).ok()?;
            position.get(&cause).copied()
        })
        .collect();
    let mut effects: Vec<Vec<usize>> = vec![Vec::new(); events.len()];
    for (index, cause) in causes.iter().enumerate() {
        if let Some(cause) = cause {
            effects[*cause].push(index);
        }
    }
    let mut tree = Tree {
        nodes: Vec::with_capacity(events.len()),
        events: events.into_iter().map(Some).collect(),
        effects,
    };
    for root in (0..causes.len()).filter(|index| causes[*index].is_none()) {
        tree.add(root);
    }
    // Each remaining event belongs to a circle of causes, or was caused by one.
    for index in 0..causes.len() {
        if tree.events[index].is_some() {
            tree.add(first_of_circle(index, &causes));
        }
    }
    tree.nodes
}

struct Tree {
    nodes: Vec<CausationNode>,
    /// The events that are not in the tree yet.
    events: Vec<Option<StoredEvent>>,
    effects: Vec<Vec<usize>>,
}

impl Tree {
    /// Adds a root, and all events that it caused directly or indirectly.
    fn add(&mut self, root: usize) {
        // A loop with a stack instead of recursion, because a chain of causes may be as long
        // as the conversation.
        let mut stack = vec![(root, 0, None)];
        while let Some((index, depth, cause)) = stack.pop() {
            let Some(event) = self.events[index].take() else {
                continue;
            };
            self.nodes.push(CausationNode {
                event,
                depth,
                cause,
            });
            let node = self.nodes.len() - 1;
            let effects = self.effects[index].iter().rev();
            stack.extend(effects.map(|effect| (*effect, depth + 1, Some(node))));
        }
    }
}

/// Returns the first event of the circle that the causes of an event lead to.
fn first_of_circle(start: usize, causes: &[Option<usize>]) -> usize {
    let cause = |index: usize| causes[index].unwrap_or(index);
    let mut seen = HashSet::new();
    let mut index = start;
    while seen.insert(index) {
        index = cause(index);
    }
    let circle = std::iter::successors(Some(cause(index)), |i| Some(cause(*i)));
    circle
        .take_while(|i| *i != index)
        .min()
        .map_or(index, |first| first.min(index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sort_key::SortKey;
    use crate::{CausationId, Emitter, EntityId, Envelope, EventType, Timestamp};

    /// Events `(id, cause)`, as `(id, depth, id of the cause)` in the order of the tree.
    fn tree(events: &[(&str, &str)]) -> Vec<String> {
        let events = events.iter().enumerate().map(|(n, (id, cause))| {
            let timestamp = Timestamp::from_nanos(n as u64).unwrap();
            let mut envelope = Envelope::builder(
                EventType::from_static("A"),
                EntityId::from_static("e"),
                Emitter::system("test").unwrap(),
            )
            .timestamp(timestamp)
            .event_id(EventId::new((*id).to_owned()).unwrap());
            if !cause.is_empty() {
                envelope = envelope.causation_id(CausationId::new((*cause).to_owned()).unwrap());
            }
            let key = SortKey::first_of(timestamp);
            StoredEvent::new(envelope.build().unwrap(), key, None, None)
        });
        let nodes = causation_tree(events.collect());
        let line = |node: &CausationNode| {
            let cause = node
                .cause
                .map(|cause| nodes[cause].event.event_id().as_str());
            let id = node.event.event_id();
            format!(
                "{}{id}<{}",
                "-".repeat(node.depth),
                cause.unwrap_or_default()
            )
        };
        nodes.iter().map(line).collect()
    }

    #[test]
    fn effects_follow_their_cause() {
        let events = [
            ("a", ""),
            ("b", "a"),
            ("c", "x"),
            ("d", "b"),
            ("e", "a"),
            ("f", "c"),
        ];
        assert_eq!(tree(&events), ["a<", "-b<a", "--d<b", "-e<a", "c<", "-f<c"]);
        // An effect may have an earlier timestamp than its cause.
        assert_eq!(tree(&[("b", "a"), ("a", "")]), ["a<", "-b<a"]);
    }

    #[test]
    fn circle_of_causes_contains_each_event_once() {
        assert_eq!(tree(&[("a", "a")]), ["a<"]);
        let circle = [("d", "b"), ("a", "c"), ("b", "a"), ("c", "b"), ("z", "")];
        assert_eq!(tree(&circle), ["z<", "a<", "-b<a", "--d<b", "--c<b"]);
        let same_id = [("a", ""), ("a", ""), ("b", "a")];
        assert_eq!(tree(&same_id), ["a<", "-b<a", "a<"]);
    }

    #[test]
    fn long_chain_does_not_overflow_the_stack() {
        let ids: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
        let chain: Vec<(&str, &str)> = (0..ids.len())
            .map(|n| (&*ids[n], if n == 0 { "" } else { &*ids[n - 1] }))
            .collect();
        assert_eq!(tree(&chain).len(), ids.len());
    }
}
