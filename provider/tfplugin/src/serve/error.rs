//! What can keep a provider from serving.

use std::{io, path::PathBuf};

/// Why a provider cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It was not started by a host.
    #[error(
        "this program is a plugin: Terraform and OpenTofu start it. Use -debug to attach to it, or `docs --out DIR`."
    )]
    NotAHost,
    /// No socket could be made.
    #[error("unable to listen on {address}")]
    Listen {
        /// Where.
        address: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The host's certificate in `PLUGIN_CLIENT_CERT` is not one.
    #[error("unable to read the host's certificate")]
    HostCertificate(#[source] rustls_pki_types::pem::Error),
    /// No certificate of our own could be made.
    #[error("unable to make a certificate")]
    OwnCertificate(#[source] rcgen::Error),
    /// TLS refused the certificates.
    #[error("unable to set up TLS")]
    Tls(#[source] rustls::Error),
    /// The server ended.
    #[error("the server failed")]
    Serve(#[source] tonic::transport::Error),
    /// Something the process needs of the system.
    #[error("unable to {act}")]
    System {
        /// What it tried.
        act: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A documentation file.
    #[error("unable to write {path}")]
    WriteDocs {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A command line that means nothing.
    #[error("unknown argument {0:?}; usage: [-debug | docs --out DIR [--examples DIR]]")]
    Argument(String),
}
