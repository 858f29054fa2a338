//! Who is waited for where a host is switched by somebody else, and how they say that it is done.

use super::{Driver, Host, Manual};
use crate::{
    Object,
    bmc::{Power, Target},
};

/// Who is to switch the host, and what to type then; `None` where its driver does it by itself. `boot` is what it is to
/// start from.
pub fn awaited(host: &Object<Host>, power: Power, boot: Option<Target>) -> Option<String> {
    let Driver::Manual(Manual { webhook, .. }) = &host.spec.driver else { return None };
    let name = &host.meta.key.name;
    let state = match power {
        Power::On => "on",
        Power::Off => "off",
        Power::Unknown => return None,
    };
    let boot = match boot {
        Some(Target::NetworkOnce | Target::HttpOnce) => ", started from the network",
        Some(Target::MediaOnce) => ", started from its virtual media",
        Some(Target::Disk) => ", started from its disk",
        None => "",
    };
    let who = match webhook {
        Some(_) => "whoever is behind its webhook, or somebody else,",
        None => "somebody",
    };
    Some(format!(
        "{who} to switch host {name} {state}{boot}; then: underlay host confirm {name} --power {state}"
    ))
}
