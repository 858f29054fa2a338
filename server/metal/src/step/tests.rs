//! The runner against a real web server: what it sends, what it takes for an answer, and what it stops.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::{Router, extract::State, http::HeaderMap, routing::post};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};
use underlay_core::{
    ObjectId,
    step::{Ended, Result, Ticket, When},
};

use super::{Company, Job, Outbox, Runner, Standing, Steps, Work};
use crate::bmc::Login;

type Seen = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// Keeps what it is told the second time.
struct Forgetful(mpsc::Sender<(Ended, String)>, Mutex<u32>);

#[async_trait]
impl Outbox for Forgetful {
    async fn ended(&self, _: &Job, ended: &Ended, log: &str) -> bool {
        let first = {
            let mut told = self.1.lock().expect("whole");
            *told += 1;
            *told == 1
        };
        if !first {
            self.0.send((ended.clone(), log.to_owned())).await.expect("somebody listens");
        }
        !first
    }
}

async fn serve(router: Router<Seen>) -> (String, Seen) {
    let (listener, seen) = (TcpListener::bind("127.0.0.1:0").await.expect("a port"), Seen::default());
    let address = listener.local_addr().expect("bound");
    let router = router.with_state(seen.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/hook"), seen)
}

fn job(url: &str, limit: Duration) -> Job {
    let ticket = Ticket {
        machine: ObjectId::new(),
        epoch: 7,
        when: When::PostDeploy,
        at: 0,
        attempt: 2,
        begun_at: Timestamp::UNIX_EPOCH,
    };
    let login = Login { user: "ops".into(), password: "hunter2".to_owned().into() };
    let work = Work::Webhook { url: url.into(), login: Some(login) };
    let told = json!({"inputs": {"rack": "r1"}});
    Job { ticket, host: ObjectId::new(), step: "register".into(), work, limit, told }
}

fn steps() -> (Steps, mpsc::Receiver<(Ended, String)>) {
    let (sender, told) = mpsc::channel(4);
    (Steps::new(Company::Alone, Arc::new(Forgetful(sender, Mutex::new(0)))), told)
}

async fn note(State(seen): State<Seen>, headers: HeaderMap, body: String) -> String {
    seen.lock().expect("whole").push((headers, serde_json::from_str(&body).expect("JSON")));
    r#"{"outputs": {"slot": 7}}"#.into()
}

#[tokio::test]
async fn a_webhook_is_called_once_and_what_came_is_told_until_it_is_kept() {
    let (url, seen) = serve(Router::new().route("/hook", post(note))).await;
    let (steps, mut told) = steps();
    let job = job(&url, Duration::from_secs(20));
    assert_eq!(steps.standing(&job.ticket), None);
    steps.begin(job.clone());
    steps.begin(job.clone());
    let (ended, log) = told.recv().await.expect("an end");
    assert_eq!(ended.ticket, job.ticket);
    let Result::Done { outputs } = ended.result else { panic!("{ended:?}") };
    assert_eq!(outputs["slot"], json!(7));
    assert!(log.contains("step register (post_deploy), try 2") && !log.contains("hunter2"), "{log}");
    steps.begin(job.clone());
    steps.close().await;
    let seen = seen.lock().expect("whole");
    let [(headers, body)] = &seen[..] else { panic!("called once: {}", seen.len()) };
    assert_eq!(headers["idempotency-key"], job.ticket.idempotency_key().as_str());
    assert_eq!(headers["authorization"], "Basic b3BzOmh1bnRlcjI=");
    assert_eq!(body["inputs"]["rack"], json!("r1"));
    assert_eq!(steps.standing(&job.ticket), Some(Standing::Begun));
}

#[tokio::test]
async fn a_webhook_that_refuses_babbles_floods_or_never_answers_has_failed() {
    let router = Router::new()
        .route("/hook", post(|| async { (axum::http::StatusCode::CONFLICT, "no such\u{7} rack\n") }))
        .route("/hook/nonsense", post(|| async { "fine" }))
        .route("/hook/flood", post(|| async { "x".repeat(1 << 20) }))
        .route("/hook/away", post(|| async { (axum::http::StatusCode::FOUND, [("location", "/hook")], "") }))
        .route("/hook/never", post(|| async { std::future::pending::<()>().await }));
    let (url, _) = serve(router).await;
    for (path, why) in [
        ("", "answered 409 Conflict: no such  rack"),
        ("/nonsense", "answered what cannot be read"),
        ("/flood", "with more than 65536 bytes"),
        ("/away", "answered 302 Found"),
        ("/never", "was not done within 1 s"),
    ] {
        let (steps, mut told) = steps();
        let seconds = if path == "/never" { 1 } else { 20 };
        steps.begin(job(&format!("{url}{path}"), Duration::from_secs(seconds)));
        let (ended, _) = told.recv().await.expect("an end");
        let Result::Failed { why: said } = ended.result else { panic!("{path}: {ended:?}") };
        // The client's own patience may end first by a hair.
        let timed_out = path == "/never" && said.contains("timed out");
        assert!(said.contains(why) || timed_out, "{path}: {said}");
        steps.close().await;
    }
}

#[tokio::test]
async fn what_was_stopped_is_told_to_nobody_and_never_begun_again() {
    let (url, _) =
        serve(Router::new().route("/hook", post(|| async { std::future::pending::<()>().await }))).await;
    let (steps, mut told) = steps();
    let job = job(&url, Duration::from_secs(3600));
    steps.begin(job.clone());
    steps.stop(job.ticket.machine);
    assert_eq!(steps.standing(&job.ticket), Some(Standing::Stopped));
    steps.begin(job.clone());
    assert_eq!(steps.standing(&job.ticket), Some(Standing::Stopped));
    steps.close().await;
    drop(steps);
    assert!(told.recv().await.is_none());
}
