//! Certificates: the first one is pinned, another one is refused before the login is sent.

use std::{net::SocketAddr, sync::Arc};

use axum::serve::Listener;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use underlay_core::{
    bmc::{Bmc, Error},
    host::{Boot, Tls},
};

use super::{Redfish, login, service, spec};

struct TlsListener(TcpListener, TlsAcceptor);

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, address) = self.0.accept().await.expect("a connection");
            if let Ok(stream) = self.1.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A service behind a certificate; returns its address and what was asked of it.
async fn serve(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
) -> (String, Arc<std::sync::Mutex<service::State>>) {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("https://{}", listener.local_addr().expect("an address"));
    let (routes, state) = service::routes();
    let listener = TlsListener(listener, TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, state)
}

async fn self_signed() -> (String, Arc<std::sync::Mutex<service::State>>) {
    let made = rcgen::generate_simple_self_signed(vec!["bmc".into()]).expect("a certificate");
    serve(made.cert.der().clone(), &made.signing_key).await
}

#[tokio::test]
async fn the_first_certificate_is_pinned_and_reported_and_another_one_is_refused() {
    let (address, _) = self_signed().await;
    let first = Redfish::new(&spec(&address), &Boot::default(), login(), None).expect("the address reads");
    let pin = first.observe().await.expect("any certificate will do at first").certificate;
    assert_eq!(pin.as_ref().map(String::len), Some(64));

    let again =
        Redfish::new(&spec(&address), &Boot::default(), login(), pin.clone()).expect("the address reads");
    assert_eq!(again.observe().await.expect("the same certificate").certificate, pin);

    let (other, asked) = self_signed().await;
    let swapped =
        Redfish::new(&spec(&other), &Boot::default(), login(), pin.clone()).expect("the address reads");
    let refused = swapped.observe().await.expect_err("another certificate");
    assert!(
        matches!(&refused, Error::Refused { why, .. } if why.contains(&pin.expect("a pin"))),
        "{refused:?}"
    );
    assert!(asked.lock().expect("whole").requests.is_empty(), "nothing was sent, least of all a login");
}

#[tokio::test]
async fn a_ca_admits_its_own_and_nobody_else() {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let names = CertificateParams::new(vec!["127.0.0.1".into()]).expect("a name");
    let (ours, _) = serve(names.signed_by(&key, &ca).expect("signed").der().clone(), &key).await;
    let (foreign, _) = self_signed().await;
    for (address, admitted) in [(ours, true), (foreign, false)] {
        let spec = super::host::Redfish { tls: Tls::Ca { pem: ca.pem() }, ..spec(&address) };
        let driver = Redfish::new(&spec, &Boot::default(), login(), None).expect("the CA reads");
        match driver.observe().await {
            Ok(seen) => assert!(admitted && seen.certificate.is_none(), "{seen:?}"),
            Err(error) => assert!(!admitted && matches!(error, Error::Refused { .. }), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn an_insecure_bmc_is_not_checked_and_a_ca_that_does_not_read_is_invalid() {
    let (address, _) = self_signed().await;
    let insecure = super::host::Redfish { tls: Tls::Insecure, ..spec(&address) };
    let driver = Redfish::new(&insecure, &Boot::default(), login(), None).expect("the address reads");
    assert_eq!(driver.observe().await.expect("unchecked").certificate, None);
    let empty = super::host::Redfish { tls: Tls::Ca { pem: "nothing".into() }, ..spec(&address) };
    assert!(matches!(Redfish::new(&empty, &Boot::default(), login(), None), Err(Error::Invalid(_))));
}
