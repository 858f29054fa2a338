//! The driver against a scripted BMC, hostile packets, and ipmi_sim with ipmitool beside it.

mod bmc;
mod hostile;
mod parts;
mod sim;

use underlay_core::{
    ErrorKind,
    bmc::{Bmc as _, Error, Power, Target},
    host::{self, Boot, BootMethod, Firmware, Identity},
};

use self::bmc::{Bmc, Fault, PASSWORD, USER};
use super::{super::Login, Ipmi, packet::Kind};
use crate::bmc::conformance;

fn login(password: &str) -> Login {
    Login { user: USER.into(), password: password.into() }
}

fn spec(address: &str) -> host::Ipmi {
    host::Ipmi { address: address.into(), credential: "bmc".into(), cipher_suite: None }
}

fn driver_of(spec: &host::Ipmi, mode: Firmware, identity: &Identity, password: &str) -> Ipmi {
    let boot = Boot { mode, methods: vec![BootMethod::Pxe], address: None };
    Ipmi::new(spec, &boot, identity, login(password)).expect("the address reads")
}

fn driver(bmc: &Bmc) -> Ipmi {
    driver_of(&spec(&bmc.address.to_string()), Firmware::Uefi, &Identity::default(), PASSWORD)
}

#[tokio::test]
async fn it_passes_the_conformance_suite_with_either_suite_and_closes_every_session() {
    for suite in [None, Some(3), Some(17)] {
        let bmc = Bmc::start(None).await;
        let spec = host::Ipmi { cipher_suite: suite, ..spec(&bmc.address.to_string()) };
        let driver = driver_of(&spec, Firmware::Bios, &Identity::default(), PASSWORD);
        conformance::run(&driver, conformance::Patience::Never).await;
        let state = bmc.state();
        assert!(state.opened > 10);
        assert_eq!(state.opened, state.closed, "sessions are few");
        assert_eq!(state.switched, 4, "asked twice, it is switched once");
    }
}

#[tokio::test]
async fn the_password_is_in_no_packet_and_in_no_error() {
    let bmc = Bmc::start(None).await;
    driver(&bmc).observe().await.expect("it answers");
    let wrong =
        driver_of(&spec(&bmc.address.to_string()), Firmware::Uefi, &Identity::default(), "not-the-password");
    let refused = wrong.observe().await.expect_err("the password is wrong");
    assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
    assert!(!format!("{refused:?} {refused}").contains("not-the-password"));
    let heard = bmc.state().heard.concat();
    for secret in [PASSWORD, "not-the-password"] {
        assert!(!heard.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    let tried = bmc.state().heard.iter().filter(|packet| packet.get(5) == Some(&(Kind::Rakp1 as u8))).count();
    assert_eq!(tried, 2, "one try each: accounts are locked after a few");
}

#[tokio::test]
async fn the_network_is_asked_for_once_and_the_disk_for_good_and_neither_runs_out() {
    let bmc = Bmc::start(None).await;
    for (mode, efi) in [(Firmware::Bios, 0), (Firmware::Uefi, 0x20)] {
        let driver = driver_of(&spec(&bmc.address.to_string()), mode, &Identity::default(), PASSWORD);
        for (target, flags) in
            [(Target::NetworkOnce, [0x80 | efi, 0x04, 0, 0, 0]), (Target::Disk, [0xc0 | efi, 0x08, 0, 0, 0])]
        {
            bmc.state().options.clear();
            driver.ensure_next_boot(target).await.expect("it is accepted");
            assert_eq!(bmc.state().flags, flags);
            let options = bmc.state().options.clone();
            let stay = options.iter().position(|option| *option == [3, 0x08]).expect("they are told to stay");
            assert!(stay < options.iter().position(|option| option[0] == 5).expect("then they are set"));
        }
    }
}

#[tokio::test]
async fn flags_that_are_used_up_or_of_another_device_are_no_target() {
    let bmc = Bmc::start(None).await;
    for (flags, expected) in [
        ([0; 5], None),
        ([0, 0x04, 0, 0, 0], None),
        ([0x80, 0x14, 0, 0, 0], None),
        ([0x80, 0x08, 0, 0, 0], Some(Target::Disk)),
        ([0xc0, 0x04, 0, 0, 0], Some(Target::NetworkOnce)),
    ] {
        bmc.state().flags = flags;
        assert_eq!(driver(&bmc).observe().await.expect("it answers").next_boot, expected, "{flags:02x?}");
    }
}

#[tokio::test]
async fn a_serial_number_is_read_where_it_was_enrolled_and_once_an_hour() {
    let bmc = Bmc::start(None).await;
    assert_eq!(driver(&bmc).observe().await.expect("it answers").serial, None);
    let identity = Identity { serial: Some("SN-17".into()), ..Identity::default() };
    let driver = driver_of(&spec(&bmc.address.to_string()), Firmware::Uefi, &identity, PASSWORD);
    assert_eq!(driver.observe().await.expect("it answers").serial.as_deref(), Some("SN-17"));
    let before = bmc.state().heard.len();
    assert_eq!(driver.observe().await.expect("it answers").serial.as_deref(), Some("SN-17"));
    let asked = bmc.state().heard.len() - before;
    assert!(asked <= 8, "{asked} packets: the handshake, three questions and the end");
}

#[tokio::test]
async fn what_a_bmc_does_not_tell_is_not_known_and_no_error() {
    for command in [0x37, 0x11, 0x09] {
        let bmc = Bmc::start(Some(Fault::Completion(command, 0xc1))).await;
        let identity = Identity { serial: Some("SN-17".into()), ..Identity::default() };
        let driver = driver_of(&spec(&bmc.address.to_string()), Firmware::Uefi, &identity, PASSWORD);
        let seen = driver.observe().await.expect("it answers");
        assert_eq!(seen.power, Power::Off);
        match command {
            0x09 => assert_eq!(seen.next_boot, None),
            0x11 => assert_eq!(seen.serial, None),
            _ => assert_eq!(seen.uuid, None),
        }
    }
}

#[tokio::test]
async fn each_completion_code_is_an_error_of_its_kind() {
    for (code, kind, name) in [
        (0xc0, ErrorKind::Transient, "Busy"),
        (0xc3, ErrorKind::Transient, "Busy"),
        (0xd5, ErrorKind::Transient, "Busy"),
        (0xc1, ErrorKind::Permanent, "Unsupported"),
        (0xd4, ErrorKind::Permanent, "Refused"),
        (0xff, ErrorKind::Transient, "Nonsense"),
    ] {
        let bmc = Bmc::start(Some(Fault::Completion(0x02, code))).await;
        let error = driver(&bmc).ensure_power(Power::On).await.expect_err("it says no");
        assert_eq!(error.kind(), kind, "{code:#04x}: {error:?}");
        assert!(format!("{error:?}").starts_with(name), "{code:#04x}: {error:?}");
        let state = bmc.state();
        assert_eq!(state.opened, state.closed, "closed all the same");
    }
}

#[tokio::test]
async fn a_boot_override_that_does_not_stick_is_named() {
    let bmc = Bmc::start(Some(Fault::Lies)).await;
    let error = driver(&bmc).ensure_next_boot(Target::NetworkOnce).await.expect_err("it lies");
    assert!(matches!(&error, Error::Nonsense { why, .. } if why.contains("[a0, 04")), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_bmc_without_suite_17_is_spoken_to_with_suite_3_unless_17_was_asked_for() {
    for fault in [Fault::OldAndHonest, Fault::OldAndMute] {
        let bmc = Bmc::start(Some(fault)).await;
        let old = driver(&bmc);
        old.observe().await.expect("it answers to suite 3");
        let before = bmc.state().heard.len();
        old.observe().await.expect("it answers");
        assert_eq!(bmc.state().heard[before][5], Kind::Open as u8);
        assert_eq!(bmc.state().heard[before][16 + 12], 1, "{fault:?}: what worked is tried first");
        let spec = host::Ipmi { cipher_suite: Some(17), ..spec(&bmc.address.to_string()) };
        let strict = driver_of(&spec, Firmware::Uefi, &Identity::default(), PASSWORD);
        let error = strict.observe().await.expect_err("nothing less will do");
        let expected = if fault == Fault::OldAndMute { "Unreachable" } else { "Refused" };
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
    }
}

#[tokio::test]
async fn a_login_that_ipmi_cannot_carry_is_refused_before_anything_is_sent() {
    for (user, password, what) in
        [("a-user-of-17-byte", "x", "user name"), ("admin", "a password of 21 byte", "password")]
    {
        let login = Login { user: user.into(), password: password.into() };
        let refused = Ipmi::new(&spec("127.0.0.1"), &Boot::default(), &Identity::default(), login)
            .err()
            .expect("it is too long");
        assert!(matches!(&refused, Error::Invalid(why) if why.contains(what)), "{refused}");
        assert!(!refused.to_string().contains(password));
    }
}
