//! The rack's side of its socket.

use std::{io, path::Path, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path as Segment, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::{NewRule, Shown, ShownDisk};
use crate::{
    bmc::asked::Asked,
    fault::{Fault, journal::Struck, order::Order, rules},
    machine::{Machine, Reset},
    rack::Rack,
    system::files::Files,
};

/// Serve on the socket at `path` until cancelled. A socket that a dead rack left behind is taken over. `command` starts
/// such a rack, but for the faults that were ordered.
///
/// # Errors
/// The socket cannot be had, or another rack has it.
pub async fn run(rack: Arc<Rack>, path: &Path, command: String, cancel: CancellationToken) -> io::Result<()> {
    let listener = listen(path)?;
    let of_replay = rack.clone();
    let replay = move || async move { Json(json!({ "command": again(&command, &of_replay) })) };
    let routes = Router::new()
        .route("/machines", get(list))
        .route("/machines/{name}", get(show))
        .route("/machines/{name}/button", post(button))
        .route("/faults", get(faults).post(add).delete(clear))
        .route("/struck", get(struck))
        .route("/asked", get(asked))
        .route("/replay", get(replay))
        .layer(axum::extract::DefaultBodyLimit::max(16 << 10))
        .with_state(rack);
    let served = axum::serve(listener, routes).with_graceful_shutdown(cancel.cancelled_owned()).await;
    let _ = std::fs::remove_file(path);
    served
}

/// `command` with every fault that was ordered: the whole run again.
pub fn again(command: &str, rack: &Rack) -> String {
    let orders = rack.faults.orders();
    orders.iter().fold(command.to_owned(), |command, order| format!("{command} --fault '{order}'"))
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

/// A machine, as it is shown.
pub fn shown(machine: &Machine) -> Shown {
    let state = machine.state();
    let disk = |disk: &crate::machine::disk::Content| ShownDisk {
        image: disk.image.as_ref().map(|image| image.digest.to_string()),
        segments: (disk.segments, disk.image.as_ref().map_or(0, |image| image.segments)),
        writes: disk.writes,
        flaw: disk.flaw(),
    };
    Shown {
        name: machine.name(),
        model: machine.model.name,
        power: state.power,
        stage: state.stage,
        note: state.note.as_ref().map(ToString::to_string),
        boots: state.boots,
        disks: state.disks.iter().map(disk).collect(),
        files: Files::new(),
    }
}

/// The files of the system that has started from the machine's disk.
fn files(machine: &Machine) -> Files {
    let started = machine.state().disks.iter().find(|disk| disk.instance.is_some()).cloned();
    let seed = started.and_then(|disk| disk.seed?.read().ok());
    seed.map(|seed| seed.files).unwrap_or_default()
}

async fn list(State(rack): State<Arc<Rack>>) -> Json<Vec<Shown>> {
    Json(rack.machines.iter().map(|machine| shown(machine)).collect())
}

async fn show(State(rack): State<Arc<Rack>>, Segment(name): Segment<String>) -> Response {
    match rack.named(&name) {
        Some(machine) => Json(Shown { files: files(machine), ..shown(machine) }).into_response(),
        None => refuse(StatusCode::NOT_FOUND, &format!("there is no machine {name}; see underlay sim list")),
    }
}

async fn button(State(rack): State<Arc<Rack>>, Segment(name): Segment<String>) -> Response {
    let Some(machine) = rack.named(&name) else {
        return refuse(StatusCode::NOT_FOUND, &format!("there is no machine {name}; see underlay sim list"));
    };
    // A button does something in either state.
    let _ = machine.reset(&rack, Reset::PushPowerButton);
    Json(shown(machine)).into_response()
}

async fn faults(State(rack): State<Arc<Rack>>) -> Json<Vec<rules::Shown>> {
    Json(rack.faults.list())
}

async fn struck(State(rack): State<Arc<Rack>>) -> Json<Vec<Struck>> {
    Json(rack.faults.struck())
}

async fn asked(State(rack): State<Arc<Rack>>) -> Json<Vec<Asked>> {
    Json(rack.asked.all())
}

async fn add(State(rack): State<Arc<Rack>>, Json(rule): Json<NewRule>) -> Response {
    let fault = match rule.fault.parse::<Fault>() {
        Ok(fault) => fault,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let is_met = |machine: &Arc<Machine>| rules::matches(&rule.machines, &machine.name());
    if rule.machines.len() > 200 || !rack.machines.iter().any(is_met) {
        return refuse(StatusCode::NOT_FOUND, "no machine matches; see underlay sim list");
    }
    let NewRule { machines, times, seconds, .. } = rule;
    match rack.faults.add(Order { machines, fault, times, seconds }) {
        Ok(id) => Json(json!({ "id": id })).into_response(),
        Err(error) => refuse(StatusCode::INSUFFICIENT_STORAGE, &error.to_string()),
    }
}

#[derive(Deserialize)]
struct Which {
    machines: Option<String>,
}

async fn clear(State(rack): State<Arc<Rack>>, Query(which): Query<Which>) -> Response {
    Json(json!({ "cleared": rack.faults.clear(which.machines.as_deref()) })).into_response()
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}
