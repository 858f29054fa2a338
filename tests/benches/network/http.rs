//! Files over HTTP beside nginx, both on one CPU: 256 MiB and 4 KiB, as bytes and requests per CPU-second of the server.

use anyhow::{Context, Result};

use crate::measure::table::{Samples, Target, heading, row};

use super::{
    Setting,
    files::{LARGE, SMALL},
    ours::{self, Ours, Pace},
    segment::{SERVER, run},
};

const NGINX: u16 = 8081;

/// What wrk counted, and what the server spent.
struct Load {
    requests: f64,
    bytes: f64,
    seconds: f64,
    cpu: f64,
}

/// Prints the figures.
///
/// # Errors
/// A server or wrk does not run.
pub fn measure(setting: &Setting) -> Result<()> {
    let ours = Ours::start(&setting.underlay, &setting.segment, &setting.files, Pace::Burst)?;
    let nginx = setting.peers.nginx(&setting.segment, &setting.files, NGINX)?;
    heading("HTTP; the peer is nginx with sendfile", &format!("{} rounds in turn", setting.rounds));
    for (file, connections) in [(LARGE, 4), (LARGE, 64), (SMALL, 64), (SMALL, 1000)] {
        let (mut us, mut them) = (Vec::new(), Vec::new());
        for _ in 0..setting.rounds {
            us.push(load(setting, ours::HTTP, file, connections, &|| ours.daemon.cpu())?);
            them.push(load(setting, NGINX, file, connections, &|| nginx.daemon.cpu_of_worker())?);
        }
        let of = |loads: &[Load], figure: fn(&Load) -> f64| loads.iter().map(figure).collect::<Samples>();
        let line = |name: &str, unit: &str, figure: fn(&Load) -> f64, target| {
            row(name, unit, &of(&us, figure), &of(&them, figure), target);
        };
        let size = if file == LARGE { "256 MiB" } else { "4 KiB" };
        let name = format!("{size}, {connections} connections");
        if file == LARGE {
            line(&name, "GB/CPU-s", |load| load.bytes / load.cpu / 1e9, Target::AtLeastTimes(0.8));
            line("  of wall clock", "GB/s", |load| load.bytes / load.seconds / 1e9, Target::None);
        } else {
            line(&name, "/CPU-s", |load| load.requests / load.cpu, Target::AtLeastTimes(0.8));
            line("  of wall clock", "/s", |load| load.requests / load.seconds, Target::None);
        }
    }
    let (peak, of_nginx) = ([ours.daemon.peak()? / 1e6].into_iter().collect(), Samples::default());
    row("peak RSS", "MB", &peak, &of_nginx, Target::None);
    Ok(())
}

fn load(
    setting: &Setting,
    port: u16,
    file: &str,
    connections: u32,
    cpu: &dyn Fn() -> Result<f64>,
) -> Result<Load> {
    let mut wrk = setting.segment.ask(&setting.peers.program("usr/bin/wrk"));
    wrk.env("LD_LIBRARY_PATH", setting.peers.program("usr/lib/x86_64-linux-gnu"));
    wrk.args(["-t", "1", "-d", "3s", "-c", &connections.to_string()]);
    wrk.arg(format!("http://{SERVER}:{port}/v1/ramdisk/{file}"));
    let before = cpu()?;
    let report = run(&mut wrk)?;
    let cpu = cpu()? - before;
    let line = report.lines().find(|line| line.contains(" requests in ")).context("wrk reports nothing")?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let [requests, _, _, time, read, _] = words[..] else { anyhow::bail!("wrk says {line}") };
    anyhow::ensure!(!report.contains("Non-2xx"), "{report}");
    // Of a large file hardly a request ends within the time: what counts are its bytes.
    let seconds = time.trim_end_matches(',').trim_end_matches('s').parse()?;
    Ok(Load { requests: requests.parse()?, bytes: bytes(read)?, seconds, cpu })
}

/// `3.21GB` as wrk means it: powers of 1024.
fn bytes(text: &str) -> Result<f64> {
    let units = [("TB", 40), ("GB", 30), ("MB", 20), ("KB", 10), ("B", 0)];
    let (number, power) = units
        .iter()
        .find_map(|(unit, power)| Some((text.strip_suffix(unit)?, power)))
        .with_context(|| format!("no bytes: {text}"))?;
    Ok(number.parse::<f64>()? * f64::from(*power).exp2())
}
