//! The provider beside what is built into Terraform: its start, its memory, and plans and refreshes of 1, 100 and 1000 machines.
//!
//! `scripts/bench.sh` runs it with programs of the release profile, named in the environment: `UNDERLAY` and
//! `UNDERLAY_PROVIDER`; `TF_BIN` names another Terraform. The machines are ready ones in a server of this run (`rack.rs`
//! says how they come there); the peer is `terraform_data` with the same values as its
//! `input`: all that the state holds of a machine, and, for comparison, only what is written of it. docs/decisions/0008 says why.

#[path = "../measure/mod.rs"]
mod measure;

mod handshake;
mod rack;
mod server;
mod terraform;

use std::{error::Error, process::ExitCode};

use measure::{
    process::Cost,
    table::{Samples, Target, heading, row},
};
use server::Server;
use terraform::{Kind, Workspace};

const STARTS: usize = 51;
/// Machines of a plan, and how often it is measured.
const PLANS: [(usize, usize); 3] = [(1, 11), (100, 7), (1000, 5)];
/// What Terraform is asked for: a plan reads every machine and then compares, a refresh only reads.
const PLAN: (&str, &[&str]) = ("plan", &["plan"]);
const REFRESH: (&str, &[&str]) = ("refresh", &["plan", "-refresh-only"]);

fn main() -> ExitCode {
    // `cargo test --benches` runs it without this word, and has no programs for it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("provider: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (program, provider) = (server::program("UNDERLAY")?, server::program("UNDERLAY_PROVIDER")?);
    heading(
        "Provider start; the peer is /bin/true, the least a process costs",
        &format!("{STARTS} runs in turn"),
    );
    let starts = handshake::measure(&provider, STARTS)?;
    row("spawn to handshake line", "ms", &starts.handshake, &starts.floor, Target::Below(10.0));

    let most = PLANS.iter().map(|(count, _)| *count).max().unwrap_or_default();
    let server = Server::start(&program, most)?;
    for (count, rounds) in PLANS {
        let workspace = |kind| Workspace::new(kind, count, &server, &provider);
        let (ours, written) = (workspace(Kind::Machines)?, workspace(Kind::Written)?);
        let times = format!("{rounds} runs in turn");
        heading(&format!("{count} new: plan, against terraform_data with what is written"), &times);
        compare(PLAN, [&ours, &written], &server, rounds, Target::None)?;
        ours.settle()?;
        written.settle()?;
        let held = workspace(Kind::Held(ours.values()?))?;
        held.settle()?;
        let limit = if count == most { Target::AtMostTimes(1.5) } else { Target::None };
        heading(&format!("{count} unchanged: plan, against terraform_data with the same values"), &times);
        compare(PLAN, [&ours, &held], &server, rounds, limit)?;
        heading(&format!("{count} unchanged: refresh, against terraform_data with the same values"), &times);
        compare(REFRESH, [&ours, &held], &server, rounds, limit)?;
        heading(
            &format!("{count} unchanged: plan, against terraform_data with only what is written"),
            &times,
        );
        compare(PLAN, [&ours, &written], &server, rounds, Target::None)?;
    }
    Ok(())
}

/// Runs Terraform in both workspaces in turn, and prints what it cost.
fn compare(
    (verb, arguments): (&str, &[&str]),
    [ours, peer]: [&Workspace; 2],
    server: &Server,
    rounds: usize,
    limit: Target,
) -> Result<(), Box<dyn Error>> {
    let (mut our_costs, mut peer_costs, mut server_cpu) = (Vec::new(), Vec::new(), Samples::default());
    for _ in 0..rounds {
        let before = server.cpu()?;
        our_costs.push(ours.terraform(arguments)?);
        server_cpu.push(server.cpu()? - before);
        peer_costs.push(peer.terraform(arguments)?);
    }
    let of = |costs: &[Cost], figure: fn(&Cost) -> f64| costs.iter().map(figure).collect::<Samples>();
    row(verb, "s", &of(&our_costs, |cost| cost.wall), &of(&peer_costs, |cost| cost.wall), limit);
    row(
        "  CPU-seconds, Terraform + provider",
        "s",
        &of(&our_costs, |cost| cost.cpu),
        &of(&peer_costs, |cost| cost.cpu),
        Target::None,
    );
    let provider_cpu = of(&our_costs, |cost| cost.watched_cpu);
    row("  CPU-seconds of the provider alone", "s", &provider_cpu, &Samples::default(), Target::None);
    row("  CPU-seconds of the server", "s", &server_cpu, &Samples::default(), Target::None);
    if let (Ok(ours), Ok(peer)) = (ours.state_size(), peer.state_size()) {
        let once = |size: f64| [size].into_iter().collect::<Samples>();
        row("  state of each", "bytes", &once(ours), &once(peer), Target::None);
    }
    let memory = of(&our_costs, |cost| cost.peak as f64 / 1e6);
    row("  peak RSS of the provider", "MB", &memory, &Samples::default(), Target::Below(15.0));
    Ok(())
}
