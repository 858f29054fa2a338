//! What the agent says of the system it lives in, from /proc and os-release. What is not there is left out.

use std::{fs, path::Path, time::Duration};

use jiff::Timestamp;
use underlay_core::resident::System;

/// The kernel's clock ticks as user space sees them, on every architecture (USER_HZ).
const TICK: Duration = Duration::from_millis(10);
/// Nothing that is told is longer.
const LONGEST: usize = 200;

/// Reads it from a system whose root and /proc are these.
pub fn read(root: &Path, proc: &Path) -> System {
    let text = |path: &str| line(&fs::read_to_string(proc.join(path)).ok()?);
    System {
        hostname: text("sys/kernel/hostname").unwrap_or_default(),
        os: ["etc/os-release", "usr/lib/os-release"]
            .iter()
            .find_map(|path| pretty_name(&fs::read_to_string(root.join(path)).ok()?)),
        kernel: text("sys/kernel/osrelease"),
        boot_id: text("sys/kernel/random/boot_id"),
        up_since: up_since(proc),
        agent: env!("CARGO_PKG_VERSION").into(),
    }
}

/// When the first process was started: that of the machine, or of the container this is.
fn up_since(proc: &Path) -> Option<Timestamp> {
    let stat = fs::read_to_string(proc.join("stat")).ok()?;
    let booted = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse::<i64>().ok()?;
    let first = fs::read_to_string(proc.join("1/stat")).ok()?;
    // The name in parentheses may hold anything; 20 fields after it comes the start (proc(5)).
    let ticks: u32 = first.rsplit(')').next()?.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let started = Timestamp::from_second(booted).ok()?.checked_add(TICK.checked_mul(ticks)?).ok()?;
    Timestamp::from_second(started.as_second()).ok()
}

/// os-release(5): `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"`.
fn pretty_name(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    line(value.trim().trim_matches(['"', '\'']))
}

fn line(text: &str) -> Option<String> {
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debian_is_told_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
        put("proc/sys/kernel/hostname", "db-1\n");
        put("proc/sys/kernel/random/boot_id", "8b1b\n");
        put("proc/stat", "cpu 1 2\nbtime 1700000000\nprocesses 1\n");
        put("proc/1/stat", "1 (systemd) evil) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1250 0 0\n");
        let system = read(root.path(), &root.path().join("proc"));
        assert_eq!(system.os.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!((system.hostname.as_str(), system.boot_id.as_deref()), ("db-1", Some("8b1b")));
        assert_eq!(system.up_since, Some(Timestamp::from_second(1_700_000_012).unwrap()));
        assert_eq!(system.kernel, None, "what is not there is left out");
    }

    #[test]
    fn the_system_this_test_runs_in_has_been_started_once() {
        let system = read(Path::new("/"), Path::new("/proc"));
        assert!(system.up_since.is_some_and(|at| at < Timestamp::now()), "{system:?}");
        assert!(system.boot_id.is_some() && system.kernel.is_some(), "{system:?}");
    }
}
