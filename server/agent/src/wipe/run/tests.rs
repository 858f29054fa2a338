//! From order to report: nothing before the identity is known, every disk told of, none that is excluded touched.

use std::io;

use tokio::sync::watch;
use underlay_core::{Bytes, agent::ExpectedIdentity, cleaning::Policy};

use super::*;
use crate::disk::{Disk, fake::Fake};

const SIZE: u64 = 1 << 20;

struct Rack {
    inventory: Inventory,
    disks: Vec<Arc<Fake>>,
}

impl Host for Rack {
    fn inventory(&self) -> Inventory {
        self.inventory.clone()
    }

    fn open(&self, facts: &Facts) -> io::Result<Arc<dyn Disk>> {
        let index = self.inventory.disks.iter().position(|disk| disk.name == facts.name).unwrap();
        Ok(self.disks[index].clone())
    }
}

fn rack() -> Rack {
    let disk = |name: &str, excluded: Option<&str>| Facts {
        name: name.into(),
        size: Bytes(SIZE),
        sector: 512,
        excluded: excluded.map(str::to_owned),
        ..Facts::default()
    };
    let disks = vec![disk("vda", None), disk("sdb", Some("iscsi")), disk("vdc", None)];
    let dying = Fake::new(SIZE as usize).failing_at(SIZE / 2);
    Rack {
        inventory: Inventory { serial: Some("ABC".into()), disks, ..Inventory::default() },
        disks: vec![Fake::new(SIZE as usize).into(), Fake::new(SIZE as usize).into(), dying.into()],
    }
}

async fn last(serial: &str, rack: Arc<Rack>) -> Stage {
    let identity = ExpectedIdentity { serial: Some(serial.into()), ..ExpectedIdentity::default() };
    let order = Clean { identity, policy: Policy::Overwrite, seed: 1 };
    let (stages, seen) = watch::channel(None);
    let host: Arc<dyn Host> = rack;
    run(&order, &host, Progress::new(stages)).await;
    seen.borrow().clone().unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_disk_is_told_of_and_one_that_is_not_ours_is_spared() {
    let rack = Arc::new(rack());
    let Stage::Wiped { disks } = last("ABC", rack.clone()).await else { panic!("it did not end") };
    let endings: Vec<_> = disks.iter().map(|wipe| (wipe.disk.as_str(), &wipe.ending)).collect();
    assert_eq!(endings[0], ("sdb", &Ending::Spared { why: "iscsi".into() }));
    assert_eq!(endings[1], ("vda", &Ending::Wiped));
    assert!(matches!(endings[2], ("vdc", Ending::Failed { .. })), "{endings:?}");
    assert!(rack.disks[0].bytes().iter().all(|byte| *byte == 0));
    assert!(rack.disks[1].writes().is_empty(), "not a byte of it");
}

#[tokio::test(start_paused = true)]
async fn another_host_than_the_one_that_is_meant_is_not_wiped() {
    let rack = Arc::new(rack());
    let Stage::Failed { failure, touched_disk } = last("ABD", rack.clone()).await else { panic!("it did") };
    assert_eq!(touched_disk, Touched::No);
    assert!(failure.why.contains("ABD"), "{failure}");
    assert!(rack.disks.iter().all(|disk| disk.writes().is_empty()));
}
