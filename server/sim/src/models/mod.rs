//! What a vendor's machine and its BMC are like, in one value each: hardware, names of resources, and how the BMC departs
//! from the standard.
//!
//! The departures are of kinds that were seen in the field; which firmware shows which differs from release to release,
//! so a model here stands for "a BMC like that vendor's", not for one release.

mod ami;
mod generic;
mod idrac;
mod ilo;
mod openbmc;
mod supermicro;

use std::time::Duration;

pub use ami::AMI;
pub use generic::GENERIC;
pub use idrac::IDRAC;
pub use ilo::ILO;
pub use openbmc::OPENBMC;
pub use supermicro::SUPERMICRO;

/// Every model, by name.
pub const ALL: [&Model; 6] = [&GENERIC, &IDRAC, &ILO, &SUPERMICRO, &OPENBMC, &AMI];

/// A kind of machine.
#[derive(Debug)]
pub struct Model {
    /// What it is called on the command line.
    pub name: &'static str,
    /// SMBIOS manufacturer.
    pub manufacturer: &'static str,
    /// SMBIOS product name.
    pub product: &'static str,
    /// Version of its firmware.
    pub firmware: &'static str,
    /// First letters of its serial numbers.
    pub serial_prefix: &'static str,
    /// Model name of its CPUs.
    pub cpu: &'static str,
    /// Sockets in use.
    pub sockets: u32,
    /// Cores of one CPU; two threads each.
    pub cores: u32,
    /// Memory, in GiB, and how many modules it is made of.
    pub memory_gib: u64,
    /// Memory modules.
    pub modules: u32,
    /// Its disks.
    pub disks: &'static [DiskModel],
    /// How many NICs it has; it boots over the first.
    pub nics: u8,
    /// Speed of its NICs.
    pub nic_mbps: u32,
    /// Driver of its NICs.
    pub nic_driver: &'static str,
    /// Its BMC.
    pub bmc: BmcModel,
}

/// A kind of disk.
#[derive(Debug)]
pub struct DiskModel {
    /// As it names itself.
    pub model: &'static str,
    /// `nvme`, `ssd` or `hdd`.
    pub kind: &'static str,
    /// Capacity in GiB.
    pub gib: u64,
}

/// A kind of BMC.
#[derive(Debug)]
pub struct BmcModel {
    /// As the Manager names itself.
    pub product: &'static str,
    /// What the service root says of who made it.
    pub root: Root,
    /// Version of its firmware.
    pub firmware: &'static str,
    /// Id of the ComputerSystem.
    pub system: &'static str,
    /// Id of the Manager.
    pub manager: &'static str,
    /// Does it give away what its machine's screen shows?
    pub screen: Screen,
    /// Id of the Chassis.
    pub chassis: &'static str,
    /// What `ComputerSystem.Reset` takes.
    pub resets: &'static [&'static str],
    /// Where it says so.
    pub resets_in: ResetsIn,
    /// What the boot override takes.
    pub targets: &'static [&'static str],
    /// Does it show `BootSourceOverrideMode`?
    pub shows_mode: ShowsMode,
    /// Where the boot override is.
    pub boot_at: BootAt,
    /// Is a boot override taken while the firmware tests the machine?
    pub in_post: InPost,
    /// How it uses ETags.
    pub etags: Etags,
    /// How many sessions it holds; the next one is refused.
    pub sessions: usize,
    /// How it is refused.
    pub full: Full,
    /// What it lists of its NICs while the machine is off.
    pub nics_while_off: NicsWhileOff,
    /// How long its job queue refuses further changes after one.
    pub busy_after_change: Duration,
    /// How long it shows the power state from before a reset.
    pub stale_power: Duration,
    /// What an override set `Once` reads as.
    pub once: Once,
    /// May media be inserted?
    pub media: Media,
}

/// Where the allowable values of a reset are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetsIn {
    /// Beside the action.
    AllowableValues,
    /// In a resource of their own.
    ActionInfo,
}

/// What of the machine's screen a BMC gives away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// Nothing, as the standard has no action for that.
    Hidden,
    /// A picture, by Dell's `DellLCService`.
    Exported,
}

/// What a service root says of who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// `Vendor`.
    pub vendor: Option<&'static str>,
    /// `Product`.
    pub product: Option<&'static str>,
    /// A key in `Oem`.
    pub oem: Option<&'static str>,
}

/// Does a system show `BootSourceOverrideMode`?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowsMode {
    /// Yes, and takes it.
    Yes,
    /// Yes, and falls back to `Legacy` where a change of the override leaves it out.
    FallsBack,
    /// Yes, and answers 400 to it: it shows how the firmware is set.
    ReadOnly,
    /// No, and answers 400 to it.
    No,
}

/// Where the boot override is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootAt {
    /// In the ComputerSystem.
    System,
    /// In its settings resource; the system shows none and refuses one (400).
    Settings,
}

/// Is a boot override taken while the firmware tests the machine?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InPost {
    /// Yes.
    Takes,
    /// No (400), with a message of the vendor's.
    Refuses,
}

/// How a login is refused for want of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Status.
    pub status: u16,
    /// Message id.
    pub message: &'static str,
}

/// As most do.
pub const FULL: Full = Full { status: 503, message: "Base.1.18.SessionLimitExceeded" };

/// How ETags are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Etags {
    /// There are none.
    None,
    /// They are there, and checked where one is sent.
    Checked,
    /// A PATCH without one is refused (428).
    Required,
    /// They are another one at each read, so that none ever fits (412).
    Fickle,
}

/// What is listed of the NICs while the machine is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NicsWhileOff {
    /// All of them.
    Listed,
    /// None.
    Hidden,
}

/// What an override set `Once` becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// Once.
    Once,
    /// `Continuous`: it stays until another is set.
    Continuous,
}

/// May media be inserted?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Yes.
    Licensed,
    /// The vendor wants money first.
    Unlicensed,
}

/// The model of that name.
pub fn named(name: &str) -> Option<&'static Model> {
    ALL.iter().copied().find(|model| model.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_can_be_switched_and_booted_from_the_network() {
        for model in ALL {
            assert_eq!(named(model.name).map(|found| found.product), Some(model.product));
            assert!(model.bmc.resets.contains(&"ForceOff"), "{}", model.name);
            assert!(model.bmc.resets.iter().any(|reset| ["On", "ForceOn"].contains(reset)), "{}", model.name);
            assert!(
                model.bmc.targets.contains(&"Pxe") && model.bmc.targets.contains(&"Hdd"),
                "{}",
                model.name
            );
            assert!(!model.disks.is_empty() && model.nics > 0, "{}", model.name);
        }
    }
}
