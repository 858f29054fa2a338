//! What is built before a test: the binary, the agent's ramdisk, the Debian image.
//!
//! `scripts/test.sh` builds them and names them by environment; without it they are made here, by the same scripts and
//! into the same cache.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result, anyhow, ensure};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the repository")
}

/// One of the repository's scripts.
pub fn script(name: &str) -> PathBuf {
    root().join("scripts").join(name)
}

/// The `underlay` program (`UNDERLAY_BIN`).
///
/// # Errors
/// It cannot be built.
pub fn underlay() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    once(&BUILT, "UNDERLAY_BIN", || Ok(crate::program("underlay")))
}

/// A directory with the agent's `vmlinuz` and `initrd` (`UNDERLAY_RAMDISK`).
///
/// # Errors
/// It cannot be built.
pub fn ramdisk() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    once(&BUILT, "UNDERLAY_RAMDISK", || printed(&mut Command::new(script("ramdisk.sh"))))
}

/// The Debian image, a `.raw.zst` with its `.sha256` beside it (`UNDERLAY_TEST_DEBIAN`).
///
/// # Errors
/// It cannot be built.
pub fn debian() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    once(&BUILT, "UNDERLAY_TEST_DEBIAN", || printed(&mut Command::new(script("debian-image.sh"))))
}

/// The same Debian with LVM and md in it.
///
/// # Errors
/// It cannot be made.
pub fn debian_with_storage() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let image = || printed(Command::new(script("debian-image.sh")).arg("storage"));
    once(&BUILT, "UNDERLAY_TEST_DEBIAN_STORAGE", image)
}

/// The same Debian as a directory (`UNDERLAY_TEST_DEBIAN_TREE`).
///
/// # Errors
/// It cannot be unpacked.
pub fn debian_tree() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    once(&BUILT, "UNDERLAY_TEST_DEBIAN_TREE", || printed(&mut Command::new(script("debian-tree.sh"))))
}

/// Run a program to its end and return what it printed.
///
/// # Errors
/// It cannot be run, or ends with another code than 0.
pub fn printed(command: &mut Command) -> Result<PathBuf> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    Ok(String::from_utf8(output.stdout).context("a path is text")?.trim().into())
}

fn once(
    cell: &OnceLock<Result<PathBuf, String>>,
    variable: &str,
    make: impl FnOnce() -> Result<PathBuf>,
) -> Result<PathBuf> {
    let made = cell.get_or_init(|| match env::var_os(variable) {
        Some(path) => Ok(path.into()),
        None => make().map_err(|error| format!("{error:#}")),
    });
    made.clone().map_err(|error| anyhow!(error))
}
