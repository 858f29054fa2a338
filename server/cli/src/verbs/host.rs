//! `underlay host clear HOST`: a host that was set aside is mended, and machines may have it again.
//! `underlay host confirm HOST --power on|off`: a host that is switched by hand is on, or off, now.
//! `underlay host password HOST`: the password of its own that its BMC has.
//! `underlay host check` has a file of its own, and so have `quarantine`, `reinspect` and `repair`.

use clap::{Args, Subcommand, ValueEnum};
use underlay_proto::v1::{
    ConfirmRequest, GetRequest, Key, OwnPasswordsRequest, PutHostRequest, PutOptions,
    host_service_client::HostServiceClient,
};

use super::{Shared, check, tend};
use crate::{
    exit::Error,
    name,
    output::{self, Format},
};

/// What operators do to a host
#[derive(Args, Debug)]
pub struct Host {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Say that a quarantined host is mended: machines may have it again
    Clear {
        /// NAME, host/NAME, host/mac/MAC, host/serial/SERIAL or host/uuid/UUID
        host: String,
    },
    /// Say that a host which is switched by hand is on or off now; whoever waits for that goes on
    Confirm {
        /// NAME, host/NAME, host/mac/MAC, host/serial/SERIAL or host/uuid/UUID
        host: String,
        /// How it is
        #[arg(long)]
        power: Power,
    },
    /// Show the password of its own that a host's BMC has: redfish = { own_password = true }
    ///
    /// For an emergency, such as logging in to the BMC while no server runs. Only an administrator reads it, and the audit
    /// says who did. A host that was removed while its BMC did not answer is shown too: its BMC may have the password still.
    Password {
        /// NAME or host/NAME
        host: String,
        /// Forget those of hosts of this name that are gone, once they were shown
        #[arg(long)]
        forget_gone: bool,
    },
    /// Read what a Redfish BMC says of itself, and what of ours will work with it
    ///
    /// Nothing is changed on it. The server asks, because it has the way there: an enrolled host with the credential it
    /// has, an address with a login that is used for this and kept nowhere.
    Check(check::Check),
    /// Take a host out of use: no machine gets it until it is repaired or cleared
    Quarantine(tend::Quarantine),
    /// Start the agent on a host that nobody has, and renew what is known of it
    Reinspect(tend::Which),
    /// Have a quarantined host cleaned as its pool says and looked at; machines may have it when all went well
    Repair(tend::Which),
}

/// How a host is.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Power {
    On,
    Off,
}

pub(super) async fn run(host: Host, shared: Shared) -> Result<(), Error> {
    match host.act {
        Act::Clear { host } => clear(host, shared).await,
        Act::Confirm { host, power } => confirm(host, power, shared).await,
        Act::Password { host, forget_gone } => password(&host, forget_gone, shared).await,
        Act::Check(what) => check::run(what, shared).await,
        Act::Quarantine(what) => tend::quarantine(what, shared).await,
        Act::Reinspect(what) => tend::reinspect(what, shared).await,
        Act::Repair(what) => tend::repair(what, shared).await,
    }
}

/// What is meant by NAME alone.
fn in_full(host: String) -> String {
    if host.starts_with("host/") { host } else { format!("host/{host}") }
}

async fn confirm(host: String, power: Power, shared: Shared) -> Result<(), Error> {
    let named = in_full(host);
    let object = name::object(&named, &shared.target.site, &shared.target.owner)?;
    let word = match power {
        Power::On => "on",
        Power::Off => "off",
    };
    let mut client = HostServiceClient::new(shared.target.connect().await?);
    let request = ConfirmRequest { selector: object.selector, power: word.into() };
    let host = client.confirm(request).await?.into_inner();
    match shared.output {
        Format::Json => println!("{:#}", output::json(&host)?),
        Format::Table => println!("{named} is {word}, as you say; whoever waits for it goes on"),
    }
    Ok(())
}

async fn password(host: &str, forget_gone: bool, shared: Shared) -> Result<(), Error> {
    let name = host.strip_prefix("host/").unwrap_or(host).to_owned();
    let key = Key { site: shared.target.site.clone(), owner: shared.target.owner.clone(), name };
    let mut client = HostServiceClient::new(shared.target.connect().await?);
    let answer =
        client.own_passwords(OwnPasswordsRequest { key: Some(key), forget_gone }).await?.into_inner();
    match shared.output {
        Format::Json => println!("{:#}", output::json(&answer)?),
        Format::Table => {
            for own in answer.passwords {
                println!("{}", own.address);
                println!("  user      {}", own.username);
                println!("  password  {}", own.password);
                match (&own.since, &own.gone_at) {
                    (None, _) => println!("  it may have the credential's password still: try both"),
                    (Some(_), Some(_)) => {
                        println!("  its host is gone, and its BMC did not take the credential's back")
                    }
                    (Some(_), None) => {}
                }
            }
        }
    }
    Ok(())
}

async fn clear(host: String, shared: Shared) -> Result<(), Error> {
    let named = in_full(host);
    let object = name::object(&named, &shared.target.site, &shared.target.owner)?;
    let mut client = HostServiceClient::new(shared.target.connect().await?);
    let request = GetRequest { selector: object.selector, incarnation: String::new() };
    let host = client.get(request).await?.into_inner();
    let phase = host.standing.as_ref().map(|standing| standing.phase.clone()).unwrap_or_default();
    if phase != "quarantined" {
        return Err(Error::Usage(format!("{named} is {phase}, not quarantined; there is nothing to clear")));
    }
    let meta = host.meta.unwrap_or_default();
    let options = PutOptions {
        incarnation: meta.incarnation,
        expected_generation: meta.generation,
        retry: true,
        ..PutOptions::default()
    };
    let put = PutHostRequest { key: meta.key, spec: host.spec, options: Some(options) };
    let answer = client.put(put).await?.into_inner();
    match shared.output {
        Format::Json => println!("{:#}", output::json(&answer.host.unwrap_or_default())?),
        Format::Table => println!("{named} is cleared; its driver is asked, then machines may have it"),
    }
    Ok(())
}
