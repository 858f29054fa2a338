//! A BMC that hangs, lies, cuts short, floods, replays, or is another one: never a panic, never a hang, never a command
//! done on the word of somebody who does not know the password.

use std::time::Duration;

use tokio::time::Instant;
use underlay_core::bmc::{Bmc as _, CALL_LIMIT, Error, Power, Target};

use super::{
    bmc::{Bmc, Fault},
    driver,
};
use crate::bmc::ipmi::packet::Kind;

const HANDSHAKE: [Kind; 3] = [Kind::Opened, Kind::Rakp2, Kind::Rakp4];

/// The error of each wish against a BMC with that fault.
async fn ask_everything(fault: Fault) -> [Error; 3] {
    let bmc = Bmc::start(Some(fault)).await;
    let driver = driver(&bmc);
    let mut errors = Vec::new();
    for wish in 0..3 {
        let began = Instant::now();
        let error = match wish {
            0 => driver.observe().await.map(drop),
            1 => driver.ensure_power(Power::On).await,
            _ => driver.ensure_next_boot(Target::NetworkOnce).await,
        };
        errors.push(error.expect_err("nothing came of it"));
        assert!(began.elapsed() < CALL_LIMIT / 2, "{fault:?} took {:?}", began.elapsed());
    }
    assert!(!bmc.state().is_on && bmc.state().flags == [0; 5], "{fault:?}: nothing was done");
    errors.try_into().expect("three of them")
}

fn name(error: &Error) -> String {
    format!("{error:?}").split([' ', '(']).next().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_falls_silent_is_unreachable() {
    for fault in HANDSHAKE.map(Fault::Silent).into_iter().chain([Fault::SilentInside]) {
        for error in ask_everything(fault).await {
            assert_eq!(name(&error), "Unreachable", "{fault:?}: {error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn packets_that_are_cut_anywhere_are_nonsense() {
    for kind in HANDSHAKE.into_iter().chain([Kind::Message]) {
        for size in [0, 1, 4, 5, 15, 16, 17, 20, 23, 24, 31, 32, 39] {
            for error in ask_everything(Fault::Truncated(kind, size)).await {
                assert_eq!(name(&error), "Nonsense", "{kind:?} cut to {size}: {error:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn packets_of_another_session_a_packet_before_or_another_question_are_passed_over() {
    let others = HANDSHAKE.into_iter().chain([Kind::Message]).map(Fault::OtherSession);
    for fault in others.chain([Fault::Replays, Fault::Confused, Fault::BadSeal, Fault::Numberless]) {
        for error in ask_everything(fault).await {
            assert_eq!(name(&error), "Nonsense", "{fault:?}: {error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_would_rather_prove_and_hide_nothing_is_not_spoken_to() {
    for error in ask_everything(Fault::NoAlgorithms).await {
        assert!(error.to_string().contains("other algorithms"), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_know_the_password_is_refused_and_gets_no_proof_of_ours() {
    let bmc = Bmc::start(None).await;
    let spec = super::spec(&bmc.address.to_string());
    let wrong = super::driver_of(&spec, underlay_core::host::Firmware::Uefi, &Default::default(), "another");
    let error = wrong.ensure_power(Power::On).await.expect_err("it proves the wrong password");
    assert_eq!(name(&error), "Refused", "{error:?}");
    let told = || bmc.state().heard.iter().find(|packet| packet[5] == Kind::Rakp3 as u8).cloned();
    let third = loop {
        match told() {
            Some(third) => break third,
            None => tokio::task::yield_now().await,
        }
    };
    assert_eq!(third.len(), 16 + 8, "a status and no hash");
    for error in ask_everything(Fault::BadEnd).await {
        assert_eq!(name(&error), "Refused", "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_status_of_a_handshake_is_an_error_of_its_kind() {
    for kind in HANDSHAKE {
        for (status, expected) in [
            (0x01, "Busy"),
            (0x02, "Nonsense"),
            (0x09, "Refused"),
            (0x0b, "Busy"),
            (0x0d, "Refused"),
            (0x0f, "Refused"),
            (0x11, "Refused"),
            (0xff, "Refused"),
        ] {
            for error in ask_everything(Fault::Status(kind, status)).await {
                assert_eq!(name(&error), expected, "{kind:?} {status:#04x}: {error:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_late_is_the_answer_to_its_own_question_only() {
    let bmc = Bmc::start(Some(Fault::Lags)).await;
    let driver = driver(&bmc);
    for power in [Power::On, Power::Off, Power::On] {
        driver.ensure_power(power).await.expect("each answer comes when it is asked for again");
        assert_eq!(bmc.state().is_on, power == Power::On);
        assert_eq!(driver.observe().await.expect("it answers").power, power);
    }
}

#[tokio::test]
async fn lost_packets_are_sent_again_and_what_was_done_is_done_once() {
    let bmc = Bmc::start(Some(Fault::Lossy)).await;
    driver(&bmc).ensure_power(Power::On).await.expect("it goes through");
    assert!(bmc.state().is_on);
    assert_eq!(bmc.state().switched, 1);
}

#[tokio::test]
async fn a_call_that_is_given_up_closes_its_session() {
    const CHASSIS_STATUS: u8 = 0x01;
    let bmc = Bmc::start(Some(Fault::SilentTo(CHASSIS_STATUS))).await;
    let driver = driver(&bmc);
    // The second request in the session is the one that is not answered.
    let inside = || bmc.state().heard.iter().filter(|packet| packet[5] == 0xc0).count();
    tokio::select! {
        seen = driver.observe() => panic!("nobody answers: {seen:?}"),
        () = async { while inside() < 2 { tokio::task::yield_now().await } } => {}
    }
    while bmc.state().closed == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_flood_in_front_of_the_answer_is_looked_at_within_bounds() {
    for kind in [Kind::Opened, Kind::Message] {
        let bmc = Bmc::start(Some(Fault::Flooded(kind))).await;
        let began = Instant::now();
        // Whether the answer gets through depends on what the socket's buffer holds; that it ends does not.
        let _through_or_not = driver(&bmc).observe().await;
        assert!(began.elapsed() < Duration::from_secs(60), "{kind:?} took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable_at_once() {
    let port = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("one");
    let spec = super::spec(&port.to_string());
    let driver =
        super::driver_of(&spec, underlay_core::host::Firmware::Uefi, &Default::default(), super::PASSWORD);
    let began = Instant::now();
    let error = driver.observe().await.expect_err("the port is closed");
    assert_eq!(name(&error), "Unreachable", "{error:?}");
    assert!(std::error::Error::source(&error).is_some(), "it says why");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
