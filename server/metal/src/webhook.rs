//! An HTTP client for one webhook: it trusts whom this machine trusts, follows no redirect, and uses no proxy.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustls::{ClientConfig, RootCertStore};

/// A webhook is asked rarely.
const IDLE: Duration = Duration::from_secs(15);

/// A client for `url`, which may take so long to connect and to answer.
///
/// # Errors
/// Why there is none, in words.
pub(crate) fn client(
    url: &reqwest::Url,
    connect: Duration,
    request: Duration,
) -> Result<reqwest::Client, String> {
    let roots = match url.scheme() {
        "https" => authorities().clone(),
        "http" => RootCertStore::empty(),
        _ => return Err("write it as https://HOST/PATH".into()),
    };
    reqwest::Client::builder()
        .user_agent(concat!("underlay/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls(roots)?)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http1_only()
        .connect_timeout(connect)
        .timeout(request)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(IDLE)
        .build()
        .map_err(|error| underlay_core::because(&error))
}

/// Whom this machine trusts; read once.
fn authorities() -> &'static RootCertStore {
    static READ: OnceLock<RootCertStore> = OnceLock::new();
    READ.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}

fn tls(roots: RootCertStore) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
