//! Checks that the cost of a message grows linearly with its size, for every family.
//!
//! The cost is counted, not timed: this test counts bytes and calls of the allocator,
//! and `linear.sh` counts instructions. The test has a separate binary, because the
//! allocator counts for the whole process.

#![forbid(unsafe_code)]

use std::alloc::System;

use domain_events_fuzz::families;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The number of bytes allocated, and of calls of the allocator.
fn cost(body: &str) -> (usize, usize) {
    let region = Region::new(ALLOCATOR);
    families::run_pipeline(body);
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
        // A message that is four times as large may cost four times as much. The bytes
        // have a tolerance of one more step, because vectors grow by doubling.
        assert!(
            four.0 <= one.0 * 5,
            "{family}: {one:?}, {two:?}, {four:?} bytes"
        );
        assert!(
            four.1 <= one.1 * 4 + 64,
            "{family}: {one:?}, {two:?}, {four:?} calls"
        );
        let body = make(8_000);
        // The cost is at most a small multiple of the size of the body.
        assert!(
            four.0 <= body.len() * 160 + 64_000,
            "{family}: {} bytes cost {}",
            body.len(),
            four.0
        );
    }
}
