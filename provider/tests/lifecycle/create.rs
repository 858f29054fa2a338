//! Created, late, failed, interrupted, adopted.

use tfplugin::{cty::Value, testing::Action};

use crate::{
    rig::{A, DEBIAN, LAB, Rig, WEB, host, image, machine, says, state, text, told},
    server::Settle,
};

#[tokio::test]
async fn a_whole_plan_is_created_and_the_second_plan_is_empty() {
    let mut rig = Rig::new().await;
    rig.core.converge(DEBIAN, &image(A)).await.unwrap();
    rig.core.converge(LAB, &host()).await.unwrap();
    rig.core.converge(WEB, &machine()).await.unwrap();
    assert_eq!(rig.text(WEB, "phase"), "ready");
    assert_eq!(rig.text(WEB, "disruption"), "none");
    assert_eq!(rig.text(WEB, "hostname"), "web-0");
    assert_eq!(rig.attribute(LAB, "forwards").get("22"), Some(&Value::from("127.0.0.1:40022")));
}

#[tokio::test]
async fn the_users_spelling_of_sizes_stays_in_state() {
    let mut rig = Rig::new().await;
    rig.core.converge(LAB, &host()).await.unwrap();
    assert_eq!(rig.attribute(LAB, "qemu").get("memory"), Some(&Value::from("1024MiB")));
}

#[tokio::test]
async fn an_images_id_is_known_at_plan() {
    let mut rig = Rig::new().await;
    let change = rig.core.plan(DEBIAN, &image(&A.to_uppercase())).await.unwrap();
    assert_eq!(change.planned.get("id"), Some(&Value::from(format!("debian@sha256:{A}"))));
}

#[tokio::test]
async fn a_machine_that_is_late_is_kept_and_not_tainted() {
    let mut rig = Rig::new().await;
    rig.server.world(|world| world.machines.script.push_back(Settle::Stay("imaging")));
    let change = rig.core.plan(WEB, &machine()).await.unwrap();
    let warnings = text(&rig.core.apply(change).await.unwrap());
    says(
        &warnings,
        &[
            "Warning: machine web-0 is not ready: it took longer than 300ms",
            "waits for the agent",
            "underlay watch machine/web-0",
            "terraform apply",
        ],
    );
    assert!(!rig.core.instance(WEB).unwrap().tainted);
    assert_eq!(rig.text(WEB, "phase"), "imaging");

    // It gets ready by itself: the next plan sees that and is empty.
    rig.server.world(|world| crate::server::finish(&mut world.machines.named("web-0").unwrap().object));
    rig.core.expect_empty(WEB, &machine()).await.unwrap();
}

#[tokio::test]
async fn a_machine_that_is_late_still_is_taken_up_in_place() {
    let mut rig = Rig::new().await;
    rig.server.world(|world| world.machines.script.push_back(Settle::Stay("imaging")));
    let change = rig.core.plan(WEB, &machine()).await.unwrap();
    rig.core.apply(change).await.unwrap();

    let change = rig.core.plan(WEB, &machine()).await.unwrap();
    assert_eq!(change.action, Action::Update);
    assert_eq!(change.planned.get("phase"), Some(&Value::Unknown));
    let error = told(&rig.core.apply(change).await.unwrap_err());
    says(&error, &["Error: machine web-0 is not ready"]);
    assert!(!rig.core.instance(WEB).unwrap().tainted);
    let puts = rig.server.world(|world| world.machine_puts.clone());
    assert!(!puts[1].options.clone().unwrap().retry, "what is under way is not begun again");

    rig.server.world(|world| crate::server::finish(&mut world.machines.named("web-0").unwrap().object));
    rig.core.converge(WEB, &machine()).await.unwrap();
    assert_eq!(rig.server.world(|world| world.machines.living()), 1);
}

#[tokio::test]
async fn a_machine_that_failed_is_tried_again_in_place() {
    let mut rig = Rig::new().await;
    rig.server.world(|world| world.machines.script.push_back(Settle::Fail("the disk is too small")));
    let change = rig.core.plan(WEB, &machine()).await.unwrap();
    let warnings = text(&rig.core.apply(change).await.unwrap());
    says(
        &warnings,
        &[
            "machine web-0 is not ready: it failed",
            "the disk is too small",
            "Check its disk",
            "underlay watch machine/web-0",
        ],
    );
    assert!(!rig.core.instance(WEB).unwrap().tainted);
    assert_eq!(rig.text(WEB, "phase"), "failed");

    rig.server.world(|world| world.machines.script.push_back(Settle::Fail("it is still too small")));
    let change = rig.core.plan(WEB, &machine()).await.unwrap();
    assert_eq!(change.action, Action::Update);
    says(&told(&rig.core.apply(change).await.unwrap_err()), &["it is still too small"]);
    assert!(!rig.core.instance(WEB).unwrap().tainted);
    assert_eq!(rig.text(WEB, "phase"), "failed");

    rig.core.converge(WEB, &machine()).await.unwrap();
    let puts = rig.server.world(|world| world.machine_puts.clone());
    let retries: Vec<_> = puts.iter().map(|put| put.options.as_ref().unwrap().retry).collect();
    assert_eq!(retries, [false, true, true]);
}

#[tokio::test]
async fn an_interrupt_keeps_what_was_begun() {
    let mut rig = Rig::new().await;
    rig.server.world(|world| world.machines.script.push_back(Settle::Stay("booting")));
    let patient = tfplugin::Timeouts { create: "1h".into(), ..Default::default() };
    let config = terraform_provider_underlay::resources::machine_model::Model {
        timeouts: patient.into(),
        ..machine()
    };
    let change = rig.core.plan(WEB, &config).await.unwrap();
    rig.core.interrupt().await.unwrap();
    let warnings = text(&rig.core.apply(change).await.unwrap());
    says(&warnings, &["machine web-0 is not ready: interrupted", "nothing is lost"]);
    assert!(!rig.core.instance(WEB).unwrap().tainted);
    assert!(!rig.text(WEB, "id").is_empty());
}

#[tokio::test]
async fn what_a_killed_apply_left_is_adopted() {
    let mut rig = Rig::new().await;
    rig.server.world(|world| world.machines.script.push_back(Settle::Lose));
    let change = rig.core.plan(WEB, &machine()).await.unwrap();
    rig.core.apply(change).await.unwrap_err();
    assert!(rig.core.instance(WEB).is_none(), "nothing is saved");
    assert_eq!(rig.server.world(|world| world.machines.living()), 1);

    rig.core.converge(WEB, &machine()).await.unwrap();
    assert_eq!(rig.server.world(|world| world.machines.living()), 1, "no second machine");
}

#[tokio::test]
async fn a_second_state_is_refused_a_machine_that_another_has() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    let mut other = state(&rig.server).await;
    let change = other.plan(WEB, &machine()).await.unwrap();
    let error = told(&other.apply(change).await.unwrap_err());
    says(
        &error,
        &[
            "Unable to create machine web-0",
            "owner default has one",
            "terraform import underlay_machine.web-0",
        ],
    );
    assert!(other.instance(WEB).is_none());
    rig.core.expect_empty(WEB, &machine()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_restarted_does_not_end_the_wait() {
    let Rig { mut core, server } = Rig::new().await;
    server.world(|world| world.machines.script.push_back(Settle::Stay("imaging")));
    let patient = tfplugin::Timeouts { create: "1h".into(), ..Default::default() };
    let config = terraform_provider_underlay::resources::machine_model::Model {
        timeouts: patient.into(),
        ..machine()
    };
    let change = core.plan(WEB, &config).await.unwrap();
    let restart = async {
        while server.world(|world| world.machines.living()) == 0 {
            tokio::task::yield_now().await;
        }
        let server = server.stop().await.start().await;
        server.world(|world| crate::server::finish(&mut world.machines.named("web-0").unwrap().object));
        server
    };
    let (applied, _server) = tokio::join!(core.apply(change), restart);
    assert!(applied.unwrap().is_empty());
    core.expect_empty(WEB, &config).await.unwrap();
}
