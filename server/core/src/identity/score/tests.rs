//! Whose machine it is, by example and over made-up fleets.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    agent::{Inventory, Nic},
    host::Identity,
    identity::check,
};

fn mac(number: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, number])
}

fn serial(number: u8) -> String {
    format!("SN-{number}")
}

fn uuid(number: u8) -> Uuid {
    Uuid::from_u128(0x1000 + u128::from(number))
}

fn found(serial_of: u8, uuid_of: u8, macs: &[u8]) -> Traits {
    Traits {
        serial: Some(serial(serial_of)),
        uuid: Some(uuid(uuid_of)),
        macs: macs.iter().copied().map(mac).collect(),
    }
}

fn host(number: u8, enrolled: Traits) -> Known {
    let host = ObjectId(Uuid::from_u128(u128::from(number)));
    Known { host, name: format!("r{number}"), enrolled, seen: Traits::default() }
}

fn by_serial(number: u8) -> Traits {
    Traits { serial: Some(serial(number)), ..Traits::default() }
}

fn by_mac(number: u8) -> Traits {
    Traits { macs: [mac(number)].into(), ..Traits::default() }
}

fn doubts(known: &[Known], found: &Traits) -> String {
    let verdict = judge(known, found);
    let doubt = verdict.doubt().map(|(hosts, why)| (hosts.len(), why.to_owned()));
    let (hosts, why) = doubt.unwrap_or_else(|| panic!("no doubt: {verdict:?}"));
    assert!(hosts > 0);
    why
}

#[test]
fn any_identity_that_is_enrolled_suffices_and_all_of_them_must_fit() {
    let it = found(1, 1, &[1, 2]);
    for enrolled in [by_serial(1), by_mac(2), found(1, 1, &[1])] {
        let known = [host(1, enrolled), host(2, by_serial(2))];
        assert_eq!(judge(&known, &it), Verdict::Is(known[0].host));
    }
    assert_eq!(judge(&[host(2, by_serial(2)), host(3, by_mac(3))], &it), Verdict::Unknown);
    assert_eq!(judge(&[], &it), Verdict::Unknown);
}

#[test]
fn a_moved_nic_is_named() {
    let known = [host(1, found(1, 1, &[1])), host(2, found(2, 2, &[2]))];
    let why = doubts(&known, &found(1, 1, &[7]));
    assert!(why.contains("MAC 02:00:00:00:00:01") && why.contains("moved"), "{why}");
    // The NIC of r1 in the box of r2.
    let why = doubts(&[host(1, by_mac(1)), host(2, by_serial(2))], &found(2, 2, &[1]));
    assert!(why.contains("r1") && why.contains("r2"), "{why}");
}

#[test]
fn a_cloned_uuid_does_not_hide_whose_machine_it_is_and_alone_it_says_nothing() {
    let known = [host(1, found(1, 9, &[1])), host(2, found(2, 9, &[2]))];
    assert_eq!(judge(&known, &found(2, 9, &[2])), Verdict::Is(known[1].host));
    let why = doubts(&known, &found(3, 9, &[3]));
    assert!(why.contains("the UUID of host r1") && why.contains("the UUID of host r2"), "{why}");
}

#[test]
fn two_hosts_that_are_enrolled_as_one_machine_are_ambiguous() {
    let known = [host(1, by_serial(1)), host(2, by_mac(1))];
    let verdict = judge(&known, &found(1, 1, &[1]));
    assert!(matches!(&verdict, Verdict::Ambiguous { hosts, .. } if hosts.len() == 2), "{verdict:?}");
    let clones = [host(1, by_mac(1)), host(2, by_mac(1))];
    assert!(matches!(judge(&clones, &found(1, 1, &[1])), Verdict::Ambiguous { .. }));
}

#[test]
fn a_mac_on_another_board_than_the_agent_found_before_is_named() {
    let mut known = host(1, by_mac(1));
    known.seen = found(1, 1, &[1]);
    assert_eq!(judge([&known], &found(1, 1, &[1])), Verdict::Is(known.host));
    let why = doubts(&[known], &found(2, 2, &[1]));
    assert!(why.contains("SN-2, and was SN-1"), "{why}");
}

#[test]
fn an_enrolled_serial_number_that_the_machine_does_not_have_speaks_against_it() {
    let both = Traits { macs: [mac(1)].into(), ..by_serial(1) };
    let why = doubts(&[host(1, both)], &by_mac(1));
    assert!(why.contains("no serial number, and SN-1"), "{why}");
}

#[test]
fn machines_that_report_at_once_under_one_name_are_told_apart_or_named() {
    assert!(clash(&found(1, 1, &[1]), &found(2, 2, &[1])).is_some_and(|why| why.contains("MAC")));
    assert!(clash(&found(1, 1, &[1]), &found(1, 1, &[2])).is_some_and(|why| why.contains("serial")));
    let no_serial = |number| Traits { serial: None, ..found(0, 9, &[number]) };
    assert!(clash(&no_serial(1), &no_serial(2)).is_some_and(|why| why.contains("UUID")));
    assert_eq!(clash(&found(1, 9, &[1]), &found(2, 9, &[2])), None, "their serial numbers tell them apart");
    assert_eq!(
        clash(&found(1, 1, &[1, 2]), &found(1, 1, &[1, 2])),
        None,
        "it is one machine, which called anew"
    );
}

/// Identities from so few that they clash.
fn some_identity() -> impl Strategy<Value = Identity> {
    let blank = prop_oneof![Just(None), Just(Some("To Be Filled By O.E.M.".to_owned()))];
    let serial = prop_oneof![3 => (0..4u8).prop_map(|n| Some(serial(n))), 1 => blank];
    let uuid = prop_oneof![Just(None), Just(Some(Uuid::nil())), (0..4u8).prop_map(|n| Some(uuid(n)))];
    let mac = prop_oneof![Just(None), (0..4u8).prop_map(|n| Some(mac(n)))];
    (serial, uuid, mac).prop_map(|(serial, uuid, boot_mac)| Identity { boot_mac, serial, uuid, tpm: None })
}

fn some_inventory() -> impl Strategy<Value = Inventory> {
    (some_identity(), proptest::collection::btree_set(0..4u8, 0..3)).prop_map(|(identity, macs)| {
        let nic = |number| Nic {
            name: format!("eth{number}"),
            mac: mac(number),
            link: true,
            speed: None,
            addresses: Vec::new(),
            driver: None,
            boot: false,
            neighbour: None,
        };
        let uuid = identity.uuid.map(|uuid| uuid.to_string());
        Inventory {
            serial: identity.serial,
            uuid,
            nics: macs.into_iter().map(nic).collect(),
            ..Inventory::default()
        }
    })
}

proptest! {
    #[test]
    fn a_machine_is_a_hosts_only_where_the_agent_would_say_so_too(
        identities in proptest::collection::vec((some_identity(), some_inventory()), 0..5),
        inventory in some_inventory(),
        turn in 0..5usize,
    ) {
        let mut known: Vec<Known> = Vec::new();
        for (number, (identity, before)) in identities.iter().enumerate() {
            let mut one = host(u8::try_from(number).unwrap(), Traits::enrolled(identity));
            one.seen = Traits::of(before, None);
            known.push(one);
        }
        let found = Traits::of(&inventory, None);
        let verdict = judge(&known, &found);
        if let Verdict::Is(host) = verdict {
            let at = known.iter().position(|one| one.host == host).unwrap();
            let Identity { boot_mac, .. } = identities[at].0;
            let counts = &known[at].enrolled;
            let counting = Identity { boot_mac, serial: counts.serial.clone(), uuid: counts.uuid, tpm: None };
            prop_assert!(check(&counting, &inventory).is_ok(), "{counting:?} {inventory:?}");
            prop_assert!(known[at].touches(&found));
            let twins = known.iter().filter(|one| one.enrolled == known[at].enrolled && one.seen == known[at].seen);
            prop_assert_eq!(twins.count(), 1, "two hosts are known by the same, and one was chosen");
        }
        if verdict == Verdict::Unknown {
            prop_assert!(!known.iter().any(|one| one.touches(&found)), "it shares something with a host");
        }
        // Nobody's order decides.
        let by = turn.min(known.len());
        known.rotate_left(by);
        prop_assert_eq!(judge(&known, &found), verdict);
    }

    #[test]
    fn what_counts_nothing_makes_nobody_related(
        identities in proptest::collection::vec(some_identity(), 0..5),
    ) {
        let known: Vec<Known> =
            identities.iter().enumerate().map(|(n, it)| host(u8::try_from(n).unwrap(), Traits::enrolled(it))).collect();
        let blank = Inventory {
            serial: Some("Default string".into()),
            uuid: Some("03000200-0400-0500-0006-000700080009".into()),
            ..Inventory::default()
        };
        prop_assert_eq!(judge(&known, &Traits::of(&blank, None)), Verdict::Unknown);
    }
}
