//! What a machine inherits: taken in when it is deployed, waiting when it changes, refused where it does not fit.

use serde_json::json;
use underlay_core::{
    machine::{Aspect, Machine, Redeploy, Spec},
    profile::{self, Declaration, Profile, SecretValues, Values},
};

use super::deploying::{deployed, deploys};
use crate::testing::{Rack, machine};

fn profile(values: Values) -> profile::Spec {
    let declared = |ty: &str, secret: bool| Declaration {
        ty: ty.parse().expect("a type"),
        required: !secret,
        secret,
        description: String::new(),
    };
    let schema =
        [("ntp".to_owned(), declared("list(string)", false)), ("key".to_owned(), declared("string", true))];
    profile::Spec { schema: schema.into(), values, ..profile::Spec::default() }
}

fn ntp(server: &str) -> Values {
    [("ntp".to_owned(), json!([server]))].into()
}

fn heir() -> Spec {
    Spec { profiles: vec!["base".into()], ..machine("lab-1") }
}

#[tokio::test(start_paused = true)]
async fn what_a_profile_changes_waits_and_comes_with_the_next_deployment() {
    let rack = Rack::with_hosts(1).await;
    rack.put::<Profile>("base", profile(ntp("10.0.0.1")));
    let id = rack.put::<Machine>("web-1", heir());
    assert_eq!(rack.settle(id).await, "ready", "{:?}", rack.machine(id).progress);
    let before = deployed(&rack, id);
    assert!(before.digests.contains_key(&Aspect::Values));
    assert!(rack.machine(id).status.pending.is_empty());

    rack.put::<Profile>("base", profile(ntp("10.0.0.2")));
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.machine(id).status.pending, [Aspect::Values].into());
    assert_eq!((deploys(&rack), &deployed(&rack, id)), (1, &before), "nothing was disrupted");

    let raised = Redeploy { generation: 2, ..Redeploy::default() };
    rack.put::<Machine>("web-1", Spec { redeploy: raised, ..heir() });
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(deploys(&rack), 2);
    assert!(rack.machine(id).status.pending.is_empty());
    assert_ne!(deployed(&rack, id).digests.get(&Aspect::Values), before.digests.get(&Aspect::Values));
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_lacks_what_its_profile_requires_is_not_touched() {
    let rack = Rack::with_hosts(1).await;
    rack.put::<Profile>("base", profile(Values::new()));
    let id = rack.put::<Machine>("web-1", heir());
    assert_eq!(rack.settle(id).await, "failed");
    let failure = rack.machine(id).progress.failure.expect("a failure");
    assert_eq!(failure.attribute.as_deref(), Some("values"), "{failure}");
    assert!(failure.why.contains("profile base requires \"ntp\""), "{failure}");
    assert_eq!(deploys(&rack), 0);
    assert!(rack.bmc("lab-1").boots().is_empty());

    rack.put::<Machine>("web-1", Spec { values: ntp("10.0.0.9"), ..heir() });
    assert_eq!(rack.settle(id).await, "ready", "it says so itself now");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_not_in_the_store_ends_the_deployment_before_a_byte_is_written() {
    let rack = Rack::with_hosts(1).await;
    let types = [("key".to_owned(), "string".parse().expect("a type"))];
    let secret_values = Some(SecretValues { version: 1, types: types.into() });
    rack.put::<Profile>("base", profile::Spec { secret_values, ..profile(ntp("10.0.0.1")) });
    let id = rack.put::<Machine>("web-1", heir());
    assert_eq!(rack.settle(id).await, "failed");
    let failure = rack.machine(id).progress.failure.expect("a failure");
    assert!(failure.why.contains("\"key\" is not in the store"), "{failure}");
    assert_eq!((deploys(&rack), rack.boxes.with("lab-1", |one| one.writes.len())), (0, 0));
}
