//! An unknown machine's reports: its inventory, again whenever the server wants it.

use std::time::Duration;

use tracing::{info, warn};
use underlay_core::Mac;
use underlay_proto::v1::{DiscoverRequest, agent_service_client::AgentServiceClient};

use super::{channel, convert, trust::Trust};
use crate::{
    inventory::{self, Places},
    pace::Pace,
};

/// Whatever the server says, not more often and not more rarely.
const AGAIN: std::ops::RangeInclusive<u32> = 5..=3600;

/// Reports for ever.
pub async fn run(address: std::net::SocketAddr, trust: &Trust, boot: Mac) -> Result<(), super::trust::Error> {
    let mut pace = Pace::default();
    loop {
        let tls = trust.tls(None)?;
        let reported = async {
            let channel = channel::connect(address, tls)
                .await
                .map_err(|error| tonic::Status::from_error(error.into()))?;
            let inventory = Some(convert::inventory(&inventory::read(Places::real(), Some(boot))));
            let request = DiscoverRequest { inventory, boot_mac: boot.to_string() };
            AgentServiceClient::new(channel).discover(request).await
        };
        match reported.await {
            Ok(answer) => {
                pace.reset();
                let seconds = answer.into_inner().again_seconds.clamp(*AGAIN.start(), *AGAIN.end());
                info!(again_in_seconds = seconds, "reported; this machine is not enrolled");
                tokio::time::sleep(Duration::from_secs(seconds.into())).await;
            }
            Err(error) => {
                warn!(%error, "not reported");
                pace.wait().await;
            }
        }
    }
}
