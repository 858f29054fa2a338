//! `underlay_ready`: exit 1 until machines are ready, and no state before that.

use terraform_provider_underlay::resources::{ReadyModel, machine_model::Model};
use tfplugin::testing::Action;

use crate::{
    rig::{Rig, WEB, gate, machine, says, told},
    server::{Settle, finish},
};

const GATE: &str = "underlay_ready.web";
const SECOND: &str = "underlay_machine.second";

fn second() -> Model {
    Model { name: "web-1".into(), host: "lab-2".into(), ..machine() }
}

async fn apply(rig: &mut Rig, address: &str, config: &Model) -> String {
    let change = rig.core.plan(address, config).await.unwrap();
    rig.core.apply(change).await.unwrap();
    rig.text(address, "id")
}

#[tokio::test]
async fn ready_machines_pass_the_gate() {
    let mut rig = Rig::new().await;
    let id = apply(&mut rig, WEB, &machine()).await;
    rig.core.converge(GATE, &gate(&[id])).await.unwrap();
}

#[tokio::test]
async fn a_machine_that_failed_closes_the_gate_at_once_and_is_not_tainted() {
    let mut rig = Rig::new().await;
    rig.server.world(|world| world.machines.script.push_back(Settle::Fail("its disk is broken")));
    let ids = [apply(&mut rig, WEB, &machine()).await, apply(&mut rig, SECOND, &second()).await];
    let patient = ReadyModel { timeout: "1h".into(), ..gate(&ids) };
    let change = rig.core.plan(GATE, &patient).await.unwrap();
    let error = told(&rig.core.apply(change).await.unwrap_err());
    says(
        &error,
        &[
            "Not ready: web-0",
            "1 of 2 machines are ready",
            "its disk is broken",
            "underlay explain machine/web-0",
        ],
    );
    assert!(!error.contains("web-1 is"), "{error}");
    assert!(rig.core.instance(GATE).is_none(), "no state");
    assert!(!rig.core.instance(WEB).unwrap().tainted);

    rig.core.converge(WEB, &machine()).await.unwrap();
    rig.core.converge(GATE, &patient).await.unwrap();
}

#[tokio::test]
async fn enough_machines_pass_the_gate() {
    let mut rig = Rig::new().await;
    rig.server.world(|world| world.machines.script.push_back(Settle::Stay("imaging")));
    let ids = [apply(&mut rig, WEB, &machine()).await, apply(&mut rig, SECOND, &second()).await];
    rig.core.converge(GATE, &ReadyModel { min: 1.into(), ..gate(&ids) }).await.unwrap();
}

#[tokio::test]
async fn time_that_runs_out_names_who_is_late() {
    let mut rig = Rig::new().await;
    rig.server.world(|world| world.machines.script.push_back(Settle::Stay("imaging")));
    let id = apply(&mut rig, WEB, &machine()).await;
    let change = rig.core.plan(GATE, &gate(&[id])).await.unwrap();
    let error = told(&rig.core.apply(change).await.unwrap_err());
    says(&error, &["after 300ms", "web-0 is imaging, waits for the agent to call home"]);
}

#[tokio::test]
async fn once_passed_the_gate_never_fails_a_plan() {
    let mut rig = Rig::new().await;
    let id = apply(&mut rig, WEB, &machine()).await;
    rig.core.converge(GATE, &gate(std::slice::from_ref(&id))).await.unwrap();
    let (mut core, _stopped) = rig.lose_server().await;
    core.expect_empty(GATE, &gate(&[id])).await.unwrap();
}

#[tokio::test]
async fn another_list_waits_again_and_keeps_the_old_one_if_it_fails() {
    let mut rig = Rig::new().await;
    let first = apply(&mut rig, WEB, &machine()).await;
    rig.core.converge(GATE, &gate(std::slice::from_ref(&first))).await.unwrap();
    let before = rig.core.instance(GATE).unwrap().state.clone();
    rig.server.world(|world| world.machines.script.push_back(Settle::Stay("booting")));
    let both = [first, apply(&mut rig, SECOND, &second()).await];
    let change = rig.core.plan(GATE, &gate(&both)).await.unwrap();
    assert_eq!(change.action, Action::Update);
    says(&told(&rig.core.apply(change).await.unwrap_err()), &["Not ready: web-1"]);
    assert_eq!(rig.core.instance(GATE).unwrap().state, before);

    rig.server.world(|world| finish(&mut world.machines.named("web-1").unwrap().object));
    rig.core.converge(GATE, &gate(&both)).await.unwrap();
}

#[tokio::test]
async fn a_machine_that_is_not_there_is_named() {
    let mut rig = Rig::new().await;
    let patient = ReadyModel { timeout: "1h".into(), ..gate(&["nobody".to_owned()]) };
    let change = rig.core.plan(GATE, &patient).await.unwrap();
    says(&told(&rig.core.apply(change).await.unwrap_err()), &["nobody: the server has no such machine"]);
}
