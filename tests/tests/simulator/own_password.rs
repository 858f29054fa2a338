//! BMCs are given passwords of their own: by a plan, by every make, by one that refuses, lies or loses its answer, and by a
//! server that is killed at any moment. Whatever happens, the server gets in, and an administrator can.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use underlay_core::{
    bmc::{Bmc, Error},
    host::{self, Boot, Tls},
};
use underlay_metal::bmc::{Login, redfish::Redfish};
use underlay_proto::v1 as pb;
use underlay_tests::{Simulated, Terraform};

use crate::rig::{Chance, PATIENCE, Rig, asked};

const MAKES: &str = "generic,idrac,ilo,supermicro,openbmc,ami";

/// Has the BMC of a machine this password? `None`: it says neither yes nor no.
async fn has(machine: &Value, password: &str) -> Option<bool> {
    let spec = host::Redfish {
        address: machine["bmc_address"].as_str().unwrap().into(),
        credential: "bmc".into(),
        tls: Tls::Pin,
        system: None,
        own_password: false,
    };
    let login = Login { user: "root".into(), password: password.into() };
    let driver = Redfish::new(&spec, &Boot::default(), login, None).unwrap();
    let seen = driver.observe().await;
    driver.log_out().await;
    match seen {
        Ok(_) => Some(true),
        Err(Error::Refused { .. }) => Some(false),
        Err(error) => {
            eprintln!("{}: {error}", machine["name"]);
            None
        }
    }
}

fn machine<'a>(rack: &'a Simulated, name: &str) -> &'a Value {
    rack.machines().iter().find(|machine| machine["name"] == *name).unwrap()
}

fn with_own(mut spec: pb::HostSpec) -> pb::HostSpec {
    if let Some(pb::host_spec::Driver::Redfish(redfish)) = &mut spec.driver {
        redfish.own_password = true;
    }
    spec
}

/// What is said of its password.
fn said(host: &pb::Host) -> (bool, String) {
    let mut conditions = host.status.iter().flat_map(|status| &status.conditions);
    let found = conditions.rfind(|condition| condition.name == "OwnPassword");
    found.map_or((false, String::new()), |condition| (condition.good, condition.reason.clone()))
}

/// Its BMC has its own password and no other, and that stands in no file of the server that is not sealed.
async fn is_its_own(rig: &Rig, name: &str) -> Result<String> {
    rig.client.host_when(name, PATIENCE, |host| said(host).0).await?;
    let found = rig.client.own_passwords(name).await?;
    let [own] = found.as_slice() else { anyhow::bail!("{name}: {} passwords", found.len()) };
    let machine = machine(&rig.rack, name);
    ensure!(own.username == "root" && own.address == machine["bmc_address"], "{name}: another login");
    ensure!(own.since.is_some() && own.gone_at.is_none());
    ensure!(has(machine, &own.password).await == Some(true), "{name}: its BMC has another");
    ensure!(has(machine, &rig.rack.password()).await == Some(false), "{name}: the old one is good");
    for log in ["serve.log", "rack.log"] {
        ensure!(!rig.rack.log(log).contains(&own.password), "{log} shows the password of {name}");
    }
    Ok(own.password.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_make_is_given_one_is_deployed_with_it_and_has_the_shared_one_back_when_it_goes() -> Result<()>
{
    let arguments = ["--machines", "6", "--model", MAKES, "--pace", "instant", "--bmc-tls"];
    let rack = Simulated::start(&arguments);
    let rig = &Rig::enrol(rack, with_own).await?;
    rig.each(|name| async move {
        is_its_own(rig, &name).await?;
        rig.client.delete_host(&name, PATIENCE).await?;
        let shared = has(machine(&rig.rack, &name), &rig.rack.password()).await;
        ensure!(shared == Some(true), "{name}: it was not put back");
        ensure!(rig.client.own_passwords(&name).await.is_err(), "{name}: nobody needs it any more");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_that_refuses_lies_or_loses_its_answer_keeps_its_host() -> Result<()> {
    let rack = Simulated::start(&["--machines", "4", "--pace", "instant", "--bmc-tls"]);
    let names: Vec<String> =
        rack.machines().iter().map(|machine| machine["name"].as_str().unwrap().to_owned()).collect();
    let [refused, ignored, lost, locks] = names.as_slice() else { anyhow::bail!("four machines") };
    for (name, fault) in [
        (refused, "--password-refused"),
        (ignored, "--password-ignored"),
        (lost, "--password-lost"),
        (locks, "--password-locks"),
    ] {
        rack.at_the_rack(&["fault", name, fault]);
    }
    let rig = Rig::enrol(rack, with_own).await?;
    for (name, word) in [(refused, "a security policy"), (ignored, "a login with it is refused")] {
        // It is usable all the same, and says what a person can do.
        let host = rig.client.host_when(name, PATIENCE, |host| said(host).1.contains(word)).await?;
        ensure!(host.standing.is_some_and(|standing| standing.phase == "available"));
        let why = said(&rig.client.host(name).await?).1;
        ensure!(why.contains("own_password = false"), "{why}");
        ensure!(has(machine(&rig.rack, name), &rig.rack.password()).await == Some(true));
        rig.client.power(name, pb::power_request::Action::On).await?;
    }
    // The answer never came: a login told. Where two failures lock the account, there was none at all.
    is_its_own(&rig, lost).await?;
    rig.client.host_when(locks, PATIENCE, |host| said(host).0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_at_any_moment_of_it_gets_in_again() -> Result<()> {
    let kills = asked("UNDERLAY_KILLS").unwrap_or(12_u64);
    let chance = Chance::new(asked("UNDERLAY_SEED").unwrap_or(1));
    let count = kills.to_string();
    let rack = Simulated::start(&["--machines", &count, "--pace", "instant", "--bmc-tls"]);
    let client = rack.client();
    client.put_credential("bmc", "root", rack.password()).await?;
    let mut rig = Rig { rack, client, image: String::new() };
    let names = rig.names();
    // The first has changed it when its answer is lost, and that is when the server dies.
    rig.rack.at_the_rack(&["fault", &names[0], "--times", "1", "--password-lost"]);
    for (number, name) in (0..).zip(&names) {
        rig.client.put_host(name, with_own(rig.rack.host(machine(&rig.rack, name)))).await?;
        if number == 0 {
            let (bmc, password) = (machine(&rig.rack, name), rig.rack.password());
            let changed = async { while has(bmc, &password).await != Some(false) {} };
            tokio::time::timeout(PATIENCE, changed).await.context("it is never changed")?;
        } else {
            tokio::time::sleep(Duration::from_micros(chance.below(number, 400_000))).await;
        }
        rig.rack.kill_server();
        rig.rack.resume_server();
        rig.client.info().await?;
    }
    let rig = &rig;
    rig.each(|name| async move { is_its_own(rig, &name).await.map(drop) }).await
}

/// The configuration: a credential, and a host of the machine.
fn plan(rack: &Simulated, machine: &Value, own: &str) -> String {
    let text = |field: &str| machine[field].as_str().unwrap();
    format!(
        "variable \"password\" {{\n  type = string\n  ephemeral = true\n}}\n\
         resource \"underlay_credential\" \"bmc\" {{\n  name = \"bmc\"\n  username = \"root\"\n  \
         password_wo = var.password\n  password_wo_version = 1\n}}\n\
         resource \"underlay_host\" \"r1\" {{\n  name = \"{}\"\n  identity = {{ serial = \"{}\" }}\n  \
         redfish = {{ address = \"{}\", credential = underlay_credential.bmc.name{own} }}\n}}\n",
        rack.machines()[0]["name"].as_str().unwrap(),
        text("serial"),
        text("bmc_address"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_gives_a_bmc_its_own_password_and_takes_it_back_and_never_knows_it() -> Result<()> {
    let rack = Simulated::start(&["--machines", "1", "--pace", "instant", "--bmc-tls"]);
    let endpoint = format!("unix://{}", rack.path("api.sock").display());
    let Some(terraform) = Terraform::at(endpoint) else { return Ok(()) };
    let terraform = terraform.with("TF_VAR_password", rack.password());
    let machine = rack.machines()[0].clone();
    let name = machine["name"].as_str().context("a name")?.to_owned();
    let shared = rack.password();

    for (wrong, why) in [
        (", own_password = true, tls = \"insecure\"", "whose certificate is not checked"),
        (", own_password = true, system = \"1\"", "share its accounts"),
    ] {
        terraform.configure(&plan(&rack, &machine, wrong));
        terraform.plan().expect(1).says(why);
    }

    let own = ", own_password = true";
    terraform.configure(&plan(&rack, &machine, own));
    terraform.plan().expect(2).says("own_password = true");
    let applied = terraform.apply().expect(0);
    terraform.plan().expect(0);
    let found = rack.client().own_passwords(&name).await?;
    let password = found.first().context("it has one")?.password.clone();
    ensure!(has(&machine, &password).await == Some(true));
    ensure!(has(&machine, &shared).await == Some(false));
    ensure!(!terraform.state().contains(&password) && !applied.text.contains(&password));
    ensure!(!rack.log("serve.log").contains(&password) && !rack.log("rack.log").contains(&password));

    terraform.configure(&plan(&rack, &machine, ""));
    terraform.plan().expect(2).says("own_password = true -> false");
    terraform.apply().expect(0);
    terraform.plan().expect(0);
    ensure!(has(&machine, &shared).await == Some(true), "it was put back");
    ensure!(rack.client().own_passwords(&name).await.is_err(), "and is forgotten");

    terraform.configure(&plan(&rack, &machine, own));
    terraform.apply().expect(0);
    let again = rack.client().own_passwords(&name).await?;
    ensure!(again[0].password != password, "another one");
    terraform.destroy().expect(0);
    ensure!(has(&machine, &shared).await == Some(true), "it was put back");
    Ok(())
}
