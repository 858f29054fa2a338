//! Virtual media: machines whose BMCs read their images over HTTP, in parts, and start the agent from them. There is no DHCP
//! and no boot network, and a simulated firmware that was told to start its CD asks no network. And what comes of it where
//! the BMC wants a licence, or its line breaks.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use underlay_proto::v1 as pb;
use underlay_tests::{Simulated, rack::needs};

use crate::rig::{PATIENCE, Rig};

const PROGRAMS: [&str; 3] = ["grub-mkrescue", "xorriso", "mformat"];

fn boots(mut spec: pb::HostSpec, methods: &[&str]) -> pb::HostSpec {
    let methods = methods.iter().map(|method| (*method).to_owned()).collect();
    spec.boot = Some(pb::HostBoot { mode: "uefi".into(), methods, ..Default::default() });
    spec
}

/// By virtual media, with no MAC known of before.
fn by_media(mut spec: pb::HostSpec) -> pb::HostSpec {
    if let Some(identity) = &mut spec.identity {
        identity.boot_mac.clear();
    }
    boots(spec, &["virtual_media"])
}

fn either_way(spec: pb::HostSpec) -> pb::HostSpec {
    boots(spec, &["virtual_media", "pxe"])
}

/// What its BMC was asked to change, in order, without what comes before the last part of a path.
fn asked(rig: &Rig, machine: &str) -> Result<Vec<String>> {
    let all: Vec<Value> = serde_json::from_str(&rig.rack.at_the_rack(&["asked"]))?;
    let of = all.iter().filter(|one| one["machine"] == *machine);
    Ok(of
        .map(|one| one["what"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned())
        .collect())
}

async fn history(rig: &Rig, machine: &str) -> Result<String> {
    Ok(rig.client.history(machine).await.context("reading its history")?.join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_is_deployed_by_virtual_media_without_a_network_to_boot_from() -> Result<()> {
    if !needs::programs(&PROGRAMS) {
        return Ok(());
    }
    let arguments = ["--machines", "6", "--pace", "instant", "--model", "generic,openbmc"];
    let rack = Simulated::with_settings(&["--boot-address", "127.0.0.1"], &arguments);
    rack.make_boot_image();
    let rig = Rig::enrol(rack, by_media).await?;
    // One BMC's line breaks again and again: it goes on where it was.
    rig.rack.at_the_rack(&["fault", "r1u1", "--times", "5", "--media-cut"]);
    let this = &rig;
    this.each(|name| async move {
        let deployed = this.deploy(&name).await;
        let seen = this.rack.machine(&name);
        deployed.with_context(|| format!("{seen:#}\n{}", this.rack.log("serve.log")))?;
        ensure!(seen["stage"] == "system" && seen["boots"] == 2, "{seen:#}");
        let media: Vec<String> =
            asked(this, &name)?.into_iter().filter(|what| what.starts_with("VirtualMedia.")).collect();
        ensure!(media == ["VirtualMedia.InsertMedia", "VirtualMedia.EjectMedia"], "{media:?}");
        Ok(())
    })
    .await?;
    let struck = rig.rack.at_the_rack(&["faults"]);
    ensure!(struck.contains("media-cut"), "{struck}");
    let hits = struck.lines().find(|line| line.contains("media-cut")).unwrap_or_default();
    ensure!(hits.split_whitespace().any(|word| word == "5"), "it was to be cut five times: {struck}");
    // Who reads the log cannot read the images.
    let log = rig.rack.log("serve.log");
    ensure!(!log.contains("/v1/media/"), "the address of an image stands in the log");
    this.each(|name| async move {
        this.client.delete_machine(&name).await?;
        let free = |host: &pb::Host| host.status.as_ref().is_some_and(|status| status.machine.is_empty());
        this.client.host_when(&name, PATIENCE, free).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_virtual_media_want_a_licence_the_network_is_booted() -> Result<()> {
    if !needs::programs(&PROGRAMS) {
        return Ok(());
    }
    let rack = Simulated::start(&["--machines", "2", "--pace", "instant", "--model", "supermicro,generic"]);
    rack.make_boot_image();
    let rig = Rig::enrol(rack, either_way).await?;
    for (name, ways) in [("r1u1", "network"), ("r1u2", "media")] {
        rig.deploy(name).await.with_context(|| rig.rack.log("serve.log"))?;
        let seen = rig.rack.machine(name);
        ensure!(seen["stage"] == "system" && seen["boots"] == 2, "{seen:#}");
        let history = history(&rig, name).await?;
        let fell_back =
            history.contains("is not booted by virtual_media") && history.contains("; trying pxe");
        ensure!(fell_back == (ways == "network"), "{name}: {history}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_boot_image_the_next_way_is_taken() -> Result<()> {
    let rack = Simulated::start(&["--machines", "1", "--pace", "instant"]);
    let rig = Rig::enrol(rack, either_way).await?;
    rig.deploy("r1u1").await.with_context(|| rig.rack.log("serve.log"))?;
    let history = history(&rig, "r1u1").await?;
    ensure!(history.contains("there is no boot image") && history.contains("; trying pxe"), "{history}");
    Ok(())
}

#[test]
fn who_makes_boot_images_and_who_serves_them_mean_the_same_place() {
    use underlay_cli::ramdisk::iso;
    use underlay_metal::http::iso as served;
    assert_eq!((iso::LINE, iso::MARKER), (served::LENGTH, served::MARKER));
    assert_eq!(iso::placeholder(), served::placeholder());
}
