use super::{expands, refuses};

#[test]
fn struct_expands_to_a_plain_impl() {
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
                    .with_emitter_type(&"USER")
                    .of_type(::core::concat!(::core::module_path!(), "::OrderPlaced"));
                __event
            }];
            #[inline]
            fn entity_id(&self) -> &dyn ::core::fmt::Display {
                ::domain_events::MarkedField::display(&self.order_id)
            }
            #[inline]
            fn emitter_id(&self) -> ::core::option::Option<&dyn ::core::fmt::Display> {
                ::core::option::Option::Some(
                    ::domain_events::MarkedField::display(&self.customer)
                )
            }
            #[inline]
            fn upcast(
                __older: ::domain_events::PastVersion<'_>
            ) -> ::core::result::Result<Self, ::domain_events::DecodeError> {
                __older.read_as::<OrderPlacedV2>()
                    .map(<Self as ::core::convert::From<OrderPlacedV2>>::from)
            }
        }
        "#,
    );
}

#[test]
fn type_parameters_get_bounds() {
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
                let __event = my::events::EventDefinition::new("CHANGED")
                    .of_generic_type(::core::concat!(::core::module_path!(), "::Changed"), [
                        ::core::mem::size_of::<Self>(),
                        ::core::mem::align_of::<Self>(),
                        ::core::mem::needs_drop::<Self>() as usize
                    ]);
                __event
            }];
            #[inline]
            fn entity_id(&self) -> &dyn ::core::fmt::Display {
                my::events::MarkedField::display(&self.r#type)
            }
        }
        "#,
    );
}

#[test]
fn struct_with_errors_gets_a_fallback_impl() {
    expands(
        "struct OrderPlaced;",
        r#"
        ::core::compile_error! { "`OrderPlaced` does not name the entity that it is about: write `struct OrderPlaced { #[event(id)] id: … }`, or `#[event(id = \"…\")]` if all events are about the same entity" }
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
fn all_errors_are_reported_at_once() {
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
                 write a constant on the struct or variant",
            ),
        ],
    );
}

#[test]
fn unit_struct_has_a_constant_id() {
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
                let __event = ::domain_events::EventDefinition::new("SHOP_OPENED")
                    .of_type(::core::concat!(::core::module_path!(), "::ShopOpened"));
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
fn incomplete_version_is_refused() {
    let check = |attributes: &str, token: &str, message: &str| {
        let source = format!("#[event({attributes})] struct OrderPlaced {{ #[event(id)] id: u8 }}");
        refuses(&source, &[(token, message)]);
    };
    check(
        "version = 3",
        "version",
        "version 3 does not state how a stored version 2 is read: write `upcast_from = OrderPlacedV2`, \
         where `OrderPlacedV2` is an event with version 2, and implement \
         `From<OrderPlacedV2> for OrderPlaced`; or write `oldest` if no earlier version is stored",
    );
    check(
        "upcast_from = OrderPlacedV1",
        "upcast_from",
        "`upcast_from` needs a version of 2 or more: write `version = 2` beside it",
    );
    check(
        "oldest",
        "oldest",
        "`oldest` has no effect on version 1, which is the first version: remove it",
    );
    check(
        "version = 2, oldest, upcast_from = OrderPlacedV1",
        "oldest",
        "`oldest` states that no earlier version is stored, and `upcast_from` states how it is read: remove one of them",
    );
    check(
        "version = 2, oldest = 2",
        "2",
        "`oldest` takes no value: write `#[event(oldest)]`",
    );
    check(
        "version = 2, upcast_from = \"OrderPlacedV1\"",
        "\"OrderPlacedV1\"",
        "`upcast_from` takes the type of the previous version, without quotes: \
         write `upcast_from = OrderPlacedV1`",
    );
}

#[test]
fn pii_on_id_or_flattened_field_is_refused() {
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
                "`pii` cannot hide an id, because ids are keys of the table and appear in logs: \
                 use an id that does not identify the person",
            ),
            (
                "pii",
                "`pii` marks one field of the data, and a flattened field has no name there: \
                 remove `flatten`, or write its fields here and mark them",
            ),
        ],
    );
}

#[test]
fn pii_on_a_moved_field_is_refused() {
    let refused = |word: &str, source: &str| {
        let message = format!(
            "`pii` marks a field that is found by its name at the top of the data, and `{word}` moves it: \
             remove `{word}` from `#[serde(...)]`"
        );
        refuses(source, &[("pii", &message)]);
    };
    let fields = "{ #[event(id)] id: u8, #[event(pii)] name: String }";
    for (word, written) in [
        ("transparent", "transparent"),
        ("into", r#"rename = "x", into = "Raw", from = "Raw""#),
    ] {
        refused(word, &format!("#[serde({written})] struct Moved {fields}"));
    }
    for (word, on_enum, on_variant) in [
        ("content", r#"#[serde(tag = "t", content = "c")]"#, ""),
        ("into", r#"#[serde(into = "Raw")]"#, ""),
        ("with", "", r#"#[serde(with = "elsewhere")]"#),
        (
            "serialize_with",
            "",
            r#"#[serde(serialize_with = "elsewhere")]"#,
        ),
    ] {
        refused(
            word,
            &format!("{on_enum} enum Event {{ {on_variant} Moved {fields} }}"),
        );
    }
    for harmless in ["tag = \"t\"", "from = \"Raw\"", "rename = \"content\""] {
        refuses(&format!("#[serde({harmless})] struct Moved {fields}"), &[]);
    }
}

#[test]
fn repeated_statement_is_refused() {
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
            ("version", "`version` is written twice: remove one of them"),
            ("id", "`id` is written twice: remove one of them"),
            (
                "id",
                "`order_id` is already marked as the `id`, and an event has only one: remove one of the marks",
            ),
            (
                "emitter_id",
                "`emitter_id` is already a constant of this event: \
                 remove the constant, or the mark on the field",
            ),
            ("\"A\"", "`A` is already a name of this event: remove it"),
        ],
    );
}

#[test]
fn emitter_type_without_id_is_refused() {
    let message = "an emitter type needs an emitter id: mark the field that holds the id with \
                   `#[event(emitter_id)]`, write `emitter_id = \"billing\"` beside it, or remove the \
                   type to use the emitter of the handle";
    refuses(
        r#"#[event(emitter_type = "SYSTEM")] struct Counted { #[event(id)] id: u8 }"#,
        &[("emitter_type", message)],
    );
    refuses(
        "struct Counted { #[event(id)] id: u8, #[event(emitter_type)] role: String }",
        &[("emitter_type", message)],
    );
}

#[test]
fn marked_field_that_serde_skips_is_refused() {
    for flag in ["skip", "skip_serializing", "skip_deserializing"] {
        for mark in ["id", "emitter_id"] {
            let message = format!(
                "`{flag}` keeps the `{mark}` out of the event's data, so that a stored event would be \
                 read with an empty one: remove `{flag}` from `#[serde(...)]`"
            );
            let id =
                "#[event(id)] other: u8,".replace("id", if mark == "id" { "pii" } else { "id" });
            let source = format!(
                "#[event(emitter_type = \"USER\", emitter_id = \"a\")] struct Counted {{ {id} \
                 #[event({mark})] #[serde(default, {flag})] id: u8 }}"
            );
            let errors = super::errors(&source);
            assert!(errors.contains(&(flag.to_owned(), message)), "{errors:?}");
        }
    }
    refuses(
        "struct Counted { #[event(id)] id: u8, #[serde(skip)] cache: u8 }",
        &[],
    );
}

#[test]
fn part_of_an_event_with_pii_gets_directions() {
    refuses(
        "struct Address { #[event(pii)] street: String }",
        &[(
            "Address",
            "`Address` does not name the entity that it is about: write `#[event(id)]` on the field \
             that holds the entity's id; if `Address` is not an event but a part of one, remove its \
             derive and its marks, and write `#[event(pii)]` on the event's field that holds it",
        )],
    );
}
