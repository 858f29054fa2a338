//! A machine nobody has enrolled: its inventory, again whenever the server wants it, until it is switched off.

use std::time::Duration;

use underlay_proto::v1::{DiscoverRequest, agent_service_client::AgentServiceClient};

use super::{Error, Left, Pace, command_line::Settings, trust::Trust};
use crate::{
    boot::http::Nic,
    machine::{self, Life},
};

/// Whatever the server says, not more often and not more rarely.
const AGAIN: std::ops::RangeInclusive<u32> = 5..=3600;

pub(super) async fn run(life: &Life, settings: &Settings, trust: &Trust) -> Result<Left, Error> {
    let mut pace = Pace::default();
    let mac = settings.mac.unwrap_or_else(|| life.machine.hardware().boot_mac());
    loop {
        let nic = Nic::of(&life.rack, &life.machine);
        let reported = async {
            let channel = trust.channel(nic, settings, None).await.map_err(tonic::Status::from_error)?;
            let inventory = Some(machine::inventory(&life.rack, &life.machine));
            let request = DiscoverRequest { inventory, boot_mac: mac.to_string() };
            AgentServiceClient::new(channel).discover(request).await
        };
        match reported.await {
            Ok(answer) => {
                pace = Pace::default();
                let seconds = answer.into_inner().again_seconds.clamp(*AGAIN.start(), *AGAIN.end());
                tokio::time::sleep(Duration::from_secs(seconds.into())).await;
            }
            Err(error) => {
                tracing::debug!(machine = life.machine.name(), %error, "not reported");
                pace.wait(life).await;
            }
        }
    }
}
