//! What only matters inside the sandbox, and all of the SDK's unsafe code: the generated bindings of
//! the interfaces, and the allocator.

#[cfg(all(target_arch = "wasm32", feature = "arena", not(target_feature = "atomics")))]
#[expect(unsafe_code, reason = "a global allocator claims memory that nothing else names")]
mod arena;
pub mod bindings;

/// Exports a type that implements `__private::Plugin` as one of the interfaces that a plugin exports.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ident manifest) => {
        $crate::__private::bindings::manifest::export_manifest!(
            $plugin with_types_in $crate::__private::bindings::manifest
        );
    };
    ($plugin:ident webhook) => {
        $crate::__private::bindings::webhook::export_webhook!(
            $plugin with_types_in $crate::__private::bindings::webhook
        );
    };
    ($plugin:ident consumer) => {
        $crate::__private::bindings::consumer::export_consumer!(
            $plugin with_types_in $crate::__private::bindings::consumer
        );
    };
    ($plugin:ident schedule) => {
        $crate::__private::bindings::schedule::export_schedule!(
            $plugin with_types_in $crate::__private::bindings::schedule
        );
    };
}
