//! Runs a program and says what it cost, from `/proc` (proc(5)): Linux only.
//!
//! CPU time is of the program and of all children that it waited for, in ticks of 10 ms, which is all that the kernel
//! keeps without accounting.

use std::{
    collections::BTreeMap,
    fs, io,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// USER_HZ, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// How often memory is looked at. The kernel keeps the peak itself, so only the last moments of a process can be missed.
const LOOK: Duration = Duration::from_millis(2);

/// What one run cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// From spawn to exit, in seconds.
    pub wall: f64,
    /// User and system time, in seconds.
    pub cpu: f64,
    /// Peak resident memory of a watched child, in bytes; 0 where none was watched.
    pub peak: u64,
    /// User and system time of the watched children, in seconds, as last seen.
    #[allow(
        dead_code,
        reason = "each benchmark compiles this file, and only the provider's watches a child"
    )]
    pub watched_cpu: f64,
}

/// Runs `command` to its end; where `watched` is given, also watches its children of that name.
///
/// # Errors
/// It cannot be started, or it fails: then with what it printed.
pub fn run(command: &mut Command, watched: Option<&str>) -> io::Result<(Cost, Output)> {
    let before = children_cpu()?;
    let began = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ended = AtomicBool::new(false);
    let pid = child.id();
    let (output, wall, seen) = std::thread::scope(|scope| {
        let watcher = watched.map(|name| scope.spawn(|| watch(pid, name, &ended)));
        let output = child.wait_with_output();
        let wall = began.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        (output, wall, watcher.and_then(|watcher| watcher.join().ok()).unwrap_or_default())
    });
    let output = output?;
    if !output.status.success() {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        return Err(io::Error::other(format!("{command:?}: {}\n{out}{err}", output.status)));
    }
    let cpu = children_cpu()? - before;
    Ok((Cost { wall, cpu, ..seen }, output))
}

/// User and system time of a process that runs, in seconds.
///
/// # Errors
/// There is no such process.
pub fn cpu_of(pid: u32) -> io::Result<f64> {
    stat_seconds(&format!("/proc/{pid}/stat"), 13)
}

/// User and system time of the children of a process that it has waited for, in seconds.
///
/// # Errors
/// There is no such process.
pub fn cpu_of_ended_children(pid: u32) -> io::Result<f64> {
    stat_seconds(&format!("/proc/{pid}/stat"), 15)
}

fn children_cpu() -> io::Result<f64> {
    stat_seconds("/proc/self/stat", 15)
}

/// Two neighbouring times of a stat file; `first` counts from 0 as in proc(5).
fn stat_seconds(path: &str, first: usize) -> io::Result<f64> {
    let text = fs::read_to_string(path)?;
    // The name, in parentheses, may hold spaces; what follows it does not.
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks =
        after_name.split_whitespace().skip(first - 2).take(2).filter_map(|field| field.parse::<u64>().ok());
    Ok(ticks.sum::<u64>() as f64 / TICKS_PER_SECOND)
}

/// Terraform starts a provider several times over: the most memory of any, the CPU time of all.
fn watch(parent: u32, name: &str, ended: &AtomicBool) -> Cost {
    let (mut peak, mut cpu) = (0, BTreeMap::new());
    while !ended.load(Ordering::Relaxed) {
        for pid in children_named(parent, name) {
            peak = peak.max(peak_of(pid).unwrap_or_default());
            if let Ok(seconds) = cpu_of(pid) {
                cpu.insert(pid, seconds);
            }
        }
        std::thread::sleep(LOOK);
    }
    Cost { peak, watched_cpu: cpu.values().sum(), ..Cost::default() }
}

fn children_named(parent: u32, name: &str) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{parent}/task")) else { return Vec::new() };
    let children = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let pids = children.flat_map(|text| numbers(&text));
    let is_named = |pid: &u32| {
        let exe = fs::read_link(format!("/proc/{pid}/exe"));
        exe.is_ok_and(|exe| exe.file_name().is_some_and(|file| file == name))
    };
    pids.filter(is_named).collect()
}

fn numbers(text: &str) -> Vec<u32> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Peak resident memory of a process, in bytes.
fn peak_of(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
}
