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
        let source = format!("#[event({attributes})] struct OrderPlaced {{ #[event(id)] id: u8 }}");
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
fn hides_nothing_that_serde_takes_from_the_top_of_the_data() {
    let refused = |word: &str, source: &str| {
        let message = format!(
            "`pii` is about a field that stands by its name at the top of the data, \
             and `{word}` takes it from there: remove `{word}` from `#[serde(...)]`"
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
