//! Bindings generated from `wit/stage@0.1.0`: world `stage`, and what `planning-stage` and `compensable-stage` add to it,
//! sharing all types.
//!
//! Nothing here is written by hand. On other targets than wasm the types are ordinary Rust types, which is how stages are
//! tested; the imported functions exist only inside a host.
#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::too_many_lines,
    rustdoc::all,
    reason = "generated code, checked by its generator"
)]

/// World `stage`: what every plugin exports.
pub mod stage {
    wit_bindgen::generate!({
        path: "../../wit/stage@0.1.0",
        world: "stage",
        pub_export_macro: true,
        export_macro_name: "export_world",
        default_bindings_module: "sdk::bindings::stage",
        additional_derives: [PartialEq],
        generate_all,
    });
}

/// What world `compensable-stage` adds to `stage`. A component that exports both is in that world: the two halves are merged
/// when it is linked. (Generating the whole world once more would define the macros of `lifecycle` twice.)
pub mod compensation {
    wit_bindgen::generate!({
        path: "../../wit/stage@0.1.0",
        inline: "package waybill:sdk; world only-compensation { export waybill:stage/compensation@0.1.0; }",
        world: "waybill:sdk/only-compensation",
        pub_export_macro: true,
        export_macro_name: "export_world",
        default_bindings_module: "sdk::bindings::compensation",
        with: { "waybill:stage/types@0.1.0": crate::bindings::stage::waybill::stage::types },
    });
}

/// What world `planning-stage` adds to `stage`; together with [`compensation`] it makes a `full-stage`.
pub mod planning {
    wit_bindgen::generate!({
        path: "../../wit/stage@0.1.0",
        inline: "package waybill:sdk; world only-planning { export waybill:stage/planning@0.1.0; }",
        world: "waybill:sdk/only-planning",
        pub_export_macro: true,
        export_macro_name: "export_world",
        default_bindings_module: "sdk::bindings::planning",
        with: { "waybill:stage/types@0.1.0": crate::bindings::stage::waybill::stage::types },
    });
}
