//! The API as a test uses it: `underlay.v1` over the server's unix socket.
//!
//! Waits are on Watch streams. A stream that breaks because the server was killed is opened again until patience ends,
//! so a wait may span the server's death.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, time::sleep};
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;
use underlay_proto::v1::{
    self as pb, agent_service_client::AgentServiceClient, credential_service_client::CredentialServiceClient,
    host_service_client::HostServiceClient, image_service_client::ImageServiceClient,
    machine_service_client::MachineServiceClient, network_service_client::NetworkServiceClient,
    operation_service_client::OperationServiceClient, pool_service_client::PoolServiceClient,
    profile_service_client::ProfileServiceClient, server_service_client::ServerServiceClient,
};

use super::GLANCE;

/// A way to the server; cheap to clone.
#[derive(Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// By the socket at that path.
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    async fn channel(&self) -> Result<Channel> {
        let path = self.socket.clone();
        let connector = service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_static("http://localhost").timeout(Duration::from_secs(3600));
        endpoint.connect_with_connector(connector).await.context("connecting to the server's socket")
    }

    /// Who the server is.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn info(&self) -> Result<pb::InfoResponse> {
        let mut client = ServerServiceClient::new(self.channel().await?);
        Ok(client.info(pb::InfoRequest {}).await?.into_inner())
    }

    /// Put a network.
    ///
    /// # Errors
    /// It is refused.
    pub async fn put_network(&self, name: &str, spec: pb::NetworkSpec) -> Result<()> {
        let mut client = NetworkServiceClient::new(self.channel().await?);
        client.put(pb::PutNetworkRequest { key: key(name), spec: Some(spec), options: None }).await?;
        Ok(())
    }

    /// Put a pool.
    ///
    /// # Errors
    /// It is refused.
    pub async fn put_pool(&self, name: &str, spec: pb::PoolSpec) -> Result<()> {
        let mut client = PoolServiceClient::new(self.channel().await?);
        client.put(pb::PutPoolRequest { key: key(name), spec: Some(spec), options: None }).await?;
        Ok(())
    }

    /// Put a login.
    ///
    /// # Errors
    /// It is refused.
    pub async fn put_credential(&self, name: &str, username: &str, password: String) -> Result<()> {
        let mut client = CredentialServiceClient::new(self.channel().await?);
        let spec = pb::CredentialSpec { username: username.into(), secret_version: 1 };
        let request = pb::PutCredentialRequest {
            key: key(name),
            spec: Some(spec),
            options: None,
            password: Some(password),
        };
        client.put(request).await?;
        Ok(())
    }

    /// Put a profile, with secret values as JSON.
    ///
    /// # Errors
    /// It is refused.
    pub async fn put_profile(&self, name: &str, spec: pb::ProfileSpec, secrets: &str) -> Result<()> {
        let mut client = ProfileServiceClient::new(self.channel().await?);
        let secret_values = Some(secrets.to_owned());
        client
            .put(pb::PutProfileRequest { key: key(name), spec: Some(spec), options: None, secret_values })
            .await?;
        Ok(())
    }

    /// Put a host.
    ///
    /// # Errors
    /// It is refused.
    pub async fn put_host(&self, name: &str, spec: pb::HostSpec) -> Result<pb::Host> {
        let mut client = HostServiceClient::new(self.channel().await?);
        let request = pb::PutHostRequest { key: key(name), spec: Some(spec), options: None };
        client.put(request).await?.into_inner().host.context("a Put answers with the host")
    }

    /// The host as it is now.
    ///
    /// # Errors
    /// There is none, or the server does not answer.
    pub async fn host(&self, name: &str) -> Result<pb::Host> {
        let mut client = HostServiceClient::new(self.channel().await?);
        let request = pb::GetRequest { selector: selector(name), incarnation: String::new() };
        Ok(client.get(request).await?.into_inner())
    }

    /// Put an image and wait until it is imported; returns what machines name it by.
    ///
    /// # Errors
    /// It is refused or cannot be imported.
    pub async fn import(&self, name: &str, spec: pb::ImageSpec, patience: Duration) -> Result<String> {
        let mut client = ImageServiceClient::new(self.channel().await?);
        client.put(pb::PutImageRequest { key: key(name), spec: Some(spec), options: None }).await?;
        let mut events = client.watch(watch(name)).await?.into_inner();
        let imported = async {
            while let Some(event) = events.message().await? {
                let Some(pb::image_event::Event::Image(image)) = event.event else { continue };
                let standing = image.standing.unwrap_or_default();
                if let Some(failure) = standing.failure {
                    bail!("image {name} {}: {}", standing.phase, failure.why);
                }
                if standing.phase == "ready" {
                    return image.status.map(|status| status.reference).context("an image has a status");
                }
            }
            bail!("the server ended the watch on image {name}")
        };
        tokio::time::timeout(patience, imported).await.context("importing takes too long")?
    }

    /// Put a machine.
    ///
    /// # Errors
    /// It is refused.
    pub async fn put_machine(
        &self,
        name: &str,
        spec: pb::MachineSpec,
        how: pb::PutOptions,
    ) -> Result<pb::Machine> {
        let request = pb::PutMachineRequest { spec: Some(spec), options: Some(how), ..Default::default() };
        self.put_machine_as(name, request).await
    }

    /// Put a machine with all that a request can say.
    ///
    /// # Errors
    /// It is refused.
    pub async fn put_machine_as(&self, name: &str, request: pb::PutMachineRequest) -> Result<pb::Machine> {
        let mut client = MachineServiceClient::new(self.channel().await?);
        let request = pb::PutMachineRequest { key: key(name), ..request };
        client.put(request).await?.into_inner().machine.context("a Put answers with the machine")
    }

    /// The machine as it is now.
    ///
    /// # Errors
    /// There is none, or the server does not answer.
    pub async fn machine(&self, name: &str) -> Result<pb::Machine> {
        let mut client = MachineServiceClient::new(self.channel().await?);
        Ok(client
            .get(pb::GetRequest { selector: selector(name), incarnation: String::new() })
            .await?
            .into_inner())
    }

    /// Ask for a machine to be released.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn delete_machine(&self, name: &str) -> Result<()> {
        let meta = self.machine(name).await?.meta.context("a machine has an identity")?;
        let mut client = MachineServiceClient::new(self.channel().await?);
        client.delete(pb::DeleteRequest { selector: selector(name), incarnation: meta.incarnation }).await?;
        Ok(())
    }

    /// The passwords of their own that BMCs of a host of that name have or may have.
    ///
    /// # Errors
    /// There is none, or the server does not answer.
    pub async fn own_passwords(&self, name: &str) -> Result<Vec<pb::OwnPassword>> {
        let mut client = HostServiceClient::new(self.channel().await?);
        let request = pb::OwnPasswordsRequest { key: key(name), forget_gone: false };
        Ok(client.own_passwords(request).await?.into_inner().passwords)
    }

    /// Ask for a host to be forgotten, and wait until it is.
    ///
    /// # Errors
    /// The server does not answer, or patience ends.
    pub async fn delete_host(&self, name: &str, patience: Duration) -> Result<()> {
        let mut client = HostServiceClient::new(self.channel().await?);
        let get = pb::GetRequest { selector: selector(name), incarnation: String::new() };
        let meta = client.get(get).await?.into_inner().meta.context("a host has an identity")?;
        client.delete(pb::DeleteRequest { selector: selector(name), incarnation: meta.incarnation }).await?;
        let is_gone = |host: &pb::Host| host.meta.as_ref().is_some_and(|meta| meta.purged_at.is_some());
        self.host_when(name, patience, is_gone).await.map(drop)
    }

    /// Wait until the machine is as `wanted`.
    ///
    /// # Errors
    /// It fails where that is not wanted, or patience ends; the error says how it stands.
    pub async fn machine_when(
        &self,
        name: &str,
        patience: Duration,
        mut wanted: impl FnMut(&pb::Machine) -> bool,
    ) -> Result<pb::Machine> {
        let mut last = None;
        let watching = retrying(async || {
            let mut client = MachineServiceClient::new(self.channel().await?);
            let mut events = client.watch(watch(name)).await?.into_inner();
            while let Some(event) = events.message().await? {
                let Some(pb::machine_event::Event::Machine(machine)) = event.event else { continue };
                if wanted(&machine) {
                    return Ok(machine);
                }
                last = machine.standing;
            }
            bail!("the server ended the watch")
        });
        match tokio::time::timeout(patience, watching).await {
            Ok(machine) => Ok(machine),
            Err(_) => {
                Err(anyhow!("machine {name} is not as wanted after {patience:?}; it stands: {last:#?}"))
            }
        }
    }

    /// Wait until the machine is ready and its operation has ended; it must not fail on the way.
    ///
    /// # Errors
    /// It fails, or patience ends.
    pub async fn machine_ready(&self, name: &str, patience: Duration) -> Result<pb::Machine> {
        let is_at_rest = |meta: &pb::Meta| meta.observed_generation >= meta.generation;
        let ended = |machine: &pb::Machine| match phase(machine) {
            "ready" => machine.meta.as_ref().is_some_and(is_at_rest),
            word => word == "failed",
        };
        let machine = self.machine_when(name, patience, ended).await?;
        match machine.standing.as_ref().and_then(|standing| standing.failure.as_ref()) {
            Some(failure) => bail!("machine {name}: {failure:#?}"),
            None => Ok(machine),
        }
    }

    /// Wait until the host is as `wanted`.
    ///
    /// # Errors
    /// Patience ends.
    pub async fn host_when(
        &self,
        name: &str,
        patience: Duration,
        mut wanted: impl FnMut(&pb::Host) -> bool,
    ) -> Result<pb::Host> {
        let mut last = None;
        let watching = retrying(async || {
            let mut client = HostServiceClient::new(self.channel().await?);
            let mut events = client.watch(watch(name)).await?.into_inner();
            while let Some(event) = events.message().await? {
                let Some(pb::host_event::Event::Host(host)) = event.event else { continue };
                if wanted(&host) {
                    return Ok(host);
                }
                last = Some((host.standing, host.status));
            }
            bail!("the server ended the watch")
        });
        match tokio::time::timeout(patience, watching).await {
            Ok(host) => Ok(host),
            Err(_) => Err(anyhow!("host {name} is not as wanted after {patience:?}; it stands: {last:#?}")),
        }
    }

    /// Switch a host.
    ///
    /// # Errors
    /// It is refused.
    pub async fn power(&self, name: &str, action: pb::power_request::Action) -> Result<pb::Host> {
        let mut client = HostServiceClient::new(self.channel().await?);
        let request = pb::PowerRequest { selector: selector(name), action: action.into() };
        Ok(client.power(request).await?.into_inner())
    }

    /// Machines that nobody has enrolled.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn discovered(&self) -> Result<Vec<pb::Discovered>> {
        let mut client = HostServiceClient::new(self.channel().await?);
        Ok(client.list_discovered(pb::ListDiscoveredRequest { limit: 1000 }).await?.into_inner().discovered)
    }

    /// Wait until a machine that nobody has enrolled reports from that NIC.
    ///
    /// # Errors
    /// Patience ends.
    pub async fn discovers(&self, mac: &str, patience: Duration) -> Result<pb::Discovered> {
        let began = Instant::now();
        while began.elapsed() < patience {
            if let Some(found) = self.discovered().await?.into_iter().find(|found| found.mac == mac) {
                return Ok(found);
            }
            sleep(GLANCE).await;
        }
        bail!("no unknown machine reports from {mac} in {patience:?}")
    }

    /// The operations of a machine, newest first.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn operations(&self, name: &str) -> Result<Vec<pb::Operation>> {
        let mut client = OperationServiceClient::new(self.channel().await?);
        let object = Some(pb::ObjectRef { kind: "machine".into(), selector: selector(name) });
        Ok(client.list(pb::ListOperationsRequest { object, limit: 0 }).await?.into_inner().operations)
    }

    /// The last lines of a machine's history, newest first.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn history(&self, name: &str) -> Result<Vec<String>> {
        let mut client = OperationServiceClient::new(self.channel().await?);
        let object = Some(pb::ObjectRef { kind: "machine".into(), selector: selector(name) });
        let explained =
            client.explain(pb::ExplainRequest { object, ..Default::default() }).await?.into_inner();
        Ok(explained.events.into_iter().map(|event| event.text).collect())
    }

    /// Turn an agent's token into a certificate, with a key of the test's own.
    ///
    /// # Errors
    /// As the server answers.
    pub async fn redeem(&self, token: &str) -> Result<pb::RedeemResponse, tonic::Status> {
        let unreachable = |error: anyhow::Error| tonic::Status::unavailable(format!("{error:#}"));
        let mut client = AgentServiceClient::new(self.channel().await.map_err(unreachable)?);
        let csr = signing_request().map_err(unreachable)?;
        Ok(client.redeem(pb::RedeemRequest { token: token.into(), csr, quote: None }).await?.into_inner())
    }
}

/// Open a stream again and again, until what is read from it is the answer.
async fn retrying<T>(mut once: impl AsyncFnMut() -> Result<T>) -> T {
    loop {
        if let Ok(found) = once().await {
            return found;
        }
        sleep(GLANCE).await;
    }
}

fn signing_request() -> Result<Vec<u8>> {
    let key = rcgen::KeyPair::generate().context("making a key")?;
    let request =
        rcgen::CertificateParams::default().serialize_request(&key).context("asking for a certificate")?;
    Ok(request.der().to_vec())
}

/// The word for a machine's state.
pub fn phase(machine: &pb::Machine) -> &str {
    machine.standing.as_ref().map_or("", |standing| &standing.phase)
}

fn key(name: &str) -> Option<pb::Key> {
    Some(pb::Key { site: String::new(), owner: String::new(), name: name.into() })
}

fn selector(name: &str) -> Option<pb::Selector> {
    Some(pb::Selector { by: key(name).map(pb::selector::By::Key) })
}

fn watch(name: &str) -> pb::WatchRequest {
    pb::WatchRequest { selector: selector(name), filter: None, after_revision: 0 }
}
