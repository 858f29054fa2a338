//! Disruption, the fence, what waits, retries.

use terraform_provider_underlay::resources::machine_model::{Model, Redeploy};
use tfplugin::{Attr, cty::Value, testing::Action};
use underlay_proto::v1 as pb;

use crate::{
    rig::{B, Rig, WEB, image_id, machine, says, text, told},
    server::Settle,
};

fn another_image(allow: &str) -> Model {
    Model { image: image_id(B).into(), allow_disruption: allow.into(), ..machine() }
}

#[tokio::test]
async fn an_image_bump_says_what_it_erases_and_the_second_plan_is_empty() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    let change = rig.core.plan(WEB, &another_image("erase_root")).await.unwrap();
    assert_eq!(change.action, Action::Update);
    assert_eq!(change.planned.get("disruption"), Some(&Value::from("erase_root")));
    assert_eq!(change.planned.get("address"), Some(&Value::Unknown));
    says(
        &text(&change.diagnostics),
        &["Warning: web-0 will be re-imaged in place: root disk erased, data disks kept"],
    );
    rig.core.apply(change).await.unwrap();
    rig.core.expect_empty(WEB, &another_image("erase_root")).await.unwrap();
    assert_eq!(rig.text(WEB, "disruption"), "erase_root");
    assert_eq!(rig.text(WEB, "address"), "10.0.2.12");
}

#[tokio::test]
async fn an_image_bump_that_is_not_allowed_is_an_error_at_the_fence() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    let error = told(&rig.core.plan(WEB, &another_image("reboot")).await.unwrap_err());
    says(&error, &["(allow_disruption)", "write allow_disruption = \"erase_root\"", "web-0"]);
    rig.core.expect_empty(WEB, &machine()).await.unwrap();
}

#[tokio::test]
async fn an_apply_is_held_to_what_its_plan_showed() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    let change = rig.core.plan(WEB, &another_image("erase_root")).await.unwrap();
    let incarnation = rig.text(WEB, "incarnation");
    rig.core.apply(change).await.unwrap();
    let put = rig.server.world(|world| world.machine_puts.last().cloned()).unwrap();
    let options = put.options.unwrap();
    assert_eq!(options.fingerprint, "b3:erase_root");
    assert_eq!(options.expected_generation, 1);
    assert_eq!(options.incarnation, incarnation);
}

#[tokio::test]
async fn an_object_that_moved_since_its_plan_is_not_touched() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    let change = rig.core.plan(WEB, &another_image("erase_root")).await.unwrap();
    rig.server.world(|world| {
        world.machines.named("web-0").unwrap().object.meta.as_mut().unwrap().generation += 1;
    });
    says(
        &told(&rig.core.apply(change).await.unwrap_err()),
        &["has changed since it was planned", "terraform plan"],
    );
    assert_eq!(rig.text(WEB, "image"), machine().image.as_str());
}

#[tokio::test]
async fn a_change_that_disrupts_nothing_keeps_what_is_known() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    let config = Model { ssh_keys: vec!["ssh-ed25519 AAAA ops\n".to_owned()].into(), ..machine() };
    let change = rig.core.plan(WEB, &config).await.unwrap();
    assert_eq!(change.planned.get("disruption"), Some(&Value::from("none")));
    assert_eq!(change.planned.get("address"), Some(&Value::from("10.0.2.11")));
    rig.core.apply(change).await.unwrap();
    rig.core.expect_empty(WEB, &config).await.unwrap();
}

#[tokio::test]
async fn what_waits_is_said() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    rig.server.world(|world| {
        let pending = vec!["config".to_owned()];
        world.preview = Some(pb::Preview { disruption: "none".to_owned(), pending, ..Default::default() });
    });
    let config = Model { user_data: "#cloud-config".into(), ..machine() };
    let change = rig.core.plan(WEB, &config).await.unwrap();
    says(&text(&change.diagnostics), &["web-0: config will wait", "redeploy.generation"]);
}

#[tokio::test]
async fn a_redeploy_that_fails_keeps_the_new_state_and_is_tried_again() {
    let mut rig = Rig::new().await;
    rig.core.converge(WEB, &machine()).await.unwrap();
    rig.server.world(|world| world.machines.script.push_back(Settle::Fail("the image is truncated")));
    let change = rig.core.plan(WEB, &another_image("erase_root")).await.unwrap();
    says(&told(&rig.core.apply(change).await.unwrap_err()), &["the image is truncated"]);
    assert_eq!(rig.text(WEB, "phase"), "failed");
    assert!(!rig.core.instance(WEB).unwrap().tainted);
    rig.core.converge(WEB, &another_image("erase_root")).await.unwrap();
}

#[tokio::test]
async fn left_out_is_the_same_as_the_default() {
    let mut rig = Rig::new().await;
    let redeploy = Redeploy { on: Attr::Null, generation: 1.into() };
    let config = Model { redeploy: redeploy.into(), ssh_keys: Attr::Value(vec![]), ..machine() };
    rig.core.converge(WEB, &config).await.unwrap();
}

#[tokio::test]
async fn user_data_that_somebody_else_changed_is_planned_anew() {
    let mut rig = Rig::new().await;
    let config = Model { user_data: "#cloud-config".into(), ..machine() };
    let change = rig.core.plan(WEB, &config).await.unwrap();
    rig.core.apply(change).await.unwrap();
    let digest = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
    let set = |rig: &Rig, text: &str| {
        rig.server.world(|world| {
            let spec = world.machines.named("web-0").unwrap().object.spec.as_mut().unwrap();
            spec.user_data_digest = digest(text);
        });
    };
    set(&rig, "#cloud-config");
    rig.core.expect_empty(WEB, &config).await.unwrap();
    set(&rig, "another");
    assert_eq!(rig.core.plan(WEB, &config).await.unwrap().action, Action::Update);
}
