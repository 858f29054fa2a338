//! Puts the services together and serves them on a listener until told to stop.
//!
//! Stopping is orderly: streams end with UNAVAILABLE, calls under way are finished, no new ones are taken.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{service::Routes, transport::Server};
use underlay_proto::v1::{
    agent_service_server::AgentServiceServer, audit_service_server::AuditServiceServer,
    brake_service_server::BrakeServiceServer, credential_service_server::CredentialServiceServer,
    host_service_server::HostServiceServer, image_service_server::ImageServiceServer,
    machine_service_server::MachineServiceServer, network_service_server::NetworkServiceServer,
    operation_service_server::OperationServiceServer, pool_service_server::PoolServiceServer,
    profile_service_server::ProfileServiceServer, server_service_server::ServerServiceServer,
    site_service_server::SiteServiceServer, step_service_server::StepServiceServer,
};
use underlay_store::Store;

use crate::{
    auth,
    context::{Config, Context},
    listen::Listener,
    metrics::Metrics,
    ports::Ports,
    service::{AgentDoor, Agents, Audit, Brakes, Objects, Operations, Server as ServerInfo},
    tls::Authority,
};

/// The largest message of a user, in bytes: a part of an upload has 1 MiB, a spec far less.
const USER_MESSAGE: usize = 4 << 20;
/// The largest message of an agent, in bytes.
const AGENT_MESSAGE: usize = 512 << 10;
/// The largest answer, in bytes: a thousand hosts with their inventories.
const ANSWER: usize = 64 << 20;
/// How often a silent connection is asked whether it is still there, and how long it may take to say so.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// How long callers that do not let go are waited for when the server stops.
const GRACE: Duration = Duration::from_secs(10);

/// The API of one server.
#[derive(Clone)]
pub struct Api {
    context: Context,
    door: Arc<AgentDoor>,
}

/// Why serving ended early.
#[derive(Debug, thiserror::Error)]
#[error("serving the API")]
pub struct ServeError(#[source] tonic::transport::Error);

impl Api {
    /// The API over a store, with the ports to other parts filled in.
    pub fn new(store: Store, authority: Arc<Authority>, ports: Ports, config: Config) -> Self {
        let context = Context {
            store,
            authority,
            ports,
            config: Arc::new(config),
            metrics: Arc::new(Metrics::default()),
            prospects: Arc::default(),
            planned: Arc::default(),
            refusals: Arc::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Self { context, door: Arc::new(AgentDoor::default()) }
    }

    /// Counters of calls.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.context.metrics.clone()
    }

    /// All services behind the gate.
    fn routes(&self, context: Context) -> Routes {
        let (_, health) = tonic_health::server::health_reporter();
        macro_rules! routes {
            ($($server:ident($service:expr) <= $limit:expr;)*) => {
                Routes::default()$(.add_service(
                    $server::new($service)
                        .max_decoding_message_size($limit)
                        .max_encoding_message_size(ANSWER)
                ))*
            };
        }
        let routes = routes! {
            HostServiceServer(Objects::new(context.clone())) <= USER_MESSAGE;
            PoolServiceServer(Objects::new(context.clone())) <= USER_MESSAGE;
            SiteServiceServer(Objects::new(context.clone())) <= USER_MESSAGE;
            StepServiceServer(Objects::new(context.clone())) <= USER_MESSAGE;
            ProfileServiceServer(Objects::new(context.clone())) <= USER_MESSAGE;
            NetworkServiceServer(Objects::new(context.clone())) <= USER_MESSAGE;
            CredentialServiceServer(Objects::new(context.clone())) <= USER_MESSAGE;
            ImageServiceServer(Objects::new(context.clone())) <= USER_MESSAGE;
            MachineServiceServer(Objects::new(context.clone())) <= USER_MESSAGE;
            OperationServiceServer(Operations::new(context.clone())) <= USER_MESSAGE;
            BrakeServiceServer(Brakes::new(context.clone())) <= USER_MESSAGE;
            AuditServiceServer(Audit::new(context.clone())) <= USER_MESSAGE;
            ServerServiceServer(ServerInfo::new(context.clone())) <= USER_MESSAGE;
            AgentServiceServer(Agents::new(context.clone(), self.door.clone())) <= AGENT_MESSAGE;
        };
        let gate = axum::middleware::from_fn_with_state(context, auth::gate::gate);
        Routes::from(routes.add_service(health).into_axum_router().layer(gate))
    }

    /// Serves callers of `listener` until `cancel`; returns once the last call has ended.
    ///
    /// # Errors
    /// [`ServeError`] where the transport fails; a caller's mistakes never do that.
    pub async fn serve(&self, listener: Listener, cancel: CancellationToken) -> Result<(), ServeError> {
        let (accepted, connections) = mpsc::channel(16);
        let tasks = TaskTracker::new();
        let context = Context { stop: cancel.clone(), tasks: tasks.clone(), ..self.context.clone() };
        let routes = self.routes(context);
        let (interval, timeout) = KEEPALIVE;
        let serving = Server::builder()
            .http2_keepalive_interval(Some(interval))
            .http2_keepalive_timeout(Some(timeout))
            .http2_max_header_list_size(16 << 10)
            .max_concurrent_streams(1024)
            .add_routes(routes)
            .serve_with_incoming_shutdown(ReceiverStream::new(connections), cancel.clone().cancelled_owned());
        let patience = async {
            cancel.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        let accept = cancel.child_token();
        let accepting = listener.run(self.context.config.max_connections, accepted, accept.clone());
        let serving = async {
            let served = tokio::select! {
                served = serving => served,
                () = patience => Ok(()),
            };
            accept.cancel();
            tasks.close();
            tasks.wait().await;
            served
        };
        let ((), served) = tokio::join!(accepting, serving);
        served.map_err(ServeError)
    }
}
