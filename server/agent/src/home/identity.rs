//! Who we are to the server: a P-256 key, and the certificate that the one-time token buys for it. In RAM the key is made
//! in this boot; an agent that lives on an installed system keeps its key.
//!
//! The key never leaves the machine. Redeeming again with the same key is harmless, so it is done whenever the
//! certificate may no longer be accepted.

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};
use tonic::transport::Channel;
use underlay_core::attest;
use underlay_proto::v1::{self, RedeemRequest, agent_service_client::AgentServiceClient};

/// We are nobody.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No key or no request could be made.
    #[error("a key for this boot cannot be made")]
    Key(#[source] rcgen::Error),
    /// The server did not take the token.
    #[error("the server refuses the token: {}", .0.message())]
    Redeem(tonic::Status),
}

/// The key.
#[derive(Debug)]
pub struct Key {
    pair: KeyPair,
    request: Vec<u8>,
}

/// What the token bought.
#[derive(Clone, Debug)]
pub struct Identity {
    /// For mutual TLS.
    pub certificate: CertificateDer<'static>,
    /// The host's id at the server.
    pub host: String,
    /// The fence of this boot.
    pub epoch: i64,
    /// Does the server keep what the agent logs?
    pub takes_log: bool,
}

impl Key {
    /// A new key and a PKCS#10 request for it (RFC 2986). The server decides what the certificate says.
    pub fn generate() -> Result<Self, Error> {
        Self::of(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::Key)?)
    }

    /// The key that was kept as PKCS#8 in DER.
    pub fn from_der(der: Vec<u8>) -> Result<Self, Error> {
        let der = PrivatePkcs8KeyDer::from(der);
        Self::of(KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256).map_err(Error::Key)?)
    }

    /// As it is kept.
    pub fn to_der(&self) -> Vec<u8> {
        self.pair.serialize_der()
    }

    fn of(pair: KeyPair) -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "underlay-agent");
        let request = params.serialize_request(&pair).map_err(Error::Key)?.der().to_vec();
        Ok(Self { pair, request })
    }

    /// Makes a host of the machine with an enrolment token; with an empty one, asks for a fresh certificate of the host it is.
    ///
    /// # Errors
    /// As the server answers; PERMISSION_DENIED is for good.
    pub async fn adopt(
        &self,
        channel: Channel,
        token: &SecretString,
        (inventory, system): (v1::Inventory, v1::System),
    ) -> Result<v1::AdoptResponse, tonic::Status> {
        let request = v1::AdoptRequest {
            token: token.expose_secret().to_owned(),
            csr: self.request.clone(),
            inventory: Some(inventory),
            system: Some(system),
        };
        Ok(AgentServiceClient::new(channel).adopt(request).await?.into_inner())
    }

    /// Turns the token into a certificate for this key.
    pub async fn redeem(
        &self,
        channel: Channel,
        token: &SecretString,
        quote: Option<v1::Quote>,
    ) -> Result<Identity, Error> {
        let (token, csr) = (token.expose_secret().to_owned(), self.request.clone());
        let request = RedeemRequest { token, csr, quote };
        let answer =
            AgentServiceClient::new(channel).redeem(request).await.map_err(Error::Redeem)?.into_inner();
        Ok(Identity {
            certificate: CertificateDer::from(answer.certificate),
            host: answer.host_id,
            epoch: answer.epoch,
            takes_log: answer.takes_log,
        })
    }

    /// What a quote is bound to that comes with that token and this key.
    pub fn binding(&self, token: &SecretString) -> [u8; 32] {
        attest::binding(token.expose_secret(), &self.request)
    }

    /// The private key, for TLS.
    pub fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pair.serialize_der()))
    }
}
