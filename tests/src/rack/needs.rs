//! What a machine must have to run these tests. Where something is missing the test says so and passes; under `CI=true`
//! it fails.

use std::{env, path::Path};

/// Programs that every test of a boot segment runs.
pub const BOOT: [&str; 4] = ["ip", "qemu-system-x86_64", "curl", "bash"];

/// Are root, tun devices and `programs` there? If not, the reason is printed.
///
/// # Panics
/// Under `CI=true`, where nothing may be missing.
#[must_use]
pub fn met(programs: &[&str]) -> bool {
    let Some(missing) = missing(programs) else { return true };
    assert!(env::var("CI").as_deref() != Ok("true"), "CI must run this, but {missing}");
    eprintln!("skipped: {missing}");
    false
}

/// Are `programs` there, whatever else is not? If not, the reason is printed.
///
/// # Panics
/// Under `CI=true`, where nothing may be missing.
#[must_use]
pub fn programs(programs: &[&str]) -> bool {
    let Some(absent) = programs.iter().find(|program| !on_path(program)) else { return true };
    let missing = format!("{absent} is not installed; run: scripts/setup.sh metal");
    assert!(env::var("CI").as_deref() != Ok("true"), "CI must run this, but {missing}");
    eprintln!("skipped: {missing}");
    false
}

fn missing(programs: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("network namespaces need root".into());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("there is no /dev/net/tun".into());
    }
    let absent = BOOT.iter().chain(programs).find(|program| !on_path(program))?;
    Some(format!("{absent} is not installed; run: scripts/setup.sh metal redfish"))
}

fn on_path(program: &str) -> bool {
    let paths = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(Into::into);
    env::split_paths(&paths).chain(system).any(|directory| directory.join(program).exists())
}
