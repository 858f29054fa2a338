//! The schema of `underlay_machine`; the installed system's network is in `network.rs`, how it says
//! which host it is to have in `claim.rs`.

use std::collections::{BTreeMap, BTreeSet};

use tfplugin::{Attr, Schema, Timeouts, cty::Value, schema::validate};

use super::super::step::Steps;
pub use super::claim::{DiskNeed, Require, Spread};
pub use super::network::{Address, Bond, Dns, Network, Vlan};
pub use super::volumes::Volume;
use crate::{resources::object::valid_name, size, values};

/// A machine: the claim on one host, and what runs on it.
///
/// What a change costs is in the plan as `disruption`. A change that costs more than `allow_disruption` is an error, so a new
/// image erases nothing until somebody allows it.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// The server's id.
    #[tf(computed, keep)]
    pub id: Attr<String>,
    /// Changes when the machine is created anew under the same name.
    #[tf(computed, keep)]
    pub incarnation: Attr<String>,
    /// Name.
    #[tf(required, requires_replace, validate = valid_name)]
    pub name: Attr<String>,
    /// Host name of the installed system; left out, the machine's name.
    #[tf(optional, computed)]
    pub hostname: Attr<String>,
    /// The `id` of an `underlay_image`; or `"adopted"` for the system that is on an adopted host: nothing is installed, and the
    /// agent that lives there writes the machine's attributes, now and whenever they change.
    #[tf(required)]
    pub image: Attr<String>,
    /// Name of the host to claim; `OWNER/NAME` for another owner's. Left out where `require` is written: then it is the
    /// host that the pool gave.
    #[tf(optional, computed)]
    pub host: Attr<String>,
    /// What the host must be, where it is not named. It is asked once: a machine that has a host keeps it. Write
    /// `depends_on` on the hosts that the same configuration makes, so that they are destroyed after the machine.
    #[tf(optional)]
    pub require: Attr<Require>,
    /// How the machine stands apart from others of its group; only with `require`.
    #[tf(optional)]
    pub spread: Attr<Spread>,
    /// Which disk becomes the root disk; every hint must match, and exactly one disk be left. Left out, there must be only
    /// one disk.
    #[tf(optional)]
    pub root: Attr<Root>,
    /// What its disks beside the root disk are made into, by name. Where there are any, `root` says which is the root disk. Without
    /// them other disks are left as they are.
    #[tf(optional)]
    pub volumes: Attr<BTreeMap<String, Volume>>,
    /// The installed system's own network. Left out: DHCP on the NIC it boots over.
    #[tf(optional)]
    pub network: Attr<Network>,
    /// Public keys that may log in, in `authorized_keys` form.
    #[tf(optional)]
    pub ssh_keys: Attr<Vec<String>>,
    /// cloud-init user data.
    #[tf(optional)]
    pub user_data: Attr<String>,
    /// cloud-init user data that is in no plan and no state.
    #[tf(optional, write_only, sensitive)]
    pub user_data_wo: Attr<String>,
    /// Raise it whenever `user_data_wo` changes.
    #[tf(optional)]
    pub user_data_wo_version: Attr<i64>,
    /// Names of its profiles: which attributes it has. Of two that give a value the first wins.
    #[tf(optional)]
    pub profiles: Attr<Vec<String>>,
    /// What it says itself of its attributes: one value for each, of the type that its profile declares.
    #[tf(optional, validate = values::valid)]
    pub values: Attr<Value>,
    /// Values of secret attributes; in no plan and no state.
    #[tf(optional, write_only, sensitive)]
    pub secret_values_wo: Attr<Value>,
    /// Raise it whenever one of `secret_values_wo` changes.
    #[tf(optional)]
    pub secret_values_version: Attr<i64>,
    /// What is done for it before and after a deployment, after what its pool names.
    #[tf(optional)]
    pub steps: Attr<Steps>,
    /// The worst an apply may do without being refused: `none`, `reboot`, `erase_root`, `erase_all` or `move`.
    #[tf(default = "reboot", validate = validate::one_of(&["none", "reboot", "erase_root", "erase_all", "move"]))]
    pub allow_disruption: Attr<String>,
    /// What re-images the machine in place. Left out: a change of the image.
    #[tf(optional)]
    pub redeploy: Attr<Redeploy>,
    /// When it counts as ready: `booted`, once the installed system has called, or `written`, once the image is on the disk.
    #[tf(default = "booted", validate = validate::one_of(&["booted", "written"]))]
    pub wait_for: Attr<String>,
    /// Where it stands: `ready`, `failed`, or what is being done.
    #[tf(computed)]
    pub phase: Attr<String>,
    /// What the last planned change does to it: `none`, `reboot`, `erase_root`, `erase_all` or `move`.
    #[tf(computed)]
    pub disruption: Attr<String>,
    /// What differs from the configuration and waits until `redeploy.generation` is raised.
    #[tf(computed)]
    pub pending: Attr<Vec<String>>,
    /// The address the installed system called from.
    #[tf(computed)]
    pub address: Attr<String>,
    /// Where forwarded guest ports are reachable, by guest port.
    #[tf(computed)]
    pub forwards: Attr<BTreeMap<String, String>>,
    /// SSH host keys that the installed system announced.
    #[tf(computed)]
    pub ssh_host_keys: Attr<Vec<String>>,
    /// How long operations may take; `90m` to create and to update.
    #[tf(optional)]
    pub timeouts: Attr<Timeouts>,
}

/// Which disk becomes the root disk.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Root {
    /// `nvme`, `ssd`, `hdd` or `virtio`.
    #[tf(optional, validate = validate::one_of(&["nvme", "ssd", "hdd", "virtio"]))]
    pub kind: Attr<String>,
    /// At least this large, such as `400GB`.
    #[tf(optional, validate = size::valid)]
    pub min_size: Attr<String>,
    /// Serial number.
    #[tf(optional)]
    pub serial: Attr<String>,
    /// World wide name.
    #[tf(optional)]
    pub wwn: Attr<String>,
    /// Name under `/dev/disk/by-path`.
    #[tf(optional)]
    pub by_path: Attr<String>,
}

/// What re-images a machine in place.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Redeploy {
    /// A change of any of these does: `image`, `config`, `network`, `root`, `volumes`. The rest waits as `pending`.
    #[tf(default = BTreeSet::from(["image".to_owned()]))]
    pub on: Attr<BTreeSet<String>>,
    /// Raise it to re-image with all that is pending.
    #[tf(default = 1, validate = validate::between(1..=i64::MAX))]
    pub generation: Attr<i64>,
}
