//! What whoever does a step is told: the machine, the host, the facts that its agent found, and the inputs. No secret is among
//! them.

use serde_json::{Value, json};
use underlay_core::{Object, host::Host, identity, machine::Run, profile::Values, step::Ticket};

use super::{steps::earlier, world::World};

/// All that is told of one try.
pub(super) fn told(
    world: &World<'_>,
    run: &Run,
    host: &Object<Host>,
    (step, ticket): (&str, &Ticket),
    inputs: &Values,
) -> Value {
    let object = &world.snapshot.object;
    let (key, status) = (&object.meta.key, &object.status);
    let expected = identity::expected(&host.spec.identity);
    json!({
        "step": step,
        "when": ticket.when.as_str(),
        "attempt": ticket.attempt,
        "idempotency_key": ticket.idempotency_key(),
        "machine": {
            "id": object.meta.id.to_string(),
            "site": key.site.as_str(),
            "owner": key.owner.as_str(),
            "name": key.name.as_str(),
            "hostname": object.spec.hostname,
            "image": run.target.image,
            "address": status.address,
            "ssh_host_keys": status.ssh_host_keys,
        },
        "host": {
            "id": host.meta.id.to_string(),
            "name": host.meta.key.name.as_str(),
            "pool": host.spec.pool,
            "labels": host.spec.labels,
            "serial": expected.serial,
            "uuid": expected.uuid,
        },
        "facts": status.inventory,
        "inputs": inputs,
        "outputs": earlier(status),
    })
}
