//! A host that was adopted while it ran: imported with nothing to do, protected, and only ever forgotten.

use terraform_provider_underlay::{data::HostModel, resources::host_model};
use tfplugin::{Attr, cty::Value, testing::Action};
use underlay_proto::v1 as pb;

use crate::rig::{LAB, Rig, host, says, text, told};

fn adopted() -> host_model::Model {
    host_model::Model { none: host_model::NoDriver {}.into(), qemu: Attr::Null, ..host() }
}

/// The host as its adoption left it on the server, in nobody's state.
async fn rig() -> Rig {
    let mut rig = Rig::new().await;
    rig.core.converge(LAB, &adopted()).await.unwrap();
    rig.server.world(|world| {
        let host = &mut world.hosts.named("lab-1").unwrap().object;
        host.spec.as_mut().unwrap().identity =
            Some(pb::HostIdentity { serial: "SN-1".into(), ..Default::default() });
        let system = pb::System { os: "Debian GNU/Linux 12 (bookworm)".into(), ..Default::default() };
        let resident = pb::Resident { connected: true, system: Some(system) };
        host.status.as_mut().unwrap().resident = Some(resident);
    });
    Rig { core: crate::rig::state(&rig.server).await, server: rig.server }
}

#[tokio::test]
async fn it_is_imported_with_nothing_to_do_however_little_is_written() {
    let mut rig = rig().await;
    rig.core.import(LAB, "name/lab-1").await.unwrap();
    rig.core.expect_empty(LAB, &adopted()).await.unwrap();
    assert_eq!(rig.attribute(LAB, "protected"), Value::Bool(true));
    assert_eq!(rig.text(LAB, "on_destroy"), "forget");
    // A change of something else leaves its identity as it was found.
    let config = host_model::Model { pool: "legacy".into(), ..adopted() };
    rig.core.converge(LAB, &config).await.unwrap();
    let spec = rig.server.world(|world| world.hosts.named("lab-1").unwrap().object.spec.clone().unwrap());
    assert_eq!((spec.identity.unwrap().serial.as_str(), spec.protected), ("SN-1", true));
    rig.core.expect_empty(LAB, &config).await.unwrap();
}

#[tokio::test]
async fn it_is_destroyed_only_after_its_protection_was_taken_away_and_then_forgotten() {
    let mut rig = rig().await;
    rig.core.import(LAB, "name/lab-1").await.unwrap();
    let error = rig.core.plan_destroy(LAB).await.unwrap_err();
    says(&text(error.diagnostics().unwrap()), &["host lab-1 is protected"]);
    let open = host_model::Model { protected: false.into(), ..adopted() };
    rig.core.converge(LAB, &open).await.unwrap();
    let spec = rig.server.world(|world| world.hosts.named("lab-1").unwrap().object.spec.clone().unwrap());
    assert_eq!((spec.protected, spec.on_destroy.as_str()), (false, "forget"));
    rig.core.plan_destroy(LAB).await.unwrap();
    let off = host_model::Model { on_destroy: "power_off".into(), ..adopted() };
    let error = told(&rig.core.plan(LAB, &off).await.unwrap_err());
    says(&error, &["cannot be switched off", "(on_destroy)", "none = {}"]);
}

#[tokio::test]
async fn what_its_driver_decides_follows_the_driver_and_what_is_written_stays() {
    let mut rig = rig().await;
    rig.core.import(LAB, "name/lab-1").await.unwrap();
    // Its owner gives it a driver: it is a host like others, and its identity is what is written.
    let driven = host();
    let change = rig.core.plan(LAB, &driven).await.unwrap();
    assert_eq!(change.action, Action::Update);
    rig.core.converge(LAB, &driven).await.unwrap();
    assert_eq!(rig.attribute(LAB, "protected"), Value::Bool(false));
    assert_eq!(rig.text(LAB, "on_destroy"), "power_off");
    assert_eq!(rig.attribute(LAB, "identity"), Value::Null);
    rig.core.expect_empty(LAB, &driven).await.unwrap();
    let written = host_model::Model { protected: true.into(), on_destroy: "forget".into(), ..host() };
    rig.core.converge(LAB, &written).await.unwrap();
    rig.core.expect_empty(LAB, &written).await.unwrap();
    // What is not written any more is the default again.
    rig.core.converge(LAB, &driven).await.unwrap();
    assert_eq!(rig.attribute(LAB, "protected"), Value::Bool(false));
    rig.core.expect_empty(LAB, &driven).await.unwrap();
}

#[tokio::test]
async fn the_data_source_shows_the_system_that_its_agent_lives_in() {
    let mut rig = rig().await;
    let config = HostModel { name: "lab-1".into(), ..Default::default() };
    let seen = rig.core.read_data("underlay_host", &config).await.unwrap();
    let resident = seen.get("resident").unwrap();
    assert_eq!(resident.get("connected"), Some(&Value::Bool(true)));
    assert_eq!(resident.get("os"), Some(&Value::from("Debian GNU/Linux 12 (bookworm)".to_owned())));
}
