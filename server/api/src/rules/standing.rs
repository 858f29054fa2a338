//! May a machine take the system of its host as it stands? Its agent must be there, and what it is to write must be what it
//! may write.

use underlay_core::{FieldError, Object, host::Host, machine::Deployed, profile::Inheritance, resident};

/// Every reason why not.
pub(super) fn faults(
    deployed: Option<&Deployed>,
    host: Option<&Object<Host>>,
    inheritance: &Inheritance,
) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if let Some(deployed) = deployed.filter(|deployed| !deployed.stands()) {
        let message = format!(
            "{} was installed, and what it was written over is gone; write that image, or destroy the machine and adopt \
             the system that is on its host now",
            deployed.image
        );
        faults.push(FieldError::new("image", message));
    }
    // One that was there may be away for a while.
    if let Some(host) = host.filter(|host| deployed.is_none() && host.status.resident.is_none()) {
        let name = &host.meta.key.name;
        let message = format!(
            "no agent lives on the system of host {name}; install one: underlay adopt {name} --again"
        );
        faults.push(FieldError::new("host", message));
    }
    for (path, profile, _) in inheritance.files() {
        if let Some(why) = resident::forbids(path) {
            let message =
                format!("profile {profile}, file {path:?}: on a system that was not installed by us {why}");
            faults.push(FieldError::new("profiles", message));
        }
    }
    faults
}
