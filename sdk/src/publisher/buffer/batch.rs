//! Determines how many events fit into one request. This module uses no clock and no I/O.

use crate::wire::MAX_MESSAGE_BYTES;

/// The limits of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The maximum number of messages in one request.
    pub(crate) entries: usize,
    /// The maximum number of bytes of all messages of one request.
    pub(crate) request_bytes: usize,
    /// The maximum size of a message with several events. `None` if a message must contain
    /// only one event.
    pub(crate) pack_bytes: Option<usize>,
}

impl Limits {
    /// The limits of SQS (developer guide, "Message quotas"), without packing.
    pub(crate) const SQS: Self = Self {
        entries: 10,
        request_bytes: MAX_MESSAGE_BYTES,
        pack_bytes: None,
    };

    /// Returns true if `events` events with `bytes` bytes in total fill at least `requests`
    /// requests.
    pub(crate) fn fill(&self, requests: usize, events: usize, bytes: usize) -> bool {
        let full = match self.pack_bytes {
            Some(pack) => self.request_bytes.min(self.entries.saturating_mul(pack)),
            None if events >= self.entries.saturating_mul(requests) => return true,
            None => self.request_bytes,
        };
        bytes >= full.saturating_mul(requests)
    }
}

/// Fills one request, message by message.
///
/// The size of a message is the size of its body. SQS also counts message attributes, but the
/// publisher does not send any.
#[derive(Debug)]
pub(crate) struct Request {
    limits: Limits,
    entries: usize,
    bytes: usize,
}

impl Request {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: 0,
            bytes: 0,
        }
    }

    /// Returns how many of the waiting events the next message contains, or 0 if the request is
    /// full. `sizes` are the sizes of the waiting events. The result is more than one only if
    /// `pack` is true.
    pub(crate) fn next_message(
        &mut self,
        sizes: impl IntoIterator<Item = usize>,
        pack: bool,
    ) -> usize {
        let mut sizes = sizes.into_iter();
        let Some(first) = sizes.next() else { return 0 };
        // The byte limit is for the request, not the entry: ten messages that are each small
        // enough can still be refused together. A single message always fits, because
        // `wire::encode` refuses larger ones. If the limit of the queue is smaller, SQS returns
        // an error for the message.
        let fits = self.entries == 0 || self.bytes + first <= self.limits.request_bytes;
        if self.entries >= self.limits.entries || !fits {
            return 0;
        }
        let (mut count, mut message) = (1, first);
        if let Some(pack_bytes) = self.limits.pack_bytes.filter(|_| pack) {
            // `[a,b]`: two brackets, and a comma after every event but the last.
            let mut packed = first + 2;
            for size in sizes {
                packed += size + 1;
                if packed > pack_bytes || self.bytes + packed > self.limits.request_bytes {
                    break;
                }
                (count, message) = (count + 1, packed);
            }
        }
        self.entries += 1;
        self.bytes += message;
        count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Divides `sizes` into requests of messages of events.
    fn requests(limits: Limits, sizes: &[usize], pack: bool) -> Vec<Vec<Vec<usize>>> {
        let (mut rest, mut all) = (sizes, Vec::new());
        while !rest.is_empty() {
            let (mut request, mut messages) = (Request::new(limits), Vec::new());
            loop {
                let count = request.next_message(rest.iter().copied(), pack);
                if count == 0 {
                    break;
                }
                let (message, after) = rest.split_at(count);
                messages.push(message.to_vec());
                rest = after;
            }
            assert!(!messages.is_empty(), "a request that takes nothing");
            all.push(messages);
        }
        all
    }

    fn bytes(message: &[usize]) -> usize {
        let events = message.iter().sum::<usize>();
        match message.len() {
            1 => events,
            n => events + n + 1,
        }
    }

    #[test]
    fn request_stays_within_its_limits() {
        let check = |what: &str, sizes: &[usize], expected: &[usize]| {
            let entries: Vec<usize> = requests(Limits::SQS, sizes, false)
                .iter()
                .map(Vec::len)
                .collect();
            assert_eq!(entries, expected, "{what}");
        };
        check("ten go together", &[100; 10], &[10]);
        check("the eleventh goes with the next", &[100; 11], &[10, 1]);
        check(
            "exactly one MiB together",
            &[524_288, 524_287, 1, 1],
            &[3, 1],
        );
        check("one byte over", &[524_288, 524_288, 1], &[2, 1]);
        check(
            "the largest message alone",
            &[1_048_576, 1_048_576],
            &[1, 1],
        );
        check(
            "two that are each small enough",
            &[600_000, 600_000],
            &[1, 1],
        );
    }

    #[test]
    fn packing_counts_brackets_and_commas() {
        let limits = Limits {
            pack_bytes: Some(100),
            ..Limits::SQS
        };
        let check = |what: &str, sizes: &[usize], expected: &[usize]| {
            let events: Vec<usize> = requests(limits, sizes, true)[0]
                .iter()
                .map(Vec::len)
                .collect();
            assert_eq!(events, expected, "{what}");
        };
        check("[48,49] has exactly 100 bytes", &[48, 49], &[2]);
        check("[49,49] has 101", &[49, 49], &[1, 1]);
        check(
            "one that is larger goes alone, unwrapped",
            &[500, 10, 10],
            &[1, 2],
        );
    }

    #[test]
    fn request_is_full_by_count_or_bytes() {
        assert!(!Limits::SQS.fill(1, 9, 900));
        assert!(Limits::SQS.fill(1, 10, 10));
        assert!(Limits::SQS.fill(1, 2, 1_048_576));
        assert!(!Limits::SQS.fill(2, 19, 1900));
        let packing = Limits {
            pack_bytes: Some(65_536),
            ..Limits::SQS
        };
        assert!(!packing.fill(1, 900, 450_000));
        assert!(packing.fill(1, 1500, 655_360));
    }

    proptest! {
        #[test]
        fn events_leave_once_within_request_limits(
            sizes in prop::collection::vec(1usize..=1_048_576, 1..60),
            small in prop::collection::vec(1usize..3_000, 0..300),
            pack_bytes in prop::option::of(1_000usize..=65_536),
            pack in any::<bool>(),
        ) {
            let limits = Limits { pack_bytes, ..Limits::SQS };
            let sizes: Vec<usize> = small.into_iter().chain(sizes).collect();
            let requests = requests(limits, &sizes, pack);
            let order: Vec<usize> = requests.iter().flatten().flatten().copied().collect();
            prop_assert_eq!(order, sizes);
            for request in &requests {
                prop_assert!(request.len() <= 10);
                prop_assert!(request.iter().map(|m| bytes(m)).sum::<usize>() <= 1_048_576);
                for message in request {
                    let packed = pack.then_some(pack_bytes).flatten();
                    prop_assert!(message.len() == 1 || Some(bytes(message)) <= packed);
                }
            }
            // No request is left early: what follows would not have fitted.
            for pair in requests.windows(2) {
                let bytes = pair[0].iter().map(|m| bytes(m)).sum::<usize>();
                prop_assert!(pair[0].len() == 10 || bytes + pair[1][0][0] > 1_048_576);
            }
        }
    }
}
