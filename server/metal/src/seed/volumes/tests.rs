//! What the installed system is told of its volumes: a script that a shell reads, with nothing of a user's in it but quoted.

use std::{io::Write, process::Command};

use underlay_core::machine::{Filesystem, Layout};

use super::*;

fn volumes(keep: Keep, mount: &str) -> BTreeMap<String, Volume> {
    let volume = Volume {
        disks: Vec::new(),
        layout: Layout::Lvm,
        filesystem: Filesystem::Ext4,
        mount: mount.into(),
        keep,
    };
    BTreeMap::from([("data".to_owned(), volume)])
}

fn disks(serials: &[&str]) -> Resolved {
    Resolved::from([("data".to_owned(), serials.iter().map(|serial| (*serial).to_owned()).collect())])
}

#[test]
fn each_volume_is_one_call_and_no_volumes_are_no_script() {
    assert_eq!(script(&BTreeMap::new(), &Resolved::new()), None);
    let made = script(&volumes(Keep::Preserve, "/srv/data"), &disks(&["S1", "S 2"])).expect("a script");
    assert!(made.ends_with("\nvolume 'data' 'lvm' 'ext4' '/srv/data' 'keep' 'S1' 'S 2'\n"), "{made}");
    let anew = script(&volumes(Keep::Erase, "/srv/data"), &disks(&["S1"])).expect("a script");
    assert!(anew.ends_with("'erase' 'S1'\n"));
}

#[test]
fn a_shell_reads_it_and_a_serial_number_ends_no_word() {
    let hostile = script(&volumes(Keep::Preserve, "/srv/data"), &disks(&["'; reboot #", "$(reboot)"]));
    let hostile = hostile.expect("a script");
    assert!(hostile.ends_with("'keep' ''\\''; reboot #' '$(reboot)'\n"), "{hostile}");
    let mut shell =
        Command::new("sh").arg("-n").stdin(std::process::Stdio::piped()).spawn().expect("a shell");
    shell.stdin.take().expect("piped").write_all(hostile.as_bytes()).expect("written");
    assert!(shell.wait().expect("ended").success());
}

#[test]
fn a_disk_that_is_not_there_calls_the_call_home_off() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("99.cfg");
    let made = script(&volumes(Keep::Preserve, "/srv/data"), &disks(&["no-such-serial"])).expect("a script");
    let made = made
        .replace("/etc/cloud/cloud.cfg.d/99-underlay-volumes.cfg", &config.display().to_string())
        .replace("/dev/console", "/dev/null")
        .replace("udevadm settle", "true");
    let output = Command::new("sh").arg("-c").arg(made).output().expect("a shell");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("volume data: there is no disk with serial no-such-serial"), "{said}");
    assert_eq!(std::fs::read_to_string(config).expect("there"), "cloud_final_modules: []\n");
}
