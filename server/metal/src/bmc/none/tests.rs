//! On while its agent is heard, unknown otherwise, and never switched.

use std::time::Duration;

use underlay_core::{
    ErrorKind, Kind,
    agent::Inventory,
    host::{Driver, OnDestroy, Spec},
    resident::{Line, STALE, System},
};

use super::*;
use crate::testing::{self, Rack};

fn adopted(rack: &Rack) -> Object<Host> {
    let spec = Spec { driver: Driver::None, on_destroy: OnDestroy::Forget, ..testing::host(1) };
    let id = rack.put::<Host>("db-1", spec);
    rack.get::<Host>(id)
}

fn says(line: Line) -> Body {
    let (system, inventory) = (Box::new(System::default()), Box::new(Inventory::default()));
    Body::Resident { line, system, inventory, written: Default::default() }
}

async fn power(rack: &Rack, host: &Object<Host>) -> Power {
    let now = rack.store().now;
    let driver = NoDriver::new(host, rack, now).await.expect("the store answers");
    driver.observe().await.expect("it says what it knows").power
}

#[tokio::test]
async fn it_is_on_while_its_agent_is_heard_and_unknown_otherwise() {
    let rack = Rack::default();
    let host = adopted(&rack);
    assert_eq!(power(&rack, &host).await, Power::Unknown, "nobody was ever heard");
    rack.observe(host.meta.id, Source::Resident, says(Line::Open));
    assert_eq!(power(&rack, &host).await, Power::On);
    rack.store().now += STALE;
    assert_eq!(power(&rack, &host).await, Power::Unknown, "and not since");
    rack.observe(host.meta.id, Source::Resident, says(Line::Open));
    assert_eq!(power(&rack, &host).await, Power::On);
    rack.store().now += Duration::from_secs(1);
    rack.observe(host.meta.id, Source::Resident, says(Line::Closed));
    assert_eq!(
        power(&rack, &host).await,
        Power::Unknown,
        "an agent that is gone says nothing of the machine"
    );
}

#[tokio::test]
async fn every_wish_is_refused_for_good_and_says_what_to_write() {
    let rack = Rack::default();
    let host = adopted(&rack);
    rack.observe(host.meta.id, Source::Resident, says(Line::Open));
    let now = rack.store().now;
    let driver = NoDriver::new(&host, &rack, now).await.expect("the store answers");
    for refused in [
        driver.ensure_power(Power::Off).await,
        driver.ensure_power(Power::On).await,
        driver.ensure_next_boot(Target::NetworkOnce).await,
        driver.ensure_next_boot(Target::Disk).await,
    ] {
        let error = refused.expect_err("nobody can do that");
        assert_eq!(error.kind(), ErrorKind::Permanent);
        let text = error.to_string();
        assert!(text.contains("host db-1") && text.contains("redfish, ipmi or manual = {...}"), "{text}");
    }
    driver.ensure_events().await.expect("there is nobody to ask for events");
    driver.forget().await.expect("forgetting does nothing");
    driver.forget().await.expect("and nothing again");
    assert_eq!(rack.find(Kind::Host, "db-1"), Some(host.meta.id));
}
