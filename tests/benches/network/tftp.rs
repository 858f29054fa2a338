//! TFTP beside every server that Debian has: one large file with each kind of window, a hundred loaders at once, and
//! ten thousand.

use anyhow::{Context, Result};

use crate::measure::table::{Samples, Target, heading, row};

use super::{
    Setting,
    daemon::Daemon,
    fetch::{Order, Report},
    files::{LARGE_LOADER, LARGE_LOADER_SIZE, LOADER, LOADER_SIZE},
    ours::{Ours, Pace},
    peers::Tftp,
    segment::run,
};

const PEERS: [Tftp; 3] = [Tftp::Hpa, Tftp::Atftpd, Tftp::Dnsmasq];
const CROWD: u32 = 10_000;

/// Speed in MB/s, and server's CPU-seconds per GB.
type Speeds = (Samples, Samples);

/// Prints the figures.
///
/// # Errors
/// A server does not run, or a transfer fails where none may.
pub fn measure(setting: &Setting) -> Result<()> {
    let orders = [
        ("64 MiB, 1468 bytes, window 16", order(setting, LARGE_LOADER, 1, 1468, 16), LARGE_LOADER_SIZE),
        ("64 MiB, 1468 bytes, window 4", order(setting, LARGE_LOADER, 1, 1468, 4), LARGE_LOADER_SIZE),
        ("64 MiB, 1468 bytes, lock step", order(setting, LARGE_LOADER, 1, 1468, 1), LARGE_LOADER_SIZE),
        ("64 MiB, 8192 bytes, lock step", order(setting, LARGE_LOADER, 1, 8192, 1), LARGE_LOADER_SIZE),
        ("100 x 1 MiB, 1468 bytes, lock step", order(setting, LOADER, 100, 1468, 1), LOADER_SIZE * 100),
    ];
    let mut ours: Vec<Speeds> = orders.iter().map(|_| Speeds::default()).collect();
    let mut theirs: Vec<Vec<Speeds>> = PEERS.iter().map(|_| ours.clone()).collect();
    for _ in 0..setting.rounds {
        {
            let server = Ours::start(&setting.underlay, &setting.segment, &setting.files, Pace::Burst)?;
            for ((_, order, size), speeds) in orders.iter().zip(&mut ours) {
                take(setting, &server.daemon, order, *size, speeds)?;
            }
        }
        for (peer, all) in PEERS.into_iter().zip(&mut theirs) {
            let server = setting.peers.tftp(peer, &setting.segment, &setting.files)?;
            for ((_, order, size), speeds) in orders.iter().zip(all) {
                take(setting, &server.daemon, order, *size, speeds)?;
            }
        }
    }
    for (peer, all) in PEERS.into_iter().zip(&theirs) {
        heading(&format!("TFTP; the peer is {}", peer.name()), &format!("{} rounds in turn", setting.rounds));
        for (((name, order, _), us), them) in orders.iter().zip(&ours).zip(all) {
            // In lock step both wait for the other end most of the time; that row is only reported.
            let target = if order.window == 16 { Target::AtLeastTimes(1.0) } else { Target::None };
            row(name, "MB/s", &us.0, &them.0, target);
            // It forks for each transfer and waits for no child, so nobody knows what those cost.
            let theirs = if peer == Tftp::Hpa { &Samples::default() } else { &them.1 };
            row("  CPU of the server", "s/GB", &us.1, theirs, Target::None);
        }
    }
    crowd(setting)
}

fn take(setting: &Setting, server: &Daemon, order: &Order, size: u64, speeds: &mut Speeds) -> Result<()> {
    let before = server.cpu()?;
    let report = fetched(setting, order, true)?;
    anyhow::ensure!(report.failed == 0, "{order:?}: {report:?}");
    #[allow(clippy::cast_precision_loss)]
    let megabytes = size as f64 / 1e6;
    speeds.0.push(megabytes / report.seconds);
    speeds.1.push((server.cpu()? - before) / megabytes * 1e3);
    Ok(())
}

/// Each of ten thousand fetches a loader of 1 MiB, all at once, as one process among others.
fn crowd(setting: &Setting) -> Result<()> {
    let (mut failed, mut repeats, mut speed, mut peak) =
        (Samples::default(), Samples::default(), Samples::default(), Samples::default());
    for _ in 0..setting.rounds.min(3) {
        let server = Ours::start(&setting.underlay, &setting.segment, &setting.files, Pace::Leisure)?;
        let report = fetched(setting, &order(setting, LOADER, CROWD, 1468, 16), false)?;
        failed.push(f64::from(report.failed));
        #[allow(clippy::cast_precision_loss)]
        repeats.push(report.repeats as f64);
        #[allow(clippy::cast_precision_loss)]
        speed.push((LOADER_SIZE * u64::from(CROWD)) as f64 / 1e6 / report.seconds);
        peak.push(server.daemon.peak()? / 1e6);
    }
    heading(
        &format!("TFTP, {CROWD} loaders of 1 MiB at once, window 16"),
        &format!("{} rounds", setting.rounds.min(3)),
    );
    let none = Samples::default();
    row("failed", "", &failed, &none, Target::Below(1.0));
    row("  in all", "MB/s", &speed, &none, Target::None);
    row("  repeated by clients", "", &repeats, &none, Target::None);
    row("  peak RSS", "MB", &peak, &none, Target::None);
    Ok(())
}

fn order(setting: &Setting, name: &str, clients: u32, block: usize, window: u64) -> Order {
    let path = setting.files.loaders.join(name).display().to_string();
    Order { name: name.into(), path, clients, block, window }
}

fn fetched(setting: &Setting, order: &Order, burst: bool) -> Result<Report> {
    let this = std::env::current_exe()?;
    let this = this.to_str().context("a path of UTF-8")?;
    let mut crowd = if burst { setting.segment.ask(this) } else { setting.segment.ask_at_leisure(this) };
    let said = run(crowd.args(order.words()))?;
    said.lines().next().unwrap_or_default().parse().with_context(|| said.clone())
}
