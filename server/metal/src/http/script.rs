//! iPXE scripts, rendered on request. Every one ends in something that boots or tries again, never in a dead end.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, StatusCode, header, uri::Authority},
    response::{IntoResponse, Response},
};
use underlay_core::{
    Mac,
    boot::{Answer, Plan, Token},
    network::Unknown,
};

use super::{
    Endpoint,
    line::{self, Agent},
};

/// What iPXE runs first when all it was given is this URL: ask again with the MAC of the NIC it booted over.
pub(super) async fn entry(State(endpoint): State<Arc<Endpoint>>, headers: HeaderMap) -> Response {
    let base = base(&endpoint, &headers);
    script(&format!(
        "chain --replace --autofree {base}/v1/ipxe/${{netX/mac}} || goto again\n{}",
        again(&base)
    ))
}

/// The script of one NIC.
pub(super) async fn of_mac(
    State(endpoint): State<Arc<Endpoint>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(mac): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Ok(mac) = mac.parse::<Mac>() else {
        return (StatusCode::BAD_REQUEST, "not a MAC address\n").into_response();
    };
    let base = base(&endpoint, &headers);
    match endpoint.directory.answer(mac, peer.ip()).await {
        Ok(Answer::Known { plan: Plan::Agent { token, .. }, .. }) => {
            endpoint.directory.saw(mac, "fetched its boot script: the agent");
            script(&agent(&endpoint, &base, mac, Some(&token)))
        }
        Ok(Answer::Known { plan: Plan::LocalDisk, .. }) => {
            endpoint.directory.saw(mac, "fetched its boot script: its own disk");
            script(LOCAL_DISK)
        }
        Ok(Answer::Unknown(Unknown::Discover)) => script(&agent(&endpoint, &base, mac, None)),
        Ok(Answer::Unknown(Unknown::LocalDisk | Unknown::Ignore)) => script(LOCAL_DISK),
        Err(error) => {
            tracing::warn!(%mac, error = underlay_core::because(&error), "no boot plan could be read");
            script(&format!(
                "echo underlay: the server cannot read its store, trying again\n{}",
                again(&base)
            ))
        }
    }
}

/// Back to the firmware, which goes on to the disk. Where leaving iPXE would bring the network again, the disk is
/// started directly.
const LOCAL_DISK: &str = "echo underlay: nothing asked of this machine, starting its disk\n\
    iseq ${platform} efi && exit 1 ||\n\
    sanboot --no-describe --drive 0x80 || exit 1\n";

fn agent(endpoint: &Endpoint, base: &str, mac: Mac, token: Option<&Token>) -> String {
    let agent = Agent { base, mac: Some(mac), address: None, token };
    let (kernel, words) = (line::KERNEL, agent.words(endpoint));
    format!(
        "echo underlay: starting the agent\n\
         kernel {base}/v1/ramdisk/vmlinuz initrd=initrd {kernel} {words} || goto again\n\
         initrd --name initrd {base}/v1/ramdisk/initrd || goto again\n\
         boot || goto again\n\
         {}",
        again(base)
    )
}

/// Start over after a while, in place of this script and not within it: otherwise each round takes memory, and leaving
/// one script would only come back to the one before.
fn again(base: &str) -> String {
    format!(":again\nsleep 5\nchain --replace --autofree {base}/boot.ipxe || goto again\n")
}

/// How the asker reaches us: by the address it asked, so that relays and QEMU's user networking need no setting.
pub(super) fn base(endpoint: &Endpoint, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '[' | ']');
    let sound = host.len() <= 255 && host.chars().all(plain) && host.parse::<Authority>().is_ok();
    if sound { format!("http://{host}") } else { format!("http://127.0.0.1:{}", endpoint.config.port) }
}

fn script(body: &str) -> Response {
    ([(header::CONTENT_TYPE, "text/plain"), (header::CACHE_CONTROL, "no-store")], format!("#!ipxe\n{body}"))
        .into_response()
}
