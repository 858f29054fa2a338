//! An unknown machine's reports: its inventory once, then a call that the server holds open until there is work.
//!
//! What has changed is sent again, with what moves by itself; what has not is named. A server of an older release holds no call and names no report:
//! it is told everything, as often as it wants.

use std::time::Duration;

use secrecy::SecretString;
use tonic::{Code, transport::Channel};
use tracing::{info, warn};
use underlay_core::agent::{Inventory, health};
use underlay_proto::v1::{DiscoverRequest, DiscoverResponse, agent_service_client::AgentServiceClient};

use super::{channel, convert, trust::Trust};
use crate::{deploy::run::Host, pace::Pace};

/// Whatever the server says, not more often and not more rarely.
const AGAIN: std::ops::RangeInclusive<u32> = 1..=3600;
/// How long we wait for an answer, in seconds; the server may answer earlier.
const WAIT: u32 = 60;
/// How much longer an answer may be under way.
const GRACE: Duration = Duration::from_secs(30);

/// What the server knows of us.
#[derive(Default)]
struct Told {
    inventory: Option<Inventory>,
    report: String,
}

/// Reports and waits, until there is work: the token for it.
pub async fn run(
    address: std::net::SocketAddr,
    trust: &Trust,
    boot: underlay_core::Mac,
    host: &dyn Host,
) -> Result<SecretString, super::trust::Error> {
    let (mut pace, mut told, mut line) = (Pace::default(), Told::default(), None);
    let mut quiet = false;
    loop {
        let channel = match line.take() {
            Some(channel) => Ok(channel),
            None => channel::connect(address, trust.tls(None)?)
                .await
                .map_err(|error| tonic::Status::from_error(error.into())),
        };
        let reported = match channel {
            Ok(channel) => {
                report(channel.clone(), boot, host, &mut told).await.map(|answer| (answer, channel))
            }
            Err(error) => Err(error),
        };
        match reported {
            Ok((answer, _)) if !answer.token.is_empty() => {
                info!("there is work for this machine");
                return Ok(answer.token.into());
            }
            Ok((answer, channel)) => {
                pace.reset();
                let seconds = answer.again_seconds.clamp(*AGAIN.start(), *AGAIN.end());
                if !quiet {
                    info!(again_in_seconds = seconds, "reported; this machine waits for work");
                }
                (quiet, line) = (true, Some(channel));
                tokio::time::sleep(Duration::from_secs(seconds.into())).await;
            }
            Err(error) => {
                quiet = false;
                told = Told::default();
                // Another machine may have our address, or we called again too soon.
                if error.code() != Code::ResourceExhausted {
                    warn!(%error, "not reported");
                }
                pace.wait().await;
            }
        }
    }
}

async fn report(
    channel: Channel,
    boot: underlay_core::Mac,
    host: &dyn Host,
    told: &mut Told,
) -> Result<DiscoverResponse, tonic::Status> {
    let inventory = host.inventory();
    let steady = health::steady(&inventory);
    let is_known = !told.report.is_empty() && told.inventory.as_ref() == Some(&steady);
    let mut request = tonic::Request::new(DiscoverRequest {
        inventory: (!is_known).then(|| convert::inventory(&inventory)),
        boot_mac: boot.to_string(),
        wait_seconds: WAIT,
        report: if is_known { told.report.clone() } else { String::new() },
    });
    request.set_timeout(Duration::from_secs(WAIT.into()) + GRACE);
    let answer = AgentServiceClient::new(channel).discover(request).await?.into_inner();
    *told = Told { inventory: Some(steady), report: answer.report.clone() };
    Ok(answer)
}
