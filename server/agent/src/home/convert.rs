//! The wire's words and core's. Orders are checked while they are read: what cannot be meant is refused here.

use underlay_core::{
    Bytes, ErrorKind, Failure,
    agent::{Deploy, ExpectedIdentity, Inventory, Leave, Stage, Task, Touched},
    machine::RootHint,
    resident::System,
    seed::{self, Seed},
};
use underlay_proto::v1;

use super::wipes;

/// An order that makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No task, or one this agent does not know.
    #[error("the order has no task this agent knows")]
    Task,
    /// A field that cannot be read.
    #[error("the order has a bad {0}")]
    Field(&'static str),
}

/// What the server wants, for whichever epoch.
pub fn task(order: v1::Order) -> Result<Task, Error> {
    match order.task.ok_or(Error::Task)? {
        v1::order::Task::Stay(_) => Ok(Task::Stay),
        v1::order::Task::Deploy(deploy) => Ok(Task::Deploy(Box::new(self::deploy(deploy)?))),
        v1::order::Task::Clean(clean) => Ok(Task::Clean(Box::new(wipes::clean(clean)?))),
        v1::order::Task::Leave(how) => Ok(Task::Leave(leave(how)?)),
    }
}

fn leave(how: i32) -> Result<Leave, Error> {
    match v1::Leave::try_from(how) {
        Ok(v1::Leave::Reboot) => Ok(Leave::Reboot),
        Ok(v1::Leave::PowerOff) => Ok(Leave::PowerOff),
        Ok(v1::Leave::Kexec) => Ok(Leave::Kexec),
        Ok(v1::Leave::Unspecified) | Err(_) => Err(Error::Field("leave")),
    }
}

fn deploy(order: v1::Deploy) -> Result<Deploy, Error> {
    for (path, name) in [(&order.manifest_path, "manifest_path"), (&order.data_path, "data_path")] {
        let plain = path.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if !path.starts_with('/') || !plain {
            return Err(Error::Field(name));
        }
    }
    let given = |text: String| (!text.is_empty()).then_some(text);
    Ok(Deploy {
        identity: ExpectedIdentity {
            serial: given(order.expected_serial),
            uuid: given(order.expected_uuid),
            mac: given(order.expected_mac)
                .map(|mac| mac.parse())
                .transpose()
                .map_err(|_| Error::Field("expected_mac"))?,
        },
        root: RootHint {
            kind: given(order.root_kind),
            min_size: Some(Bytes(order.root_min_size_bytes)).filter(|size| size.0 > 0),
            serial: given(order.root_serial),
            wwn: given(order.root_wwn),
            by_path: given(order.root_by_path),
        },
        manifest_path: order.manifest_path,
        data_path: order.data_path,
        manifest_digest: order.manifest_digest,
        virtual_size: Bytes(order.virtual_size),
        seed: match order.seed_runs {
            Some(runs) => seed(runs)?,
            None => order.seed.into(),
        },
    })
}

fn seed(runs: v1::SeedRuns) -> Result<Seed, Error> {
    let malformed = |_| Error::Field("seed_runs");
    let run = |run: v1::seed_runs::Run| {
        Ok(seed::Run { begin: usize::try_from(run.begin).map_err(malformed)?, bytes: run.data })
    };
    let length = usize::try_from(runs.length).map_err(malformed)?;
    let runs = runs.runs.into_iter().map(run).collect::<Result<_, Error>>()?;
    Seed::of(length, runs).map_err(|_| Error::Field("seed_runs"))
}

/// What is said of the system, as it goes over the wire.
pub fn system(from: &System) -> v1::System {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let at = |at: jiff::Timestamp| prost_types::Timestamp {
        seconds: at.as_second(),
        nanos: at.subsec_nanosecond(),
    };
    v1::System {
        hostname: from.hostname.clone(),
        os: text(&from.os),
        kernel: text(&from.kernel),
        boot_id: text(&from.boot_id),
        up_since: from.up_since.map(at),
        agent: from.agent.clone(),
    }
}

/// The inventory as it goes over the wire.
pub fn inventory(from: &Inventory) -> v1::Inventory {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    v1::Inventory {
        serial: text(&from.serial),
        uuid: text(&from.uuid),
        vendor: text(&from.vendor),
        product: text(&from.product),
        arch: from.arch.clone(),
        firmware: from.firmware.clone(),
        firmware_version: text(&from.firmware_version),
        cpu_model: text(&from.cpu_model),
        cpus: from.cpus,
        memory_bytes: from.memory.0,
        tpm: from.tpm,
        disks: from
            .disks
            .iter()
            .map(|disk| v1::Disk {
                name: disk.name.clone(),
                by_path: text(&disk.by_path),
                serial: text(&disk.serial),
                wwn: text(&disk.wwn),
                model: text(&disk.model),
                kind: disk.kind.clone(),
                size_bytes: disk.size.0,
                sector_bytes: disk.sector,
                excluded: text(&disk.excluded),
                health: disk.health.as_ref().map(|health| v1::DiskHealth {
                    state: text(&health.state),
                    celsius: health.celsius,
                    errors: health.errors,
                    verdict: health.verdict.map(|verdict| verdict.as_str().into()).unwrap_or_default(),
                    reason: text(&health.reason),
                    percent_used: health.percent_used.map(u32::from),
                    spare_percent: health.spare_percent.map(u32::from),
                    media_errors: health.media_errors,
                    reallocated: health.reallocated,
                    power_on_hours: health.power_on_hours,
                }),
            })
            .collect(),
        nics: from
            .nics
            .iter()
            .map(|nic| v1::Nic {
                name: nic.name.clone(),
                mac: nic.mac.to_string(),
                link: nic.link,
                speed_mbps: nic.speed.unwrap_or(0),
                addresses: nic.addresses.iter().map(ToString::to_string).collect(),
                driver: text(&nic.driver),
                boot: nic.boot,
                neighbour: nic.neighbour.as_ref().map(|neighbour| v1::Neighbour {
                    chassis: neighbour.chassis.clone(),
                    port: neighbour.port.clone(),
                    system: text(&neighbour.system),
                    description: text(&neighbour.description),
                }),
            })
            .collect(),
        numa: from
            .numa
            .iter()
            .map(|node| v1::NumaNode {
                node: node.node,
                cpus: node.cpus.clone(),
                memory_bytes: node.memory.0,
            })
            .collect(),
        pci: from
            .pci
            .iter()
            .map(|pci| v1::PciDevice {
                address: pci.address.clone(),
                class: pci.class.clone(),
                device: pci.device.clone(),
                driver: text(&pci.driver),
            })
            .collect(),
        dimms: from
            .dimms
            .iter()
            .map(|dimm| v1::Dimm {
                slot: dimm.slot.clone(),
                size_bytes: dimm.size.0,
                kind: text(&dimm.kind),
                speed_mts: dimm.speed.unwrap_or(0),
                vendor: text(&dimm.vendor),
                part: text(&dimm.part),
                serial: text(&dimm.serial),
            })
            .collect(),
        gpus: from
            .gpus
            .iter()
            .map(|gpu| v1::Gpu { address: gpu.address.clone(), device: gpu.device.clone() })
            .collect(),
        tpm_version: text(&from.tpm_version),
        endorsement: from.endorsement.map(|key| v1::EndorsementKey {
            source: key.source.as_str().into(),
            sha256: key.sha256.to_string(),
        }),
    }
}

/// A report as it goes over the wire.
pub fn report(epoch: i64, stage: &Stage) -> v1::AgentMessage {
    use v1::report as wire;
    let stage = match stage {
        Stage::Checking => wire::Stage::Checking(wire::Checking {}),
        Stage::Writing { disk, done, total } => {
            wire::Stage::Writing(wire::Writing { disk: disk.clone(), done: *done, total: *total })
        }
        Stage::Finishing => wire::Stage::Finishing(wire::Finishing {}),
        Stage::Written { disk, written, elapsed_ms, peak_memory } => wire::Stage::Written(wire::Written {
            disk: disk.clone(),
            written: *written,
            elapsed_ms: *elapsed_ms,
            peak_memory: *peak_memory,
        }),
        Stage::Wiping { done, total, seconds } => {
            wire::Stage::Wiping(wire::Wiping { done: *done, total: *total, seconds: *seconds })
        }
        Stage::Wiped { disks } => {
            wire::Stage::Wiped(wire::Wiped { disks: disks.iter().map(wipes::message).collect() })
        }
        Stage::Failed { failure, touched_disk } => wire::Stage::Failed(wire::Failed {
            failure: Some(self::failure(failure)),
            touched_disk: *touched_disk == Touched::Yes,
            blames_host: failure.blames_host,
        }),
    };
    let report = v1::Report { epoch, stage: Some(stage) };
    v1::AgentMessage { message: Some(v1::agent_message::Message::Report(report)) }
}

fn failure(from: &Failure) -> v1::Failure {
    let kind = match from.kind {
        ErrorKind::Transient => v1::failure::Kind::Transient,
        ErrorKind::Permanent => v1::failure::Kind::Permanent,
        ErrorKind::Invalid => v1::failure::Kind::Invalid,
    };
    v1::Failure {
        kind: kind.into(),
        what: from.what.clone(),
        why: from.why.clone(),
        done: from.done.clone(),
        next: from.next.clone(),
        attribute: from.attribute.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_without_a_known_task_or_with_odd_paths_is_refused() {
        assert_eq!(task(v1::Order { epoch: 1, task: None }), Err(Error::Task));
        let order = |path: &str| v1::Order {
            epoch: 1,
            task: Some(v1::order::Task::Deploy(v1::Deploy {
                manifest_path: path.into(),
                data_path: "/data".into(),
                ..v1::Deploy::default()
            })),
        };
        assert!(task(order("/manifest")).is_ok());
        for path in ["", "http://elsewhere/", "/a b", "/a\r\nHost: x"] {
            assert_eq!(task(order(path)), Err(Error::Field("manifest_path")), "{path:?}");
        }
        for how in [0, 9] {
            let order = v1::Order { epoch: 1, task: Some(v1::order::Task::Leave(how)) };
            assert_eq!(task(order), Err(Error::Field("leave")));
        }
    }
}
