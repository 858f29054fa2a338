//! Real QEMU: firmware, network boot from a loopback HTTP server, reboot by the guest, a driver that dies.
//!
//! Without QEMU these say so and pass; under `CI=true` they fail.

mod bench;
mod boot;
mod files;

use underlay_core::{
    bmc::{Bmc, Error, Power},
    host::Firmware,
};

use self::bench::Bench;
use crate::bmc::conformance;

#[tokio::test]
async fn it_passes_the_conformance_suite() {
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        let Some(bench) = Bench::new(firmware) else { return };
        conformance::run(&bench.driver(), conformance::Patience::Never).await;
        assert!(!bench.directory().exists(), "nothing is left of a forgotten host");
    }
}

#[tokio::test]
async fn a_driver_that_dies_leaves_the_machine_running_for_the_next_one() {
    let Some(bench) = Bench::new(Firmware::Bios) else { return };
    let first = bench.driver();
    first.ensure_power(Power::On).await.expect("it starts");
    let before = first.observe().await.expect("it answers");
    let pid = bench.pid();
    drop(first);
    let second = bench.driver();
    second.ensure_power(Power::On).await.expect("it runs already");
    assert_eq!(second.observe().await.expect("it answers"), before);
    assert_eq!(bench.pid(), pid, "it is the same process");
    assert_eq!(bench.session_of(pid), pid, "it leads a session of its own");
}

#[tokio::test]
async fn a_machine_that_was_killed_is_off_and_starts_again() {
    let Some(bench) = Bench::new(Firmware::Bios) else { return };
    let driver = bench.driver();
    driver.ensure_power(Power::On).await.expect("it starts");
    bench.kill().await;
    assert!(bench.directory().join("qemu.pid").exists(), "the pid file is stale now");
    assert_eq!(driver.observe().await.expect("it answers").power, Power::Off);
    driver.ensure_power(Power::On).await.expect("it starts again");
    assert_eq!(driver.observe().await.expect("it answers").boots, Some(2));
}

#[tokio::test]
async fn a_pid_file_that_names_a_stranger_is_not_believed() {
    let Some(bench) = Bench::new(Firmware::Bios) else { return };
    let driver = bench.driver();
    std::fs::create_dir_all(bench.directory()).expect("a directory");
    let own = std::process::id();
    std::fs::write(bench.directory().join("qemu.pid"), format!("{own}\n")).expect("written");
    assert_eq!(driver.observe().await.expect("it answers").power, Power::Off);
    driver.ensure_power(Power::Off).await.expect("there is nothing to stop");
    driver.ensure_power(Power::On).await.expect("the stale file is in nobody's way");
    assert_ne!(bench.pid(), i32::try_from(own).expect("a pid"));
}

#[tokio::test]
async fn a_machine_that_does_not_answer_is_stopped_all_the_same() {
    let Some(bench) = Bench::new(Firmware::Bios) else { return };
    let driver = bench.driver();
    driver.ensure_power(Power::On).await.expect("it starts");
    bench.freeze();
    let silent = driver.observe().await;
    assert!(matches!(silent, Err(Error::Unreachable { .. })), "{silent:?}");
    driver.ensure_power(Power::Off).await.expect("it is killed");
    assert_eq!(driver.observe().await.expect("it answers").power, Power::Off);
}

#[tokio::test]
async fn a_start_that_was_cut_short_is_made_afresh() {
    let Some(bench) = Bench::new(Firmware::Bios) else { return };
    let driver = bench.driver();
    driver.ensure_power(Power::On).await.expect("it starts");
    driver.ensure_power(Power::Off).await.expect("it stops");
    bench.start_stopped();
    assert_eq!(driver.observe().await.expect("it answers").power, Power::Unknown);
    driver.ensure_power(Power::On).await.expect("it starts");
    assert_eq!(driver.observe().await.expect("it answers").power, Power::On);
}

#[tokio::test]
async fn qemu_missing_or_refusing_is_said_in_words() {
    let Some(mut bench) = Bench::new(Firmware::Bios) else { return };
    bench.wanted.tap = Some("lo".into());
    let refused = bench.driver().ensure_power(Power::On).await.expect_err("loopback is no tap");
    assert!(
        underlay_core::because(&refused).contains("/dev/net/tun"),
        "{}",
        underlay_core::because(&refused)
    );
    bench.config.program = "/nowhere/qemu".into();
    let missing = bench.driver().ensure_power(Power::On).await.expect_err("there is no such program");
    assert!(underlay_core::because(&missing).contains("install"), "{}", underlay_core::because(&missing));
    assert_eq!(bench.driver().observe().await.expect("it answers").power, Power::Off);
}
