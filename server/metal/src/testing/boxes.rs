//! What stands in the rack: boxes that boot what their firmware was told to, agents, installed systems.
//!
//! A box acts in small turns and only on what a real one could see: its boot plan, its token, its assignment. Every
//! image that reaches a disk is counted.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    sync::Mutex,
    time::Duration,
};

use jiff::Timestamp;
use underlay_core::{
    ErrorKind, Failure, Kind, ObjectId,
    agent::{Inventory, Leave, Purpose, Report, Stage, Task, Touched},
    bmc::{Power, Target, media_path},
    boot::{self, Plan, Token},
    cleaning::Clean,
    observation::{Body, Source},
};

use super::{rack::Rack, samples};
use crate::bmc::fake::Fake;

/// How long a slow agent takes over each thing: it is late, and in time.
const SLOW: Duration = Duration::from_secs(300);

/// How a box behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// As it should.
    Good,
    /// The agent never calls home.
    NoAgent,
    /// The agent takes its work and says nothing more.
    Silent,
    /// The agent fails before it writes.
    FailsBefore,
    /// The agent fails while it writes.
    FailsAfter,
    /// The agent stops half way.
    Stalls,
    /// The installed system never comes up.
    NoSystem,
    /// Nothing of it is ever seen on the network.
    DeadNic,
    /// Another serial number than the enrolment says.
    WrongSerial,
    /// The agent's boot is cut off after its token was used, and the box boots again.
    BootsTwice,
    /// The agent takes its time over everything.
    Slow,
    /// Every other report is lost on the way.
    Lossy,
}

/// What runs on a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Runs {
    /// It is off, or in its firmware.
    Nothing,
    /// The agent of that boot; how many reports it has sent.
    Agent { epoch: i64, reports: u8 },
    /// What is on its disk.
    Disk,
}

pub(crate) struct Box {
    pub(crate) inventory: Inventory,
    pub(crate) habit: Habit,
    pub(crate) runs: Runs,
    /// Every image that was begun to be written, by epoch.
    pub(crate) writes: Vec<i64>,
    /// What the installed system calls when it is up, and whether it has.
    call_home: Option<(String, bool)>,
    /// How many power-ons it has seen.
    boots: usize,
    /// When its agent last said something.
    spoke: Timestamp,
    /// Every boot in which its disks were wiped.
    pub(crate) wiped: Vec<i64>,
    /// How often its habit made a difference.
    pub(crate) struck: u64,
}

/// All boxes, by the name of their host.
#[derive(Default)]
pub(crate) struct Boxes(Mutex<BTreeMap<String, Box>>);

impl Boxes {
    pub(crate) fn insert(&self, name: &str, number: u8) {
        let fresh = Box {
            inventory: samples::inventory(number),
            habit: Habit::Good,
            runs: Runs::Nothing,
            writes: Vec::new(),
            wiped: Vec::new(),
            call_home: None,
            boots: 0,
            spoke: Timestamp::UNIX_EPOCH,
            struck: 0,
        };
        self.0.lock().expect("whole").insert(name.into(), fresh);
    }

    pub(crate) fn with<T>(&self, name: &str, look: impl FnOnce(&mut Box) -> T) -> T {
        look(self.0.lock().expect("whole").get_mut(name).expect("a box"))
    }

    /// One turn of every box. Did any do something?
    pub(crate) fn act(&self, rack: &Rack) -> bool {
        let mut boxes = self.0.lock().expect("whole");
        boxes.iter_mut().fold(false, |acted, (name, one)| one.act(name, rack) || acted)
    }
}

impl Box {
    fn act(&mut self, name: &str, rack: &Rack) -> bool {
        let fake = rack.bmc(name);
        if fake.seen().power == Power::Off {
            self.runs = Runs::Nothing;
            self.boots = fake.boots().len();
            return false;
        }
        if fake.boots().len() > self.boots {
            self.boots = fake.boots().len();
            let target = fake.boots().last().copied().unwrap_or(Target::Disk);
            return self.boot(target, name, rack);
        }
        match self.runs {
            Runs::Agent { epoch, reports } => self.agent(epoch, reports, name, rack),
            Runs::Disk => self.call_home(rack),
            Runs::Nothing => false,
        }
    }

    fn boot(&mut self, target: Target, name: &str, rack: &Rack) -> bool {
        self.runs = Runs::Disk;
        if self.habit == Habit::DeadNic {
            self.runs = Runs::Nothing;
            self.struck += 1;
            return true;
        }
        let Some(host) = rack.find(Kind::Host, name) else { return true };
        let Some(token) = self.served(target, host, &rack.bmc(name), rack) else { return true };
        rack.observe(host, Source::Boot, Body::Boot { what: "fetched its boot script: the agent".into() });
        self.runs = Runs::Nothing;
        if self.habit == Habit::NoAgent {
            self.struck += 1;
            return true;
        }
        // The host of the token, whatever box this is: cables and addresses may be swapped.
        if let Some(grant) = rack.redeem(&token.digest(), Purpose::Agent) {
            self.runs = Runs::Agent { epoch: grant.epoch, reports: 0 };
            let (host, epoch) = (grant.host, grant.epoch);
            let mut inventory = std::boxed::Box::new(self.inventory.clone());
            if self.habit == Habit::WrongSerial {
                self.struck += 1;
                inventory.serial = Some("WRONG".into());
            }
            rack.observe(host, Source::Inventory, Body::Inventory { epoch, inventory });
            if self.habit == Habit::BootsTwice {
                self.struck += 1;
                let (key, address) = ("SHA256:second".into(), "10.0.0.7".into());
                rack.observe(host, Source::Intruder, Body::Intruder { epoch, key, address });
            }
        }
        true
    }

    /// The token that it is given by the way it boots.
    fn served(&self, target: Target, host: ObjectId, bmc: &Fake, rack: &Rack) -> Option<Token> {
        let store = rack.store();
        match target {
            Target::Disk => None,
            Target::NetworkOnce | Target::HttpOnce => {
                let plan = self.inventory.nics.iter().find_map(|nic| store.plans.get(&nic.mac));
                match plan {
                    Some((_, Plan::Agent { token, .. })) => Some(token.clone()),
                    _ => None,
                }
            }
            Target::MediaOnce => {
                let media = store.media.get(&host)?;
                let path = media_path(&media.epoch.to_string());
                bmc.image().is_some_and(|image| image.ends_with(&path)).then(|| media.token.clone())
            }
        }
    }

    fn agent(&mut self, epoch: i64, reports: u8, name: &str, rack: &Rack) -> bool {
        let Some(host) = rack.find(Kind::Host, name) else { return false };
        let assignment = rack.store().assignments.get(&host).cloned();
        let Some(work) = assignment.filter(|work| work.epoch == epoch) else { return false };
        match work.task {
            Task::Stay | Task::Attributes(_) => false,
            Task::Leave(Leave::Reboot) => {
                self.runs = Runs::Disk;
                true
            }
            Task::Leave(other) => panic!("nobody asks for {other:?}"),
            Task::Clean(clean) => {
                let Some(stage) = self.wipe(reports, &clean) else { return false };
                if matches!(stage, Stage::Wiped { .. }) {
                    self.wiped.push(epoch);
                }
                self.runs = Runs::Agent { epoch, reports: reports + 1 };
                rack.observe(host, Source::Agent, Body::Report(Report { epoch, stage }));
                true
            }
            Task::Deploy(deploy) => {
                let idle = rack.now().duration_since(self.spoke).unsigned_abs();
                if self.habit == Habit::Slow && idle < SLOW {
                    return false;
                }
                let Some(stage) = self.stage(reports) else { return false };
                self.spoke = rack.now();
                self.struck += u64::from(self.habit == Habit::Slow || matches!(stage, Stage::Failed { .. }));
                if matches!(stage, Stage::Writing { done: 0, .. }) {
                    assert_eq!(deploy.identity.serial, self.inventory.serial, "the agent checks who it is");
                    self.writes.push(epoch);
                    self.call_home = Some((one_time_url(deploy.seed.bytes()), false));
                }
                self.runs = Runs::Agent { epoch, reports: reports + 1 };
                if self.habit == Habit::Lossy && reports.is_multiple_of(2) && reports < 4 {
                    self.struck += 1;
                } else {
                    rack.observe(host, Source::Agent, Body::Report(Report { epoch, stage }));
                }
                true
            }
        }
    }

    /// The report on a wipe that comes after `reports` others.
    fn wipe(&mut self, reports: u8, clean: &Clean) -> Option<Stage> {
        assert_eq!(clean.identity.serial, self.inventory.serial, "the agent checks who it is");
        match (self.habit, reports) {
            (Habit::Silent, _) => None,
            (_, 0) => Some(Stage::Wiping { done: 0, total: 100, seconds: 0 }),
            (Habit::Stalls, _) => None,
            (habit, 1) => {
                let fails = habit == Habit::FailsAfter;
                self.struck += u64::from(fails);
                let disks = self.inventory.disks.iter();
                Some(Stage::Wiped { disks: disks.map(|disk| samples::wipe(disk, fails)).collect() })
            }
            _ => None,
        }
    }

    /// The report that comes after `reports` others.
    fn stage(&self, reports: u8) -> Option<Stage> {
        let writing = |done| Stage::Writing { disk: "vda".into(), done, total: 100 };
        let failed = |touched_disk| Stage::Failed {
            failure: Failure::new(
                ErrorKind::Permanent,
                "writing",
                "Input/output error",
                "it stopped there",
                "look at the disk",
            ),
            touched_disk,
        };
        match (self.habit, reports) {
            (Habit::Silent, _) => None,
            (_, 0) => Some(Stage::Checking),
            (Habit::FailsBefore, 1) => Some(failed(Touched::No)),
            (Habit::FailsBefore, _) => None,
            (_, 1) => Some(writing(0)),
            (_, 2) => Some(writing(50)),
            (Habit::Stalls, _) => None,
            (Habit::FailsAfter, 3) => Some(failed(Touched::Yes)),
            (Habit::FailsAfter, _) => None,
            (_, 3) => Some(Stage::Finishing),
            (_, 4) => {
                Some(Stage::Written { disk: "vda".into(), written: 100, elapsed_ms: 1000, peak_memory: 1 })
            }
            _ => None,
        }
    }

    fn call_home(&mut self, rack: &Rack) -> bool {
        let Some((url, called)) = self.call_home.as_mut().filter(|(_, called)| !called) else { return false };
        if self.habit == Habit::NoSystem {
            self.struck += 1;
            return false;
        }
        *called = true;
        let token = url.rsplit('/').next().unwrap_or_default();
        if let Some(grant) = rack.redeem(&boot::digest(token), Purpose::PhoneHome) {
            let (ssh_host_keys, address) = (vec!["ssh-ed25519 AAAA".into()], "10.0.0.7".into());
            let body = Body::PhoneHome { epoch: grant.epoch, ssh_host_keys, address };
            rack.observe(grant.host, Source::PhoneHome, body);
        }
        true
    }
}

/// The URL in the seed's `vendor-data`.
fn one_time_url(seed: Vec<u8>) -> String {
    let volume = fatfs::FileSystem::new(Cursor::new(seed), fatfs::FsOptions::new()).expect("a FAT");
    let mut text = String::new();
    volume.root_dir().open_file("vendor-data").expect("there").read_to_string(&mut text).expect("text");
    let json = text.strip_prefix("#cloud-config\n").expect("cloud-config");
    let data: serde_json::Value = serde_json::from_str(json).expect("JSON");
    data["phone_home"]["url"].as_str().expect("a URL").to_owned()
}
