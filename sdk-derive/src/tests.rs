//! From source text to mistakes and to code, without a compiler.

use proc_macro2::TokenStream;

use crate::check::check;
use crate::derive;
use crate::input::Input;

/// The reported tokens with the messages.
fn mistakes(source: &str) -> Vec<(String, String)> {
    let Input(input) = syn::parse_str(source).unwrap();
    let Err(mistakes) = check(&input).model else {
        return Vec::new();
    };
    let told = |mistake: syn::Error| {
        let token = mistake.span().source_text().unwrap();
        (token, mistake.to_string())
    };
    mistakes.into_iter().map(told).collect()
}

#[track_caller]
fn refuses(source: &str, expected: &[(&str, &str)]) {
    let found = mistakes(source);
    let found: Vec<_> = found
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(found, expected, "{source}");
}

#[track_caller]
fn expands(source: &str, expected: &str) {
    let Input(input) = syn::parse_str(source).unwrap();
    let expected: TokenStream = expected.parse().unwrap();
    // Tokens print with more or less space, depending on who made them.
    let without_space = |tokens: TokenStream| tokens.to_string().replace(' ', "");
    assert_eq!(without_space(derive(&input)), without_space(expected));
}

mod a_struct {
    use super::{expands, refuses};

    #[test]
    fn becomes_an_impl_that_one_could_write_by_hand() {
        expands(
            r#"
            #[event(emitter_type = "USER", version = 3, upcast_from = OrderPlacedV2, alias = "ORDER_MADE")]
            struct OrderPlaced {
                #[event(id)]
                order_id: Uuid,
                #[event(emitter_id)]
                customer: String,
                #[event(pii)]
                #[serde(rename = "address")]
                street: String,
            }
            "#,
            r#"
            const _: ::domain_events::EventDefinition =
                ::domain_events::EventDefinition::new("ORDER_PLACED")
                    .with_version(3)
                    .with_aliases(&["ORDER_MADE"])
                    .with_pii(&["address"])
                    .upcast_from(<OrderPlacedV2 as ::domain_events::DomainEvent>::DEFINITIONS);
            #[automatically_derived]
            #[allow(unused_qualifications)]
            impl ::domain_events::DomainEvent for OrderPlaced {
                const DEFINITIONS: &'static [::domain_events::EventDefinition] = &[{
                    let __event = ::domain_events::EventDefinition::new("ORDER_PLACED")
                        .with_version(3)
                        .with_aliases(&["ORDER_MADE"])
                        .with_pii(&["address"])
                        .upcast_from(<OrderPlacedV2 as ::domain_events::DomainEvent>::DEFINITIONS)
                        .with_emitter_type(&"USER");
                    __event
                }];
                #[inline]
                fn entity_id(&self) -> &dyn ::core::fmt::Display {
                    &self.order_id
                }
                #[inline]
                fn emitter_id(&self) -> ::core::option::Option<&dyn ::core::fmt::Display> {
                    ::core::option::Option::Some(&self.customer)
                }
                #[inline]
                fn upcast(
                    __older: ::domain_events::OlderEvent<'_>
                ) -> ::core::result::Result<Self, ::domain_events::DecodeError> {
                    __older.read_as::<OrderPlacedV2>()
                        .map(<Self as ::core::convert::From<OrderPlacedV2>>::from)
                }
            }
            "#,
        );
    }

    #[test]
    fn with_type_parameters_is_bound_to_what_is_used() {
        expands(
            r#"
            #[event(crate = my::events, type = "CHANGED")]
            struct r#Changed<'a, T: Copy = u8, const N: usize = 1> where T: 'a {
                #[event(id)]
                r#type: &'a T,
                rest: [u8; N],
            }
            "#,
            r#"
            #[automatically_derived]
            #[allow(unused_qualifications)]
            impl<'a, T: Copy, const N: usize> my::events::DomainEvent for r#Changed<'a, T, N>
            where
                T: 'a,
                Self: my::events::Serialize,
                &'a T: ::core::fmt::Display
            {
                const DEFINITIONS: &'static [my::events::EventDefinition] = &[{
                    let __event = my::events::EventDefinition::new("CHANGED");
                    __event
                }];
                #[inline]
                fn entity_id(&self) -> &dyn ::core::fmt::Display {
                    &self.r#type
                }
            }
            "#,
        );
    }

    #[test]
    fn with_mistakes_still_gets_a_stand_in() {
        expands(
            "struct OrderPlaced;",
            r#"
            ::core::compile_error! { "`OrderPlaced` does not say which entity it is about: write `struct OrderPlaced { #[event(id)] id: … }`, or `#[event(id = \"…\")]` on it if it is always the same one" }
            #[automatically_derived]
            #[allow(unused_qualifications)]
            impl ::domain_events::DomainEvent for OrderPlaced {
                const DEFINITIONS: &'static [::domain_events::EventDefinition] =
                    &[::domain_events::EventDefinition::new("NOT_DERIVED")];
                fn entity_id(&self) -> &dyn ::core::fmt::Display {
                    &""
                }
            }
            "#,
        );
    }

    #[test]
    fn tells_every_mistake_at_once_and_nothing_missing_beside_one() {
        refuses(
            r#"
            #[event(typ = "A", version = "2", type = 3, 7, crate = "x")]
            struct OrderPlaced {
                #[event(idd)]
                order_id: String,
                #[event(emitter_id = "x", emitter_id, alias = "X")]
                customer: String,
            }
            "#,
            &[
                ("typ", "unknown attribute `typ`: did you mean `type`?"),
                (
                    "7",
                    "expected the name of an attribute, as in `#[event(id)]`",
                ),
                (
                    "\"2\"",
                    "`version` takes a whole number from 1 to 65535: write `version = 2`",
                ),
                (
                    "3",
                    "`type` takes a string: write `type = \"ORDER_PLACED\"`",
                ),
                (
                    "\"x\"",
                    "`crate` takes a path without quotes: write `crate = my_crate::domain_events`",
                ),
                ("idd", "unknown attribute `idd`: did you mean `id`?"),
                (
                    "alias",
                    "`alias` does not belong on a field: write it on the struct or variant",
                ),
                (
                    "\"x\"",
                    "`emitter_id` takes no value on a field: write `#[event(emitter_id)]`; \
                     a constant is written on the struct or variant",
                ),
            ],
        );
    }

    #[test]
    fn without_fields_is_about_an_entity_that_is_always_the_same() {
        expands(
            r#"
            #[event(id = "shop")]
            struct ShopOpened;
            "#,
            r#"
            #[automatically_derived]
            #[allow(unused_qualifications)]
            impl ::domain_events::DomainEvent for ShopOpened {
                const DEFINITIONS: &'static [::domain_events::EventDefinition] = &[{
                    let __event = ::domain_events::EventDefinition::new("SHOP_OPENED");
                    __event
                }];
                #[inline]
                fn entity_id(&self) -> &dyn ::core::fmt::Display {
                    &"shop"
                }
            }
            "#,
        );
    }

    #[test]
    fn says_how_its_earlier_versions_are_read() {
        let check = |attributes: &str, token: &str, message: &str| {
            let source =
                format!("#[event({attributes})] struct OrderPlaced {{ #[event(id)] id: u8 }}");
            refuses(&source, &[(token, message)]);
        };
        check(
            "version = 3",
            "version",
            "version 3 does not say how a stored version 2 is read: write \
             `upcast_from = OrderPlacedV2`, a type with that version, and `From` it for `OrderPlaced`; \
             or `oldest` if nothing older is stored",
        );
        check(
            "upcast_from = OrderPlacedV1",
            "upcast_from",
            "`upcast_from` belongs to an event whose version is 2 or more: \
             write `version = 2` beside it if it is one",
        );
        check(
            "oldest",
            "oldest",
            "`oldest` has no effect on version 1, which nothing comes before: remove it",
        );
        check(
            "version = 2, oldest, upcast_from = OrderPlacedV1",
            "oldest",
            "`oldest` says that nothing older is stored, and `upcast_from` how it is read: remove one of them",
        );
        check(
            "version = 2, oldest = 2",
            "2",
            "`oldest` takes no value: write `#[event(oldest)]`",
        );
        check(
            "version = 2, upcast_from = \"OrderPlacedV1\"",
            "\"OrderPlacedV1\"",
            "`upcast_from` takes the type of the version before, without quotes: \
             write `upcast_from = OrderPlacedV1`",
        );
    }

    #[test]
    fn hides_no_ids_and_nothing_that_has_no_name() {
        refuses(
            r#"
            struct CustomerMoved {
                #[event(id, pii)]
                name: String,
                #[event(pii)]
                #[serde(flatten)]
                address: Address,
            }
            "#,
            &[
                (
                    "pii",
                    "`pii` cannot hide an id: ids stand outside of the data, in the table's keys \
                     and in logs; use one that tells nothing about the person",
                ),
                (
                    "pii",
                    "`pii` is about one field of the data, and a flattened field has no name there: \
                     remove `flatten`, or write its fields here and mark them",
                ),
            ],
        );
    }

    #[test]
    fn does_not_say_one_thing_twice() {
        refuses(
            r#"
            #[event(version = 1, version = 2, emitter_id = "x", emitter_type = "X", alias = "A", alias = "A")]
            struct OrderPlaced {
                #[event(id, id)]
                order_id: String,
                #[event(id, emitter_id)]
                customer: String,
            }
            "#,
            &[
                ("version", "`version` is written twice: keep one of them"),
                ("id", "`id` is written twice: keep one of them"),
                (
                    "id",
                    "`order_id` is already the `id`, and there is only one: remove one of the two marks",
                ),
                (
                    "emitter_id",
                    "`emitter_id` is already a constant of this event: \
                     remove either the constant or the mark on the field",
                ),
                ("\"A\"", "`A` is already a name of this event: remove it"),
            ],
        );
    }
}

mod an_enum {
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
                            .in_variant(0, "Shipped");
                        __event
                    },
                    {
                        let __event = ::domain_events::EventDefinition::new("GONE");
                        __event
                    },
                    <OrderPlaced as ::domain_events::DomainEvent>::DEFINITIONS[0].in_variant(1, "Placed")
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
                    __older: ::domain_events::OlderEvent<'_>
                ) -> ::core::result::Result<Self, ::domain_events::DecodeError> {
                    match __older.index() {
                        2 => <OrderPlaced as ::domain_events::DomainEvent>::upcast(
                            __older.of_variant()
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
}
