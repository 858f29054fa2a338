//! The one-time URL: the installed system says that it is up, and which SSH host keys it has made.
//!
//! cloud-init's `phone_home` posts a form (`pub_key_ed25519=..&instance_id=..`); any other POST will do.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Bytes,
    extract::{ConnectInfo, Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use underlay_core::boot::{self, Redemption};

use super::Endpoint;
use crate::token::LENGTH as TOKEN;

const KEYS: [&str; 3] = ["pub_key_ed25519", "pub_key_ecdsa", "pub_key_rsa"];

pub(super) async fn call(
    State(endpoint): State<Arc<Endpoint>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(token): Path<String>,
    body: Bytes,
) -> Response {
    // What cannot be a token costs no look into the store.
    if token.len() != TOKEN || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return refused();
    }
    let body = String::from_utf8_lossy(&body);
    let call =
        boot::PhoneHome { token: boot::digest(&token), address: peer.ip(), ssh_host_keys: host_keys(&body) };
    match endpoint.directory.phone_home(call).await {
        Ok(Redemption::Accepted) => (StatusCode::OK, "welcome\n").into_response(),
        Ok(Redemption::Refused) => refused(),
        Err(error) => {
            tracing::warn!(error = underlay_core::because(&error), "a call home could not be recorded");
            (StatusCode::SERVICE_UNAVAILABLE, "try again\n").into_response()
        }
    }
}

fn refused() -> Response {
    (StatusCode::FORBIDDEN, "this URL is not good any more\n").into_response()
}

/// The host keys in a posted form, in `authorized_keys` form; nothing that is not one.
fn host_keys(body: &str) -> Vec<String> {
    let form: Vec<(String, String)> = serde_urlencoded::from_str(body).unwrap_or_default();
    let looks_right = |key: &str| {
        key.len() <= 4096
            && (key.starts_with("ssh-") || key.starts_with("ecdsa-"))
            && !key.contains(char::is_control)
    };
    KEYS.iter()
        .filter_map(|name| form.iter().find(|(field, _)| field == name))
        .map(|(_, key)| key.trim().to_owned())
        .filter(|key| looks_right(key))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_are_taken_from_the_form() {
        let body = "pub_key_ed25519=ssh-ed25519+AAAA+root%40web%0A&pub_key_rsa=junk%0Amore&hostname=web";
        assert_eq!(host_keys(body), ["ssh-ed25519 AAAA root@web"]);
        assert!(host_keys("\u{0}=&&&").is_empty());
    }
}
