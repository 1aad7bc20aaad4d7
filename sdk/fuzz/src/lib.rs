//! The fuzz targets. Each target checks a property that must hold for every input, and
//! panics if the property does not hold. `bin/fuzz.rs` runs a target on inputs.
//!
//! The derive is a proc-macro crate, and such a crate can export only macros. This crate
//! therefore compiles the modules of the derive again. They are declared at the crate
//! root, because they refer to each other as `crate::…`.

#![forbid(unsafe_code)]

pub mod families;
pub mod targets;
pub mod verdicts;

macro_rules! include_derive_modules {
    ($($file:literal $name:ident)*) => {$(
        #[path = $file]
        mod $name;
    )*};
}

include_derive_modules! {
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
