//! The agent that lives on a system: it says what the machine is, comes back to a server that was away, and stops for good when
//! it is forgotten, whether it is told or finds out.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod rack;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use underlay_agent::{
    cmdline::Settings,
    home::{identity::Key, trust::Trust},
    http::Endpoint,
    resident::{line::Resident, places::Places},
};
use underlay_proto::v1::{self, order};

use rack::{Heard, Rack, Shared};

/// A server, and an agent that lives here.
async fn living() -> (Rack, JoinHandle<()>, tempfile::TempDir) {
    let system = tempfile::tempdir().unwrap();
    let shared = Shared::new(BTreeMap::new(), order::Task::Leave(v1::Leave::Reboot.into()));
    let rack = Rack::start(shared).await;
    let line = format!("underlay.mode=reside {}", rack.command_line("127.0.0.1"));
    let settings = Settings::parse(&line).unwrap();
    let trust = Trust::fetch(&Endpoint(settings.url), settings.ca).await.unwrap();
    let files = Places::beneath(system.path());
    let agent = Resident { server: settings.api, trust, key: Key::generate().unwrap(), files };
    (rack, tokio::spawn(agent.run()), system)
}

async fn says(rack: &Rack) -> v1::ResidentReport {
    rack.hears(|heard| match heard {
        Heard::Resident(report) => Some((**report).clone()),
        _ => None,
    })
    .await
}

async fn stops(agent: JoinHandle<()>) {
    tokio::time::timeout(Duration::from_secs(60), agent).await.expect("it stops").unwrap();
}

#[tokio::test]
async fn it_says_what_the_machine_is_and_stops_when_it_is_told_that_it_is_forgotten() {
    let (rack, agent, _system) = living().await;
    let report = says(&rack).await;
    let (system, inventory) = (report.system.unwrap(), report.inventory.unwrap());
    assert!(!system.boot_id.is_empty() && system.up_since.is_some(), "{system:?}");
    assert!(inventory.cpus > 0 && inventory.memory_bytes > 0, "{inventory:?}");
    assert!(!agent.is_finished(), "an order that it does not know is left alone");
    rack.shared.forgotten.send(true).unwrap();
    stops(agent).await;
}

#[tokio::test]
async fn it_comes_back_to_a_server_that_was_away_and_stops_when_it_was_forgotten_meanwhile() {
    let (rack, agent, _system) = living().await;
    says(&rack).await;
    let (shared, http, api) = rack.kill().await;
    let rack = Rack::start_at(Arc::clone(&shared), http, api).await;
    says(&rack).await;
    let renewed = shared.heard.lock().unwrap().iter().any(|(_, heard)| matches!(heard, Heard::Adopted));
    assert!(!renewed, "its certificate is good still");
    let (shared, http, api) = rack.kill().await;
    assert!(!agent.is_finished(), "a server that is away has forgotten nothing");
    shared.forgotten.send_replace(true);
    let _rack = Rack::start_at(shared, http, api).await;
    stops(agent).await;
}
