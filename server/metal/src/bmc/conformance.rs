//! What every BMC driver holds, as one suite: each driver's tests run it against the nearest thing to real hardware.
//!
//! The host begins switched off with nothing asked of it, and is forgotten at the end.

use std::time::Duration;

use underlay_core::bmc::{Bmc, Error, MediaUrl, Observation, Power, Target};

/// How long the host behind the driver takes to become what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// It is so at once.
    Never,
    /// It is so within seconds, as a rule.
    Seconds,
}

/// How long seconds may take on a machine that has other things to do.
const LONG: Duration = Duration::from_secs(120);

/// Run the suite against `bmc`.
pub(super) async fn run(bmc: &dyn Bmc, patience: Patience) {
    let first = until(bmc, Power::Off, patience).await;
    switching_is_idempotent(bmc, patience).await;
    the_next_boot_is_kept_until_the_power_comes_on(bmc, patience).await;
    asking_for_the_unknown_is_invalid(bmc).await;
    let last = until(bmc, Power::Off, patience).await;
    assert_eq!(
        (first.serial, first.uuid, first.macs),
        (last.serial, last.uuid, last.macs),
        "it is who it was"
    );
    bmc.forget().await.expect("it is forgotten");
    bmc.forget().await.expect("forgetting twice does nothing");
}

async fn switching_is_idempotent(bmc: &dyn Bmc, patience: Patience) {
    let before = until(bmc, Power::Off, patience).await.boots;
    for power in [Power::Off, Power::On, Power::On] {
        bmc.ensure_power(power).await.expect("the wish is accepted");
        until(bmc, power, patience).await;
    }
    let after = until(bmc, Power::On, patience).await.boots;
    assert_eq!(after, before.map(|boots| boots + 1), "asked twice, it starts once");
    for _ in 0..2 {
        bmc.ensure_power(Power::Off).await.expect("the wish is accepted");
        until(bmc, Power::Off, patience).await;
    }
}

async fn the_next_boot_is_kept_until_the_power_comes_on(bmc: &dyn Bmc, patience: Patience) {
    for target in [Target::Disk, Target::NetworkOnce, Target::NetworkOnce, Target::Disk, Target::NetworkOnce]
    {
        bmc.ensure_next_boot(target).await.expect("the wish is accepted");
        let seen = bmc.observe().await.expect("it answers");
        assert_eq!(seen.next_boot, Some(target));
        assert_eq!(seen.power, Power::Off, "choosing what to start from starts nothing");
    }
    bmc.ensure_power(Power::On).await.expect("the wish is accepted");
    until(bmc, Power::On, patience).await;
    bmc.ensure_next_boot(Target::Disk).await.expect("it is accepted while the host runs");
    assert_eq!(bmc.observe().await.expect("it answers").next_boot, Some(Target::Disk));
    bmc.ensure_power(Power::Off).await.expect("the wish is accepted");
    until(bmc, Power::Off, patience).await;
}

async fn asking_for_the_unknown_is_invalid(bmc: &dyn Bmc) {
    assert!(matches!(bmc.ensure_power(Power::Unknown).await, Err(Error::Invalid(_))));
}

/// Run the suite of the optional ability against `bmc`. `inserted` tells what is in the drive, by other means.
pub(super) async fn virtual_media(bmc: &dyn Bmc, image: &MediaUrl, inserted: impl Fn() -> Option<String>) {
    use secrecy::ExposeSecret;
    let media = bmc.virtual_media().expect("it has the ability");
    media.ensure_media(None).await.expect("an empty drive is no error");
    assert_eq!(inserted(), None);
    for _ in 0..2 {
        media.ensure_media(Some(image)).await.expect("it is inserted, and asked twice it stays");
        assert_eq!(inserted().as_deref(), Some(image.0.expose_secret()));
    }
    let other = MediaUrl(image.0.expose_secret().replace(".iso", "0.iso").into());
    media.ensure_media(Some(&other)).await.expect("another one takes its place");
    assert_eq!(inserted().as_deref(), Some(other.0.expose_secret()));
    bmc.ensure_next_boot(Target::MediaOnce).await.expect("it is started from");
    assert_eq!(bmc.observe().await.expect("it answers").next_boot, Some(Target::MediaOnce));
    bmc.ensure_next_boot(Target::Disk).await.expect("and then is not");
    for _ in 0..2 {
        media.ensure_media(None).await.expect("it is taken out, and asked twice it stays out");
        assert_eq!(inserted(), None);
    }
}

/// The first observation in which the power is as wanted.
async fn until(bmc: &dyn Bmc, power: Power, patience: Patience) -> Observation {
    let began = tokio::time::Instant::now();
    loop {
        let seen = bmc.observe().await.expect("it answers");
        if seen.power == power {
            return seen;
        }
        let goes_on = patience == Patience::Seconds && began.elapsed() < LONG;
        assert!(goes_on, "it is {:?} and not {power:?}", seen.power);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
