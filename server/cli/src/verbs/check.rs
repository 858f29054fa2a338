//! `underlay host check HOST|ADDRESS [--record FILE]`: what a BMC says of itself.
//!
//! A password comes from the environment or standard input, never from the command line, which others can read.

use std::{
    io::{IsTerminal, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::Args;
use underlay_proto::v1::{
    BmcLogin, CheckHostRequest, CheckHostResponse, Key, RedfishDriver, check_host_request::Whose,
    host_service_client::HostServiceClient,
};

use super::Shared;
use crate::{
    exit::Error,
    name,
    output::{self, Format},
};

/// The longest password that is read.
const LONGEST: u64 = 1024;

/// What to look at
#[derive(Args, Debug)]
pub struct Check {
    /// NAME, host/NAME, host/mac/MAC, host/serial/SERIAL or host/uuid/UUID; or https://ADDRESS of a BMC that no host has
    host: String,
    /// Who logs in at an address; the password comes from UNDERLAY_BMC_PASSWORD or standard input
    #[arg(long, env = "UNDERLAY_BMC_USER", value_name = "NAME")]
    user: Option<String>,
    /// How an address's certificate is checked: pin (whatever it shows is told) or insecure
    #[arg(long, value_name = "HOW", default_value = "pin")]
    tls: String,
    /// Check an address's certificate by this CA
    #[arg(long, value_name = "FILE", conflicts_with = "tls")]
    bmc_ca: Option<PathBuf>,
    /// Id of the ComputerSystem, where an address has several
    #[arg(long, value_name = "ID")]
    system: Option<String>,
    /// Write what was read into a new file, without what names a machine or a person; underlay sim --recorded replays it
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Also list everything that was read
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(check: Check, shared: Shared) -> Result<(), Error> {
    let whose = if check.host.contains("://") {
        Whose::Bmc(login(&check, &shared)?)
    } else {
        let named = &check.host;
        let named = if named.starts_with("host/") { named.clone() } else { format!("host/{named}") };
        let object = name::object(&named, &shared.target.site, &shared.target.owner)?;
        Whose::Host(object.selector.ok_or_else(|| Error::Usage(format!("{named} names no host")))?)
    };
    let mut client = HostServiceClient::new(shared.target.connect().await?);
    let answer = client.check(CheckHostRequest { whose: Some(whose) }).await?.into_inner();
    if let Some(file) = &check.record {
        if answer.recording.is_empty() {
            let why = "it names more things than can be looked for in a recording; nothing was recorded";
            return Err(Error::Usage(why.into()));
        }
        write(file, &answer.recording)
            .map_err(|error| Error::Usage(format!("writing {}: {error}", file.display())))?;
    }
    match shared.output {
        Format::Json => println!("{:#}", output::json(&answer)?),
        Format::Table => show(&check, &answer),
    }
    Ok(())
}

fn login(check: &Check, shared: &Shared) -> Result<BmcLogin, Error> {
    let username = check.user.clone().ok_or_else(|| {
        Error::Usage(
            "an address needs a login: --user NAME, and its password in UNDERLAY_BMC_PASSWORD".into(),
        )
    })?;
    let (tls, ca_pem) = match &check.bmc_ca {
        None => (check.tls.clone(), String::new()),
        Some(file) => {
            let pem = std::fs::read_to_string(file);
            let pem = pem.map_err(|error| Error::Usage(format!("reading {}: {error}", file.display())))?;
            ("ca".to_owned(), pem)
        }
    };
    let redfish = RedfishDriver {
        address: check.host.clone(),
        tls,
        ca_pem,
        system: check.system.clone().unwrap_or_default(),
        ..RedfishDriver::default()
    };
    let key =
        Key { site: shared.target.site.clone(), owner: shared.target.owner.clone(), name: "bmc".into() };
    Ok(BmcLogin { key: Some(key), redfish: Some(redfish), username, password: password()? })
}

fn password() -> Result<String, Error> {
    if let Ok(password) = std::env::var("UNDERLAY_BMC_PASSWORD") {
        return Ok(password);
    }
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        let how =
            "the password comes from UNDERLAY_BMC_PASSWORD or standard input: underlay host check .. < FILE";
        return Err(Error::Usage(how.into()));
    }
    let mut text = String::new();
    let read = Read::by_ref(&mut stdin).take(LONGEST).read_to_string(&mut text);
    read.map_err(|error| Error::Usage(format!("reading the password: {error}")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A file of that name is not written over.
fn write(file: &Path, recording: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(file)?.write_all(recording.as_bytes())
}

fn show(check: &Check, answer: &CheckHostResponse) {
    println!("{} is driven as {}, logged in to by {}", answer.address, answer.make, answer.login);
    if !answer.certificate.is_empty() {
        println!("it shows the certificate with SHA-256 {}", answer.certificate);
    }
    let found = |found: &underlay_proto::v1::CheckFinding| {
        vec![found.works.clone(), found.what.clone(), found.why.clone()]
    };
    let rows: Vec<_> = answer.findings.iter().map(found).collect();
    print!("\n{}", output::table(&["WORKS", "WHAT", "WHY"], &rows));
    if check.all {
        let row = |read: &underlay_proto::v1::CheckedResource| {
            let took = read.took.unwrap_or_default();
            let millis = took.seconds * 1000 + i64::from(took.nanos) / 1_000_000;
            vec![read.status.to_string(), format!("{millis} ms"), read.path.clone()]
        };
        let rows: Vec<_> = answer.resources.iter().map(row).collect();
        print!("\n{}", output::table(&["STATUS", "TOOK", "RESOURCE"], &rows));
    }
    if let Some(file) = &check.record {
        println!("\nrecorded in {}; look through it before you give it away", file.display());
    }
}
