//! The agent as one EFI program for firmware that boots over HTTP: the ramdisk's `boot.efi`, with the kernel line of the NIC
//! that asks laid over the placeholder in it while it is read. Saves the loader and its script.
//!
//! A signed program (`boot.signed.efi`) comes first and is served as it is: a signature covers the line. It names no machine, which
//! reports itself and gets its token by TLS. Where there is a shim beside it (`shim.efi`), firmware gets that, and the shim asks for the
//! signed program by the name that it has built in, beside where it came from itself.
//!
//! It proves the segment and no more, as a boot script does. A machine that is to start its disk gets "not found": its
//! firmware goes on to its next way to boot.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Path, Request, State},
    http::{HeaderMap, StatusCode, uri::Authority},
    response::{IntoResponse, Response},
};
use underlay_core::{
    Mac,
    boot::{Answer, Plan},
    network::Unknown,
};

use super::{
    Endpoint,
    iso::{self, Overlay},
    line::Agent,
    script,
    shelf::Asset,
};

/// The base program, beside kernel and initramfs.
pub const BASE: &str = "boot.efi";
/// The same with a signature, which goes to everybody as it is and before the other.
pub const SIGNED: &str = "boot.signed.efi";
/// What firmware that knows only Microsoft's key starts before that one.
pub const SHIM: &str = "shim.efi";
/// What a shim for 64-bit x86 asks for (DEFAULT_LOADER). It names no machine, and what it is given holds nothing of one.
const SECOND: &str = "grubx64.efi";

/// Does a ramdisk have a program for firmware that boots over HTTP?
pub fn is_in(ramdisk: &std::path::Path) -> bool {
    [SIGNED, BASE].into_iter().any(|name| ramdisk.join(name).exists())
}

const TYPE: &str = "application/efi";

/// Answers firmware.
pub(super) async fn serve(
    State(endpoint): State<Arc<Endpoint>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(file): Path<String>,
    request: Request,
) -> Response {
    // A body is not to be held across a wait.
    let (request, _) = request.into_parts();
    let asset =
        |name| Asset { path: endpoint.config.ramdisk.join(name), tagged_by: None, content_type: TYPE };
    // A shim (16.1) puts another slash before it.
    if file.trim_start_matches('/') == SECOND {
        return match endpoint.shelf.take(&asset(SIGNED)).await {
            Ok(signed) => iso::part_of(signed, Overlay::none(), &request),
            Err(_) => (StatusCode::NOT_FOUND, "the server has no signed program\n").into_response(),
        };
    }
    let Some(mac) = file.strip_suffix(".efi").and_then(|mac| mac.parse::<Mac>().ok()) else {
        return (StatusCode::NOT_FOUND, "no such program\n").into_response();
    };
    let token = match endpoint.directory.answer(mac, peer.ip()).await {
        Ok(Answer::Known { plan: Plan::Agent { token, .. }, .. }) => Some(token),
        Ok(Answer::Unknown(Unknown::Discover)) => None,
        Ok(_) => return (StatusCode::NOT_FOUND, "nothing is asked of this machine\n").into_response(),
        Err(error) => {
            tracing::warn!(%mac, error = underlay_core::because(&error), "no boot plan could be read");
            return (StatusCode::SERVICE_UNAVAILABLE, "the server cannot read its store\n").into_response();
        }
    };
    if let Ok(signed) = endpoint.shelf.take(&asset(SIGNED)).await {
        let (first, what) = match endpoint.shelf.take(&asset(SHIM)).await {
            Ok(shim) => (shim, "fetched a shim, to start the agent as one signed EFI program"),
            Err(_) => (signed, "fetched the agent as one signed EFI program"),
        };
        endpoint.directory.saw(mac, what);
        return iso::part_of(first, Overlay::none(), &request);
    }
    let base = base(&endpoint, &request.headers);
    let words = Agent { base: &base, mac: Some(mac), address: None, token: token.as_ref() }.words(&endpoint);
    let (program, overlay) = match iso::overlaid(&endpoint, BASE, &words).await {
        Ok(program) => program,
        Err(why) => {
            tracing::error!(%mac, why, "a boot program cannot be served");
            return (StatusCode::SERVICE_UNAVAILABLE, "the server has no boot program\n").into_response();
        }
    };
    endpoint.directory.saw(mac, "fetched the agent as one EFI program");
    iso::part_of(program, overlay, &request)
}

/// How the firmware reached us. EDK2 leaves the port out of its Host header, whatever the URL says (OVMF 2022.11).
fn base(endpoint: &Endpoint, headers: &HeaderMap) -> String {
    let base = script::base(endpoint, headers);
    let authority = base.strip_prefix("http://").and_then(|authority| authority.parse::<Authority>().ok());
    match authority {
        Some(authority) if authority.port().is_none() => format!("{base}:{}", endpoint.config.port),
        _ => base,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use async_trait::async_trait;
    use axum::{
        body::{Body, to_bytes},
        extract::connect_info::MockConnectInfo,
        http::header,
    };
    use tower::ServiceExt as _;
    use underlay_core::{
        ObjectId,
        boot::{Directory, PhoneHome, Redemption, Token},
        view,
    };

    use super::*;
    use crate::http::{router, tests::config};

    const TOKEN: &str = "canary-4711";

    /// Each NIC by its last byte: one that is to deploy, one that is to start its disk, and strangers.
    struct Three;

    #[async_trait]
    impl Directory for Three {
        async fn answer(&self, mac: Mac, _: IpAddr) -> Result<Answer, view::Error> {
            let host = ObjectId::new();
            let token = Token(TOKEN.to_owned().into());
            Ok(match mac.0[5] {
                1 => Answer::Known { host, plan: Plan::Agent { token, epoch: 1, host } },
                2 => Answer::Known { host, plan: Plan::LocalDisk },
                3 => Answer::Unknown(Unknown::Discover),
                _ => Answer::Unknown(Unknown::Ignore),
            })
        }

        fn saw(&self, _: Mac, _: &str) {}

        async fn phone_home(&self, _: PhoneHome) -> Result<Redemption, view::Error> {
            Ok(Redemption::Refused)
        }
    }

    async fn ask(ramdisk: &std::path::Path, file: &str, range: &str) -> (StatusCode, HeaderMap, String) {
        ask_as("10.77.0.1:7480", ramdisk, file, range).await
    }

    async fn ask_as(
        host: &str,
        ramdisk: &std::path::Path,
        file: &str,
        range: &str,
    ) -> (StatusCode, HeaderMap, String) {
        let peer = MockConnectInfo("10.77.0.9:1000".parse::<SocketAddr>().unwrap());
        let app = router(config(ramdisk), Arc::new(Three)).layer(peer);
        let request = axum::http::Request::get(format!("/v1/uki/{file}")).header(header::HOST, host);
        let request = if range.is_empty() { request } else { request.header(header::RANGE, range) };
        let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn each_machine_gets_the_program_with_its_own_line_or_none() {
        let ramdisk = tempfile::tempdir().unwrap();
        let program = format!("MZ{}tail", iso::placeholder());
        std::fs::create_dir(ramdisk.path().join("ramdisk")).unwrap();
        std::fs::write(ramdisk.path().join("ramdisk").join(BASE), &program).unwrap();
        let (status, headers, text) = ask(ramdisk.path(), "52-54-00-00-00-01.efi", "").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CONTENT_LENGTH], program.len().to_string());
        assert!(text.contains(&format!("underlay.mode=deploy underlay.token={TOKEN}")), "{text}");
        assert!(text.contains("underlay.url=http://10.77.0.1:7480 ") && text.ends_with("tail"), "{text}");
        let (status, _, part) = ask(ramdisk.path(), "52-54-00-00-00-01.efi", "bytes=2-30").await;
        assert_eq!((status, part.as_str()), (StatusCode::PARTIAL_CONTENT, &text[2..31]));

        let (status, _, stranger) = ask(ramdisk.path(), "52-54-00-00-00-03.efi", "").await;
        assert_eq!(status, StatusCode::OK);
        assert!(stranger.contains("underlay.mode=discover") && !stranger.contains(TOKEN), "{stranger}");
        for file in ["52-54-00-00-00-02.efi", "52-54-00-00-00-04.efi", "x.efi", "52-54-00-00-00-01"] {
            assert_eq!(ask(ramdisk.path(), file, "").await.0, StatusCode::NOT_FOUND, "{file}");
        }
    }

    #[tokio::test]
    async fn a_signed_program_goes_out_as_it_is_and_to_nobody_who_is_to_start_a_disk() {
        let ramdisk = tempfile::tempdir().unwrap();
        let folder = ramdisk.path().join("ramdisk");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(BASE), iso::placeholder()).unwrap();
        assert!(is_in(&folder) && !is_in(ramdisk.path()));
        let signed = "MZ, a line for good, a signature";
        std::fs::write(folder.join(SIGNED), signed).unwrap();
        for file in ["52-54-00-00-00-01.efi", "52-54-00-00-00-03.efi"] {
            let (status, _, text) = ask(ramdisk.path(), file, "").await;
            assert_eq!((status, text.as_str()), (StatusCode::OK, signed), "{file}");
            let (status, headers, part) = ask(ramdisk.path(), file, "bytes=4-9").await;
            assert_eq!((status, part.as_str()), (StatusCode::PARTIAL_CONTENT, &signed[4..10]));
            assert_eq!(headers[header::CONTENT_RANGE], format!("bytes 4-9/{}", signed.len()));
        }
        for file in ["52-54-00-00-00-02.efi", "52-54-00-00-00-04.efi"] {
            assert_eq!(ask(ramdisk.path(), file, "").await.0, StatusCode::NOT_FOUND, "{file}");
        }
    }

    #[tokio::test]
    async fn where_there_is_a_shim_firmware_gets_it_and_it_gets_the_signed_program() {
        let ramdisk = tempfile::tempdir().unwrap();
        let folder = ramdisk.path().join("ramdisk");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(BASE), iso::placeholder()).unwrap();
        std::fs::write(folder.join(SHIM), "MZ, a shim").unwrap();
        assert_eq!(ask(ramdisk.path(), SECOND, "").await.0, StatusCode::NOT_FOUND);
        let (_, _, unsigned) = ask(ramdisk.path(), "52-54-00-00-00-01.efi", "").await;
        assert!(unsigned.contains(TOKEN), "a shim starts nothing without a signature: {unsigned}");
        std::fs::write(folder.join(SIGNED), "MZ, signed").unwrap();
        let asked_by_a_shim = format!("/{SECOND}");
        for (file, text) in [
            ("52-54-00-00-00-01.efi", "MZ, a shim"),
            (SECOND, "MZ, signed"),
            (&asked_by_a_shim, "MZ, signed"),
        ] {
            assert_eq!(ask(ramdisk.path(), file, "").await.2, text, "{file}");
        }
        for file in ["52-54-00-00-00-02.efi", "mmx64.efi", "revocations.efi"] {
            assert_eq!(ask(ramdisk.path(), file, "").await.0, StatusCode::NOT_FOUND, "{file}");
        }
    }

    #[tokio::test]
    async fn firmware_that_leaves_the_port_out_is_told_ours_and_one_behind_another_port_that_one() {
        let ramdisk = tempfile::tempdir().unwrap();
        std::fs::create_dir(ramdisk.path().join("ramdisk")).unwrap();
        std::fs::write(ramdisk.path().join("ramdisk").join(BASE), iso::placeholder()).unwrap();
        let ours = config(ramdisk.path()).port;
        for (host, base) in [
            ("10.77.0.1", format!("http://10.77.0.1:{ours}")),
            ("[fd00::1]", format!("http://[fd00::1]:{ours}")),
            ("boot.example:8080", "http://boot.example:8080".to_owned()),
        ] {
            let (_, _, text) = ask_as(host, ramdisk.path(), "52-54-00-00-00-01.efi", "").await;
            assert!(text.starts_with(&format!("underlay.url={base} ")), "{host}: {text}");
        }
    }

    #[tokio::test]
    async fn a_server_without_the_program_says_so_and_goes_on() {
        let ramdisk = tempfile::tempdir().unwrap();
        let (status, ..) = ask(ramdisk.path(), "52-54-00-00-00-01.efi", "").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
}
