//! The interfaces of `wit/plugin.wit`, generated.
//!
//! One world for each exported interface, so that a plugin exports only what it handles, and one
//! with everything that can be imported, which the others share: the linker and the componentiser
//! drop what a plugin does not call, so that its import list is what it needs.
#![allow(missing_debug_implementations, unreachable_pub, reason = "generated")]
#![allow(clippy::all, clippy::indexing_slicing, clippy::mem_forget, reason = "generated")]

pub mod imports {
    wit_bindgen::generate!({
        path: "wit",
        world: "imports",
        generate_all,
        generate_unused_types: true,
        additional_derives: [Clone, PartialEq, Eq],
    });
}

pub mod manifest {
    wit_bindgen::generate!({
        path: "wit",
        world: "exports-manifest",
        pub_export_macro: true,
        export_macro_name: "export_manifest",
        default_bindings_module: "hookyard_sdk::__private::bindings::manifest",
    });
}

pub mod webhook {
    wit_bindgen::generate!({
        path: "wit",
        world: "exports-webhook",
        with: { "hookyard:plugin/types@0.1.0": crate::guest::bindings::imports::hookyard::plugin::types },
        pub_export_macro: true,
        export_macro_name: "export_webhook",
        default_bindings_module: "hookyard_sdk::__private::bindings::webhook",
    });
}

pub mod consumer {
    wit_bindgen::generate!({
        path: "wit",
        world: "exports-consumer",
        with: { "hookyard:plugin/types@0.1.0": crate::guest::bindings::imports::hookyard::plugin::types },
        pub_export_macro: true,
        export_macro_name: "export_consumer",
        default_bindings_module: "hookyard_sdk::__private::bindings::consumer",
    });
}

pub mod schedule {
    wit_bindgen::generate!({
        path: "wit",
        world: "exports-schedule",
        with: { "hookyard:plugin/types@0.1.0": crate::guest::bindings::imports::hookyard::plugin::types },
        pub_export_macro: true,
        export_macro_name: "export_schedule",
        default_bindings_module: "hookyard_sdk::__private::bindings::schedule",
    });
}
