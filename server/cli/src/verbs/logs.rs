//! `underlay logs host/NAME|machine/NAME`: what the agent said while it was at work there, and the serial port.

use clap::Args;
use underlay_proto::v1::{LogsRequest, LogsResponse, operation_service_client::OperationServiceClient};

use super::Shared;
use crate::{
    connect::ANSWER,
    exit::Error,
    name,
    output::{self, Format, or_dash, time},
};

/// Show what the agent logged on a host or for a machine
#[derive(Args, Debug)]
pub struct Logs {
    /// host/NAME or machine/NAME
    #[arg(value_name = "KIND/NAME")]
    object: String,
    /// Only of this operation; for their ids: underlay explain KIND/NAME -o json
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    operation: String,
    /// Also the end of what the host's serial port says, where the server sees it
    #[arg(long)]
    serial: bool,
}

pub(super) async fn run(logs: Logs, shared: Shared) -> Result<(), Error> {
    let object = name::object(&logs.object, &shared.target.site, &shared.target.owner)?;
    let connection = shared.target.connect().await?;
    let mut client = OperationServiceClient::new(connection).max_decoding_message_size(ANSWER);
    let request = LogsRequest { object: Some(object), operation: logs.operation, serial: logs.serial };
    let answer = client.logs(request).await?.into_inner();
    if shared.output == Format::Json {
        println!("{:#}", output::json(&answer)?);
        return Ok(());
    }
    if answer.boots.is_empty() && answer.serial.is_empty() {
        eprintln!("none: no agent has been at work there, or its log is too old");
    }
    if !answer.serial_missing.is_empty() {
        eprintln!("no serial port: {}", answer.serial_missing);
    }
    print!("{}", text(&answer));
    Ok(())
}

/// As a person reads it: a head for each boot.
pub(super) fn text(answer: &LogsResponse) -> String {
    let mut text = String::new();
    for boot in &answer.boots {
        let head =
            format!("== agent on host {}, {} to {}", or_dash(&boot.host), time(boot.from), time(boot.to));
        text.push_str(&format!("{head}\n{}", boot.text));
    }
    if !answer.serial.is_empty() {
        text.push_str(&format!("== serial port\n{}", answer.serial));
        if !answer.serial.ends_with('\n') {
            text.push('\n');
        }
    }
    text
}
