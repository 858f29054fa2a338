//! Nothing is left behind: not by a test that was killed, and not by any of the tests that ran before this one.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use underlay_tests::rack::{
    GLANCE, PATIENCE, console, needs,
    segment::{PREFIX, Segment},
    vm::{Start, Vm},
};

/// Tells the second process of the first test what it is: a test that will be killed.
const VICTIM: &str = "UNDERLAY_TEST_VICTIM";

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_is_killed_leaves_nothing() -> Result<()> {
    if !needs::met(&[]) {
        return Ok(());
    }
    if env::var_os(VICTIM).is_some() {
        let segment = Segment::new(&["tap0"])?;
        let vm = Vm::start(&segment, "orphan", "tap0", "52:54:00:1e:f7:01", Start::Bios, None)?;
        console::says(vm.console(), "iPXE", 1, PATIENCE).await?;
        println!("up {}", segment.name());
        return std::future::pending().await;
    }
    let mut victim = Command::new(env::current_exe()?)
        .args(["--exact", "--nocapture", "a_test_that_is_killed_leaves_nothing"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the test that will be killed")?;
    let said = std::io::BufReader::new(victim.stdout.take().context("it speaks")?);
    let name = std::io::BufRead::lines(said)
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("up ").map(str::to_owned));
    victim.kill().context("killing it")?;
    victim.wait().context("waiting for its end")?;
    let name = name.context("it came up before it was killed")?;
    ensure!(name.starts_with(&format!("{PREFIX}{}-", victim.id())), "{name} is not its own");
    until_nothing_is_left(&[victim.id()])
}

#[test]
fn nothing_is_left_of_the_tests_that_ran_before() -> Result<()> {
    let ours = std::process::id();
    let gone: Vec<_> =
        left()?.into_iter().map(|(pid, _)| pid).filter(|pid| *pid != ours && !lives(*pid)).collect();
    until_nothing_is_left(&gone)
}

/// The keepers of these dead tests need a moment.
fn until_nothing_is_left(tests: &[u32]) -> Result<()> {
    let began = Instant::now();
    loop {
        let left: Vec<_> =
            left()?.into_iter().filter(|(pid, _)| tests.contains(pid)).map(|(_, what)| what).collect();
        if left.is_empty() {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "still there: {left:#?}");
        std::thread::sleep(GLANCE);
    }
}

/// Namespaces, directories and processes of these tests, with the pid of the test they belong to.
fn left() -> Result<Vec<(u32, String)>> {
    let mut found = Vec::new();
    for directory in [Path::new("/run/netns"), &env::temp_dir()] {
        let Ok(entries) = fs::read_dir(directory) else { continue };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        found.extend(paths.filter_map(|path| Some((owner(&path)?, path.display().to_string()))));
    }
    for entry in fs::read_dir("/proc").context("reading /proc")? {
        let path = entry.context("reading /proc")?.path();
        let Ok(words) = fs::read(path.join("cmdline")) else { continue };
        let words = String::from_utf8_lossy(&words).into_owned();
        let owner = words.split(['\0', '/', ',', '=']).find_map(|word| owner(&PathBuf::from(word)));
        found.extend(owner.map(|pid| (pid, format!("{}: {}", path.display(), words.replace('\0', " ")))));
    }
    Ok(found)
}

/// The pid in a name as [`Segment`] gives them.
fn owner(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| {
        // A pid that came again belongs to something else by now, unless it is another test.
        [
            "adopted",
            "boot_bios",
            "boot_uefi",
            "redfish",
            "kill",
            "frozen",
            "machines",
            "unknown",
            "simulator",
            "leftovers",
        ]
        .iter()
        .any(|name| comm.starts_with(name))
    })
}
