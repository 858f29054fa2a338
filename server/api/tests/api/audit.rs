//! The audit as admins read it: what was asked, by whom, refusals too, and never a secret.

use tonic::Code;
use underlay_proto::v1::{
    self as pb, audit_service_client::AuditServiceClient, credential_service_client::CredentialServiceClient,
    host_service_client::HostServiceClient, server_service_client::ServerServiceClient,
};

use crate::harness::{Rack, bearing, blamed, by_name, holding, key, qemu_host};

const CANARY: &str = "hunter2-canary-93b1";

async fn rows(rack: &Rack, request: pb::ListAuditRequest) -> Vec<pb::AuditRow> {
    let mut audit = AuditServiceClient::new(rack.local().await);
    audit.list(request).await.unwrap().into_inner().rows
}

fn told(row: &pb::AuditRow) -> (&str, &str, &str, &str) {
    (&row.method, &row.object, &row.outcome, &row.detail)
}

#[tokio::test]
async fn every_change_is_written_down_with_who_asked() {
    let rack = Rack::start().await;
    let token = rack.token("operator", "").await;
    let channel = rack.remote(None).await.unwrap();
    let mut hosts = HostServiceClient::new(channel);
    let answer = hosts.put(bearing(&token, qemu_host("lab-1"))).await.unwrap();
    let request_id = answer.metadata().get("underlay-request-id").unwrap().to_str().unwrap().to_owned();
    let meta = answer.into_inner().host.unwrap().meta.unwrap();
    let mut changed = qemu_host("lab-1");
    changed.options = holding(&meta);
    changed.spec.as_mut().unwrap().labels = [("rack".to_owned(), CANARY.to_owned())].into();
    hosts.put(bearing(&token, changed)).await.unwrap();
    let power =
        pb::PowerRequest { selector: by_name("lab-1"), action: pb::power_request::Action::Off.into() };
    hosts.power(bearing(&token, power)).await.unwrap();
    let delete = pb::DeleteRequest { selector: by_name("lab-1"), incarnation: meta.incarnation };
    hosts.delete(bearing(&token, delete)).await.unwrap();
    // Reading leaves nothing.
    hosts.list(bearing(&token, pb::ListRequest::default())).await.unwrap();
    hosts.preview(bearing(&token, qemu_host("lab-2"))).await.unwrap();

    let rows = rows(&rack, pb::ListAuditRequest::default()).await;
    let host = "host default/default/lab-1";
    let all: Vec<_> = rows.iter().rev().map(told).collect();
    assert_eq!(
        all[1..],
        [
            ("HostService/Put", host, "Ok", all[1].3),
            ("HostService/Put", host, "Ok", "changes labels"),
            ("HostService/Power", host, "Begun", "off"),
            ("HostService/Power", host, "Ok", "off"),
            ("HostService/Delete", host, "Ok", ""),
        ]
    );
    assert!(all[0].0 == "ServerService/CreateToken" && all[0].1.starts_with("token operator-"), "{all:?}");
    assert!(all[1].3.starts_with("creates it with ") && all[1].3.contains("driver"), "{all:?}");
    let put = &rows[rows.len() - 2];
    assert_eq!(put.request_id, request_id);
    assert!(put.who.starts_with("operator-") && put.who.ends_with(')'), "{}", put.who);
    assert!(put.via.starts_with("127.0.0.1:"), "{}", put.via);
    assert!(rows.last().unwrap().who.starts_with("unix socket (uid "), "{rows:?}");
    assert!(rows.iter().all(|row| !format!("{row:?}").contains(CANARY)), "names of attributes, never values");
}

#[tokio::test]
async fn refusals_are_written_down_too() {
    let rack = Rack::start().await;
    let viewer = rack.token("viewer", "").await;
    let bound = rack.token("operator", "team-web").await;
    let mut hosts = HostServiceClient::new(rack.remote(None).await.unwrap());
    hosts.put(qemu_host("lab-1")).await.unwrap_err();
    hosts.put(bearing(&viewer, qemu_host("lab-1"))).await.unwrap_err();
    hosts.put(bearing(&bound, qemu_host("lab-1"))).await.unwrap_err();
    let mut wrong = qemu_host("lab-1");
    wrong.spec.as_mut().unwrap().on_destroy = CANARY.into();
    let mut local = HostServiceClient::new(rack.local().await);
    local.put(wrong).await.unwrap_err();
    let rows = rows(&rack, pb::ListAuditRequest { page_size: 4, ..Default::default() }).await;
    let outcomes: Vec<_> = rows.iter().rev().map(|row| (row.outcome.as_str(), row.object.as_str())).collect();
    let host = "host default/default/lab-1";
    let expected = [
        ("Unauthenticated", ""),
        ("PermissionDenied", ""),
        ("PermissionDenied", host),
        ("InvalidArgument", host),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(rows[3].who, "nobody");
    assert!(rows[2].detail.contains("needs the role operator"), "{}", rows[2].detail);
    assert!(rows[1].detail.contains("team-web"), "{}", rows[1].detail);
    assert!(!format!("{rows:?}").contains(CANARY));
}

#[tokio::test]
async fn a_flood_of_refusals_is_bounded_and_counted() {
    let rack = Rack::start().await;
    let channel = rack.remote(None).await.unwrap();
    let knocks = (0..600).map(|_| {
        let mut hosts = HostServiceClient::new(channel.clone());
        async move { hosts.put(qemu_host("lab-1")).await.unwrap_err() }
    });
    for status in futures(knocks).await {
        assert_eq!(status.code(), Code::Unauthenticated);
    }
    let written = rows(&rack, pb::ListAuditRequest { page_size: 1000, ..Default::default() }).await;
    assert!((200..300).contains(&written.len()), "{}", written.len());
    // What others do is written all the same.
    let token = rack.token("operator", "").await;
    let newest = rows(&rack, pb::ListAuditRequest { page_size: 1, ..Default::default() }).await;
    assert_eq!(newest[0].method, "ServerService/CreateToken");
    assert!(!token.is_empty());
}

async fn futures<F: Future + Send + 'static>(all: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F::Output: Send,
{
    let mut tasks = tokio::task::JoinSet::new();
    all.for_each(|one| drop(tasks.spawn(one)));
    tasks.join_all().await
}

#[tokio::test]
async fn no_secret_comes_into_the_audit() {
    let rack = Rack::start().await;
    let mut credentials = CredentialServiceClient::new(rack.local().await);
    let spec = pb::CredentialSpec { username: "root".into(), secret_version: 1 };
    let password = Some(CANARY.to_owned());
    let put = pb::PutCredentialRequest { key: key("bmc"), spec: Some(spec), password, options: None };
    credentials.put(put).await.unwrap();
    let token = rack.token("viewer", "").await;
    let rows = rows(&rack, pb::ListAuditRequest::default()).await;
    let text = format!("{rows:?}");
    assert!(!text.contains(CANARY) && !text.contains(&token), "{text}");
    assert!(rows.iter().any(|row| row.detail.contains("secret_version, username")), "{text}");
}

#[tokio::test]
async fn rows_are_found_page_by_page_and_verified() {
    let rack = Rack::start().await;
    for number in 0..5 {
        let mut hosts = HostServiceClient::new(rack.local().await);
        hosts.put(qemu_host(&format!("lab-{number}"))).await.unwrap();
    }
    let mut audit = AuditServiceClient::new(rack.local().await);
    let mut request = pb::ListAuditRequest { page_size: 2, ..Default::default() };
    let mut seen = Vec::new();
    loop {
        let page = audit.list(request.clone()).await.unwrap().into_inner();
        seen.extend(page.rows.iter().map(|row| row.seq));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    let object = Some(pb::ObjectRef { kind: "host".into(), selector: by_name("lab-3") });
    let found = rows(&rack, pb::ListAuditRequest { object, ..Default::default() }).await;
    assert_eq!(found.iter().map(|row| row.seq).collect::<Vec<_>>(), [4]);
    let who = "unix socket".to_owned();
    assert_eq!(rows(&rack, pb::ListAuditRequest { who, ..Default::default() }).await.len(), 5);
    let who = "unix".to_owned();
    assert!(rows(&rack, pb::ListAuditRequest { who, ..Default::default() }).await.is_empty());
    let verdict = audit.verify(pb::VerifyAuditRequest {}).await.unwrap().into_inner();
    assert_eq!((verdict.rows, verdict.last, verdict.fault.as_str()), (5, 5, ""));
    let odd = pb::ListAuditRequest { page_token: "x".into(), ..Default::default() };
    assert_eq!(blamed(&audit.list(odd).await.unwrap_err()), ["page_token"]);
    let operator = rack.token("operator", "").await;
    let denied = audit.list(bearing(&operator, pb::ListAuditRequest::default())).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let mut server = ServerServiceClient::new(rack.local().await);
    let info = server.info(pb::InfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info.caller, "unix socket");
}
