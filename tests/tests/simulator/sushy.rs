//! Ironic's Redfish client, which others wrote, against a BMC of every model, plain and over TLS.
//!
//! Without it (`scripts/setup.sh redfish`) this says so and passes; under `CI=true` it fails.

use std::{path::PathBuf, process::Command};

use serde_json::Value;
use underlay_tests::Simulated;

const MODELS: &str = "generic,idrac,ilo,supermicro,openbmc,ami";

/// A Python that has it.
fn python() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let venvs = std::fs::read_dir(cache.join("underlay/venv")).ok()?.flatten();
    let client = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("client-");
    let found = venvs.filter(|venv| client(&venv.file_name())).map(|venv| venv.path().join("bin/python"));
    found.filter(|python| python.exists()).last()
}

#[test]
fn ironics_client_enrols_inspects_and_powers_every_model() {
    let Some(python) = python() else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI has sushy");
        eprintln!("skipped: no sushy; scripts/setup.sh redfish installs it");
        return;
    };
    for tls in [&[][..], &["--bmc-tls"]] {
        let arguments = [&["--machines", "6", "--model", MODELS, "--pace", "instant"], tls].concat();
        let rack = Simulated::start(&arguments);
        for machine in rack.machines() {
            inspect(&python, &rack, machine);
        }
    }
}

fn inspect(python: &PathBuf, rack: &Simulated, machine: &Value) {
    let model = machine["model"].as_str().unwrap();
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/simulator/inspect_bmc.py"))
        .args([machine["bmc_address"].as_str().unwrap(), "root"])
        .arg(rack.path("rack/bmc-password"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{model}: {}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["serial"], &found["uuid"]), (&machine["serial"], &machine["uuid"]), "{model}");
    assert_eq!(found["chassis"], machine["serial"], "{model}");
    assert_eq!(found["cpus"], machine["cpus"], "{model}");
    assert_eq!(
        found["memory_gib"].as_u64().map(|gib| gib << 30),
        machine["memory_bytes"].as_u64(),
        "{model}"
    );
    let disks: Vec<&Value> =
        machine["disks"].as_array().unwrap().iter().map(|disk| &disk["size_bytes"]).collect();
    for list in ["disks", "simple_disks"] {
        let mut listed: Vec<&Value> = found[list].as_array().unwrap().iter().collect();
        let mut disks = disks.clone();
        for list in [&mut listed, &mut disks] {
            list.sort_by_key(|size| size.as_u64());
        }
        assert_eq!(listed, disks, "{model}: {list}");
    }
    let hidden = ["ilo", "openbmc", "ami"].contains(&model);
    let macs = found["macs"].as_array().unwrap();
    assert_eq!(macs.contains(&machine["boot_mac"]), !hidden, "{model} lists {macs:?} while off");
    assert_eq!(found["power"], serde_json::json!(["Off", "On", "Off"]), "{model}");
    let kept = if model == "ami" { "Continuous" } else { "Once" };
    assert_eq!(found["boot"], serde_json::json!(["Pxe", kept]), "{model}");
    assert_eq!(found["manager"], "BMC", "{model}");
    assert_eq!(found["bios"]["SecureBoot"], "Disabled", "{model}");
    assert_eq!(found["firmware"], serde_json::json!(["BIOS", "BMC"]), "{model}");
    assert_eq!(found["wrong_password"], "refused", "{model}");
}
