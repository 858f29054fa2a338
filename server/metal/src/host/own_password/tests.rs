//! A password of its own, state by state, over a scripted BMC: given, given back, and never lost.

use std::time::Duration;

use underlay_core::{
    Effect, Kind, ObjectId, SecretString, View as _,
    bmc::Power,
    host::{Driver, Health, Host, OWN_PASSWORD, Spec},
};

use crate::{
    bmc::fake::{Call, FACTORY, Fault, Times},
    testing::{self, Rack},
};

fn with_own(own_password: bool) -> Spec {
    let mut spec = testing::host(1);
    if let Driver::Redfish(redfish) = &mut spec.driver {
        redfish.own_password = own_password;
    }
    spec
}

async fn kept(rack: &Rack, id: ObjectId) -> Option<String> {
    use secrecy::ExposeSecret;
    let found = rack.secret(id, OWN_PASSWORD).await.expect("it reads");
    found.map(|secret: SecretString| secret.expose_secret().to_owned())
}

fn health(rack: &Rack, id: ObjectId) -> Option<Health> {
    let conditions = rack.get::<Host>(id).status.conditions;
    conditions.iter().find(|condition| condition.name == "OwnPassword").map(|condition| condition.health)
}

/// A host that was enrolled with one.
async fn enrolled() -> (Rack, ObjectId) {
    let rack = Rack::default();
    let id = rack.put::<Host>("lab-1", with_own(true));
    rack.go_on(Duration::from_secs(60)).await;
    assert_eq!(rack.phase::<Host>(id), "available");
    (rack, id)
}

#[tokio::test(start_paused = true)]
async fn it_is_kept_before_the_bmc_hears_of_it_and_believed_when_it_was_proven() {
    let rack = Rack::default();
    let id = rack.put::<Host>("lab-1", with_own(true));
    rack.step(id).await;
    let own = kept(&rack, id).await.expect("drawn and kept");
    assert_eq!(rack.get::<Host>(id).status.own_password.map(|own| own.since), Some(None));
    assert_eq!(rack.bmc("lab-1").calls(), [Call::Observe], "the BMC has not heard of it");
    rack.step(id).await;
    assert_eq!(rack.bmc("lab-1").password(), own);
    assert_eq!((rack.phase::<Host>(id), health(&rack, id)), ("available", Some(Health::Good)));
    assert!(rack.get::<Host>(id).status.own_password.is_some_and(|own| own.since.is_some()));
    rack.go_on(Duration::from_secs(7200)).await;
    assert_eq!(kept(&rack, id).await, Some(own), "it stays the same");
}

#[tokio::test(start_paused = true)]
async fn a_host_without_the_wish_has_none_and_its_bmc_is_not_asked() {
    let rack = Rack::default();
    let id = rack.put::<Host>("lab-1", with_own(false));
    rack.go_on(Duration::from_secs(3600)).await;
    assert_eq!((kept(&rack, id).await, health(&rack, id)), (None, None));
    assert!(!rack.bmc("lab-1").calls().contains(&Call::Password));
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_the_host_is_usable_and_it_is_tried_again() {
    for fault in [Fault::Refuse, Fault::Silent, Fault::Broken, Fault::Busy, Fault::Unable] {
        let rack = Rack::default();
        rack.bmc("lab-1").break_down(Some(Call::Password), fault, Times::Forever);
        let id = rack.put::<Host>("lab-1", with_own(true));
        rack.go_on(Duration::from_secs(60)).await;
        assert_eq!(rack.phase::<Host>(id), "available", "{fault:?}");
        assert_eq!(health(&rack, id), Some(Health::Bad), "{fault:?}");
        assert_eq!(rack.bmc("lab-1").password(), FACTORY);
        let own = kept(&rack, id).await.expect("it may have it, for all we know");
        rack.bmc("lab-1").mend();
        rack.go_on(Duration::from_secs(3600)).await;
        assert_eq!(health(&rack, id), Some(Health::Good), "{fault:?}");
        assert_eq!(rack.bmc("lab-1").password(), own, "the one that was drawn first");
    }
}

#[tokio::test(start_paused = true)]
async fn another_box_is_given_none() {
    let rack = Rack::default();
    rack.bmc("lab-1").change(|seen| seen.serial = Some("SN-2".into()));
    let id = rack.put::<Host>("lab-1", with_own(true));
    rack.go_on(Duration::from_secs(600)).await;
    assert_eq!(rack.phase::<Host>(id), "enrolling");
    assert!(!rack.bmc("lab-1").calls().contains(&Call::Password));
}

#[tokio::test(start_paused = true)]
async fn without_the_wish_the_credentials_is_put_back_and_only_then_is_it_forgotten() {
    let (rack, id) = enrolled().await;
    rack.bmc("lab-1").break_down(Some(Call::Password), Fault::Silent, Times::Forever);
    rack.put::<Host>("lab-1", with_own(false));
    rack.go_on(Duration::from_secs(600)).await;
    assert!(kept(&rack, id).await.is_some(), "its BMC has it still");
    assert_eq!(health(&rack, id), Some(Health::Bad));
    rack.bmc("lab-1").mend();
    rack.go_on(Duration::from_secs(1800)).await;
    assert_eq!(rack.bmc("lab-1").password(), FACTORY);
    assert_eq!((kept(&rack, id).await, health(&rack, id)), (None, None));
    assert_eq!(rack.get::<Host>(id).status.own_password, None);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_goes_puts_it_back_first() {
    let (rack, id) = enrolled().await;
    rack.delete(id);
    rack.go_on(Duration::from_secs(60)).await;
    assert!(rack.is_gone(id));
    assert_eq!(rack.bmc("lab-1").password(), FACTORY);
    assert!(rack.store().effects.contains(&Effect::DropPassword));
    let calls = rack.bmc("lab-1").calls();
    let at = |wanted: Call| calls.iter().rposition(|call| *call == wanted);
    assert!(at(Call::Password) < at(Call::Forget), "{calls:?}");
    assert_eq!(rack.find(Kind::Host, "lab-1"), None);
    assert_eq!(rack.bmc("lab-1").seen().power, Power::Off);
}

#[tokio::test(start_paused = true)]
async fn one_whose_bmc_will_not_take_it_back_goes_and_its_password_is_kept() {
    for fault in [Fault::Silent, Fault::Refuse, Fault::Unable] {
        let (rack, id) = enrolled().await;
        let own = rack.bmc("lab-1").password();
        rack.bmc("lab-1").break_down(Some(Call::Password), fault, Times::Forever);
        rack.delete(id);
        rack.go_on(Duration::from_secs(900)).await;
        assert!(rack.is_gone(id), "{fault:?}");
        assert!(!rack.store().effects.contains(&Effect::DropPassword), "{fault:?}");
        assert_eq!(rack.bmc("lab-1").password(), own);
        let told = |effect: &Effect| matches!(effect, Effect::Note { text } if text.contains("underlay host password lab-1"));
        assert!(rack.store().effects.iter().any(told), "{fault:?}");
    }
}
