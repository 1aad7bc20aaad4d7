use super::{expands, refuses};

#[test]
fn matches_on_its_variants() {
    expands(
        r#"
        #[event(prefix = "ORDER", emitter_type = "SYSTEM")]
        enum OrderEvent<T> {
            Shipped {
                #[event(id)]
                order_id: u32,
                #[event(emitter_id)]
                clerk: String,
            },
            #[serde(skip)]
            #[event(type = "GONE", emitter_type = "USER")]
            Gone {
                #[event(id)]
                order_id: T,
            },
            Placed(OrderPlaced),
        }
        "#,
        r#"
        #[automatically_derived]
        #[allow(unused_qualifications)]
        impl<T> ::domain_events::DomainEvent for OrderEvent<T>
        where
            Self: ::domain_events::Serialize,
            u32: ::core::fmt::Display,
            String: ::core::fmt::Display,
            T: ::core::fmt::Display,
            OrderPlaced: ::domain_events::DomainEvent
        {
            const DEFINITIONS: &'static [::domain_events::EventDefinition] = &[
                {
                    let __event = ::domain_events::EventDefinition::new("ORDER_SHIPPED")
                        .for_variant(0, "Shipped");
                    __event
                },
                {
                    let __event = ::domain_events::EventDefinition::new("GONE")
                        .for_write_only_variant("Gone");
                    __event
                },
                ::domain_events::EventDefinition::single(
                    <OrderPlaced as ::domain_events::DomainEvent>::DEFINITIONS
                ).for_variant(1, "Placed")
            ];
            #[inline]
            fn definition(&self) -> ::domain_events::EventDefinition {
                fn nth<E: ::domain_events::DomainEvent>(_: &E, index: usize)
                    -> ::domain_events::EventDefinition
                {
                    E::DEFINITIONS[index]
                }
                nth(self, match self {
                    Self::Shipped { .. } => 0,
                    Self::Gone { .. } => 1,
                    Self::Placed { .. } => 2,
                })
            }
            #[inline]
            fn entity_id(&self) -> &dyn ::core::fmt::Display {
                match self {
                    Self::Shipped { order_id: __field, .. } => __field,
                    Self::Gone { order_id: __field, .. } => __field,
                    Self::Placed(__event) => ::domain_events::DomainEvent::entity_id(__event),
                }
            }
            #[inline]
            fn emitter_id(&self) -> ::core::option::Option<&dyn ::core::fmt::Display> {
                match self {
                    Self::Shipped { clerk: __field, .. } => ::core::option::Option::Some(__field),
                    Self::Gone { .. } => ::core::option::Option::None,
                    Self::Placed(__event) => ::domain_events::DomainEvent::emitter_id(__event),
                }
            }
            #[inline]
            fn emitter_type(&self) -> ::core::option::Option<&dyn ::core::fmt::Display> {
                match self {
                    Self::Shipped { .. } => ::core::option::Option::Some(&"SYSTEM"),
                    Self::Gone { .. } => ::core::option::Option::Some(&"USER"),
                    Self::Placed(__event) => ::domain_events::DomainEvent::emitter_type(__event)
                        .or(::core::option::Option::Some(&"SYSTEM")),
                }
            }
            #[inline]
            fn upcast(
                __older: ::domain_events::PastVersion<'_>
            ) -> ::core::result::Result<Self, ::domain_events::DecodeError> {
                match __older.index() {
                    2 => <OrderPlaced as ::domain_events::DomainEvent>::upcast(
                        __older.for_variant()
                    ).map(Self::Placed),
                    _ => ::core::result::Result::Err(__older.unreadable()),
                }
            }
        }
        "#,
    );
}

#[test]
fn says_what_each_wrong_variant_needs() {
    refuses(
        r#"
        #[event(type = "X", emitter_id = "billing")]
        enum OrderEvent {
            Pair(u8, u8),
            Empty(),
            #[event(version = 2)]
            Placed(#[event(id)] OrderPlaced),
        }
        "#,
        &[
            (
                "type",
                "`type` does not belong on an enum: write it on a variant, \
                 or `prefix = \"ORDER\"` here to begin the names of all variants",
            ),
            (
                "version",
                "`version` does not belong on a variant that holds another event: \
                 everything is taken from the event inside, so write it there",
            ),
            (
                "id",
                "`id` does not belong on a variant that holds another event: \
                 everything is taken from the event inside, so write it there",
            ),
            (
                "(u8, u8)",
                "a variant has named fields, `Pair { #[event(id)] id: …, … }`, \
                 or holds one event, `Pair(OrderPlaced)`",
            ),
            (
                "()",
                "a variant has named fields, `Empty { #[event(id)] id: …, … }`, \
                 or holds one event, `Empty(OrderPlaced)`",
            ),
        ],
    );
}

#[test]
fn has_an_entity_for_each_variant() {
    refuses(
        "enum OrderEvent { Unit, Empty {} }",
        &[
            (
                "Unit",
                "`Unit` does not say which entity it is about: write `Unit { #[event(id)] id: … }`, \
                 or `#[event(id = \"…\")]` on it if it is always the same one",
            ),
            (
                "Empty",
                "`Empty` does not say which entity it is about: \
                 write `#[event(id)]` on the field that holds the entity's id",
            ),
        ],
    );
}

#[test]
fn needs_an_emitter_type_beside_every_emitter_id() {
    let typeless = "an emitter id needs a type beside it: write `#[event(emitter_type = \"USER\")]` \
                    on the variant or the enum, or `#[event(emitter_type)]` on the field that holds it";
    refuses(
        r#"
        #[event(emitter_id = "billing")]
        enum OrderEvent {
            A { #[event(id)] id: u8 },
            B { #[event(id)] id: u8 },
            C { #[event(id, emitter_id)] clerk: u8 },
            #[event(emitter_type = "USER")]
            D { #[event(id)] id: u8 },
        }
        "#,
        &[("emitter_id", typeless), ("emitter_id", typeless)],
    );
}

#[test]
fn needs_an_emitter_type_for_the_events_that_its_variants_hold() {
    let typeless = "an emitter id needs a type beside it: write `#[event(emitter_type = \"USER\")]` \
                    on the variant or the enum, or `#[event(emitter_type)]` on the field that holds it";
    let own = "#[event(emitter_type = \"USER\")] B { #[event(id)] id: u8 }";
    let typed = "emitter_id = \"billing\", emitter_type = \"SYSTEM\"";
    for (event, variants, expected) in [
        (
            "emitter_id = \"billing\"",
            "A(OrderPlaced)",
            &[("emitter_id", typeless)][..],
        ),
        (
            "emitter_id = \"billing\"",
            &format!("A(OrderPlaced), {own}"),
            &[("emitter_id", typeless)],
        ),
        ("emitter_id = \"billing\"", own, &[]),
        (typed, "A(OrderPlaced)", &[]),
    ] {
        refuses(
            &format!("#[event({event})] enum OrderEvent {{ {variants} }}"),
            expected,
        );
    }
}

#[test]
fn shares_an_id_with_the_variants_that_have_none() {
    let message = "`id` has no effect, since every variant has an id of its own: remove it";
    let own = r#"#[event(id = "own")] B"#;
    refuses(
        &format!(
            r#"#[event(id = "shop")] enum ShopEvent {{ A {{ #[event(id)] id: u8 }}, {own} }}"#
        ),
        &[("id", message)],
    );
    refuses(
        &format!(r#"#[event(id = "shop")] enum ShopEvent {{ A, {own} }}"#),
        &[],
    );
}

#[test]
fn has_no_variant_that_serde_finds_by_its_content() {
    let message = "a stored event is read as the variant whose EventType it has, and `untagged` keeps \
                   serde from that for all of the enum: remove it";
    refuses(
        r#"
        enum OrderEvent {
            A { #[event(id)] id: u8 },
            #[serde(untagged)]
            B { #[event(id)] id: u8 },
            #[serde(rename = "untagged", untagged)]
            C(OrderPlaced),
        }
        "#,
        &[("untagged", message), ("untagged", message)],
    );
    refuses(
        "#[serde(untagged)] enum OrderEvent { A { #[event(id)] id: u8 } }",
        &[],
    );
}

#[test]
fn has_each_name_once() {
    refuses(
        r#"
        #[event(prefix = "ORDER")]
        enum OrderEvent {
            Placed { #[event(id)] id: u8 },
            #[event(type = "ORDER_PLACED", alias = "ORDER_CREATED")]
            PlacedAgain { #[event(id)] id: u8 },
            Created { #[event(id)] id: u8 },
        }
        "#,
        &[
            (
                "\"ORDER_PLACED\"",
                "`ORDER_PLACED` is already a name of `Placed`, \
                 and stored events are told apart by name: choose another",
            ),
            (
                "Created",
                "`ORDER_CREATED` is already a name of `PlacedAgain`, \
                 and stored events are told apart by name: choose another",
            ),
        ],
    );
}
