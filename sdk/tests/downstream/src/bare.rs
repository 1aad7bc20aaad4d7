//! A module without the prelude, not even `Option`. Generated code must use absolute paths.

#![no_implicit_prelude]

#[derive(
    ::std::fmt::Debug,
    ::std::clone::Clone,
    ::std::cmp::PartialEq,
    ::std::cmp::Eq,
    ::serde::Serialize,
    ::serde::Deserialize,
    ::events::DomainEvent,
)]
#[event(crate = ::events, type = "BARE", emitter_type = "SYSTEM", emitter_id = "bare")]
pub struct Bare {
    #[event(id)]
    pub id: u8,
}
