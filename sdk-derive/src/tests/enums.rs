use super::{expands, refuses};

#[test]
fn enum_expands_to_a_match_on_variants() {
    expands(
        r#"
        #[event(prefix = "ORDER", emitter_type = "SYSTEM", emitter_id = "billing")]
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
                        .of_generic_type(::core::concat!(::core::module_path!(), "::OrderEvent::Shipped"), [
                        ::core::mem::size_of::<Self>(),
                        ::core::mem::align_of::<Self>(),
                        ::core::mem::needs_drop::<Self>() as usize
                    ])
                        .for_variant(0, "Shipped");
                    __event
                },
                {
                    let __event = ::domain_events::EventDefinition::new("GONE")
                        .of_generic_type(::core::concat!(::core::module_path!(), "::OrderEvent::Gone"), [
                        ::core::mem::size_of::<Self>(),
                        ::core::mem::align_of::<Self>(),
                        ::core::mem::needs_drop::<Self>() as usize
                    ])
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
                    Self::Shipped { order_id: __field, .. } => ::domain_events::MarkedField::display(__field),
                    Self::Gone { order_id: __field, .. } => ::domain_events::MarkedField::display(__field),
                    Self::Placed(__event) => ::domain_events::DomainEvent::entity_id(__event),
                }
            }
            #[inline]
            fn emitter_id(&self) -> ::core::option::Option<&dyn ::core::fmt::Display> {
                match self {
                    Self::Shipped { clerk: __field, .. } => ::core::option::Option::Some(::domain_events::MarkedField::display(__field)),
                    Self::Gone { .. } => ::core::option::Option::Some(&"billing"),
                    Self::Placed(__event) => match (
                        ::domain_events::DomainEvent::emitter_id(__event),
                        ::domain_events::DomainEvent::emitter_type(__event),
                    ) {
                        (::core::option::Option::None, ::core::option::Option::None) =>
                            ::core::option::Option::Some(&"billing"),
                        (__id, _) => __id,
                    },
                }
            }
            #[inline]
            fn emitter_type(&self) -> ::core::option::Option<&dyn ::core::fmt::Display> {
                match self {
                    Self::Shipped { .. } => ::core::option::Option::Some(&"SYSTEM"),
                    Self::Gone { .. } => ::core::option::Option::Some(&"USER"),
                    Self::Placed(__event) => match (
                        ::domain_events::DomainEvent::emitter_id(__event),
                        ::domain_events::DomainEvent::emitter_type(__event),
                    ) {
                        (::core::option::Option::None, ::core::option::Option::None) =>
                            ::core::option::Option::Some(&"SYSTEM"),
                        (_, __type) => __type,
                    },
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
fn invalid_variant_is_reported_with_its_fix() {
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
                 or write `prefix = \"ORDER\"` here, which begins the names of all variants",
            ),
            (
                "version",
                "`version` does not belong on a variant that holds another event: \
                 all attributes are taken from that event, so write it there",
            ),
            (
                "id",
                "`id` does not belong on a variant that holds another event: \
                 all attributes are taken from that event, so write it there",
            ),
            (
                "(u8, u8)",
                "a variant needs named fields, `Pair { #[event(id)] id: …, … }`, \
                 or holds one event, `Pair(OrderPlaced)`",
            ),
            (
                "()",
                "a variant needs named fields, `Empty { #[event(id)] id: …, … }`, \
                 or holds one event, `Empty(OrderPlaced)`",
            ),
        ],
    );
}

#[test]
fn variant_without_id_is_refused() {
    refuses(
        "enum OrderEvent { Unit, Empty {} }",
        &[
            (
                "Unit",
                "`Unit` does not name the entity that it is about: write `Unit { #[event(id)] id: … }`, \
                 or `#[event(id = \"…\")]` if all events are about the same entity",
            ),
            (
                "Empty",
                "`Empty` does not name the entity that it is about: \
                 write `#[event(id)]` on the field that holds the entity's id",
            ),
        ],
    );
}

#[test]
fn emitter_id_without_type_is_refused() {
    let typeless = "an emitter id needs an emitter type: write `#[event(emitter_type = \"USER\")]` \
                    on the variant or the enum, or mark the field that holds the type with \
                    `#[event(emitter_type)]`";
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
fn emitter_id_for_wrapped_event_needs_a_type() {
    let typeless = "an emitter id needs an emitter type: write `#[event(emitter_type = \"USER\")]` \
                    on the variant or the enum, or mark the field that holds the type with \
                    `#[event(emitter_type)]`";
    let own = "#[event(emitter_type = \"USER\")] B { #[event(id, emitter_id)] id: u8 }";
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
fn constant_id_that_no_variant_uses_is_refused() {
    let message = "`id` has no effect, because every variant has its own id: remove it";
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
fn untagged_variant_is_refused() {
    let message = "a stored event is read as the variant that has its EventType, and `untagged` makes serde \
                   ignore that for the whole enum: remove it";
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
fn event_type_of_two_variants_is_refused() {
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
                 and a stored event is found by its name: choose another name",
            ),
            (
                "Created",
                "`ORDER_CREATED` is already a name of `PlacedAgain`, \
                 and a stored event is found by its name: choose another name",
            ),
        ],
    );
}

#[test]
fn emitter_type_of_enum_needs_an_id() {
    let without_id = |variant: &str| {
        format!(
            "`{variant}` takes its emitter type from the enum and has no emitter id: mark the field that \
             holds the id with `#[event(emitter_id)]`, or write `emitter_type` only on the variants that \
             have an id"
        )
    };
    refuses(
        r#"
        #[event(emitter_type = "USER")]
        enum OrderEvent {
            A { #[event(id)] id: u8 },
            B { #[event(id, emitter_id)] id: u8 },
            #[event(emitter_id = "x")]
            C { #[event(id)] id: u8 },
            D(OrderPlaced),
        }
        "#,
        &[("A", &without_id("A"))],
    );
    let unused = "`emitter_type` has no effect, because no variant with fields takes it and an event that a \
                  variant holds takes a whole emitter: write `emitter_id` beside it, or remove it";
    refuses(
        r#"#[event(emitter_type = "USER")] enum OrderEvent { A(OrderPlaced) }"#,
        &[("emitter_type", unused)],
    );
}
