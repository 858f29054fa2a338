//! `underlay operation cancel ID|machine/NAME`.

use clap::{Args, Subcommand};
use underlay_proto::v1::{CancelOperationRequest, operation_service_client::OperationServiceClient};

use super::Shared;
use crate::{
    exit::Error,
    name,
    output::{self, Format},
};

/// Stop an operation
#[derive(Args, Debug)]
pub struct Operation {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Stop a machine's operation at its next safe point; apply again to take it up
    Cancel {
        /// The operation's id, or machine/NAME for the one under way
        #[arg(value_name = "ID|machine/NAME")]
        what: String,
        /// Why; shown with the machine
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
        /// Also when its disk may have been written to: what is on it then does not start
        #[arg(long)]
        force: bool,
    },
}

pub(super) async fn run(operation: Operation, shared: Shared) -> Result<(), Error> {
    let Act::Cancel { what, reason, force } = operation.act;
    let (id, object) = match what.contains('/') {
        true => (String::new(), Some(name::object(&what, &shared.target.site, &shared.target.owner)?)),
        false => (what.clone(), None),
    };
    let mut client = OperationServiceClient::new(shared.target.connect().await?);
    let answer = client.cancel(CancelOperationRequest { id, object, reason, force }).await?.into_inner();
    match shared.output {
        Format::Json => println!("{:#}", output::json(&answer)?),
        Format::Table => {
            let name = answer.key.map(|key| key.name).unwrap_or_default();
            println!(
                "{}/{name} stops at its next safe point; to see it: underlay watch {}/{name}",
                answer.kind, answer.kind
            );
        }
    }
    Ok(())
}
