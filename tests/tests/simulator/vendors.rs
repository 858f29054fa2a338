//! Every simulated make of BMC under the table of its vendor: the driver is never refused and never lied to, and a machine
//! is deployed, deployed again and released. Without any one field of a table something goes wrong, so each is needed.
//!
//! `docs/ways-in/redfish.md` lists what is in the tables, and is held against them here.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, stream};
use serde_json::Value;
use underlay_core::{
    bmc::{Bmc, Error, Power, Target},
    host::{self, Boot, BootMethod, Firmware, Tls},
};
use underlay_metal::bmc::{
    Login,
    redfish::{
        Redfish,
        quirks::{self, Quirks, STANDARD},
    },
};
use underlay_proto::v1 as pb;
use underlay_tests::{Simulated, rack::image::Image};

use crate::rig::{PATIENCE, Rig};

const MODELS: &str = "generic,idrac,ilo,supermicro,openbmc,ami";
/// Nobody listens there: these machines are switched, and boot nothing.
const NOWHERE: &str = "http://127.0.0.1:9/";

/// The table of a model; the plain one is of no vendor.
fn table(model: &str) -> &'static Quirks {
    quirks::ALL.into_iter().find(|quirks| quirks.name == model).unwrap_or(&quirks::UNKNOWN)
}

/// A table with each field that departs from the standard put back to it, one at a time.
fn without_one(quirks: &Quirks) -> Vec<(&'static str, Quirks)> {
    let all = [
        ("etag", Quirks { etag: STANDARD.etag, ..quirks.clone() }),
        ("mode", Quirks { mode: STANDARD.mode, ..quirks.clone() }),
        ("boot_at", Quirks { boot_at: STANDARD.boot_at, ..quirks.clone() }),
        ("once", Quirks { once: STANDARD.once, ..quirks.clone() }),
        ("settle", Quirks { settle: STANDARD.settle, ..quirks.clone() }),
        ("patience", Quirks { patience: STANDARD.patience, ..quirks.clone() }),
        ("later", Quirks { later: STANDARD.later, ..quirks.clone() }),
    ];
    all.into_iter().filter(|(_, without)| without != quirks).collect()
}

/// A machine of the rack, and how its BMC is driven.
struct Bench<'a> {
    rack: &'a Simulated,
    machine: &'a Value,
    quirks: &'static Quirks,
}

impl Bench<'_> {
    fn driver(&self, mode: Firmware) -> Redfish {
        let spec = host::Redfish {
            address: self.machine["bmc_address"].as_str().unwrap().into(),
            credential: "bmc".into(),
            tls: Tls::Pin,
            system: None,
            own_password: false,
        };
        let login = Login { user: "root".into(), password: self.rack.password().into() };
        let boot = Boot { mode, methods: vec![BootMethod::Pxe], ..Boot::default() };
        Redfish::new(&spec, &boot, login, None).unwrap().of_make(self.quirks)
    }

    /// What the BMC was asked to change and refused, but for what it took a moment later.
    fn refused(&self) -> Vec<String> {
        let asked: Value = serde_json::from_str(&self.rack.at_the_rack(&["asked"])).unwrap();
        let ours = |one: &&Value| one["machine"] == self.machine["name"];
        let refused =
            |one: &&Value| one["status"].as_u64().is_some_and(|status| status >= 400 && status != 503);
        asked.as_array().unwrap().iter().filter(ours).filter(refused).map(ToString::to_string).collect()
    }

    /// Everything that a machine's life asks of a BMC, once.
    async fn exercise(&self) -> Result<(), String> {
        let driver = self.driver(Firmware::Uefi);
        let failed = |what: &'static str| move |error: Error| format!("{what}: {error}");
        for target in [Target::NetworkOnce, Target::Disk, Target::NetworkOnce] {
            driver.ensure_next_boot(target).await.map_err(failed("setting its next boot"))?;
        }
        driver.ensure_power(Power::On).await.map_err(failed("switching it on"))?;
        self.is_not(&driver, Power::Off).await?;
        driver.ensure_power(Power::On).await.map_err(failed("switching it on again"))?;
        // It tests itself now, and some will take no boot source before it is through with that.
        let before = self.refused().len();
        match driver.ensure_next_boot(Target::Disk).await {
            Ok(()) | Err(Error::Busy { .. }) => {}
            Err(error) => return Err(format!("setting its next boot during POST: {error}")),
        }
        let during_post = self.refused().len() - before;
        self.becomes(&driver, Power::On).await?;
        driver.ensure_power(Power::Off).await.map_err(failed("switching it off"))?;
        self.is_not(&driver, Power::On).await?;
        driver.ensure_power(Power::Off).await.map_err(failed("switching it off again"))?;
        self.becomes(&driver, Power::Off).await?;
        // Another mode is set, or is somebody else's to set.
        let bios = self.driver(Firmware::Bios);
        match bios.ensure_next_boot(Target::NetworkOnce).await {
            Ok(()) => {}
            Err(Error::Unsupported { why, .. }) if why.contains("its firmware is set to") => {}
            Err(error) => return Err(format!("setting its boot mode: {error}")),
        }
        driver.ensure_next_boot(Target::Disk).await.map_err(failed("setting its next boot back"))?;
        driver.log_out().await;
        bios.log_out().await;
        match self.refused() {
            refused if refused.len() > during_post => Err(format!("it refused {refused:?}")),
            _ => Ok(()),
        }
    }

    async fn is_not(&self, driver: &Redfish, old: Power) -> Result<(), String> {
        match driver.observe().await {
            Ok(seen) if seen.power == old => Err(format!("it is told to be {old:?} when it was switched")),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("observing: {error}")),
        }
    }

    async fn becomes(&self, driver: &Redfish, power: Power) -> Result<(), String> {
        let seen = tokio::time::timeout(PATIENCE, async {
            loop {
                let seen = driver.observe().await.map_err(|error| format!("observing: {error}"))?;
                if seen.power == power {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        seen.await.map_err(|_| format!("it never is {power:?}"))?
    }
}

/// A case: a machine of some model, the table it is driven under, and which field is missing in that.
async fn run(rack: &Simulated, index: usize, quirks: &'static Quirks) -> Result<(), String> {
    Bench { rack, machine: &rack.machines()[index], quirks }.exercise().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_make_is_driven_without_a_refusal_or_a_lie_and_not_with_any_field_of_its_table_left_out() {
    // Of each model as many as there are cases of it, so that all run at the same time.
    let rack = Simulated::rack_alone(NOWHERE, &["--machines", "48", "--model", MODELS, "--pace", "lab"]);
    let mut cases: Vec<(usize, String, &'static Quirks, Option<&'static str>)> = Vec::new();
    for (place, model) in MODELS.split(',').enumerate() {
        let quirks = table(model);
        let mut tables = vec![(None, quirks.clone())];
        // Of a make nobody knows more is assumed than the plain model needs.
        if quirks != &quirks::UNKNOWN {
            tables.extend(without_one(quirks).into_iter().map(|(field, without)| (Some(field), without)));
        }
        for (round, (field, quirks)) in tables.into_iter().enumerate() {
            let index = place + round * 6;
            assert_eq!(rack.machines()[index]["model"], *model);
            cases.push((index, model.to_owned(), Box::leak(Box::new(quirks)), field));
        }
    }
    let rack = &rack;
    let ended = stream::iter(cases)
        .map(|(index, model, quirks, field)| async move { (model, field, run(rack, index, quirks).await) });
    let ended: Vec<_> = ended.buffer_unordered(8).collect().await;
    assert!(ended.len() > 15, "every table has fields: {}", ended.len());
    for (model, field, result) in ended {
        match field {
            None => assert_eq!(result, Ok(()), "{model}"),
            Some(field) => assert!(result.is_err(), "{model} is driven as well without {field}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_of_every_make_is_deployed_anew_in_place_and_released_at_its_vendors_pace() -> Result<()> {
    let arguments = ["--machines", "6", "--model", MODELS, "--pace", "vendor", "--bmc-tls"];
    let rig = Rig::start(&[], &arguments).await?;
    let rig = &rig;
    let spec = |name: &str| {
        // Those with disks for data too need to be told which one is the root.
        let kind = match rig.rack.machine(name)["model"].as_str() {
            Some("idrac") => "ssd",
            Some("ilo") => "nvme",
            _ => "",
        };
        let root = Some(pb::RootHint { kind: kind.into(), ..Default::default() });
        pb::MachineSpec { root, ..rig.spec(name) }
    };
    rig.each(|name| async move {
        rig.client.put_machine(&name, spec(&name), pb::PutOptions::default()).await?;
        rig.client.machine_ready(&name, PATIENCE).await.map(drop)
    })
    .await?;
    let second = Image::make(&rig.rack.images(), "second", 4)?;
    let second = &rig.client.import("second", second.spec(), PATIENCE).await?;
    rig.each(|name| async move {
        let meta = rig.client.machine(&name).await?.meta.context("a machine has an identity")?;
        let again = pb::MachineSpec {
            image: second.clone(),
            allow_disruption: "erase_root".into(),
            redeploy: Some(pb::Redeploy { on: vec!["image".into()], generation: 1 }),
            ..spec(&name)
        };
        let options = pb::PutOptions { incarnation: meta.incarnation, ..Default::default() };
        rig.client.put_machine(&name, again, options).await?;
        let machine = rig.client.machine_ready(&name, PATIENCE).await?;
        let seen = rig.rack.machine(&name);
        ensure!(machine.status.is_some_and(|status| status.deployments == 2), "{seen:#}");
        // Each time into the agent and out of it, and never once more for want of knowing that it was on.
        ensure!(seen["stage"] == "system" && seen["boots"] == 4, "{seen:#}");
        Ok(())
    })
    .await?;
    rig.each(|name| async move {
        rig.client.delete_machine(&name).await?;
        let free = |host: &pb::Host| host.status.as_ref().is_some_and(|status| status.machine.is_empty());
        rig.client.host_when(&name, PATIENCE, free).await?;
        let seen = rig.rack.machine(&name);
        ensure!(seen["power"] == "off", "{seen:#}");
        // What was shown late was looked at again.
        let off = |host: &pb::Host| host.status.as_ref().is_some_and(|status| status.power == "off");
        rig.client.host_when(&name, PATIENCE, off).await.map(drop)
    })
    .await
}
