//! What a change costs, from nothing to a move.

use super::*;
use crate::{
    ObjectId,
    machine::{Redeploy, Require, RootHint, WaitFor},
};

fn spec() -> Spec {
    Spec {
        hostname: "web-0".into(),
        image: format!("debian@sha256:{}", "a".repeat(64)),
        host: Some("lab-1".into()),
        require: None,
        spread: None,
        root: RootHint::default(),
        volumes: Default::default(),
        network: None,
        ssh_keys: Vec::new(),
        user_data_digest: None,
        profiles: Vec::new(),
        values: crate::profile::Values::new(),
        secret_values: None,
        steps: Default::default(),
        allow_disruption: Disruption::Reboot,
        redeploy: Redeploy::default(),
        wait_for: WaitFor::Booted,
    }
}

fn deployed() -> Deployed {
    Deployed::of(&spec(), ObjectId::new(), "lab-1", 1)
}

#[test]
fn a_new_machine_disrupts_nothing() {
    assert_eq!(plan(&spec(), None, None), Change::default());
}

#[test]
fn the_same_spec_changes_nothing() {
    assert_eq!(plan(&spec(), None, Some(&deployed())), Change::default());
}

#[test]
fn another_image_erases_the_root_disk() {
    let wanted = Spec { image: format!("debian@sha256:{}", "b".repeat(64)), ..spec() };
    let change = plan(&wanted, None, Some(&deployed()));
    assert_eq!(change.disruption, Disruption::EraseRoot);
    assert_eq!(change.because, [Aspect::Image].into());
}

#[test]
fn the_same_content_under_another_name_changes_nothing() {
    let wanted = Spec { image: format!("renamed@sha256:{}", "a".repeat(64)), ..spec() };
    assert_eq!(plan(&wanted, None, Some(&deployed())), Change::default());
}

#[test]
fn a_change_outside_redeploy_on_waits_as_pending() {
    let wanted = Spec { user_data_digest: Some("77".into()), ..spec() };
    let change = plan(&wanted, None, Some(&deployed()));
    assert_eq!(change.disruption, Disruption::None);
    assert_eq!(change.pending, [Aspect::Config].into());
}

#[test]
fn a_raised_generation_takes_what_is_pending_with_it() {
    let redeploy = Redeploy { generation: 2, ..Redeploy::default() };
    let wanted = Spec { hostname: "web-9".into(), redeploy, ..spec() };
    let change = plan(&wanted, None, Some(&deployed()));
    assert_eq!(change.disruption, Disruption::EraseRoot);
    assert!(change.pending.is_empty());
}

#[test]
fn another_host_is_a_move_whatever_else_changes() {
    let wanted = Spec { host: Some("lab-2".into()), ..spec() };
    assert_eq!(plan(&wanted, None, Some(&deployed())).disruption, Disruption::Move);
}

#[test]
fn what_is_required_is_not_asked_again_of_a_host_that_a_machine_has() {
    let require = Some(Require { pool: "general".into(), cpus: Some(4096), ..Require::default() });
    let wanted = Spec { host: None, require, ..spec() };
    assert_eq!(plan(&wanted, None, Some(&deployed())), Change::default());
}

#[test]
fn what_is_inherited_waits_and_never_re_images_by_itself() {
    let runs = || deployed().inheriting(Some("a".into()));
    assert_eq!(plan(&spec(), Some("a"), Some(&runs())), Change::default());
    let all = [Aspect::Image, Aspect::Config, Aspect::Network, Aspect::Root];
    let eager = Spec { redeploy: Redeploy { on: all.into(), generation: 1 }, ..spec() };
    let change = plan(&eager, Some("b"), Some(&runs()));
    assert_eq!((change.disruption, change.pending), (Disruption::None, [Aspect::Values].into()));
    let raised = Spec { redeploy: Redeploy { on: all.into(), generation: 2 }, ..spec() };
    let change = plan(&raised, Some("b"), Some(&runs()));
    assert_eq!((change.disruption, change.because), (Disruption::EraseRoot, [Aspect::Values].into()));
    "values".parse::<Aspect>().expect_err("redeploy.on cannot name it");
}

#[test]
fn a_volume_that_is_not_preserved_makes_a_new_image_erase_all() {
    use crate::machine::{Filesystem, Keep, Layout, Volume};
    let volume = |keep| Volume {
        disks: vec![RootHint { serial: Some("D1".into()), ..RootHint::default() }],
        layout: Layout::Plain,
        filesystem: Filesystem::Ext4,
        mount: "/srv/data".into(),
        keep,
    };
    let with = |keep, image: &str| Spec {
        volumes: [("data".to_owned(), volume(keep))].into(),
        image: format!("debian@sha256:{}", image.repeat(64)),
        ..spec()
    };
    for (keep, expected) in [(Keep::Preserve, Disruption::EraseRoot), (Keep::Erase, Disruption::EraseAll)] {
        let deployed = Deployed::of(&with(keep, "a"), ObjectId::new(), "lab-1", 1);
        assert_eq!(plan(&with(keep, "a"), None, Some(&deployed)), Change::default());
        assert_eq!(plan(&with(keep, "b"), None, Some(&deployed)).disruption, expected);
    }
    // Volumes that come or go wait, unless redeploy.on names them.
    let (none, one) = (spec(), with(Keep::Preserve, "a"));
    for (before, after) in [(&none, &one), (&one, &none)] {
        let deployed = Deployed::of(before, ObjectId::new(), "lab-1", 1);
        let change = plan(after, None, Some(&deployed));
        assert_eq!((change.disruption, change.pending), (Disruption::None, [Aspect::Volumes].into()));
    }
}
