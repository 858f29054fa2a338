//! The firmware's way from its boot method to something that runs: address and boot file where there is a DHCP server to
//! ask, then iPXE and its scripts, then kernel and initramfs.
//!
//! Firmware here has iPXE built in; where DHCP names a loader on a TFTP or HTTP server it is fetched, as firmware would,
//! and then thrown away, since no code of it runs.

use std::{collections::HashMap, time::Duration};

use super::{
    Method, dhcp,
    http::{self, Nic},
    script::{self, Command, Ended, LONGEST, Script},
    tftp,
};
use crate::{machine::Life, rack::spec::Fetch};

/// Scripts that chain on without a pause between them.
const CHAIN: u32 = 16;

/// What was found to start.
#[derive(Debug, PartialEq, Eq)]
pub enum Loaded {
    /// A kernel with its initramfs.
    Kernel {
        /// Its command line.
        command_line: String,
    },
    /// The disk.
    Disk,
    /// Nothing; the firmware's next boot source is tried.
    Nothing,
}

/// The network boot failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address, or no boot file.
    #[error("no address and boot file from DHCP")]
    Dhcp(#[source] dhcp::Error),
    /// The loader did not come.
    #[error("the loader did not come by TFTP")]
    Loader(#[source] tftp::Error),
    /// The loader did not come.
    #[error("the loader did not come by HTTP")]
    HttpLoader(#[source] http::Error),
    /// The first script did not come.
    #[error("the boot script did not come")]
    Fetch(#[source] http::Error),
    /// A script that cannot be run.
    #[error("the boot script cannot be run")]
    Script(#[source] script::Error),
    /// Scripts that only point to each other.
    #[error("{CHAIN} scripts in a row chain to another one")]
    Chain,
}

/// Boot over the network.
///
/// # Errors
/// It comes to nothing.
pub async fn boot(life: &Life, method: Method) -> Result<Loaded, Error> {
    let mut url = first_script(life, method).await?;
    let mut in_a_row = 0;
    loop {
        in_a_row += 1;
        if in_a_row > CHAIN {
            return Err(Error::Chain);
        }
        let nic = Nic::of(&life.rack, &life.machine);
        let text = nic.read(&url, None, LONGEST).await.map_err(Error::Fetch)?;
        match run(life, &String::from_utf8_lossy(&text)).await? {
            Went::Loaded(loaded) => return Ok(loaded),
            Went::On(next, Waited::Yes) => (url, in_a_row) = (next, 0),
            Went::On(next, Waited::No) => url = next,
        }
    }
}

async fn first_script(life: &Life, method: Method) -> Result<String, Error> {
    let Some(server) = life.rack.spec.dhcp else {
        return Ok(format!("{}/boot.ipxe", life.rack.spec.boot_url.trim_end_matches('/')));
    };
    let firmware = dhcp::ask(life, server, method, dhcp::Program::Firmware).await.map_err(Error::Dhcp)?;
    if let Some(loader) = firmware.loader() {
        tftp::swallow(life, loader.0, &loader.1).await.map_err(Error::Loader)?;
    } else if let (Method::Http, Some(url)) = (method, firmware.url()) {
        let fetched = Nic::of(&life.rack, &life.machine).swallow(&url, None).await;
        fetched.map_err(Error::HttpLoader)?;
    } else {
        return Err(Error::Dhcp(dhcp::Error::NoBootFile));
    }
    let ipxe = dhcp::ask(life, server, method, dhcp::Program::Ipxe).await.map_err(Error::Dhcp)?;
    ipxe.url().ok_or(Error::Dhcp(dhcp::Error::NoBootFile))
}

/// How a script went on.
enum Went {
    Loaded(Loaded),
    On(String, Waited),
}

/// Was there a pause in it?
enum Waited {
    Yes,
    No,
}

async fn run(life: &Life, text: &str) -> Result<Went, Error> {
    let mut script = Script::new(text, settings(life)).map_err(Error::Script)?;
    let (mut kernel, mut initrd, mut waited) = (None, false, Waited::No);
    while let Some(command) = script.advance().map_err(Error::Script)? {
        let ended = match command {
            Command::Chain(url) => return Ok(Went::On(url, waited)),
            Command::Exit => return Ok(Went::Loaded(Loaded::Nothing)),
            Command::SanBoot => return Ok(Went::Loaded(Loaded::Disk)),
            Command::Sleep(seconds) => {
                life.rack.pauses(Duration::from_secs(seconds)).await;
                waited = Waited::Yes;
                Ended::Well
            }
            Command::Kernel(url, line) => {
                let fetched = fetch(life, &url).await;
                kernel = Some(line);
                fetched
            }
            Command::Initrd(url) => {
                initrd = true;
                fetch(life, &url).await
            }
            Command::Boot => match (kernel.take(), initrd) {
                (Some(command_line), true) => return Ok(Went::Loaded(Loaded::Kernel { command_line })),
                _ => Ended::Badly,
            },
        };
        script.ended(ended);
    }
    Ok(Went::Loaded(Loaded::Nothing))
}

async fn fetch(life: &Life, url: &str) -> Ended {
    let range = match life.rack.spec.ramdisk {
        Fetch::Whole => None,
        Fetch::Beginning(bytes) => Some(0..bytes.max(1)),
    };
    let fetched = Nic::of(&life.rack, &life.machine).swallow(url, range).await;
    match fetched {
        Ok(length) if length > 0 => Ended::Well,
        Ok(_) => Ended::Badly,
        Err(error) => {
            let error = underlay_core::because(&error);
            tracing::debug!(machine = life.machine.name(), error, "not fetched");
            Ended::Badly
        }
    }
}

fn settings(life: &Life) -> HashMap<&'static str, String> {
    let legacy = life.machine.state().boot.mode == "Legacy";
    HashMap::from([
        ("platform", if legacy { "pcbios" } else { "efi" }.to_owned()),
        ("netX/mac", life.machine.hardware().boot_mac().to_string()),
    ])
}
