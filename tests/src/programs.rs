//! The programs under test, built when they are first asked for, beside the tests themselves.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

static BUILT: OnceLock<PathBuf> = OnceLock::new();

/// The path of `underlay` or `terraform-provider-underlay`.
///
/// # Panics
/// They do not build.
pub fn program(name: &str) -> PathBuf {
    BUILT.get_or_init(build).join(name)
}

fn build() -> PathBuf {
    // target/debug/deps/TEST-HASH
    let tests = std::env::current_exe().unwrap();
    let profile = tests.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps");
    let target = profile.parent().expect("a profile lies in the target directory");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "-p", "underlay", "-p", "terraform-provider-underlay", "--target-dir"]);
    cargo.arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "underlay and its provider do not build");
    profile.to_owned()
}
