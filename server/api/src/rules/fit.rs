//! Does the machine fit the host, as far as the host's inventory is known? What is not known is judged by the agent before
//! it writes.

use underlay_core::{
    Bytes, FieldError, Object, agent::Inventory, disks, host::Host, image::Image, machine::Spec,
};

use super::Assessment;

/// Adds every misfit to `assessment`.
pub(super) fn judge(
    spec: &Spec,
    host: &Object<Host>,
    image: Option<&Object<Image>>,
    assessment: &mut Assessment,
) {
    let Some(inventory) = &host.status.inventory else { return };
    let host = host.meta.key.name.as_str();
    let needed = image.and_then(|image| image.status.virtual_size).unwrap_or(Bytes(0));
    if let Err(error) = disks::choose(&inventory.disks, &spec.root, needed) {
        assessment.blocks.push(FieldError::new("root", format!("on host {host} {error}")));
    }
    if let Some(image) = image
        && !inventory.arch.is_empty()
        && image.spec.arch != inventory.arch
    {
        let (made_for, is) = (&image.spec.arch, &inventory.arch);
        let message = format!("is made for {made_for}, host {host} is {is}");
        assessment.blocks.push(FieldError::new("image", message));
    }
    assessment.blocks.extend(unknown_nics(spec, host, inventory));
}

/// Names of NICs that the host does not have; `boot` is the one it boots over.
fn unknown_nics(spec: &Spec, host: &str, inventory: &Inventory) -> Option<FieldError> {
    let network = spec.network.as_ref()?;
    let known = |name: &str| name == "boot" || inventory.nics.iter().any(|nic| nic.name == name);
    let unknown: Vec<_> = network.nics().into_iter().filter(|name| !known(name)).collect();
    if unknown.is_empty() {
        return None;
    }
    let present: Vec<_> = inventory.nics.iter().map(|nic| nic.name.as_str()).collect();
    let message =
        format!("host {host} has no NIC {}; it has boot, {}", unknown.join(", "), present.join(", "));
    Some(FieldError::new("network", message))
}
