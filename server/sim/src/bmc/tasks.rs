//! The TaskService (DSP2046): what takes time. A task has no timer; how far it is follows from when it began.

use std::{collections::VecDeque, time::Duration};

use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    reply::{Reply, collection},
    service::Request,
};

const PATH: &str = "/redfish/v1/TaskService";
/// How many are remembered; the oldest is forgotten.
const MOST: usize = 16;

/// The tasks of one BMC.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    next: u32,
    tasks: VecDeque<Task>,
}

#[derive(Clone, Debug)]
struct Task {
    id: u32,
    name: &'static str,
    began: Instant,
    started: jiff::Timestamp,
    takes: Duration,
}

/// Begin one; its monitor, and the task as it stands.
pub(super) fn begin(request: &Request<'_>, name: &'static str, takes: Duration) -> (String, Value) {
    let takes = request.rack.pace().settle(takes);
    let mut state = request.machine.state();
    let tasks = &mut state.bmc.extra().tasks;
    tasks.next += 1;
    let task = Task { id: tasks.next, name, began: Instant::now(), started: jiff::Timestamp::now(), takes };
    if tasks.tasks.len() >= MOST {
        tasks.tasks.pop_front();
    }
    tasks.tasks.push_back(task.clone());
    (monitor(task.id), task.show())
}

pub(super) fn answer(request: &Request<'_>, rest: &[&str]) -> Reply {
    if request.method != Method::GET {
        return Reply::not_allowed();
    }
    let tasks: Vec<Task> = {
        let state = request.machine.state();
        state.bmc.extra.iter().flat_map(|extra| extra.tasks.tasks.iter().cloned()).collect()
    };
    let found = |id: &str| tasks.iter().find(|task| task.id.to_string() == id);
    match rest {
        [] => Reply::ok(json!({
            "@odata.id": PATH,
            "@odata.type": "#TaskService.v1_2_1.TaskService",
            "Id": "TaskService",
            "Name": "Task Service",
            "ServiceEnabled": true,
            "CompletedTaskOverWritePolicy": "Oldest",
            "Tasks": { "@odata.id": format!("{PATH}/Tasks") },
        })),
        ["Tasks"] => {
            let members: Vec<String> = tasks.iter().map(|task| format!("{PATH}/Tasks/{}", task.id)).collect();
            Reply::ok(collection(&format!("{PATH}/Tasks"), "TaskCollection", "Tasks", &members))
        }
        ["Tasks", id] => {
            found(id).map_or_else(|| Reply::missing(&request.path), |task| Reply::ok(task.show()))
        }
        // DSP0266, 12.2: 202 for as long as it runs, then the operation's own answer.
        ["TaskMonitors", id] => match found(id) {
            Some(task) if task.done() < 100 => Reply {
                status: StatusCode::ACCEPTED,
                headers: vec![(header::LOCATION, monitor(task.id)), (header::RETRY_AFTER, "2".into())],
                body: task.show(),
                text: None,
            },
            Some(_) => Reply::empty(),
            None => Reply::missing(&request.path),
        },
        _ => Reply::missing(&request.path),
    }
}

fn monitor(id: u32) -> String {
    format!("{PATH}/TaskMonitors/{id}")
}

impl Task {
    /// How much of it is done, of a hundred.
    fn done(&self) -> u64 {
        let (passed, takes) = (self.began.elapsed().as_millis(), self.takes.as_millis());
        if passed >= takes { 100 } else { u64::try_from(passed * 100 / takes.max(1)).unwrap_or(99).min(99) }
    }

    fn show(&self) -> Value {
        let done = self.done();
        json!({
            "@odata.id": format!("{PATH}/Tasks/{}", self.id),
            "@odata.type": "#Task.v1_7_4.Task",
            "Id": self.id.to_string(),
            "Name": self.name,
            "TaskState": if done < 100 { "Running" } else { "Completed" },
            "TaskStatus": "OK",
            "PercentComplete": done,
            "StartTime": self.started.to_string(),
            "TaskMonitor": monitor(self.id),
            "Messages": [],
        })
    }
}
