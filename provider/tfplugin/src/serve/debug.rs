//! A provider that Terraform attaches to instead of starting it: for debuggers and for tests.
//!
//! The connection is in the clear: a unix socket that only we can reach, while over TCP any local user can. The provider
//! outlives the runs it serves.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    Error, Transport,
    listen::{Address, Listener},
    server,
};
use crate::{Provider, Service};

/// A provider in this process that waits for Terraform.
pub struct Debug {
    reattach: String,
    exit: CancellationToken,
    server: JoinHandle<Result<(), Error>>,
}

impl Debug {
    /// Starts serving in the background, within a tokio runtime. The address is the provider's source, such as
    /// `registry.terraform.io/example/thing`.
    ///
    /// # Errors
    /// No socket could be made.
    pub async fn start<P: Provider>(provider: P, address: &str, transport: Transport) -> Result<Self, Error> {
        let listener = Listener::bind(transport).await?;
        let reattach = reattach(address, &listener.address);
        let exit = CancellationToken::new();
        let service = Service::new(provider);
        let until = exit.clone();
        // A host that attaches must not end the process, so its wish to do so goes nowhere.
        let ignored = CancellationToken::new();
        let server =
            tokio::spawn(async move { server::serve(service, &listener, None, until, ignored).await });
        Ok(Self { reattach, exit, server })
    }

    /// The value for `TF_REATTACH_PROVIDERS`.
    pub fn reattach(&self) -> &str {
        &self.reattach
    }

    /// Stops serving and removes the socket.
    ///
    /// # Errors
    /// The server had failed before.
    pub async fn stop(self) -> Result<(), Error> {
        self.exit.cancel();
        self.server.await.unwrap_or(Ok(()))
    }
}

fn reattach(provider: &str, address: &Address) -> String {
    let attach = serde_json::json!({
        provider: {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": std::process::id(),
            "Test": true,
            "Addr": { "Network": address.network(), "String": address.text() },
        }
    });
    attach.to_string()
}
