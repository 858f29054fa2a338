//! What holds work back, through the server and the command line as an operator has them: freezes outlive kill -9, a
//! cancelled operation stops, a restored server waits to be confirmed, one that observes switches nothing.
//!
//! No host is ever started: its QEMU machine would be, if anything held it back less than it should.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::{
    Server, program,
    rack::{client::Client, specs},
    sha256,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn client(server: &Server) -> Client {
    Client::new(server.data().join("api.sock"))
}

/// A host that is off, an image, and nothing else.
async fn furnish(server: &Server) -> Result<String> {
    let disk = vec![7_u8; 1 << 20];
    let file = server.data().join("disk.raw");
    fs::write(&file, &disk)?;
    server.operate(&["image", "import", &file.display().to_string()]);
    let digest = sha256(&disk);
    let url = format!("upload://sha256/{digest}");
    let spec = pb::ImageSpec { url, sha256: digest, ..Default::default() };
    let reference = client(server).import("small", spec, PATIENCE).await?;
    let mut host = specs::qemu("", "52:54:00:11:00:01", "bios", "pxe", specs::SMALL);
    host.pool = "lab".into();
    client(server).put_host("r1", host).await?;
    Ok(reference)
}

/// Was the host's QEMU machine ever started, or anything made for it?
fn was_touched(server: &Server) -> bool {
    let directory = server.data().join("qemu");
    fs::read_dir(directory).is_ok_and(|entries| entries.count() > 0)
}

fn held(machine: &pb::Machine) -> Option<&pb::Brake> {
    machine.standing.as_ref().and_then(|standing| standing.held.as_ref())
}

async fn when_held(server: &Server) -> Result<pb::Machine> {
    client(server).machine_when("web", PATIENCE, |machine| held(machine).is_some()).await
}

async fn when_failed(server: &Server) -> Result<pb::Failure> {
    fn failure(machine: &pb::Machine) -> Option<&pb::Failure> {
        machine.standing.as_ref().and_then(|standing| standing.failure.as_ref())
    }
    let failed = client(server).machine_when("web", PATIENCE, |machine| failure(machine).is_some()).await?;
    failure(&failed).cloned().context("it failed")
}

async fn put_machine(server: &Server, reference: &str) -> Result<()> {
    client(server)
        .put_machine("web", specs::machine(reference, "r1", specs::Ready::Written), Default::default())
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_freeze_outlives_the_death_of_the_server_and_a_frozen_operation_is_cancelled() -> Result<()> {
    let mut server = Server::start();
    let reference = furnish(&server).await?;
    let said = server.operate(&["freeze", "--pool", "lab", "--reason", "switch work"]);
    ensure!(said.contains("pool lab of site default is frozen by unix socket (uid "), "{said}");
    put_machine(&server, &reference).await?;
    let machine = when_held(&server).await?;
    let told = machine.standing.unwrap_or_default().waiting_for;
    ensure!(
        told.ends_with(": switch work; continue with: underlay unfreeze --site default --pool lab"),
        "{told}"
    );

    server.kill();
    server.resume();
    when_held(&server).await?;
    ensure!(server.health().contains("ok\nfrozen by unix socket"), "{}", server.health());
    let (code, why) = server.refused(&["power", "on", "host/r1"]);
    ensure!(code == Some(7) && why.contains("frozen by unix socket"), "{code:?} {why}");
    let told = server.operate(&["explain", "machine/web"]);
    ensure!(told.contains("underlay unfreeze --site default --pool lab"), "{told}");

    server.operate(&["operation", "cancel", "machine/web", "--reason", "wrong rack"]);
    let failure = when_failed(&server).await?;
    ensure!(failure.why.starts_with("cancelled by unix socket (uid "), "{failure:?}");
    ensure!(failure.why.ends_with("): wrong rack"), "{failure:?}");
    server.operate(&["unfreeze", "--pool", "lab"]);
    ensure!(server.operate(&["brakes", "-o", "json"]).trim() == "{}", "nothing stands any more");
    ensure!(!was_touched(&server), "nothing was made for the host");

    let whole = server.operate(&["audit", "verify"]);
    ensure!(whole.starts_with("whole: rows 1 to "), "{whole}");
    let rows = server.operate(&["audit", "--object", "machine/web"]);
    ensure!(rows.contains("OperationService/Cancel") && rows.contains("MachineService/Put"), "{rows}");
    Ok(())
}

fn restore(server: &Server, file: &Path) -> String {
    let mut command = std::process::Command::new(program("underlay"));
    let output = command.arg("restore").arg("--data").arg(server.data()).arg(file).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_restored_server_touches_nothing_until_it_is_confirmed() -> Result<()> {
    let mut server = Server::start();
    let reference = furnish(&server).await?;
    server.operate(&["freeze", "--all", "--reason", "a backup in the middle of it"]);
    put_machine(&server, &reference).await?;
    when_held(&server).await?;
    let file = server.data().join("backup.db");
    server.operate(&["backup", &file.display().to_string()]);
    let (code, why) = server.refused(&["backup", &file.display().to_string()]);
    ensure!(code == Some(2) && why.contains("is there already"), "{code:?} {why}");
    server.operate(&["unfreeze", "--all"]);

    server.kill();
    let said = restore(&server, &file);
    ensure!(said.contains("Called off: 1 operations") && said.contains("underlay resume"), "{said}");
    server.resume();
    let health = server.health();
    ensure!(health.contains("on hold by underlay restore (uid "), "{health}");
    // What was under way is called off, whatever else stands.
    let failure = when_failed(&server).await?;
    ensure!(failure.why.contains("restored from a backup"), "{failure:?}");
    let (code, why) = server.refused(&["power", "on", "host/r1"]);
    ensure!(code == Some(7) && why.contains("confirm with: underlay resume"), "{code:?} {why}");

    server.kill();
    server.resume();
    let brakes = server.operate(&["brakes"]);
    ensure!(brakes.contains("restored") && brakes.contains("a backup in the middle of it"), "{brakes}");
    let said = server.operate(&["resume"]);
    ensure!(said.contains("acts again") && said.contains("still: everything is frozen"), "{said}");
    server.operate(&["unfreeze", "--all"]);
    ensure!(server.health().ends_with("ok\n"), "{}", server.health());
    let (code, why) = server.refused(&["resume"]);
    ensure!(code == Some(3) && why.contains("none such stands"), "{code:?} {why}");
    ensure!(!was_touched(&server), "nothing was made for the host");
    ensure!(server.operate(&["audit", "verify"]).starts_with("whole"), "the restore is in the audit too");
    Ok(())
}

#[tokio::test]
async fn a_server_that_only_observes_switches_nothing() -> Result<()> {
    let mut server = Server::start();
    let reference = furnish(&server).await?;
    server.kill();
    server.resume_with(&["--observe-only"]);
    put_machine(&server, &reference).await?;
    let machine = when_held(&server).await?;
    let brake = held(&machine).context("held")?;
    ensure!(brake.kind() == pb::brake::Kind::ObserveOnly, "{brake:?}");
    let (code, why) = server.refused(&["power", "on", "host/r1"]);
    ensure!(code == Some(7) && why.contains("observing only"), "{code:?} {why}");
    server.operate(&["power", "observe", "host/r1"]);
    ensure!(!was_touched(&server), "looking makes nothing");
    server.operate(&["operation", "cancel", "machine/web"]);
    when_failed(&server).await?;
    server.kill();
    server.resume();
    ensure!(server.operate(&["brakes", "-o", "json"]).trim() == "{}", "started without the flag it goes on");
    Ok(())
}
