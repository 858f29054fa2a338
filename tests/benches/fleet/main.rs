//! What a fleet costs the server: simulated machines from enrolled to active, and at rest.
//!
//! `scripts/bench.sh fleet` runs it with `UNDERLAY_BIN`, a program of the release profile, in the environment.
//! `BENCH_MACHINES` says how many machines (1000), `BENCH_WATCH` how the client waits: `fleet`, one Watch on all of
//! them, or `each`, one Watch a machine. `BENCH_IDLE` is how many seconds the fleet at rest is looked at (60; 0: not).
//!
//! Server and rack are processes of their own and know each other by public protocols; the client is this process. What is
//! counted is the server's alone. A tenth of the fleet goes first, in a server of its own: what it costs at rest must
//! be what the whole fleet costs.
//!
//! `BENCH_IRONIC` names a file with what Ironic took for the same, as one line of JSON with `machines`, `wall_s`, `cpu_s`
//! and `peer`; the script measures it before ours. Ours is printed as such a line too.

#[allow(dead_code, reason = "shared with other benchmarks, which use more of it")]
#[path = "../measure/mod.rs"]
mod measure;

mod client;
mod counters;
mod peer;
mod run;

use std::process::ExitCode;

use anyhow::{Context, Result};

use measure::table::{Samples, Target, heading, row};
use run::{Figures, Idle};

/// How the client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watching {
    /// One Watch on all machines.
    Fleet,
    /// One Watch for each machine.
    Each,
}

fn main() -> ExitCode {
    // `cargo test --benches` runs it without this word, and has no programs for it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(measure_all())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure_all() -> Result<()> {
    let machines: usize = number("BENCH_MACHINES", 1000)?;
    let seconds: u64 = number("BENCH_IDLE", 60)?;
    let watching = match std::env::var("BENCH_WATCH").as_deref() {
        Err(_) | Ok("fleet") => Watching::Fleet,
        Ok("each") => Watching::Each,
        Ok(other) => anyhow::bail!("BENCH_WATCH is fleet or each, not {other}"),
    };
    let peer = peer::read()?;
    let tenth = match (seconds, machines / 10) {
        (0, _) | (_, 0) => None,
        (_, tenth) => Some(run::run(tenth, watching, seconds).await?),
    };
    let ours = run::run(machines, watching, seconds).await?;
    print(&ours, peer.as_ref());
    if let (Some(tenth), Some(whole)) = (tenth.as_ref().and_then(|run| run.idle), ours.idle) {
        print_idle(&whole, &tenth, machines);
    }
    println!("{}", ours.line());
    Ok(())
}

fn print(ours: &Figures, peer: Option<&peer::Peer>) {
    let name = peer.map_or("none; set BENCH_IRONIC", |peer| peer.name.as_str());
    heading(&format!("{} machines, from enrolled to active; the peer is {name}", ours.machines), "1 run");
    let theirs = |figure: fn(&peer::Peer) -> f64| peer.map(figure).into_iter().collect::<Samples>();
    let limit = if ours.machines <= 1000 { Target::Below(180.0) } else { Target::None };
    row("all are active after", "s", &once(ours.wall), &theirs(|peer| peer.wall), limit);
    row("  of that, enrolled after", "s", &once(ours.enrolled), &Samples::default(), Target::None);
    // At least twenty times fewer.
    let limit = if peer.is_some() { Target::AtMostTimes(0.05) } else { Target::None };
    let each = ours.cpu * 1e3 / ours.machines as f64;
    row("server CPU per machine", "ms", &once(each), &theirs(|peer| peer.cpu_ms_each()), limit);
    let rack = ours.rack_cpu * 1e3 / ours.machines as f64;
    row("  rack's CPU per machine", "ms", &once(rack), &Samples::default(), Target::None);
    let memory = |kilobytes: f64| once((kilobytes - ours.empty_kb) / ours.machines as f64);
    // Caches of a fixed size would be most of it in a small fleet.
    let counts = ours.idle.is_some() && ours.machines >= 1000;
    let rested = if counts { Target::Below(50.0) } else { Target::None };
    row("server RSS per active machine", "KB", &memory(ours.rested_kb), &Samples::default(), rested);
    row("  as the last got active", "KB", &memory(ours.kb), &Samples::default(), Target::None);
    row("  at its peak", "KB", &memory(ours.peak_kb), &Samples::default(), Target::None);
    row("database writes per machine", "", &once(ours.writes), &Samples::default(), Target::None);
    row("  reads per machine", "", &once(ours.reads), &Samples::default(), Target::None);
}

fn print_idle(whole: &Idle, tenth: &Idle, machines: usize) {
    println!("\n{machines} machines at rest for {} s; the peer is a tenth of them", whole.seconds);
    println!("{:34} {:>30} {:>30} {:>7}  target", "", "all", "a tenth", "ratio");
    row("CPU of a core", "%", &once(whole.cpu), &once(tenth.cpu), Target::Below(1.0));
    row("database reads", "/s", &once(whole.reads), &once(tenth.reads), Target::None);
    row("database writes", "/s", &once(whole.writes), &once(tenth.writes), Target::None);
}

fn once(figure: f64) -> Samples {
    [figure].into_iter().collect()
}

fn number<N: std::str::FromStr>(variable: &str, default: N) -> Result<N>
where
    N::Err: std::error::Error + Send + Sync + 'static,
{
    match std::env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable} is a number")),
        Err(_) => Ok(default),
    }
}
