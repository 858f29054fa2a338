//! A machine nobody has enrolled: its inventory, then a wait for work, until there is some or it is switched off.

use std::time::Duration;

use underlay_proto::v1::{DiscoverRequest, agent_service_client::AgentServiceClient};

use super::{Error, Left, Pace, command_line::Settings, session, trust::Trust};
use crate::{
    boot::http::Nic,
    machine::{self, Life},
};

/// Whatever the server says, not more often and not more rarely.
const AGAIN: std::ops::RangeInclusive<u32> = 1..=3600;
/// How long an answer is waited for, in seconds.
const WAIT: u32 = 60;

pub(super) async fn run(life: &Life, settings: &Settings, trust: &Trust) -> Result<Left, Error> {
    let (mut pace, mut report) = (Pace::default(), String::new());
    let mac = settings.mac.unwrap_or_else(|| life.machine.hardware().boot_mac());
    loop {
        let nic = Nic::of(&life.rack, &life.machine);
        let reported = async {
            let channel = trust.channel(nic, settings, None).await.map_err(tonic::Status::from_error)?;
            // Nothing of a simulated machine changes while it is on.
            let inventory = report.is_empty().then(|| machine::inventory(&life.rack, &life.machine));
            let (boot_mac, report) = (mac.to_string(), report.clone());
            let request = DiscoverRequest { inventory, boot_mac, wait_seconds: WAIT, report };
            AgentServiceClient::new(channel).discover(request).await
        };
        match reported.await {
            Ok(answer) => {
                pace = Pace::default();
                let answer = answer.into_inner();
                if !answer.token.is_empty() {
                    return session::run(life, settings, trust, &answer.token.into()).await;
                }
                report = answer.report;
                let seconds = answer.again_seconds.clamp(*AGAIN.start(), *AGAIN.end());
                tokio::time::sleep(Duration::from_secs(seconds.into())).await;
            }
            Err(error) => {
                report.clear();
                tracing::debug!(machine = life.machine.name(), %error, "not reported");
                pace.wait(life).await;
            }
        }
    }
}
