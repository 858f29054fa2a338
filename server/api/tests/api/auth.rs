//! Default deny: every call, every role, every owner.

use std::str::FromStr;

use prost::Message;
use tonic::{Code, Request, client::Grpc, transport::Channel};
use tonic_prost::ProstCodec;
use underlay_api::auth::{Access, Role, access, write_first_token};
use underlay_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        self as pb, host_service_client::HostServiceClient, machine_service_client::MachineServiceClient,
        server_service_client::ServerServiceClient,
    },
};

use crate::harness::{Rack, bearing, key, qemu_host};

/// Every call of the API, by path.
fn paths() -> Vec<String> {
    let files = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services = files.file.iter().flat_map(|file| &file.service);
    services
        .flat_map(|service| {
            service.method.iter().map(|method| format!("/underlay.v1.{}/{}", service.name(), method.name()))
        })
        .collect()
}

/// Calls `path` with an empty message; the code of the answer's beginning.
async fn knock(channel: &Channel, path: &str, token: Option<&str>) -> Code {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let request = match token {
        Some(token) => bearing(token, ()),
        None => Request::new(()),
    };
    let codec = ProstCodec::<(), ()>::default();
    let path = http::uri::PathAndQuery::from_str(path).unwrap();
    match grpc.server_streaming(request, path, codec).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

#[tokio::test]
async fn each_role_may_call_what_the_table_says_and_nothing_else() {
    let rack = Rack::start().await;
    let channel = rack.remote(None).await.unwrap();
    let mut refused = 0;
    for role in Role::ALL {
        let token = rack.token(role.as_str(), "").await;
        for path in paths() {
            let code = knock(&channel, &path, Some(&token)).await;
            let turned_away = matches!(code, Code::PermissionDenied | Code::Unauthenticated);
            match access(&path) {
                Some(Access::Role(needed)) => {
                    assert_eq!(turned_away, role > needed, "{role} {path}: {code:?}")
                }
                Some(Access::Agent | Access::Resident) => assert!(turned_away, "{role} {path}: {code:?}"),
                Some(Access::Public) => assert_ne!(code, Code::Unauthenticated, "{path}"),
                None => panic!("{path} is not in the table"),
            }
            refused += usize::from(turned_away);
        }
    }
    assert!(refused > 40, "{refused}");
}

#[tokio::test]
async fn nobody_gets_in_without_a_good_token() {
    let rack = Rack::start().await;
    let channel = rack.remote(None).await.unwrap();
    let good = rack.token("admin", "").await;
    let forged = format!("ult_{}", "A".repeat(43));
    let cut = &good[..good.len() - 1];
    for path in paths() {
        if !matches!(access(&path), Some(Access::Role(_))) {
            continue;
        }
        for token in [None, Some(forged.as_str()), Some(cut), Some(""), Some("ult_")] {
            assert_eq!(knock(&channel, &path, token).await, Code::Unauthenticated, "{path} {token:?}");
        }
    }
    assert_eq!(knock(&channel, "/underlay.v1.ServerService/Info", Some(&good)).await, Code::Ok);
    assert_eq!(knock(&channel, "/underlay.v1.HostService/Erase", Some(&good)).await, Code::Unimplemented);
}

#[tokio::test]
async fn a_bad_token_is_refused_on_the_unix_socket_too() {
    let rack = Rack::start().await;
    let channel = rack.local().await;
    assert_eq!(knock(&channel, "/underlay.v1.ServerService/ListTokens", None).await, Code::Ok);
    let viewer = rack.token("viewer", "").await;
    let path = "/underlay.v1.ServerService/ListTokens";
    assert_eq!(knock(&channel, path, Some(&viewer)).await, Code::PermissionDenied);
    assert_eq!(knock(&channel, path, Some("ult_x")).await, Code::Unauthenticated);
}

#[tokio::test]
async fn a_token_bound_to_an_owner_cannot_write_anothers_objects() {
    let rack = Rack::start().await;
    let token = rack.token("operator", "team-web").await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let theirs = hosts.put(qemu_host("lab-1")).await.unwrap().into_inner().host.unwrap();
    let mut put = qemu_host("lab-1");
    let denied = hosts.put(bearing(&token, put.clone())).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert!(denied.message().contains("owner = \"team-web\""), "{}", denied.message());
    let meta = theirs.meta.unwrap();
    let delete =
        pb::DeleteRequest { selector: crate::harness::by_id(&meta), incarnation: meta.incarnation.clone() };
    assert_eq!(hosts.delete(bearing(&token, delete)).await.unwrap_err().code(), Code::PermissionDenied);
    let power = pb::PowerRequest { selector: crate::harness::by_id(&meta), action: 1 };
    assert_eq!(hosts.power(bearing(&token, power)).await.unwrap_err().code(), Code::PermissionDenied);
    assert!(rack.power.asked.lock().unwrap().is_empty());
    put.key = Some(pb::Key { owner: "team-web".into(), ..key("lab-1").unwrap() });
    assert!(hosts.put(bearing(&token, put)).await.is_ok());
    let read = pb::GetRequest { selector: crate::harness::by_id(&meta), incarnation: meta.incarnation };
    assert!(hosts.get(bearing(&token, read)).await.is_ok(), "reading is not bound to an owner");
    let still = rack.store.get(meta.id.parse().unwrap()).await.unwrap().unwrap();
    assert!(!still.raw.meta.confirmed, "nor does it confirm what the caller may not write");
}

#[tokio::test]
async fn a_revoked_token_is_void_at_once() {
    let rack = Rack::start().await;
    let channel = rack.remote(None).await.unwrap();
    let mut server = ServerServiceClient::new(rack.local().await);
    let request = pb::CreateTokenRequest { name: "ci".into(), role: "viewer".into(), ..Default::default() };
    let made = server.create_token(request.clone()).await.unwrap().into_inner();
    let again = server.create_token(request).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists);
    let mut remote = ServerServiceClient::new(channel);
    let info = remote.info(bearing(&made.token, pb::InfoRequest {})).await.unwrap().into_inner();
    assert_eq!((info.caller.as_str(), info.role.as_str()), ("ci", "viewer"));
    let listed = server.list_tokens(pb::ListTokensRequest {}).await.unwrap().into_inner();
    assert_eq!(listed.tokens, [made.info.clone().unwrap()]);
    let id = made.info.unwrap().id;
    server.revoke_token(pb::RevokeTokenRequest { id: id.clone() }).await.unwrap();
    let void = remote.info(bearing(&made.token, pb::InfoRequest {})).await.unwrap_err();
    assert_eq!(void.code(), Code::Unauthenticated);
    assert!(server.revoke_token(pb::RevokeTokenRequest { id }).await.is_err());
}

#[tokio::test]
async fn the_first_token_is_written_once_and_opens_the_door() {
    use std::os::unix::fs::PermissionsExt;
    let rack = Rack::start().await;
    let path = rack.directory.path().join("admin.token");
    write_first_token(&rack.store, &path).await.unwrap();
    let token = std::fs::read_to_string(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    write_first_token(&rack.store, &path).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), token, "a second start changes nothing");
    let mut server = ServerServiceClient::new(rack.remote(None).await.unwrap());
    let info = server.info(bearing(token.trim(), pb::InfoRequest {})).await.unwrap().into_inner();
    assert_eq!(info.role, "admin");
    assert_eq!(info.boot_url, "http://10.0.0.2:7480");
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused() {
    let rack = Rack::start().await;
    let mut machines = MachineServiceClient::new(rack.local().await);
    let user_data = Some("x".repeat(5 << 20));
    let huge = pb::PutMachineRequest { key: key("web"), user_data, ..Default::default() };
    let refused = machines.put(huge).await.unwrap_err();
    assert!(matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted), "{refused}");
    let user_data = Some("x".repeat(2 << 20));
    let large = pb::PutMachineRequest { key: key("web"), user_data, ..Default::default() };
    assert_eq!(crate::harness::blamed(&machines.put(large).await.unwrap_err()), ["user_data"]);
}

#[tokio::test]
async fn calls_are_counted_by_status_and_unknown_ones_under_one_name() {
    let rack = Rack::start().await;
    let channel = rack.local().await;
    knock(&channel, "/underlay.v1.ServerService/Info", None).await;
    for junk in ["/a/b", "/underlay.v1.HostService/X"] {
        knock(&channel, junk, None).await;
    }
    let text = rack.api.metrics().render();
    let line = "service=\"underlay.v1.ServerService\",method=\"Info\",code=\"Ok\"} 1";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("service=\"unknown\",method=\"unknown\",code=\"Unimplemented\"} 2"), "{text}");
}

#[tokio::test]
async fn health_answers_without_a_token() {
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    let rack = Rack::start().await;
    let mut health = HealthClient::new(rack.remote(None).await.unwrap());
    let answer = health.check(HealthCheckRequest { service: String::new() }).await.unwrap();
    assert_eq!(answer.into_inner().status, 1);
}
