//! The host asks the process to end: reply, then go. The host waits two seconds and kills.

use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::proto::plugin as pb;

/// Ends the process, or in debug mode does not.
pub(super) struct Controller {
    pub(super) exit: CancellationToken,
}

#[tonic::async_trait]
impl pb::grpc_controller_server::GrpcController for Controller {
    async fn shutdown(&self, _request: Request<pb::Empty>) -> Result<Response<pb::Empty>, Status> {
        tracing::debug!("asked to exit");
        self.exit.cancel();
        Ok(Response::new(pb::Empty {}))
    }
}
