//! The agent's image write beside `zstd -dc IMAGE | tee >(b3sum) | dd oflag=direct`: the same image, the same file system.
//!
//! Both write to a fresh file of the image's size. The agent fetches over HTTP from a server on this machine and skips
//! holes; the peer reads a local file and writes every byte. `scripts/bench.sh` names in the environment
//! `UNDERLAY_AGENT` and `B3SUM`; `BENCH_IMAGE`, a raw image packed with zstd, and `BENCH_SIZE`, what it unpacks to; and
//! where a server has it: `BENCH_MANIFEST`, `BENCH_DATA`, `BENCH_DIGEST`, `BENCH_SERVER_PID`.

#[path = "../measure/mod.rs"]
mod measure;

use std::{
    error::Error,
    fs::File,
    path::Path,
    process::{Command, ExitCode},
};

use measure::{
    process::{Cost, cpu_of, run},
    table::{Samples, Target, heading, row},
};
use tempfile::TempDir;

const ROUNDS: usize = 7;

/// What a user would type in place of the agent.
const PEER: &str = r#"
set -euo pipefail
mkfifo copy
"$B3SUM" <copy >digest &
zstd -dcq "$BENCH_IMAGE" | tee copy | dd of=disk bs=1M iflag=fullblock oflag=direct conv=notrunc,fsync status=none
wait
"#;

fn main() -> ExitCode {
    // `cargo test --benches` runs it without this word, and has no programs for it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<(), Box<dyn Error>> {
    let size: u64 = setting("BENCH_SIZE")?.parse()?;
    let server: u32 = setting("BENCH_SERVER_PID")?.parse()?;
    let (mut ours, mut peers, mut server_cpu) = (Vec::new(), Vec::new(), Samples::default());
    for _ in 0..ROUNDS {
        let before = cpu_of(server)?;
        let (our_cost, our_digest) = on_a_fresh_disk(size, agent)?;
        server_cpu.push(cpu_of(server)? - before);
        let (peer_cost, peer_digest) = on_a_fresh_disk(size, peer)?;
        if our_digest != peer_digest {
            return Err(format!("the disks differ: {our_digest} and {peer_digest}").into());
        }
        ours.push(our_cost);
        peers.push(peer_cost);
    }
    let megabytes = size as f64 / 1e6;
    heading(&format!("Image of {megabytes:.0} MB to disk"), &format!("{ROUNDS} runs in turn"));
    let of = |costs: &[Cost], figure: &dyn Fn(&Cost) -> f64| costs.iter().map(figure).collect::<Samples>();
    let speed = |cost: &Cost| megabytes / cost.wall;
    row(
        "image write",
        "s",
        &of(&ours, &|cost| cost.wall),
        &of(&peers, &|cost| cost.wall),
        Target::AtMostTimes(1.0),
    );
    row("  speed", "MB/s", &of(&ours, &speed), &of(&peers, &speed), Target::None);
    row("  CPU-seconds", "s", &of(&ours, &|cost| cost.cpu), &of(&peers, &|cost| cost.cpu), Target::None);
    row("  CPU-seconds of the server", "s", &server_cpu, &Samples::default(), Target::None);
    let memory = of(&ours, &|cost| cost.peak as f64 / 1e6);
    row("  peak RSS of the agent", "MB", &memory, &Samples::default(), Target::Below(64.0));
    Ok(())
}

/// Runs `write` in a directory with a file `disk` of `size` bytes, all holes; its cost, and what is on the disk then.
fn on_a_fresh_disk(
    size: u64,
    write: fn(&Path) -> Result<Cost, Box<dyn Error>>,
) -> Result<(Cost, String), Box<dyn Error>> {
    let directory = TempDir::with_prefix("underlay-bench-")?;
    let disk = directory.path().join("disk");
    File::create(&disk)?.set_len(size)?;
    let cost = write(directory.path())?;
    let (_, digest) = run(Command::new(setting("B3SUM")?).arg("--no-names").arg(disk), None)?;
    Ok((cost, String::from_utf8(digest.stdout)?.trim().to_owned()))
}

fn agent(directory: &Path) -> Result<Cost, Box<dyn Error>> {
    let mut command = Command::new(setting("UNDERLAY_AGENT")?);
    command
        .arg("write")
        .arg("--manifest")
        .arg(setting("BENCH_MANIFEST")?)
        .arg("--data")
        .arg(setting("BENCH_DATA")?);
    command.arg("--digest").arg(setting("BENCH_DIGEST")?).arg("disk").current_dir(directory);
    let (cost, output) = run(&mut command, None)?;
    let report = String::from_utf8(output.stdout)?;
    let peak =
        report.split_whitespace().find_map(|word| word.strip_prefix("peak_rss=")).ok_or("no peak_rss")?;
    Ok(Cost { peak: peak.parse()?, ..cost })
}

fn peer(directory: &Path) -> Result<Cost, Box<dyn Error>> {
    Ok(run(Command::new("bash").args(["-c", PEER]).current_dir(directory), None)?.0)
}

fn setting(variable: &str) -> Result<String, Box<dyn Error>> {
    std::env::var(variable).map_err(|_| format!("{variable} is not set; run scripts/bench.sh").into())
}
