//! `underlay.v1`: the wire between provider, command line, agent and server. Generated code and nothing else; the
//! `.proto` files beside it say what each field means.

/// Version 1 of the API.
#[allow(clippy::all, clippy::pedantic, missing_docs)]
pub mod v1 {
    tonic::include_proto!("underlay.v1");
}

/// The compiled descriptors, for reflection and for documentation.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/underlay.v1.bin"));

/// The metadata key under which an encoded [`v1::ErrorDetail`] travels with an error status.
pub const ERROR_DETAIL_KEY: &str = "underlay-error-bin";
