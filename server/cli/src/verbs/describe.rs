//! `underlay describe KIND/NAME`: everything the API says of an object, indented; `-o json` as it is on the wire.

use clap::Args;
use serde_json::Value;
use underlay_proto::v1::{self, GetRequest};

use super::Shared;
use crate::{
    connect::{ANSWER, Connection, Target},
    exit::Error,
    name,
    output::{self, Format},
};

/// Show everything about an object
#[derive(Args, Debug)]
pub struct Describe {
    /// KIND/NAME, for example machine/web-0
    object: String,
}

pub(super) async fn run(describe: Describe, shared: Shared) -> Result<(), Error> {
    let connection = shared.target.connect().await?;
    let value = read(&describe.object, connection, &shared.target).await?;
    match shared.output {
        Format::Json => println!("{value:#}"),
        Format::Table => print!("{}", indented(&value, 0)),
    }
    Ok(())
}

/// The object that `what` names, as JSON.
pub(super) async fn read(what: &str, connection: Connection, target: &Target) -> Result<Value, Error> {
    let named = name::object(what, &target.site, &target.owner)?;
    let request = GetRequest { selector: named.selector, incarnation: String::new() };
    macro_rules! read {
        ($client:ident::$Client:ident) => {
            output::json(
                &v1::$client::$Client::new(connection)
                    .max_decoding_message_size(ANSWER)
                    .get(request)
                    .await?
                    .into_inner(),
            )
        };
    }
    Ok(match named.kind.as_str() {
        "pool" => read!(pool_service_client::PoolServiceClient),
        "host" => read!(host_service_client::HostServiceClient),
        "network" => read!(network_service_client::NetworkServiceClient),
        "credential" => read!(credential_service_client::CredentialServiceClient),
        "site" => read!(site_service_client::SiteServiceClient),
        "profile" => read!(profile_service_client::ProfileServiceClient),
        "step" => read!(step_service_client::StepServiceClient),
        "image" => read!(image_service_client::ImageServiceClient),
        _ => read!(machine_service_client::MachineServiceClient),
    }?)
}

/// `key: value` lines, two spaces deeper for each level.
fn indented(value: &Value, depth: usize) -> String {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| match value {
                Value::Object(inner) if inner.is_empty() => String::new(),
                Value::Array(inner) if inner.is_empty() => String::new(),
                Value::Object(_) | Value::Array(_) => format!("{pad}{key}:\n{}", indented(value, depth + 1)),
                scalar => format!("{pad}{key}: {}\n", plain(scalar)),
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::Object(_) | Value::Array(_) => {
                    let text = indented(item, depth + 1);
                    let first = text.trim_start();
                    format!("{pad}- {first}")
                }
                scalar => format!("{pad}- {}\n", plain(scalar)),
            })
            .collect(),
        scalar => format!("{pad}{}\n", plain(scalar)),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_values_are_indented() {
        let value = serde_json::json!({"a": "x", "b": {"c": 1}, "d": [{"e": 2, "f": 3}], "g": []});
        assert_eq!(indented(&value, 0), "a: x\nb:\n  c: 1\nd:\n  - e: 2\n    f: 3\n");
    }
}
