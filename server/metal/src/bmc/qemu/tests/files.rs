//! What is kept of a host between starts, and what of it may change.

use std::{net::TcpListener, os::unix::fs::MetadataExt};

use underlay_core::{
    Bytes, Mac,
    bmc::{Bmc, Error, Power},
    host::Firmware,
};

use super::bench::Bench;

#[tokio::test]
async fn a_host_says_who_it_is_before_it_ever_ran_and_says_the_same_ever_after() {
    let Some(bench) = Bench::new(Firmware::Bios) else { return };
    let seen = bench.driver().observe().await.expect("it answers");
    assert_eq!(seen.power, Power::Off);
    assert!(!bench.directory().exists(), "looking makes nothing");
    let [Mac([0x52, 0x54, 0x00, ..])] = seen.macs[..] else { panic!("{:?}", seen.macs) };
    let again = bench.driver().observe().await.expect("it answers");
    assert_eq!((again.macs, again.serial, again.uuid), (seen.macs, seen.serial, seen.uuid));
}

#[tokio::test]
async fn an_identity_that_was_given_is_kept_to() {
    let Some(mut bench) = Bench::new(Firmware::Bios) else { return };
    let mac: Mac = "52:54:00:aa:bb:cc".parse().expect("a MAC");
    let uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    bench.identity.boot_mac = Some(mac);
    bench.identity.serial = Some("A,B 'C'".into());
    bench.identity.uuid = Some(uuid.parse().expect("a UUID"));
    let driver = bench.driver();
    driver.ensure_power(Power::On).await.expect("QEMU takes it");
    let seen = driver.observe().await.expect("it answers");
    assert_eq!(
        (seen.macs, seen.serial.as_deref(), seen.uuid.as_deref()),
        (vec![mac], Some("A,B 'C'"), Some(uuid))
    );
    let line = std::fs::read(format!("/proc/{}/cmdline", bench.pid())).expect("a command line");
    assert!(String::from_utf8_lossy(&line).contains("serial=A,,B 'C',"), "a comma does not end the value");
}

#[tokio::test]
async fn forwarded_ports_stay_over_restarts_and_are_never_given_twice() {
    let Some(mut bench) = Bench::new(Firmware::Bios) else { return };
    bench.wanted.forward = vec![22, 80];
    let driver = bench.driver();
    driver.ensure_power(Power::On).await.expect("it starts");
    let first = driver.observe().await.expect("it answers").forwards;
    assert_eq!(first.keys().map(String::as_str).collect::<Vec<_>>(), ["22", "80"]);
    for address in first.values() {
        assert!(TcpListener::bind(address.as_str()).is_err(), "QEMU listens on {address}");
    }
    driver.ensure_power(Power::Off).await.expect("it stops");
    let (_, neighbour) = bench.neighbour();
    neighbour.ensure_power(Power::On).await.expect("it starts");
    let theirs = neighbour.observe().await.expect("it answers").forwards;
    assert!(theirs.values().all(|address| !first.values().any(|ours| ours == address)), "{theirs:?}");
    driver.ensure_power(Power::On).await.expect("it starts");
    assert_eq!(driver.observe().await.expect("it answers").forwards, first);
    driver.ensure_power(Power::Off).await.expect("it stops");

    let squatter = TcpListener::bind(first["22"].as_str()).expect("the port is free");
    driver.ensure_power(Power::On).await.expect("it starts with another port");
    let moved = driver.observe().await.expect("it answers").forwards;
    assert_ne!(moved["22"], first["22"]);
    assert_eq!(moved["80"], first["80"]);
    drop(squatter);
}

#[tokio::test]
async fn disks_are_sparse_and_private_and_grow_but_never_shrink() {
    let Some(mut bench) = Bench::new(Firmware::Bios) else { return };
    bench.wanted.disks = vec![Bytes(1 << 30), Bytes(2 << 30)];
    let driver = bench.driver();
    driver.ensure_power(Power::On).await.expect("it starts");
    driver.ensure_power(Power::Off).await.expect("it stops");
    let disk = std::fs::metadata(bench.directory().join("disk1.raw")).expect("a disk");
    assert_eq!((disk.len(), disk.mode() & 0o777), (2 << 30, 0o600));
    assert!(disk.blocks() * 512 < 1 << 20, "{} blocks are taken", disk.blocks());
    assert_eq!(std::fs::metadata(bench.directory()).expect("a directory").mode() & 0o777, 0o700);

    bench.wanted.disks = vec![Bytes(2 << 30), Bytes(1 << 30)];
    let refused = bench.driver().ensure_power(Power::On).await;
    assert!(matches!(&refused, Err(Error::Invalid(why)) if why.contains("disk 1 holds 2GiB")), "{refused:?}");
    assert_eq!(std::fs::metadata(bench.directory().join("disk1.raw")).expect("a disk").len(), 2 << 30);
    assert_eq!(std::fs::metadata(bench.directory().join("disk0.raw")).expect("a disk").len(), 2 << 30);
}

#[tokio::test]
async fn a_damaged_record_is_an_error_and_not_a_fresh_start() {
    let Some(bench) = Bench::new(Firmware::Bios) else { return };
    std::fs::create_dir_all(bench.directory()).expect("a directory");
    std::fs::write(bench.directory().join("machine.json"), "{").expect("written");
    let refused = bench.driver().ensure_power(Power::On).await.expect_err("the record does not read");
    assert!(underlay_core::because(&refused).contains("machine.json"));
}
