//! `underlay host quarantine HOST --reason TEXT`: no machine is to have it. `reinspect HOST`: look at it anew.
//! `repair HOST`: clean it and look at it; machines may have it again if all went well.

use clap::Args;
use underlay_proto::v1::{
    TendRequest,
    host_service_client::HostServiceClient,
    tend_request::{self, Wish},
};

use super::Shared;
use crate::{
    exit::Error,
    name,
    output::{self, Format},
};

/// Which host is taken out of use, and why
#[derive(Args, Debug)]
pub struct Quarantine {
    /// NAME, host/NAME, host/mac/MAC, host/serial/SERIAL or host/uuid/UUID
    host: String,
    /// Why: shown to whoever wonders
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Which host
#[derive(Args, Debug)]
pub struct Which {
    /// NAME, host/NAME, host/mac/MAC, host/serial/SERIAL or host/uuid/UUID
    host: String,
}

pub(super) async fn quarantine(what: Quarantine, shared: Shared) -> Result<(), Error> {
    let wish = Wish::Quarantine(tend_request::Quarantine { reason: what.reason });
    tend(&what.host, wish, "is taken out of use; a machine that has it keeps it", shared).await
}

pub(super) async fn reinspect(what: Which, shared: Shared) -> Result<(), Error> {
    let wish = Wish::Reinspect(tend_request::Reinspect {});
    tend(&what.host, wish, "is looked at anew; no machine gets it meanwhile", shared).await
}

pub(super) async fn repair(what: Which, shared: Shared) -> Result<(), Error> {
    let wish = Wish::Repair(tend_request::Repair {});
    tend(&what.host, wish, "is cleaned and looked at; machines may have it if all goes well", shared).await
}

async fn tend(host: &str, wish: Wish, said: &str, shared: Shared) -> Result<(), Error> {
    let named = if host.starts_with("host/") { host.to_owned() } else { format!("host/{host}") };
    let object = name::object(&named, &shared.target.site, &shared.target.owner)?;
    let mut client = HostServiceClient::new(shared.target.connect().await?);
    let request = TendRequest { selector: object.selector, wish: Some(wish) };
    let host = client.tend(request).await?.into_inner();
    match shared.output {
        Format::Json => println!("{:#}", output::json(&host)?),
        Format::Table => println!("{named} {said}: underlay watch {named}"),
    }
    Ok(())
}
