//! Machines that somebody holds back, and operations that somebody stopped: a warning, and a failure in words.

use terraform_provider_underlay::resources::machine_model::Model;
use tfplugin::cty::Value;

use crate::{
    rig::{B, Rig, WEB, gate, image_id, machine, says, text, told},
    server::{Settle, finish},
};

const HELD: [&str; 3] = [
    "frozen by ops: switch work; continue with: underlay unfreeze --all",
    "goes on by itself once that is lifted",
    "held back",
];

fn another_image() -> Model {
    Model { image: image_id(B).into(), allow_disruption: "erase_root".into(), ..machine() }
}

#[tokio::test]
async fn a_creation_that_is_held_back_warns_and_is_taken_up_later() {
    let mut rig = Rig::new().await;
    rig.server.world(|world| world.machines.script.push_back(Settle::Hold("pending")));
    let change = rig.core.plan(WEB, &machine()).await.unwrap();
    says(&text(&rig.core.apply(change).await.unwrap()), &HELD);
    assert_eq!(rig.text(WEB, "phase"), "pending");
    assert!(!rig.core.instance(WEB).unwrap().tainted);
    // Applied again while it is held: still nothing went wrong.
    let change = rig.core.plan(WEB, &machine()).await.unwrap();
    says(&text(&rig.core.apply(change).await.unwrap()), &HELD);
    rig.server.world(|world| finish(&mut world.machines.named("web-0").unwrap().object));
    rig.core.expect_empty(WEB, &machine()).await.unwrap();
    assert_eq!(rig.text(WEB, "phase"), "ready");
}

#[tokio::test]
async fn a_change_that_is_held_back_warns_and_fails_nothing() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    rig.server.world(|world| world.machines.script.push_back(Settle::Hold("pending")));
    let change = rig.core.plan(WEB, &another_image()).await.unwrap();
    says(&text(&rig.core.apply(change).await.unwrap()), &HELD);
    assert_eq!(rig.text(WEB, "phase"), "pending");
    assert_eq!(rig.attribute(WEB, "image"), Value::from(image_id(B)));
    // Once it is lifted the server goes on by itself.
    rig.server.world(|world| finish(&mut world.machines.named("web-0").unwrap().object));
    rig.core.expect_empty(WEB, &another_image()).await.unwrap();
    assert_eq!(rig.text(WEB, "phase"), "ready");
}

#[tokio::test]
async fn what_needs_a_machine_that_is_held_back_is_not_built() {
    let mut rig = Rig::new().await;
    rig.server.world(|world| world.machines.script.push_back(Settle::Hold("booting")));
    let change = rig.core.plan(WEB, &machine()).await.unwrap();
    rig.core.apply(change).await.unwrap();
    let ids = [rig.text(WEB, "id")];
    let change = rig.core.plan("underlay_ready.web", &gate(&ids)).await.unwrap();
    let error = told(&rig.core.apply(change).await.unwrap_err());
    says(&error, &["Not ready: web-0", "web-0 is booting, frozen by ops", "underlay unfreeze --all"]);
}

#[tokio::test]
async fn a_cancelled_operation_says_who_stopped_it() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    let why = "cancelled by ops (1a): wrong rack";
    rig.server.world(|world| world.machines.script.push_back(Settle::Fail(why)));
    let change = rig.core.plan(WEB, &another_image()).await.unwrap();
    says(&told(&rig.core.apply(change).await.unwrap_err()), &[why]);
    rig.core.converge(WEB, &another_image()).await.unwrap();
}
