// The set-up of the examples in the documentation. They include this file in hidden lines.

/// The event of the examples.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct OrderPlaced {
    order_id: u64,
    cents: u64,
}

impl domain_events::DomainEvent for OrderPlaced {
    const DEFINITIONS: &'static [domain_events::EventDefinition] =
        &[domain_events::EventDefinition::new("ORDER_PLACED")];

    fn entity_id(&self) -> &dyn std::fmt::Display {
        &self.order_id
    }
}

/// Runs an example with an `Sdk` whose events are recorded instead of sent.
#[cfg(feature = "testing")]
macro_rules! example {
    (fn main($sdk:ident, $recorder:ident) { $($body:tt)* }) => {
        #[tokio::main(flavor = "current_thread")]
        async fn main() -> Result<(), Box<dyn std::error::Error>> {
            let $recorder = domain_events::testing::Recorder::new();
            let $sdk = $recorder.sdk(domain_events::Emitter::system("shop")?);
            { $($body)* }
            Ok(())
        }
    };
}

/// Without the feature `testing`, these examples are not compiled.
#[cfg(not(feature = "testing"))]
macro_rules! example {
    ($($unused:tt)*) => {
        fn main() {}
    };
}
