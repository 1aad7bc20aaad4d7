//! What a message costs grows as the message does, in whatever direction.
//!
//! Counted, not timed: bytes and calls of the allocator here, instructions in
//! `linear.sh`. One test in a binary of its own, since the count is that of the
//! whole process.

#![forbid(unsafe_code)]

use std::alloc::System;

use domain_events_fuzz::families;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes taken, and calls.
fn cost(body: &str) -> (usize, usize) {
    let region = Region::new(ALLOCATOR);
    families::road(body);
    let change = region.change();
    (
        change.bytes_allocated,
        change.allocations + change.reallocations,
    )
}

#[test]
fn memory_is_linear_in_the_message() {
    for (family, make) in families::ALL {
        let [one, two, four] = [2_000, 4_000, 8_000].map(|n| {
            let body = make(n);
            let (bytes, calls) = cost(&body);
            println!(
                "{family}, {n}: {} bytes cost {bytes}, in {calls} calls",
                body.len()
            );
            (bytes, calls)
        });
        // What is there once costs as much at every size: only more makes more.
        // A vector grows by doubling, so a step may show late, never twice.
        assert!(
            four.0 <= one.0 * 5,
            "{family}: {one:?}, {two:?}, {four:?} bytes"
        );
        assert!(
            four.1 <= one.1 * 4 + 64,
            "{family}: {one:?}, {two:?}, {four:?} calls"
        );
        let body = make(8_000);
        // Nothing costs more than a small multiple of its own size.
        assert!(
            four.0 <= body.len() * 160 + 64_000,
            "{family}: {} bytes cost {}",
            body.len(),
            four.0
        );
    }
}
