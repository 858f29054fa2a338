//! Best fit, spread, and what is said when nothing fits.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    Bytes, Name, ObjectId,
    host::Facts,
    machine::{DiskNeed, Require, Spread, SpreadMode},
};

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn host(host_name: &str, cpus: u32, rack: &str) -> Candidate {
    Candidate {
        id: ObjectId::new(),
        owner: name("default"),
        name: name(host_name),
        labels: [("rack".to_owned(), rack.to_owned())].into(),
        facts: Facts {
            arch: Some("x86_64".into()),
            cpus: Some(cpus),
            memory: Some(Bytes(u64::from(cpus) << 32)),
            disks: Some(vec![("nvme".into(), Bytes(400 << 30)), ("hdd".into(), Bytes(4 << 40))]),
            gpus: Some(0),
        },
        availability: Availability::Free,
    }
}

fn cpus(cpus: u32) -> Require {
    Require { pool: "general".into(), cpus: Some(cpus), ..Require::default() }
}

/// The hosts given to `machines` that all want the same.
fn give(machines: &[Name], require: &Require, spread: Option<&Spread>, hosts: &[Candidate]) -> Vec<String> {
    let owner = name("default");
    let wants: Vec<_> = machines
        .iter()
        .map(|machine| Want { machine: ObjectId::new(), owner: &owner, name: machine, require, spread })
        .collect();
    choose(&wants, hosts, &[])
        .into_iter()
        .map(|answer| match answer {
            Answer::Host(id) => {
                hosts.iter().find(|host| host.id == id).expect("one of them").name.to_string()
            }
            Answer::None(why) => why.to_string(),
        })
        .collect()
}

#[test]
fn the_smallest_host_that_fits_is_given_and_no_host_twice() {
    let hosts =
        [host("big", 64, "a"), host("small-2", 16, "a"), host("small-1", 16, "a"), host("tiny", 4, "a")];
    let machines: Vec<_> = (0..4).map(|n| name(&format!("web-{n}"))).collect();
    let given = give(&machines, &cpus(16), None, &hosts);
    assert_eq!(given[..3], ["small-1", "small-2", "big"]);
    assert_eq!(
        given[3],
        "none of its 4 hosts can be had; 3 would fit and are claimed; tiny: cpus is 4, 16 needed"
    );
}

#[test]
fn what_is_lacking_is_named_on_the_hosts_that_come_nearest() {
    let mut unknown = host("unknown", 4, "a");
    unknown.facts = Facts::default();
    let hosts = [host("near", 8, "b"), host("far", 4, "c"), unknown];
    let require = Require {
        labels: [("rack".to_owned(), "b".to_owned())].into(),
        memory: Some(Bytes(64 << 30)),
        ..cpus(8)
    };
    let [answer] = &give(&[name("web-0")], &require, None, &hosts)[..] else { panic!("one answer") };
    assert!(answer.contains("near: memory is 32GiB, 64GiB needed"), "{answer}");
    let (near, far) = (answer.find("near:"), answer.find("far:"));
    assert!(near < far, "{answer}");
    assert!(answer.contains("cpus is not known yet"), "{answer}");
}

#[test]
fn a_group_is_spread_over_racks_and_kept_apart_where_that_is_required() {
    let hosts = [host("a1", 8, "a"), host("a2", 8, "a"), host("a3", 8, "a"), host("b1", 16, "b")];
    let machines: Vec<_> = (0..3).map(|n| name(&format!("web-{n}"))).collect();
    let mut spread = Spread { label: "rack".into(), mode: SpreadMode::Prefer, group: None };
    assert_eq!(give(&machines, &cpus(8), Some(&spread), &hosts), ["a1", "b1", "a2"]);
    spread.mode = SpreadMode::Require;
    let given = give(&machines, &cpus(8), Some(&spread), &hosts);
    assert_eq!(given[..2], ["a1", "b1"]);
    assert!(given[2].contains("2 would fit but stand where another of the group stands"), "{}", given[2]);
}

#[test]
fn machines_that_are_placed_already_count_in_their_group_alone() {
    let hosts = [host("a1", 8, "a"), host("a2", 8, "a"), host("b1", 8, "b"), host("b2", 16, "b")];
    let spread = Spread { label: "rack".into(), mode: SpreadMode::Prefer, group: None };
    let (owner, other) = (name("default"), name("other"));
    let (web, db) = (name("web-0"), name("db-0"));
    let placed = [
        Placed { owner: &owner, name: &web, spread: Some(&spread), host: hosts[0].id },
        Placed { owner: &other, name: &web, spread: Some(&spread), host: hosts[2].id },
        Placed { owner: &owner, name: &db, spread: Some(&spread), host: hosts[2].id },
    ];
    let (require, next) = (cpus(8), name("web-1"));
    let want = Want {
        machine: ObjectId::new(),
        owner: &owner,
        name: &next,
        require: &require,
        spread: Some(&spread),
    };
    assert_eq!(choose(&[want], &hosts, &placed), [Answer::Host(hosts[3].id)]);
}

#[test]
fn one_disk_meets_one_need() {
    let disks = |needs: &[(Option<&str>, u64, u32)]| Require {
        disks: needs
            .iter()
            .map(|(kind, size, count)| DiskNeed {
                kind: kind.map(str::to_owned),
                min_size: Some(Bytes(*size)),
                count: *count,
            })
            .collect(),
        ..cpus(1)
    };
    let hosts = [host("r1", 8, "a")];
    let fits = |needs| give(&[name("web-0")], &disks(needs), None, &hosts) == ["r1"];
    assert!(fits(&[(Some("nvme"), 1, 1), (None, 1 << 40, 1)]));
    assert!(fits(&[(None, 1, 1), (Some("nvme"), 1, 1)]), "the need that is free to choose comes last");
    assert!(!fits(&[(Some("nvme"), 1, 2)]));
    assert!(!fits(&[(None, 1, 3)]));
}

#[test]
fn a_host_that_cannot_be_had_is_never_given() {
    for availability in [
        Availability::Claimed(ObjectId::new()),
        Availability::Enrolling,
        Availability::Quarantined,
        Availability::Leaving,
        Availability::Protected,
        Availability::Undriven,
    ] {
        let hosts = [Candidate { availability, ..host("r1", 8, "a") }];
        let [answer] = &give(&[name("web-0")], &cpus(8), None, &hosts)[..] else { panic!("one answer") };
        assert!(answer.contains("1 would fit and are"), "{availability:?}: {answer}");
    }
}

proptest! {
    #[test]
    fn the_same_question_has_the_same_answer_whatever_the_order_of_hosts(
        sizes in proptest::collection::vec((1_u32..64, 0_usize..4), 1..40),
        needs in proptest::collection::vec(1_u32..64, 1..40),
        rotation in 0_usize..40,
    ) {
        let racks = ["a", "b", "c", "d"];
        let hosts: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(n, (cpus, rack))| host(&format!("h{n}"), *cpus, racks[*rack]))
            .collect();
        let mut turned = hosts.clone();
        turned.rotate_left(rotation % hosts.len());
        let spread = Spread { label: "rack".into(), mode: SpreadMode::Prefer, group: None };
        let owner = name("default");
        let names: Vec<_> = (0..needs.len()).map(|n| name(&format!("web-{n}"))).collect();
        let requires: Vec<_> = needs.iter().map(|need| cpus(*need)).collect();
        let wants: Vec<_> = names
            .iter()
            .zip(&requires)
            .map(|(machine, require)| Want {
                machine: ObjectId::new(), owner: &owner, name: machine, require, spread: Some(&spread),
            })
            .collect();
        let answers = choose(&wants, &hosts, &[]);
        let ids = |answers: &[Answer]| -> Vec<Option<ObjectId>> {
            answers.iter().map(|it| match it { Answer::Host(id) => Some(*id), Answer::None(_) => None }).collect()
        };
        prop_assert_eq!(ids(&answers), ids(&choose(&wants, &turned, &[])));
        let by_id: BTreeMap<_, _> = hosts.iter().map(|host| (host.id, host)).collect();
        let mut given = std::collections::BTreeSet::new();
        for (want, answer) in wants.iter().zip(&answers) {
            match answer {
                Answer::Host(id) => {
                    prop_assert!(fits(want.require, by_id[id]).is_empty());
                    prop_assert!(given.insert(*id), "no host is given twice");
                }
                Answer::None(_) => prop_assert!(
                    hosts.iter().all(|host| given.contains(&host.id) || !fits(want.require, host).is_empty()),
                    "nothing is refused while a host that fits is free"
                ),
            }
        }
    }
}
