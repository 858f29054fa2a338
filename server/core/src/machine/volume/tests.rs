//! Which disks a volume is made of, and what is refused.

use super::*;
use crate::Bytes;

fn disk(name: &str) -> Disk {
    Disk {
        name: name.into(),
        kind: "ssd".into(),
        size: Bytes(8 << 30),
        sector: 512,
        serial: Some(format!("S-{name}")),
        ..Disk::default()
    }
}

fn by_serial(name: &str) -> RootHint {
    RootHint { serial: Some(format!("S-{name}")), ..RootHint::default() }
}

fn volume(disks: &[&str]) -> Volume {
    Volume {
        disks: disks.iter().map(|name| by_serial(name)).collect(),
        layout: if disks.len() > 1 { Layout::Lvm } else { Layout::Plain },
        filesystem: Filesystem::Ext4,
        mount: "/srv/data".into(),
        keep: Keep::Preserve,
    }
}

fn of(volume: Volume) -> BTreeMap<String, Volume> {
    BTreeMap::from([("data".to_owned(), volume)])
}

fn faults(volumes: &BTreeMap<String, Volume>, root: &RootHint) -> Vec<String> {
    let mut errors = Vec::new();
    validate(volumes, root, &mut errors);
    errors.into_iter().map(|error| error.attribute).collect()
}

#[test]
fn each_hint_means_one_disk_that_is_nobody_elses() {
    let present = [disk("sda"), disk("sdb"), disk("sdc")];
    let resolved = resolve(&of(volume(&["sdb", "sdc"])), &present, &present[0]).unwrap();
    assert_eq!(resolved["data"], ["S-sdb", "S-sdc"]);
    let root = resolve(&of(volume(&["sda"])), &present, &present[0]).unwrap_err();
    assert_eq!(root.to_string(), "volumes.data.disks.0: sda is the root disk already");
    let twice = resolve(&of(volume(&["sdb", "sdb"])), &present, &present[0]).unwrap_err();
    assert!(matches!(twice, Error::Twice { position: 1, .. }), "{twice}");
    let kind = RootHint { kind: Some("ssd".into()), ..RootHint::default() };
    let vague = resolve(&of(Volume { disks: vec![kind], ..volume(&["sdb"]) }), &present, &present[0]);
    assert!(matches!(vague, Err(Error::Choose { source: disks::Error::Several { .. }, .. })), "{vague:?}");
}

#[test]
fn a_disk_that_the_installed_system_could_not_find_or_that_is_not_ours_is_refused() {
    let path = RootHint { by_path: Some("pci-0".into()), ..RootHint::default() };
    let nameless = Disk { serial: None, by_path: Some("pci-0".into()), ..disk("sdb") };
    let volumes = of(Volume { disks: vec![path], ..volume(&["sdb"]) });
    let error = resolve(&volumes, &[disk("sda"), nameless], &disk("sda")).unwrap_err();
    assert!(matches!(error, Error::Nameless { .. }), "{error}");
    let shared = Disk { excluded: Some("iscsi".into()), ..disk("sdb") };
    let error = resolve(&of(volume(&["sdb"])), &[disk("sda"), shared], &disk("sda")).unwrap_err();
    assert!(matches!(error, Error::Choose { source: disks::Error::None { .. }, .. }), "{error}");
}

#[test]
fn what_makes_no_volume_is_refused_where_it_stands() {
    let root = by_serial("sda");
    assert!(faults(&of(volume(&["sdb", "sdc"])), &root).is_empty());
    assert_eq!(faults(&of(volume(&["sdb"])), &RootHint::default()), ["root"]);
    let two = Volume { layout: Layout::Plain, ..volume(&["sdb", "sdc"]) };
    let one = Volume { layout: Layout::Mirror, ..volume(&["sdb"]) };
    for (bad, at) in [
        (two, "volumes.data.disks"),
        (one, "volumes.data.disks"),
        (volume(&[]), "volumes.data.disks"),
        (Volume { disks: vec![RootHint::default()], ..volume(&["sdb"]) }, "volumes.data.disks.0"),
    ] {
        assert_eq!(faults(&of(bad), &root), [at]);
    }
    for mount in ["", "srv", "/", "/etc", "/srv/../etc", "/srv//data", "/srv/a b", "/srv/$(reboot)"] {
        let bad = of(Volume { mount: mount.into(), ..volume(&["sdb"]) });
        assert_eq!(faults(&bad, &root), ["volumes.data.mount"], "{mount:?}");
    }
    for name in ["", "Data", "a label that is long", "1st", "a'b"] {
        let bad = BTreeMap::from([(name.to_owned(), volume(&["sdb"]))]);
        assert_eq!(faults(&bad, &root).len(), 1, "{name:?}");
    }
}
