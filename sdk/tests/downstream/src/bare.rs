//! A module that has not even `Option`: generated code has to name what it needs.

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
