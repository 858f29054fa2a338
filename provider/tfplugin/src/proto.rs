//! The generated protocol types: `tfplugin6` (what a provider answers) and go-plugin's own services.
//!
//! Holds no logic. The field numbers are in `proto/*.proto`.

/// Terraform plugin protocol 6.
#[allow(missing_docs, clippy::all, clippy::large_futures)]
pub mod tfplugin6 {
    tonic::include_proto!("tfplugin6");
}

/// go-plugin's control, output and broker services.
#[allow(missing_docs, clippy::all)]
pub mod plugin {
    tonic::include_proto!("plugin");
}
