//! The verbs of a person who stands before a rack: look, break, mend, press.

use http::Method;
use serde_json::{Value, json};
use underlay_sim::control::{NewRule, client};

use super::{Place, Verb};

pub(super) async fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::List { place, json } => {
            let machines = ask(&place, Method::GET, "/machines", None).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&machines)?);
            } else {
                list(&machines);
            }
        }
        Verb::Show { machine, place } => {
            let machine = ask(&place, Method::GET, &format!("/machines/{}", plain(&machine)), None).await?;
            println!("{}", serde_json::to_string_pretty(&machine)?);
        }
        Verb::Fault { machines, place, times, seconds, faults } => {
            for fault in faults {
                let fault = fault.trim_start_matches("--").to_owned();
                let rule = NewRule { machines: machines.clone(), fault, times, seconds };
                ask(&place, Method::POST, "/faults", Some(serde_json::to_value(&rule)?)).await?;
                println!("{machines}: {}", rule.fault);
            }
        }
        Verb::Faults { place } => {
            let rules = ask(&place, Method::GET, "/faults", None).await?;
            for rule in rules.as_array().into_iter().flatten() {
                println!(
                    "{:<12} {:<24} struck {} times",
                    text(rule, "machines"),
                    text(rule, "fault"),
                    number(rule, "hits")
                );
            }
        }
        Verb::Struck { place } => {
            let struck = ask(&place, Method::GET, "/struck", None).await?;
            println!("{}", serde_json::to_string_pretty(&struck)?);
        }
        Verb::Asked { place } => {
            let asked = ask(&place, Method::GET, "/asked", None).await?;
            println!("{}", serde_json::to_string_pretty(&asked)?);
        }
        Verb::Replay { place } => {
            let replay = ask(&place, Method::GET, "/replay", None).await?;
            println!("{}", text(&replay, "command"));
        }
        Verb::Clear { machines, place } => {
            let path = machines
                .map_or("/faults".into(), |machines| format!("/faults?machines={}", plain(&machines)));
            let cleared = ask(&place, Method::DELETE, &path, None).await?;
            println!("{} rules cleared", number(&cleared, "cleared"));
        }
        Verb::Button { machine, place } => {
            let path = format!("/machines/{}/button", plain(&machine));
            let machine = ask(&place, Method::POST, &path, Some(json!({}))).await?;
            println!("{} is {}", text(&machine, "name"), text(&machine, "power"));
        }
    }
    Ok(())
}

async fn ask(place: &Place, method: Method, path: &str, body: Option<Value>) -> Result<Value, client::Error> {
    client::call(&place.socket(), method, path, body).await
}

/// What can stand in a path; a name of a machine is nothing else.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "*-_.".contains(*c)).collect()
}

fn list(machines: &Value) {
    println!("{:<10} {:<11} {:<4} {:<9} {:>5}  note", "machine", "model", "on", "does", "boots");
    for machine in machines.as_array().into_iter().flatten() {
        println!(
            "{:<10} {:<11} {:<4} {:<9} {:>5}  {}",
            text(machine, "name"),
            text(machine, "model"),
            text(machine, "power"),
            text(machine, "stage"),
            number(machine, "boots"),
            text(machine, "note"),
        );
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or_default()
}
