//! `#[derive(DomainEvent)]`: derived events, what compiles, and the compiler's messages.

use domain_events::{DomainEvent, EventDefinition};
use serde::Serialize;

// These events are also compiled into this test, so that Clippy checks the derived code.
#[path = "../ui/pass/enums.rs"]
mod enums;
#[path = "../ui/pass/generics.rs"]
mod generics;
#[path = "../ui/pass/local_and_deprecated.rs"]
mod local_and_deprecated;
#[path = "../ui/pass/macro_rules.rs"]
mod macro_rules;
#[path = "../ui/pass/no_implicit_prelude.rs"]
mod no_implicit_prelude;
#[path = "../ui/pass/other_crate_path.rs"]
mod other_crate_path;
#[path = "../ui/pass/raw_identifiers.rs"]
mod raw_identifiers;
#[path = "../ui/pass/versions.rs"]
mod versions;

// `trybuild` compiles the test cases with the features of this package. With `sqs`, it
// would compile the whole AWS SDK.
#[test]
#[cfg_attr(
    feature = "sqs",
    ignore = "needs `--no-default-features --features derive`"
)]
fn compile_errors() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/*.rs");
}

#[test]
fn generated_code_runs_in_unusual_scopes() {
    enums::main();
    generics::main();
    local_and_deprecated::main();
    macro_rules::main();
    no_implicit_prelude::main();
    other_crate_path::main();
    raw_identifiers::main();
    versions::main();
}

#[derive(Serialize, DomainEvent)]
#[event(emitter_type = "USER", version = 3, oldest)]
#[event(alias = "ORDER_CREATED", alias = "ORDER_MADE")]
struct OrderPlaced {
    #[event(id)]
    order_id: u32,
    #[event(emitter_id)]
    customer: String,
}

#[derive(Serialize, DomainEvent)]
struct HTTPOrderV2Imported {
    #[event(id)]
    order_id: u32,
}

#[derive(Serialize, DomainEvent)]
#[event(type = "PAYMENT_FAILED", emitter_type = "SYSTEM", emitter_id = "bank")]
struct Failed {
    #[event(id)]
    order_id: u32,
}

#[derive(Serialize, DomainEvent)]
#[event(prefix = "ORDER", emitter_type = "SYSTEM", emitter_id = "billing")]
enum OrderEvent {
    /// Has its own attributes.
    #[event(type = "PARCEL_SENT", alias = "SHIPPED", version = 2, oldest)]
    Shipped {
        #[event(id)]
        order_id: u32,
        #[event(emitter_id)]
        clerk: u32,
        #[event(emitter_type)]
        role: &'static str,
    },
    /// serde skips this variant when it numbers the variants for deserialization.
    #[serde(skip)]
    Draft {
        #[event(id)]
        order_id: u32,
    },
    /// Overrides a constant of the enum.
    #[event(emitter_type = "CRON")]
    Expired {
        #[event(id)]
        order_id: u32,
    },
    /// Wraps an event that takes its emitter id from a field.
    Placed(OrderPlaced),
    /// Wraps an event that has a constant emitter.
    Failed(Failed),
}

#[derive(Serialize, DomainEvent)]
enum Quiet {
    Imported(HTTPOrderV2Imported),
    Touched {
        #[event(id)]
        order_id: u32,
    },
}

/// The expected name, version, aliases and variant index of a definition.
type Definition<'a> = (&'a str, u16, &'a [&'a str], Option<u32>);

#[track_caller]
fn defines<E: DomainEvent>(expected: &[Definition<'_>]) {
    let names: Vec<_> = E::DEFINITIONS
        .iter()
        .map(EventDefinition::event_type)
        .collect();
    let found: Vec<Definition<'_>> = E::DEFINITIONS
        .iter()
        .zip(&names)
        .map(|(d, name)| {
            (
                name.as_str(),
                d.version(),
                d.aliases(),
                d.variant().map(|(n, _)| n),
            )
        })
        .collect();
    assert_eq!(found, expected);
}

/// Checks the event type, entity id, emitter type and emitter id of an event.
#[track_caller]
fn check(event: &impl DomainEvent, expected: (&str, &str, Option<&str>, Option<&str>)) {
    let (name, id) = (
        event.definition().event_type(),
        event.entity_id().to_string(),
    );
    let (kind, emitter) = (
        event.emitter_type().map(ToString::to_string),
        event.emitter_id().map(ToString::to_string),
    );
    let found = (
        name.as_str(),
        id.as_str(),
        kind.as_deref(),
        emitter.as_deref(),
    );
    assert_eq!(found, expected);
}

fn order_placed() -> OrderPlaced {
    OrderPlaced {
        order_id: 7,
        customer: "ann".to_owned(),
    }
}

#[test]
fn struct_name_is_the_default_event_type() {
    defines::<OrderPlaced>(&[("ORDER_PLACED", 3, &["ORDER_CREATED", "ORDER_MADE"], None)]);
    defines::<HTTPOrderV2Imported>(&[("HTTP_ORDER_V2_IMPORTED", 1, &[], None)]);
    defines::<Failed>(&[("PAYMENT_FAILED", 1, &[], None)]);
}

#[test]
fn enum_defines_its_variants_in_order() {
    defines::<OrderEvent>(&[
        ("PARCEL_SENT", 2, &["SHIPPED"], Some(0)),
        ("ORDER_DRAFT", 1, &[], None),
        ("ORDER_EXPIRED", 1, &[], Some(1)),
        ("ORDER_PLACED", 3, &["ORDER_CREATED", "ORDER_MADE"], Some(2)),
        ("PAYMENT_FAILED", 1, &[], Some(3)),
    ]);
    defines::<Quiet>(&[
        ("HTTP_ORDER_V2_IMPORTED", 1, &[], Some(0)),
        ("TOUCHED", 1, &[], Some(1)),
    ]);
}

#[test]
fn emitter_is_a_field_a_constant_or_absent() {
    check(
        &order_placed(),
        ("ORDER_PLACED", "7", Some("USER"), Some("ann")),
    );
    check(
        &HTTPOrderV2Imported { order_id: 1 },
        ("HTTP_ORDER_V2_IMPORTED", "1", None, None),
    );
    check(
        &Failed { order_id: 2 },
        ("PAYMENT_FAILED", "2", Some("SYSTEM"), Some("bank")),
    );
}

#[test]
fn variant_overrides_its_enum() {
    let shipped = OrderEvent::Shipped {
        order_id: 1,
        clerk: 5,
        role: "CLERK",
    };
    check(&shipped, ("PARCEL_SENT", "1", Some("CLERK"), Some("5")));
    let draft = OrderEvent::Draft { order_id: 2 };
    check(
        &draft,
        ("ORDER_DRAFT", "2", Some("SYSTEM"), Some("billing")),
    );
    let expired = OrderEvent::Expired { order_id: 3 };
    check(
        &expired,
        ("ORDER_EXPIRED", "3", Some("CRON"), Some("billing")),
    );
}

#[test]
fn wrapped_event_overrides_its_enum() {
    let placed = OrderEvent::Placed(order_placed());
    check(&placed, ("ORDER_PLACED", "7", Some("USER"), Some("ann")));
    let failed = OrderEvent::Failed(Failed { order_id: 4 });
    check(
        &failed,
        ("PAYMENT_FAILED", "4", Some("SYSTEM"), Some("bank")),
    );
    let imported = Quiet::Imported(HTTPOrderV2Imported { order_id: 5 });
    check(&imported, ("HTTP_ORDER_V2_IMPORTED", "5", None, None));
    check(
        &Quiet::Touched { order_id: 6 },
        ("TOUCHED", "6", None, None),
    );
}
