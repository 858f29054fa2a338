//! A Debian that somebody else installed becomes a host by one command, is imported with an empty plan, is watched, is given
//! attributes, and is forgotten again: it never restarts, and nothing on its disk changes but the agent's own files.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::{
    Terraform,
    rack::{PATIENCE, live::Live, needs, parts, segment::Segment, server::Server},
};

const HCL: &str = r#"
resource "underlay_host" "db" {
  name = "db-1"
  none = {}
}
"#;
const IMPORT: &str = r#"
import {
  to = underlay_host.db
  id = "name/db-1"
}
"#;

/// A machine that takes its system as it stands, with what it is given.
fn standing(server: &str) -> String {
    format!(
        r#"{HCL}
resource "underlay_profile" "base" {{
  name = "base"
  schema = {{
    "ntp.server" = {{ type = "string", required = true }}
    "app.key"    = {{ type = "string", secret = true }}
  }}
  values                = {{ "ntp.server" = "{server}" }}
  secret_values_wo      = {{ "app.key" = "{SECRET}" }}
  secret_values_version = 1
  files = {{
    "/etc/app/app.conf" = {{ template = "server={{{{ntp.server}}}} key={{{{shell app.key}}}}\n", mode = "0640", owner = "root:daemon" }}
  }}
}}

resource "underlay_machine" "db" {{
  name     = "db-1"
  host     = underlay_host.db.name
  image    = "adopted"
  profiles = [underlay_profile.base.name]
}}

resource "underlay_ready" "db" {{
  machines = [underlay_machine.db.id]
}}
"#
    )
}

const SECRET: &str = "s3cret-of-db-1";

/// What is on the system of what it was given.
const GIVEN: &str = "stat -c '%a %U:%G' /etc/underlay/values.json /etc/underlay/secrets.json /etc/app/app.conf /etc/app; \
                     cat /etc/app/app.conf; tr -d ' \\n' < /etc/underlay/values.json; tr -d ' \\n' < /etc/underlay/secrets.json";

fn given(server: &str) -> String {
    format!(
        "644 root:root\n600 root:root\n640 root:daemon\n755 root:root\nserver={server} key='{SECRET}'\n\
         {{\"ntp.server\":\"{server}\"}}{{\"app.key\":\"{SECRET}\"}}"
    )
}

/// The machine takes the system as it stands, is given attributes and others, and lets go again.
fn is_given_attributes(live: &Live, terraform: &Terraform, server: &Server<'_>) -> Result<()> {
    let before = live.disk()?;
    terraform.configure(&standing("10.0.0.1"));
    terraform.apply().expect(0).says("3 added, 0 changed, 0 destroyed");
    ensure!(live.run(GIVEN)? == given("10.0.0.1"), "{}", live.run(GIVEN)?);
    terraform.plan().expect(0);
    // What a profile says anew does not wait.
    terraform.configure(&standing("10.0.0.2"));
    terraform.apply().expect(0).says("0 added, 1 changed, 0 destroyed");
    live.until("grep -q server=10.0.0.2 /etc/app/app.conf")?;
    ensure!(live.run(GIVEN)? == given("10.0.0.2"), "{}", live.run(GIVEN)?);
    terraform.configure(&standing("10.0.0.2").replace("root:daemon", "root:root").replace("0640", "0600"));
    terraform.apply().expect(0);
    live.until("test \"$(stat -c '%a %G' /etc/app/app.conf)\" = '600 root'")?;
    // The fence: an image would erase it, and the host is protected and nobody can switch it.
    let image = format!("image = \"debian@sha256:{}\"", "a".repeat(64));
    terraform.configure(&standing("10.0.0.2").replace("image    = \"adopted\"", &image));
    terraform.plan().expect(1).says("allow_disruption = \"erase_root\"");
    // In no log of the system, and in no log of the server.
    live.run(&format!("! journalctl --no-pager | grep {SECRET}"))?;
    ensure!(!std::fs::read_to_string(server.log())?.contains(SECRET), "the server's log has the secret");
    // Destroyed, it takes them away, and the host is as it was.
    terraform.configure(HCL);
    terraform.apply().expect(0).says("0 added, 0 changed, 3 destroyed");
    live.run("! ls /etc/app /etc/underlay/values.json /etc/underlay/secrets.json 2>/dev/null")?;
    ensure!(live.disk()? == before, "it left something behind");
    terraform.plan().expect(0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_debian_is_adopted_imported_watched_and_only_ever_forgotten() -> Result<()> {
    if !needs::met(&["systemd-nspawn", "nsenter"]) {
        return Ok(());
    }
    let segment = Segment::new(&[])?;
    let neighbour = segment.neighbour("10.77.0.9/24")?;
    let server = Server::start(&segment, &["--boot-address", "10.77.0.1"]).await?;
    let client = server.client();
    let live = Live::boot(&segment, &neighbour, "db-1")?;
    let (life, untouched) = (live.life()?, live.disk()?);

    // The one command, as it is printed.
    let command = said(segment.command(parts::underlay()?).arg("adopt"), &server)?;
    let token = command.split("echo ").last().and_then(|rest| rest.split(' ').next()).context("a token")?;
    ensure!(token.starts_with("ulo_"), "{command}");
    let told = live.run(&command)?;
    ensure!(told.contains("this machine is host db-1"), "{told}");
    let host = client.host_when("db-1", PATIENCE, |host| power(host) == "on").await?;
    let status = host.status.context("a host has a status")?;
    let system = status.resident.as_ref().and_then(|it| it.system.clone()).context("its agent is there")?;
    ensure!(system.hostname == "db-1" && system.os.starts_with("Debian GNU/Linux 12"), "{system:#?}");
    ensure!(!system.boot_id.is_empty() && system.up_since.is_some(), "{system:#?}");
    ensure!(status.conditions.iter().any(|it| it.name == "Resident" && it.good), "{status:#?}");
    let spec = host.spec.context("a host has a spec")?;
    ensure!(spec.protected && spec.on_destroy == "forget", "{spec:#?}");
    let leaks = format!(
        "! grep -rl {token} /etc /usr/local /var /run/systemd 2>/dev/null && ! grep -l {token} /proc/[0-9]*/cmdline && \
         ! journalctl --no-pager | grep {token}"
    );
    live.run(&leaks)?;
    let described = said(segment.command(parts::underlay()?).args(["describe", "host/db-1"]), &server)?;
    ensure!(described.contains(&system.boot_id) && described.contains("Debian GNU/Linux 12"), "{described}");

    // Nobody else has use for the token.
    let again =
        live.run(&format!("systemctl stop underlay-agent; rm /var/lib/underlay-agent/key.der; {command}"));
    let why = format!("{:#}", again.err().context("the token was good once")?);
    ensure!(why.contains("used up"), "{why}");
    // The key is gone, so is who it was: the operator says that it is the same machine.
    let command = said(segment.command(parts::underlay()?).args(["adopt", "db-1", "--again"]), &server)?;
    live.run(&command)?;
    let host = client.host_when("db-1", PATIENCE, |host| power(host) == "on").await?;
    let now = host.status.and_then(|status| status.resident?.system).context("its agent is there")?;
    ensure!(now == system, "it says otherwise: {now:#?}, before {system:#?}");

    // Imported, with nothing to do; and nothing can switch it.
    let Some(terraform) = Terraform::at(server.socket()) else { return Ok(()) };
    terraform.configure(&format!("{HCL}{IMPORT}"));
    terraform.plan().says("Plan: 1 to import, 0 to add, 0 to change, 0 to destroy.");
    terraform.apply().expect(0).says("1 imported, 0 added, 0 changed, 0 destroyed");
    terraform.configure(HCL);
    terraform.plan().expect(0);
    let refused =
        client.power("db-1", pb::power_request::Action::Off).await.err().context("it has no driver")?;
    ensure!(format!("{refused:#}").contains("redfish, ipmi or manual"), "{refused:#}");
    is_given_attributes(&live, &terraform, &server)?;
    ensure!(live.life()? == life, "it was restarted for its attributes");
    terraform.destroy().expect(1).says("host db-1 is protected");

    // Destroyed, it is forgotten: its agent stops by itself, and that is all that happens.
    let installed = live.disk()?;
    ensure!(installed != untouched, "the digest sees the agent's files");
    terraform.configure(&HCL.replace("none = {}", "none = {}\n  protected = false"));
    terraform.apply().expect(0);
    terraform.destroy().expect(0);
    live.until("! systemctl is-active --quiet underlay-agent")?;
    let journal = live.run("journalctl --no-pager --unit underlay-agent")?;
    ensure!(journal.contains("the server has forgotten this machine"), "{journal}");
    ensure!(live.life()? == life, "it was restarted: {:?}, before {life:?}", live.life()?);
    ensure!(live.disk()? == installed, "something was written to its disk");
    // The key it has is no way back in.
    live.run("systemctl start underlay-agent")?;
    live.until("! systemctl is-active --quiet underlay-agent")?;
    let hosts = said(segment.command(parts::underlay()?).args(["get", "hosts"]), &server)?;
    ensure!(!hosts.contains("db-1"), "{hosts}");

    live.run("underlay-agent uninstall")?;
    ensure!(live.disk()? == untouched, "the agent leaves something behind");
    ensure!(live.life()? == life, "it was restarted");
    Ok(())
}

fn said(command: &mut Command, server: &Server<'_>) -> Result<String> {
    let output = command.env("UNDERLAY_ENDPOINT", server.socket()).output().context("running underlay")?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn power(host: &pb::Host) -> &str {
    host.status.as_ref().map_or("", |status| &status.power)
}
