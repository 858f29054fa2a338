//! A Debian that runs already: systemd as PID 1 in nspawn, on the segment, over a tree that it cannot change.
//!
//! What it writes goes into a layer of its own that is gone when it ends. Its init lives in a namespace of the segment, so
//! the segment's keeper ends it if the test cannot.

use std::{
    fs,
    io::Write,
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    GLANCE, PATIENCE, parts,
    segment::{Neighbour, Segment},
};

/// A system that was installed by somebody else.
pub struct Live {
    nspawn: Child,
    init: Pid,
}

impl Live {
    /// Boot one that calls itself `hostname`, in the namespace of `neighbour`, and wait until it has come up.
    ///
    /// # Errors
    /// It does not.
    pub fn boot(segment: &Segment, neighbour: &Neighbour, hostname: &str) -> Result<Self> {
        let log = fs::File::create(segment.directory().join("nspawn.log")).context("making its log")?;
        let nspawn = Command::new("systemd-nspawn")
            // Where the machine has both hierarchies of control groups, this one boots everywhere.
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .args([
                "--quiet",
                "--volatile=overlay",
                "--boot",
                "--register=no",
                "--keep-unit",
                "--console=pipe",
            ])
            .arg("--directory")
            .arg(parts::debian_tree()?)
            .args(["--machine", segment.name()])
            .arg(format!("--network-namespace-path=/run/netns/{}", neighbour.name()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("its log")?)
            .stderr(log)
            .spawn()
            .context("starting systemd-nspawn")?;
        let mut starting = Starting(Some(nspawn));
        let began = Instant::now();
        loop {
            ensure!(began.elapsed() < PATIENCE, "the system does not come up");
            if let Some(init) = starting.init()? {
                // "degraded" is up too: a container cannot do all that a machine does.
                let state = inside(init, "systemctl is-system-running --wait || true").unwrap_or_default();
                if matches!(state.trim(), "running" | "degraded") {
                    // The name it was installed with counts, not the one that nspawn gave it.
                    inside(init, &format!("echo {hostname} >/etc/hostname; hostname {hostname}"))?;
                    let nspawn = starting.0.take().context("it runs")?;
                    return Ok(Self { nspawn, init });
                }
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// Run a shell script in it as root, and return what it printed. The script is in nobody's arguments.
    ///
    /// # Errors
    /// It fails; what it said is in the error.
    pub fn run(&self, script: &str) -> Result<String> {
        inside(self.init, script)
    }

    /// Run a script again and again until it succeeds.
    ///
    /// # Errors
    /// Patience ends.
    pub fn until(&self, script: &str) -> Result<String> {
        let began = Instant::now();
        loop {
            match self.run(script) {
                Ok(said) => return Ok(said),
                Err(error) if began.elapsed() > PATIENCE => return Err(error.context("patience ended")),
                Err(_) => std::thread::sleep(GLANCE),
            }
        }
    }

    /// What tells that it was not restarted: the kernel's id of its boot, and when its first process began.
    ///
    /// # Errors
    /// It does not answer.
    pub fn life(&self) -> Result<(String, String)> {
        let boot = self.run("cat /proc/sys/kernel/random/boot_id")?.trim().to_owned();
        Ok((boot, self.run("cut -d' ' -f22 /proc/1/stat")?.trim().to_owned()))
    }

    /// A digest of what is installed: every file's content, every name, link, owner and mode.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn disk(&self) -> Result<String> {
        self.run(
            "cd / && { find boot etc opt root srv usr var/lib -xdev \\( -path var/lib/systemd -prune \\) -o -type f \
             ! -path 'var/lib/dhcp/*' -print0 | sort -z | xargs -0 sha256sum; \
             find boot etc opt root srv usr -xdev -printf '%p %l %u %g %m\\n' | sort; } | sha256sum",
        )
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Its supervisor cleans up behind it.
        let _ = kill_process(self.init, Signal::KILL);
        let _ = self.nspawn.wait();
    }
}

/// One that is not up yet; ended if that fails.
struct Starting(Option<Child>);

impl Starting {
    /// Its first process, once there is one.
    fn init(&mut self) -> Result<Option<Pid>> {
        let nspawn = self.0.as_mut().context("it runs")?;
        if let Some(status) = nspawn.try_wait().context("asking for its state")? {
            bail!("systemd-nspawn ended with {status}");
        }
        let id = nspawn.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let first = children.split_whitespace().next();
        Ok(first.and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw))
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let init = self.init().ok().flatten();
        if let (Some(nspawn), Some(init)) = (self.0.as_mut(), init) {
            let _ = kill_process(init, Signal::KILL);
            let _ = nspawn.wait();
        } else if let Some(nspawn) = self.0.as_mut() {
            let _ = nspawn.kill();
            let _ = nspawn.wait();
        }
    }
}

fn inside(init: Pid, script: &str) -> Result<String> {
    let mut shell = Command::new("nsenter")
        .args(["--target", &init.as_raw_nonzero().to_string(), "--all", "--", "/bin/sh", "-e"])
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("entering the system")?;
    let mut input = shell.stdin.take().context("it reads")?;
    input
        .write_all(script.as_bytes())
        .and_then(|()| input.write_all(b"\n"))
        .context("telling it what to do")?;
    drop(input);
    let output = shell.wait_with_output().context("waiting for it")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}{}", output.status, said, complained.trim());
    Ok(said)
}
