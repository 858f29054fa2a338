//! DMTF's Redfish protocol validator against the simulator's plain BMC: what it finds wrong is on a list, with a reason each.
//!
//! The other models depart from the standard on purpose. Without the validator (`scripts/setup.sh redfish`) this says so and
//! passes; under `CI=true` it fails.

use std::{
    collections::BTreeSet,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use underlay_tests::Simulated;

const ALLOWED: &str = include_str!("protocol_allowed.txt");
/// Of some 240 that it reports; those about other users are not tested, since there is one account for all.
const LEAST_PASSED: usize = 180;

fn validator() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let venvs = std::fs::read_dir(cache.join("underlay/venv")).ok()?.flatten();
    let ours = |venv: &std::fs::DirEntry| venv.file_name().to_string_lossy().starts_with("protocol-");
    let found = venvs.filter(ours).map(|venv| venv.path().join("bin/rf_protocol_validator"));
    found.filter(|program| program.exists()).last()
}

/// The venv was made elsewhere, so that its programs do not start by themselves.
fn python(validator: &Path) -> PathBuf {
    validator.with_file_name("python")
}

/// The lines of its report, by their cells.
fn report(directory: &Path) -> Vec<Vec<String>> {
    let files = std::fs::read_dir(directory).unwrap().flatten().map(|file| file.path());
    let file =
        files.filter(|file| file.extension().is_some_and(|end| end == "tsv")).last().expect("a report");
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
fn dmtfs_protocol_validator_finds_no_fault_that_is_not_on_the_list() {
    let Some(validator) = validator() else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI has the validator");
        eprintln!("skipped: no redfish-protocol-validator; scripts/setup.sh redfish installs it");
        return;
    };
    let rack = Simulated::rack_alone(
        "http://127.0.0.1:9/",
        &["--machines", "1", "--model", "generic", "--pace", "instant", "--bmc-tls"],
    );
    let address = rack.machines()[0]["bmc_address"].as_str().unwrap().to_owned();
    let (config, reports) = (rack.path("validator.ini"), rack.path("reports"));
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&config).unwrap();
    write!(
        file,
        "[Authentication]\nuser=root\npassword={}\n[Connection]\nrhost={address}\nno-cert-check=true\n\
         avoid-http-redirect=true\n[Reporting]\nreport-dir={}\nreport-type=tsv\n",
        rack.password(),
        reports.display(),
    )
    .unwrap();
    let output = Command::new(python(&validator))
        .arg(&validator)
        .arg("--config")
        .arg(&config)
        .current_dir(rack.path("rack"))
        // These win over no-cert-check.
        .env_remove("REQUESTS_CA_BUNDLE")
        .env_remove("CURL_CA_BUNDLE")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows = report(&reports);
    let of = |result: &str| {
        rows.iter().filter(|row| row.get(4).is_some_and(|cell| cell == result)).collect::<Vec<_>>()
    };
    assert!(of("PASS").len() >= LEAST_PASSED, "{said}");
    let failed: BTreeSet<String> = of("FAIL").iter().map(|row| format!("{} {}", row[0], row[1])).collect();
    let lines = ALLOWED.lines().filter(|line| !line.starts_with('#'));
    let allowed: BTreeSet<String> =
        lines.map(|line| line.split_once(": ").expect("a reason").0.to_owned()).collect();
    assert_eq!(failed, allowed, "{:#?}", of("FAIL"));
}
