//! `underlay power on|off|cycle|observe HOST`.

use clap::{Args, ValueEnum};
use underlay_proto::v1::{PowerRequest, host_service_client::HostServiceClient, power_request::Action};

use super::Shared;
use crate::{
    exit::Error,
    name,
    output::{self, Format},
};

/// Switch a host on or off, restart it, or ask its driver
#[derive(Args, Debug)]
pub struct Power {
    action: Wish,
    /// host/NAME, host/mac/MAC, host/serial/SERIAL or host/uuid/UUID
    host: String,
}

/// What to do.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wish {
    /// Switch it on
    On,
    /// Switch it off, hard
    Off,
    /// Off, then on
    Cycle,
    /// Only ask the driver what it sees now
    Observe,
}

pub(super) async fn run(power: Power, shared: Shared) -> Result<(), Error> {
    let named =
        if power.host.starts_with("host") { power.host.clone() } else { format!("host/{}", power.host) };
    let object = name::object(&named, &shared.target.site, &shared.target.owner)?;
    let action = match power.action {
        Wish::On => Action::On,
        Wish::Off => Action::Off,
        Wish::Cycle => Action::Cycle,
        Wish::Observe => Action::Observe,
    };
    let connection = shared.target.connect().await?;
    let request = PowerRequest { selector: object.selector, action: action.into() };
    let host = HostServiceClient::new(connection).power(request).await?.into_inner();
    match shared.output {
        Format::Json => println!("{:#}", output::json(&host)?),
        Format::Table => {
            let name = host.meta.and_then(|meta| meta.key).map(|key| key.name).unwrap_or_default();
            println!("host/{name} is {}", host.status.unwrap_or_default().power);
        }
    }
    Ok(())
}
