//! Ctrl-C to the whole process group, as a terminal sends it.

use std::{os::unix::process::CommandExt, process::Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::cli::{Cli, until};

#[test]
fn an_interrupt_keeps_the_half_made_thing() {
    let Some(cli) = Cli::new() else { return };
    cli.configure("resource \"thing_thing\" \"a\" {\n  name = \"a\"\n  slow = \"50s\"\n}");
    let mut command = cli.command(&["apply", "-no-color", "-auto-approve"]);
    let child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the provider has begun to make the thing", || cli.names() == ["a"]);
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process_group(group, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(text.contains("a is not ready yet"), "{text}");
    assert!(!text.contains("did not respond"), "{text}");

    let state = cli.state();
    assert!(state.contains("\"phase\": \"building\""), "{state}");
    assert!(!state.contains("tainted"), "{state}");
    cli.plan().expect(2).says("0 to add, 1 to change, 0 to destroy");
    cli.apply().expect(0).says("0 added, 1 changed, 0 destroyed");
    cli.plan().expect(0);
}
