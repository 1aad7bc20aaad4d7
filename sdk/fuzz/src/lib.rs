//! What holds for any input: one function a target, each of which panics where
//! it does not hold. `main.rs` gives them inputs.
//!
//! The derive is a proc-macro crate, which exports nothing but macros. Its
//! modules are compiled into this one instead, at the root, where they look for
//! each other.

#![forbid(unsafe_code)]

pub mod families;
pub mod targets;
pub mod verdicts;

macro_rules! of_the_derive {
    ($($file:literal $name:ident)*) => {$(
        #[path = $file]
        mod $name;
    )*};
}

of_the_derive! {
    "../../../sdk-derive/src/attr.rs" attr
    "../../../sdk-derive/src/body.rs" body
    "../../../sdk-derive/src/check.rs" check
    "../../../sdk-derive/src/const_checks.rs" const_checks
    "../../../sdk-derive/src/definition.rs" definition
    "../../../sdk-derive/src/emitter_rules.rs" emitter_rules
    "../../../sdk-derive/src/errors.rs" errors
    "../../../sdk-derive/src/event_names.rs" event_names
    "../../../sdk-derive/src/expand.rs" expand
    "../../../sdk-derive/src/input.rs" input
    "../../../sdk-derive/src/location.rs" location
    "../../../sdk-derive/src/meta_entry.rs" meta_entry
    "../../../sdk-derive/src/model.rs" model
    "../../../sdk-derive/src/rules.rs" rules
    "../../../sdk-derive/src/serde_index.rs" serde_index
    "../../../sdk-derive/src/serde_name.rs" serde_name
    "../../../sdk-derive/src/target.rs" target
}
