//! `underlay adopt [NAME]`: the one command that makes a host of a machine that is installed already.
//!
//! The command fetches the agent over plain HTTP and runs it only where it hashes to what is written beside it; the agent
//! believes the server by the digest of its CA, and takes the token from its standard input. The token is in the shell's
//! history of whoever pastes the command, which is why it is good once and for an hour.

use std::collections::HashMap;

use clap::Args;
use underlay_proto::v1::{
    Key, OfferAdoptionRequest, OfferAdoptionResponse, host_service_client::HostServiceClient,
};

use super::Shared;
use crate::{
    exit::Error,
    output::{self, Format, time},
};

/// Make a host of a machine that is installed already
#[derive(Args, Debug)]
pub struct Adopt {
    /// The name of its host; what the machine calls itself when left out
    #[arg(default_value = "", hide_default_value = true)]
    name: String,
    /// The pool it belongs to
    #[arg(long, default_value = "default")]
    pool: String,
    /// A label of its host; may be given several times
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// How long the token is good, in seconds
    #[arg(long, default_value_t = 3600)]
    ttl: u64,
    /// How many machines may use the command
    #[arg(long, default_value_t = 1)]
    uses: u32,
    /// The host is there already: replace its agent, as when its system was installed anew
    #[arg(long, requires = "name", conflicts_with_all = ["uses", "labels", "pool"])]
    again: bool,
    /// The address at which the machine reaches this server; the one it boots machines by when left out
    #[arg(long, value_name = "ADDRESS")]
    server: Option<std::net::IpAddr>,
}

fn label(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) async fn run(adopt: Adopt, shared: Shared) -> Result<(), Error> {
    let target = &shared.target;
    let key = Key { site: target.site.clone(), owner: target.owner.clone(), name: adopt.name };
    let request = OfferAdoptionRequest {
        key: Some(key),
        pool: adopt.pool,
        labels: adopt.labels.into_iter().collect::<HashMap<_, _>>(),
        ttl_seconds: adopt.ttl,
        uses: adopt.uses,
        again: adopt.again,
    };
    let mut client = HostServiceClient::new(target.connect().await?);
    let mut offer = client.offer_adoption(request).await?.into_inner();
    if let Some(address) = adopt.server {
        offer.boot_url = moved(&offer.boot_url, address);
        offer.api_url = moved(&offer.api_url, address);
    }
    match shared.output {
        Format::Json => println!("{:#}", output::json(&offer)?),
        Format::Table => {
            eprintln!("Run this on the machine, by {}:", time(offer.expires_at));
            if offer.boot_url.contains("//127.") {
                eprintln!("(it names this server by its loopback address; for another: --server ADDRESS)");
            }
            println!("{}", command(&offer));
        }
    }
    Ok(())
}

/// The same URL on another address.
fn moved(url: &str, address: std::net::IpAddr) -> String {
    let scheme = url.split("://").next().unwrap_or_default();
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default();
    format!("{scheme}://{}", std::net::SocketAddr::new(address, port))
}

/// What to run there. Nothing that came is run before its hash was checked; the shell's `echo` is no process, so the token is
/// in nobody's arguments.
fn command(offer: &OfferAdoptionResponse) -> String {
    let OfferAdoptionResponse { token, boot_url, api_url, ca_sha256, agent_sha256, .. } = offer;
    format!(
        "(cd \"$(mktemp -d)\" && {{ curl -fsSO {boot_url}/v1/agent || wget -q {boot_url}/v1/agent; }} && \
         echo '{agent_sha256}  agent' | sha256sum -c --quiet && chmod +x agent && \
         echo {token} | sudo ./agent install --url {boot_url} --api {api_url} --ca {ca_sha256})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_checks_the_program_before_it_runs_it_and_keeps_the_token_out_of_arguments() {
        let offer = OfferAdoptionResponse {
            token: "ulo_secret".into(),
            expires_at: None,
            boot_url: "http://10.0.0.2:7480".into(),
            api_url: "https://10.0.0.2:7443".into(),
            ca_sha256: "ca".repeat(32),
            agent_sha256: "ab".repeat(32),
        };
        let text = command(&offer);
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what} in {text}"));
        assert!(at("/v1/agent") < at("sha256sum -c") && at("sha256sum -c") < at("./agent install"), "{text}");
        assert!(text.contains("echo ulo_secret | sudo ./agent install --url http://10.0.0.2:7480"), "{text}");
        let arguments = text.rsplit("./agent install").next().unwrap_or_default();
        assert!(!arguments.contains("ulo_secret"), "{text}");
        assert!(!text.contains('\n'), "one command");
    }

    #[test]
    fn another_address_keeps_the_port() {
        let address = "fd00::2".parse().unwrap();
        assert_eq!(moved("http://127.0.0.1:7480", address), "http://[fd00::2]:7480");
    }
}
