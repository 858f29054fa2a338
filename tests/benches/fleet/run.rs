//! One run: a server, its rack, a fleet on it, and what that cost.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use underlay_proto::v1 as pb;
use underlay_tests::{
    Simulated,
    rack::{
        image::Image,
        specs::{self, Ready},
    },
};

use crate::{Watching, client::Operator, counters::Counters, measure::process::cpu_of};

const POOL: &str = "fleet";
/// How long an import may take.
const IMPORT: Duration = Duration::from_secs(60);
/// A fleet is at rest once nothing was written for so long.
const QUIET: Duration = Duration::from_secs(3);
/// How long that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a fleet cost.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// How many machines it has.
    pub machines: usize,
    /// From the first host's Put until all were available, in seconds.
    pub enrolled: f64,
    /// From there until all machines were active, included.
    pub wall: f64,
    /// CPU time of the server meanwhile, in seconds.
    pub cpu: f64,
    /// And of the simulated rack.
    pub rack_cpu: f64,
    /// Resident memory of the server before the first host, in KB.
    pub empty_kb: f64,
    /// With all active.
    pub kb: f64,
    /// The most there was.
    pub peak_kb: f64,
    /// After the fleet was looked at at rest.
    pub rested_kb: f64,
    /// Reads of the database for each machine.
    pub reads: f64,
    /// Writes for each.
    pub writes: f64,
    /// What the fleet at rest costs, if that was measured.
    pub idle: Option<Idle>,
}

/// What a fleet at rest costs.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// For how long that was looked at.
    pub seconds: u64,
    /// CPU of the server, in per cent of a core.
    pub cpu: f64,
    /// Reads of the database in a second.
    pub reads: f64,
    /// Writes in a second.
    pub writes: f64,
}

impl Figures {
    /// All of it for a program, on one line.
    pub fn line(&self) -> serde_json::Value {
        serde_json::json!({
            "peer": "underlay",
            "machines": self.machines,
            "wall_s": self.wall,
            "cpu_s": self.cpu,
            "enrolled_s": self.enrolled,
            "rss_kb_each": (self.kb - self.empty_kb) / self.machines as f64,
            "rested_rss_kb_each": (self.rested_kb - self.empty_kb) / self.machines as f64,
            "peak_rss_kb_each": (self.peak_kb - self.empty_kb) / self.machines as f64,
            "idle_cpu_percent": self.idle.map(|idle| idle.cpu),
            "idle_reads_per_s": self.idle.map(|idle| idle.reads),
        })
    }
}

/// Enrols and deploys so many machines, and looks at them at rest for so many seconds.
///
/// # Errors
/// One of them does not get active.
pub async fn run(machines: usize, watching: Watching, idle: u64) -> Result<Figures> {
    let count = machines.to_string();
    let arguments = ["--machines", &count, "--pace", "instant", "--ramdisk-bytes", "1024"];
    let rack = Simulated::start(&arguments);
    let (server, simulator) = rack.processes();
    let address = rack.address("UNDERLAY_METRICS");
    let operator = Operator::connect(rack.path("api.sock")).await?;
    let image = Image::make(&rack.images(), "small", 4)?;
    let image = rack.client().import("small", image.spec(), IMPORT).await?;
    rack.client().put_credential("bmc", "root", rack.password()).await?;
    operator.put_pool(POOL).await?;

    let names: Vec<String> = rack
        .machines()
        .iter()
        .filter_map(|machine| machine.get("name").and_then(|name| name.as_str()).map(str::to_owned))
        .collect();
    let hosts = names.iter().cloned().zip(rack.machines().iter().map(|machine| host(&rack, machine)));
    let hosts: Vec<_> = hosts.collect();
    let machine = machine(&image);
    let deployed: Vec<_> = names.into_iter().map(|name| (name, machine.clone())).collect();
    settle(&address).await?;

    let empty_kb = memory(server, "VmRSS:")?;
    let (cpu, rack_cpu) = (cpu_of(server)?, cpu_of(simulator)?);
    let before = Counters::read(&address)?;
    let began = Instant::now();
    operator.enrol(hosts).await.context("enrolling")?;
    let enrolled = began.elapsed().as_secs_f64();
    report("enrolled", server, cpu, began)?;
    operator.deploy(deployed, watching).await.context("deploying")?;
    let wall = began.elapsed().as_secs_f64();
    report("active", server, cpu, began)?;
    let after = Counters::read(&address)?;
    let each = |name: &str| Ok::<_, anyhow::Error>((after.sum(name)? - before.sum(name)?) / machines as f64);
    let (reads, writes) = (each(READS)?, each(WRITES)?);
    let (cpu, rack_cpu) = (cpu_of(server)? - cpu, cpu_of(simulator)? - rack_cpu);
    settle(&address).await?;
    let (kb, peak_kb) = (memory(server, "VmRSS:")?, memory(server, "VmHWM:")?);
    let idle = if idle > 0 { Some(rest(server, &address, idle).await?) } else { None };
    let rested_kb = memory(server, "VmRSS:")?;
    Ok(Figures {
        machines,
        enrolled,
        wall,
        cpu,
        rack_cpu,
        empty_kb,
        kb,
        peak_kb,
        rested_kb,
        reads,
        writes,
        idle,
    })
}

const READS: &str = "underlay_store_reads_total";
const WRITES: &str = "underlay_store_writes_total";

fn report(what: &str, server: u32, cpu: f64, began: Instant) -> Result<()> {
    if std::env::var_os("BENCH_VERBOSE").is_some() {
        eprintln!(
            "{what} after {:.1} s and {:.1} CPU-s",
            began.elapsed().as_secs_f32(),
            cpu_of(server)? - cpu
        );
    }
    Ok(())
}

fn host(rack: &Simulated, machine: &serde_json::Value) -> pb::HostSpec {
    pb::HostSpec { pool: POOL.into(), ..rack.host(machine) }
}

/// Any host of the pool, with the image on its disk.
fn machine(image: &str) -> pb::MachineSpec {
    pb::MachineSpec {
        root: Some(pb::RootHint { min_size_bytes: 1 << 30, ..Default::default() }),
        require: Some(pb::Require { pool: POOL.into(), ..Default::default() }),
        ..specs::machine(image, "", Ready::Booted)
    }
}

/// Waits until nothing is written any more.
async fn settle(address: &str) -> Result<()> {
    let (began, mut written) = (Instant::now(), -1.0);
    while began.elapsed() < PATIENCE {
        let now = Counters::read(address)?.sum(WRITES)?;
        if now == written {
            break;
        }
        written = now;
        tokio::time::sleep(QUIET).await;
    }
    Ok(())
}

async fn rest(server: u32, address: &str, seconds: u64) -> Result<Idle> {
    let (before, cpu) = (Counters::read(address)?, cpu_of(server)?);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (cpu, after) = (cpu_of(server)? - cpu, Counters::read(address)?);
    let rate = |name: &str| Ok::<_, anyhow::Error>((after.sum(name)? - before.sum(name)?) / seconds as f64);
    Ok(Idle { seconds, cpu: cpu * 100.0 / seconds as f64, reads: rate(READS)?, writes: rate(WRITES)? })
}

/// A line of a process's status, in KB.
fn memory(process: u32, line: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let value = status.lines().find_map(|found| found.strip_prefix(line)).context("proc(5) has that line")?;
    let value = value.trim().trim_end_matches(" kB").parse::<f64>().context("a number of kB")?;
    Ok(value * 1.024)
}
