//! What an operator sees of a fleet: the real command line, a real server, and a rack of which a few machines break.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use underlay_proto::v1 as pb;
use underlay_tests::rack::parts;

use crate::rig::{PATIENCE, Rig, phase};

const MACHINES: usize = 24;
/// Those of the second rack unit of each ten: their disks break.
const BROKEN: [&str; 3] = ["r1u2", "r1u5", "r1u9"];

fn verb(rig: &Rig, arguments: &[&str]) -> Command {
    let mut command = Command::new(parts::underlay().unwrap());
    command
        .args(arguments)
        .env("UNDERLAY_ENDPOINT", format!("unix://{}", rig.rack.path("api.sock").display()))
        .stdin(Stdio::null());
    command
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a verb that succeeds prints.
fn operate(rig: &Rig, arguments: &[&str]) -> Result<String> {
    let output = verb(rig, arguments).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(told(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_with_a_few_broken_machines_is_shown_by_state_and_by_cause() -> Result<()> {
    let count = MACHINES.to_string();
    let rig =
        Rig::start(&[], &["--machines", &count, "--pace", "instant", "--ramdisk-bytes", "1024"]).await?;
    let rig = &rig;
    for name in BROKEN {
        rig.rack.at_the_rack(&["fault", name, "--disk-failure=2MiB"]);
    }
    let mut watcher = verb(rig, &["watch", "machines", "--until-settled", "--phase", "failed"]);
    // It finds none yet, and nothing is under way.
    ensure!(watcher.status()?.success(), "no machines are settled machines");

    let mut follower = verb(rig, &["watch", "machines"]).stdout(Stdio::piped()).spawn()?;
    let mut followed = BufReader::new(follower.stdout.take().context("a pipe")?);
    let mut first = String::new();
    followed.read_line(&mut first)?;
    ensure!(first.starts_with("0 machines"), "it says at once what there is: {first}");
    let lines = tokio::task::spawn_blocking(move || follow(followed));
    rig.each(|name| async move {
        rig.client.put_machine(&name, rig.spec(&name), pb::PutOptions::default()).await?;
        let ended = |machine: &pb::Machine| ["ready", "failed"].contains(&phase(&machine.standing));
        rig.client.machine_when(&name, PATIENCE, ended).await.map(drop)
    })
    .await?;
    let lines = lines.await?;
    follower.kill()?;
    follower.wait()?;
    // Of one machine a state may be passed over that did not last; not of all.
    ensure!(lines.iter().any(|line| line.contains("  imaging")), "{lines:#?}");

    rows(rig)?;
    grouped(rig)?;
    narrowed(rig)?;
    json(rig)?;
    on_a_terminal(rig)
}

/// The lines of a watch up to the one with which the last machine is done.
fn follow(pipe: impl BufRead) -> Vec<String> {
    let (mut lines, mut done) = (Vec::new(), 0);
    for line in pipe.lines().map_while(Result::ok) {
        done += usize::from(line.contains("  ready") || line.contains("  failed"));
        lines.push(line);
        if done == MACHINES {
            break;
        }
    }
    lines
}

fn rows(rig: &Rig) -> Result<()> {
    let rows = operate(rig, &["get", "machines"])?;
    ensure!(
        rows.lines().count() == MACHINES + 1 && rows.starts_with("NAME "),
        "into a pipe each has a line: {rows}"
    );
    Ok(())
}

fn grouped(rig: &Rig) -> Result<()> {
    let text = operate(rig, &["get", "machines", "--summary"])?;
    for told in [
        "24 machines: 3 in trouble, 0 at work",
        "ready   21",
        "failed  3 ",
        "r1u2, r1u5, r1u9",
        "Input/output error",
    ] {
        ensure!(text.contains(told), "\"{told}\" is not in\n{text}");
    }
    let text = operate(rig, &["explain", "machines"])?;
    for told in ["failed: 3, 1 cause", "     3  ", "do: "] {
        ensure!(text.contains(told), "\"{told}\" is not in\n{text}");
    }
    // Whoever waits for a fleet learns who failed and why.
    let output = verb(rig, &["watch", "machines", "--until-settled"]).output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(6), "{:?}: {error}", output.status);
    ensure!(error.contains("r1u2, r1u5, r1u9"), "{error}");
    Ok(())
}

fn narrowed(rig: &Rig) -> Result<()> {
    let names = |arguments: &[&str]| -> Result<Vec<String>> {
        let text = operate(rig, arguments)?;
        let mut names: Vec<String> = text
            .lines()
            .skip(1)
            .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
            .collect();
        names.sort();
        Ok(names)
    };
    ensure!(names(&["get", "machines", "--trouble"])? == BROKEN, "those in trouble");
    ensure!(names(&["get", "machines", "--phase", "failed"])? == BROKEN, "those in a state");
    ensure!(names(&["get", "machines", "--pool", "default"])?.len() == MACHINES, "those on hosts of a pool");
    ensure!(names(&["get", "machines", "--pool", "other"])?.is_empty(), "those of another pool");
    let rack = |machine: &&Value| machine["rack"] == "r1";
    let of_rack = rig.rack.machines().iter().filter(rack).count();
    ensure!(names(&["get", "hosts", "--label", "rack=r1"])?.len() == of_rack, "hosts by label");
    ensure!(
        names(&["get", "machines", "--label", "rack=r1"])?.len() == of_rack,
        "machines by their hosts' label"
    );
    ensure!(
        of_rack > 0 && names(&["get", "machines", "--label", "rack=none"])?.is_empty(),
        "no rack of that name"
    );
    Ok(())
}

fn json(rig: &Rig) -> Result<()> {
    let text = operate(rig, &["get", "machines", "-o", "json"])?;
    let each: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(each.len() == MACHINES && each.iter().all(|it| it["meta"]["kind"] == "machine"), "{text}");
    let one: Value = serde_json::from_str(&operate(rig, &["get", "machine/r1u2", "-o", "json"])?)?;
    ensure!(one["meta"]["key"]["name"] == "r1u2", "{one:#}");
    let told: Value = serde_json::from_str(&operate(rig, &["explain", "machines", "-o", "json"])?)?;
    ensure!(told["total"] == MACHINES && told["states"]["failed"]["count"] == 3, "{told:#}");
    ensure!(told["causes"][0]["objects"]["examples"] == serde_json::json!(BROKEN), "{told:#}");

    // Who closes the pipe has read enough.
    let mut watcher = verb(rig, &["watch", "machines", "-o", "json"]).stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(watcher.stdout.take().context("a pipe")?).lines();
    let events: Vec<Value> =
        lines.take(MACHINES + 1).map(|line| Ok(serde_json::from_str(&line?)?)).collect::<Result<_>>()?;
    watcher.kill()?;
    watcher.wait()?;
    ensure!(events.iter().filter(|event| event.get("machine").is_some()).count() == MACHINES, "{events:#?}");
    ensure!(events.last().is_some_and(|event| event["snapshot_complete"] == true), "{events:#?}");
    Ok(())
}

/// On a terminal of twelve lines neither rows nor screen run off it. `script` is the terminal.
fn on_a_terminal(rig: &Rig) -> Result<()> {
    let program = parts::underlay().unwrap();
    let on = |arguments: &str| -> Result<String> {
        let line = format!("stty rows 12 cols 70; '{}' {arguments}", program.display());
        let mut command = verb(rig, &[]);
        let environment: Vec<_> =
            command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
        command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null());
        for (name, value) in environment {
            command.env(name, value.unwrap_or_default());
        }
        Ok(told(&command.output()?))
    };
    let text = on("get machines")?;
    ensure!(text.contains("24 machines: 3 in trouble"), "{text}");
    let text = on("get machines --rows")?;
    ensure!(text.lines().filter(|line| line.starts_with("r1u")).count() > 12, "{text}");
    let text = on("watch --until-settled")?;
    let screen = text.rsplit("\u{1b}[J").next().context("a screen")?;
    let shown: Vec<&str> = screen.lines().take_while(|line| !line.contains("underlay:")).collect();
    ensure!(shown.len() <= 12 && screen.contains("24 machines: 3 in trouble"), "{shown:#?}");
    Ok(())
}
