//! Taint, replacement in either order, stale incarnations.

use tfplugin::testing::{Action, Core};

use crate::rig::{LAB, Rig, WEB, host, machine, says, state, text, told};

#[tokio::test]
async fn a_tainted_machine_is_replaced_and_nothing_is_left_over() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    let before = rig.text(WEB, "id");
    rig.core.taint(WEB);
    let change = rig.core.plan(WEB, &machine()).await.unwrap();
    assert_eq!(change.action, Action::Replace);
    rig.core.apply(change).await.unwrap();
    assert_ne!(rig.text(WEB, "id"), before);
    assert_eq!(rig.server.world(|world| world.machines.living()), 1);
    rig.core.expect_empty(WEB, &machine()).await.unwrap();
}

#[tokio::test]
async fn created_before_it_is_destroyed_a_machine_is_refused_and_survives() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    // The new half of a replacement comes first, under the same name.
    let mut half = state(&rig.server).await;
    let change = half.plan(WEB, &machine()).await.unwrap();
    says(&told(&half.apply(change).await.unwrap_err()), &["Unable to create machine web-0"]);
    rig.core.expect_empty(WEB, &machine()).await.unwrap();
}

#[tokio::test]
async fn a_deposed_machine_cannot_erase_its_successor() {
    let mut rig = Rig::new().await;
    let change = rig.core.plan(WEB, &machine()).await.unwrap();
    rig.core.apply(change).await.unwrap();
    // Never read back, so the new half adopts it: now it has another incarnation.
    let mut successor: Core<_> = state(&rig.server).await;
    let change = successor.plan(WEB, &machine()).await.unwrap();
    successor.apply(change).await.unwrap();
    let change = rig.core.plan_destroy(WEB).await.unwrap();
    rig.core.apply(change).await.unwrap();
    assert_eq!(rig.server.world(|world| world.machines.living()), 1, "the successor is there");
    successor.expect_empty(WEB, &machine()).await.unwrap();
}

#[tokio::test]
async fn a_stale_machine_reads_as_gone() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    rig.server.world(|world| {
        world.machines.named("web-0").unwrap().object.meta.as_mut().unwrap().incarnation = "another".into();
    });
    rig.core.refresh(WEB).await.unwrap();
    assert!(rig.core.instance(WEB).is_none());
}

#[tokio::test]
async fn another_name_is_another_machine_and_the_plan_says_so() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    let config =
        terraform_provider_underlay::resources::machine_model::Model { name: "web-1".into(), ..machine() };
    let change = rig.core.plan(WEB, &config).await.unwrap();
    assert_eq!(change.action, Action::Replace);
    rig.core.apply(change).await.unwrap();
    assert_eq!(rig.server.world(|world| world.machines.living()), 1);
}

#[tokio::test]
async fn destroying_waits_until_it_is_gone_and_twice_is_once() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    let again = rig.core.instance(WEB).unwrap().state.clone();
    rig.core.destroy(WEB).await.unwrap();
    assert_eq!(rig.server.world(|world| world.machines.living()), 0);
    rig.core.adopt(WEB, again, 0);
    let change = rig.core.plan_destroy(WEB).await.unwrap();
    rig.core.apply(change).await.unwrap();
}

#[tokio::test]
async fn a_protected_host_is_an_error_in_a_plan_to_destroy() {
    let mut rig = Rig::new().await;
    let config =
        terraform_provider_underlay::resources::host_model::Model { protected: true.into(), ..host() };
    rig.core.converge(LAB, &config).await.unwrap();
    let error = rig.core.plan_destroy(LAB).await.unwrap_err();
    says(&text(error.diagnostics().unwrap()), &["host lab-1 is protected", "write protected = false"]);
    rig.core.converge(LAB, &host()).await.unwrap();
    rig.core.destroy(LAB).await.unwrap();
}
