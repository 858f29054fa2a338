//! Four-way exchanges a second under perfdhcp beside Kea, both on one CPU; and a rack of 10,000 that is switched on at
//! once.
//!
//! As ISC measures: the rate is raised until more than 2.5 % of the exchanges are lost, each run against a fresh server
//! without leases. Ours makes each lease durable before it answers; Kea writes its file and does not sync it.

use std::process::Command;

use anyhow::{Context, Result};

use crate::measure::table::{Samples, Target, heading, row};

use super::{
    Setting,
    daemon::Daemon,
    ours::{Ours, Pace},
    segment::{SERVER, run},
    storm::{self, Report},
};

const SECONDS: u32 = 3;
const LOSS: f64 = 0.025;
/// Each rate is this much more than the one before.
const STEP: f64 = 1.15;
const START: f64 = 8000.0;
const CLIENTS: u32 = 10_000;
const FLOOD_SECONDS: u32 = 25;

/// One run of perfdhcp.
#[derive(Clone, Copy, Debug, Default)]
struct Exchanges {
    rate: f64,
    loss: f64,
    cpu_per_lease: f64,
    milliseconds: f64,
}

#[derive(Clone, Copy)]
enum Server {
    Ours,
    Kea,
}

/// Prints the figures.
///
/// # Errors
/// A server or perfdhcp does not run.
pub fn measure(setting: &Setting) -> Result<()> {
    let mut best = [Vec::new(), Vec::new()];
    for _ in 0..setting.rounds {
        for (server, best) in [Server::Ours, Server::Kea].into_iter().zip(&mut best) {
            best.push(limit(setting, server)?);
        }
    }
    let of = |runs: &[Exchanges], figure: fn(&Exchanges) -> f64| runs.iter().map(figure).collect::<Samples>();
    let [ours, kea] = &best;
    heading(
        "DHCP, the most at a loss of 2.5 %; the peer is Kea with memfile",
        &format!("{} rounds", setting.rounds),
    );
    let line = |name: &str, unit: &str, figure: fn(&Exchanges) -> f64, target| {
        row(name, unit, &of(ours, figure), &of(kea, figure), target);
    };
    line("four-way exchanges", "/s", |run| run.rate, Target::AtLeastTimes(1.2));
    line("  loss", "%", |run| run.loss * 100.0, Target::None);
    line("  CPU per lease", "us", |run| run.cpu_per_lease * 1e6, Target::None);
    line("  OFFER and ACK after", "ms", |run| run.milliseconds, Target::None);
    storm(setting)
}

/// The most that got through before too much was lost at two rates in a row: once is chance.
fn limit(setting: &Setting, server: Server) -> Result<Exchanges> {
    let (mut rate, mut best, mut lost) = (START, Exchanges::default(), 0);
    while lost < 2 {
        let run = exchange(setting, server, rate)?;
        if setting.verbose {
            println!(
                "  {} asked {rate:.0}: {run:?}",
                if matches!(server, Server::Ours) { "ours" } else { "kea" }
            );
        }
        if run.loss > LOSS {
            lost += 1;
        } else {
            (best, lost) = (run, 0);
        }
        rate *= STEP;
    }
    Ok(best)
}

fn exchange(setting: &Setting, server: Server, rate: f64) -> Result<Exchanges> {
    with(setting, server, |daemon| {
        let before = daemon.cpu()?;
        let mut perfdhcp = setting.segment.ask("perfdhcp");
        perfdhcp.args(["-4", "-l", "c0", "-R", "10000000", "-g", "single", "-W", "200000"]);
        perfdhcp.args(["-p", &SECONDS.to_string(), "-r", &format!("{rate:.0}"), SERVER]);
        let report = said(&mut perfdhcp)?;
        let cpu = daemon.cpu()? - before;
        let numbers = |label: &str| -> Vec<f64> {
            report
                .lines()
                .filter_map(|line| line.trim().strip_prefix(label)?.split_whitespace().next()?.parse().ok())
                .collect()
        };
        let (sent, received) = (numbers("sent packets:"), numbers("received packets:"));
        let discovers = sent.first().copied().context("perfdhcp sent nothing")?;
        let acks = received.get(1).copied().unwrap_or(0.0);
        Ok(Exchanges {
            rate: acks / f64::from(SECONDS),
            loss: 1.0 - acks / discovers,
            cpu_per_lease: cpu / acks.max(1.0),
            milliseconds: numbers("avg delay:").iter().sum(),
        })
    })
}

/// How long a rack waits that is switched on at once.
fn storm(setting: &Setting) -> Result<()> {
    let mut ours: Vec<(Report, f64)> = Vec::new();
    let mut kea = Vec::new();
    for _ in 0..setting.rounds {
        for (server, reports) in [(Server::Ours, &mut ours), (Server::Kea, &mut kea)] {
            reports.push(with(setting, server, |daemon| {
                let this = std::env::current_exe()?;
                let mut storm = setting.segment.ask(this.to_str().context("a path of UTF-8")?);
                let said = run(storm.args([storm::ROLE, &CLIENTS.to_string()]))?;
                Ok((said.parse::<Report>().with_context(|| said.clone())?, daemon.peak()? / 1e6))
            })?);
        }
    }
    let rounds = format!("{} rounds", setting.rounds);
    heading(&format!("{CLIENTS} machines switched on within a second; the peer is Kea"), &rounds);
    let of = |reports: &[(Report, f64)], figure: fn(&(Report, f64)) -> f64| -> Samples {
        reports.iter().map(figure).collect()
    };
    let line = |name: &str, unit: &str, figure: fn(&(Report, f64)) -> f64, target| {
        row(name, unit, &of(&ours, figure), &of(&kea, figure), target);
    };
    line("the last one is leased after", "s", |(report, _)| report.longest, Target::Below(4.0));
    line("  never leased", "", |(report, _)| f64::from(report.unleased), Target::Below(1.0));
    line("  asked again", "", |(report, _)| f64::from(report.repeats), Target::None);
    line("  from first DISCOVER to last ACK", "s", |(report, _)| report.seconds, Target::None);
    line("  peak RSS", "MB", |(_, peak)| *peak, Target::None);
    Ok(())
}

/// What a flood of machines that do not exist costs: each asks once, as fast as they can, for long enough to be offered a
/// million addresses; then real ones come.
///
/// # Errors
/// A server or perfdhcp does not run.
pub fn flood(setting: &Setting) -> Result<()> {
    let (peak, offered, after) = with(setting, Server::Ours, |daemon| {
        let mut perfdhcp = setting.segment.ask_at_leisure("perfdhcp");
        perfdhcp.args(["-4", "-i", "-l", "c0", "-R", "10000000", "-g", "single", "-W", "200000"]);
        perfdhcp.args(["-p", &FLOOD_SECONDS.to_string(), "-r", "60000", SERVER]);
        let report = said(&mut perfdhcp)?;
        let offered = report.lines().find_map(|line| line.trim().strip_prefix("received packets:"));
        let offered: f64 = offered.context("perfdhcp heard nothing")?.trim().parse()?;
        let this = std::env::current_exe()?;
        let mut storm = setting.segment.ask(this.to_str().context("a path of UTF-8")?);
        let said = run(storm.args([storm::ROLE, "1000"]))?;
        Ok((daemon.peak()? / 1e6, offered, said.parse::<Report>().with_context(|| said.clone())?))
    })?;
    let (one, none) = (|value: f64| std::iter::once(value).collect::<Samples>(), Samples::default());
    heading(&format!("DHCP, a flood of DISCOVERs for {FLOOD_SECONDS} s"), "1 round");
    row("offers made", "", &one(offered), &none, Target::None);
    row("  peak RSS", "MB", &one(peak), &none, Target::Below(300.0));
    row(
        "  of 1000 machines after it, unleased",
        "",
        &one(f64::from(after.unleased)),
        &none,
        Target::Below(1.0),
    );
    row("  the last one is leased after", "s", &one(after.longest), &none, Target::Below(4.0));
    Ok(())
}

fn with<T>(setting: &Setting, server: Server, work: impl FnOnce(&Daemon) -> Result<T>) -> Result<T> {
    match server {
        Server::Ours => {
            let ours = Ours::start(&setting.underlay, &setting.segment, &setting.files, Pace::Burst)?;
            work(&ours.daemon)
        }
        Server::Kea => work(&setting.peers.kea(&setting.segment)?.daemon),
    }
}

/// perfdhcp ends with 3 where anything was lost.
fn said(perfdhcp: &mut Command) -> Result<String> {
    let output = perfdhcp.output().with_context(|| format!("running {perfdhcp:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.code() {
        Some(0 | 3) => Ok(text),
        _ => run(perfdhcp),
    }
}
