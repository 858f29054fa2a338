//! The server's own certificate authority: made at first start, kept in the data directory (`ca.pem`, and `ca.key` with
//! mode 0600), ECDSA P-256. It vouches for two things only: this server, and agents that redeemed a token.
//!
//! Invariant: nothing of what an agent asks for in its request gets into its certificate but the public key (RFC 2986).

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
    SerialNumber,
};
use rustls_pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject,
};
use underlay_core::ObjectId;
use x509_parser::prelude::FromDer;

use super::{AgentIdentity, ResidentIdentity, keyfile};

/// How long the CA lives.
const CA_LIFE: Duration = Duration::from_secs(20 * 365 * 86_400);
/// How long the server's certificate lives; it is issued anew at every start.
const SERVER_LIFE: Duration = Duration::from_secs(5 * 365 * 86_400);
/// How long an agent's certificate lives: longer than any imaging over a thin link, shorter than two boots of a host.
const AGENT_LIFE: Duration = Duration::from_secs(24 * 3600);
/// How long a resident's certificate lives. It is renewed for as long as its key may live on its host; what ends it before
/// its time is the host's end, not its date.
const RESIDENT_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Clocks of machines without a battery run late; certificates are good this long before they were issued.
const SKEW: Duration = Duration::from_secs(365 * 86_400);
/// The longest request that is parsed, in bytes; one for P-256 has about 250.
const CSR: usize = 4096;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the CA cannot be read or written.
    #[error("certificate authority file {path}")]
    File {
        /// Its path.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// A file of the CA does not hold what it should.
    #[error("certificate authority file {path} {why}")]
    Damaged {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A certificate could not be made.
    #[error("issuing a certificate for {subject}")]
    Issue {
        /// For whom.
        subject: String,
        /// What stood in the way.
        #[source]
        source: rcgen::Error,
    },
    /// The agent's request is not one we sign.
    #[error("the certificate request {0}")]
    Request(&'static str),
    /// The TLS library refuses what we made.
    #[error("configuring TLS")]
    Configure(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The certificate authority of this server.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("digest", &self.digest()).finish_non_exhaustive()
    }
}

impl Authority {
    /// The CA kept in `directory`, made if there is none.
    ///
    /// # Errors
    /// [`Error::File`], also where others can read the key; [`Error::Damaged`] where certificate and key do not belong
    /// together. A CA is never replaced: agents and providers know the server by it.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let (key_path, pem_path) = (directory.join("ca.key"), directory.join("ca.pem"));
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { path, source }
        };
        let key = keyfile::read_private(&key_path).map_err(file(&key_path))?;
        let pem = keyfile::read(&pem_path).map_err(file(&pem_path))?;
        let key = match key {
            Some(text) => KeyPair::from_pem(&text)
                .map_err(|_| Error::Damaged { path: key_path, why: "is not a private key in PEM" })?,
            None if pem.is_some() => {
                return Err(Error::Damaged { path: key_path, why: "is missing, but ca.pem is there" });
            }
            None => {
                let key = generate("underlay CA")?;
                keyfile::write_private(&key_path, &key.serialize_pem()).map_err(file(&key_path))?;
                key
            }
        };
        let pem = match pem {
            Some(pem) => pem,
            None => {
                let pem = self_sign(&key)?;
                keyfile::write_public(&pem_path, &pem).map_err(file(&pem_path))?;
                pem
            }
        };
        Self::assemble(key, pem, pem_path)
    }

    fn assemble(key: KeyPair, pem: String, path: PathBuf) -> Result<Self, Error> {
        let damaged = |why| Error::Damaged { path: path.clone(), why };
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| damaged("is not a certificate in PEM"))?;
        let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(&certificate)
            .map_err(|_| damaged("is not a certificate"))?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(damaged("is not the certificate of ca.key"));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|source| Error::Issue { subject: "underlay CA".into(), source })?;
        Ok(Self { issuer, certificate, pem })
    }

    /// The CA's certificate, for whoever must trust the server.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The CA's certificate in DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// SHA-256 of the CA's certificate in DER, lower-case hex: what an agent is told to trust.
    pub fn digest(&self) -> String {
        hex::encode(ring::digest::digest(&ring::digest::SHA256, &self.certificate))
    }

    /// A certificate and its key for a server that is reached by `names` (DNS names or addresses).
    pub(super) fn server(
        &self,
        names: &[String],
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), Error> {
        let failed = |source| Error::Issue { subject: names.join(", "), source };
        let key = generate("the server")?;
        let mut params = CertificateParams::new(names.to_vec()).map_err(failed)?;
        describe(&mut params, "underlay server", SERVER_LIFE);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok((certificate.into(), key))
    }

    /// Checks an agent's request (PKCS#10, DER) before its token is spent.
    ///
    /// # Errors
    /// [`Error::Request`] unless it is short, for a P-256 key, and signed with that key.
    pub fn check(&self, csr: &[u8]) -> Result<Request, Error> {
        if csr.is_empty() || csr.len() > CSR {
            return Err(Error::Request("is empty or too long"));
        }
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr))
            .map_err(|_| Error::Request("is malformed, or its signature is wrong"))?;
        let (_, parsed) = x509_parser::certification_request::X509CertificationRequest::from_der(csr)
            .map_err(|_| Error::Request("is malformed"))?;
        let public = &parsed.certification_request_info.subject_pki;
        let curve = public.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
        let p256 = x509_parser::oid_registry::OID_EC_P256;
        if public.algorithm.algorithm != x509_parser::oid_registry::OID_KEY_TYPE_EC_PUBLIC_KEY
            || curve != Some(p256)
            || request.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256
        {
            return Err(Error::Request("is not for a P-256 key"));
        }
        let fingerprint = hex::encode(ring::digest::digest(&ring::digest::SHA256, public.raw));
        Ok(Request { public_key: request.public_key, fingerprint })
    }

    /// A certificate for the agent on a host, for mutual TLS.
    ///
    /// # Errors
    /// [`Error::Issue`].
    pub fn agent(&self, request: &Request, agent: AgentIdentity) -> Result<CertificateDer<'static>, Error> {
        self.client(request, agent.to_string(), AGENT_LIFE)
    }

    /// A certificate for the agent that lives on a host's installed system, whose key is that of the request; and how long
    /// it is good.
    ///
    /// # Errors
    /// [`Error::Issue`].
    pub fn resident(
        &self,
        request: &Request,
        host: ObjectId,
    ) -> Result<(CertificateDer<'static>, Duration), Error> {
        let mut key = [0; 32];
        hex::decode_to_slice(&request.fingerprint, &mut key).map_err(|_| Error::Request("has no key"))?;
        let subject = ResidentIdentity { host, key }.to_string();
        Ok((self.client(request, subject, RESIDENT_LIFE)?, RESIDENT_LIFE))
    }

    fn client(
        &self,
        request: &Request,
        subject: String,
        life: Duration,
    ) -> Result<CertificateDer<'static>, Error> {
        let failed = |source| Error::Issue { subject: subject.clone(), source };
        let mut params = CertificateParams::default();
        describe(&mut params, "underlay agent", life);
        params.subject_alt_names = vec![SanType::URI(subject.clone().try_into().map_err(failed)?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&request.public_key, &self.issuer).map_err(failed)?;
        Ok(certificate.into())
    }
}

/// A request that was checked.
#[derive(Debug)]
pub struct Request {
    public_key: rcgen::PublicKey,
    fingerprint: String,
}

impl Request {
    /// SHA-256 of the public key's SubjectPublicKeyInfo, hex: what tells one agent boot from another.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

fn generate(subject: &str) -> Result<KeyPair, Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
        .map_err(|source| Error::Issue { subject: subject.into(), source })
}

fn self_sign(key: &KeyPair) -> Result<String, Error> {
    let mut params = CertificateParams::default();
    describe(&mut params, "underlay CA", CA_LIFE);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let certificate =
        params.self_signed(key).map_err(|source| Error::Issue { subject: "underlay CA".into(), source })?;
    Ok(certificate.pem())
}

/// Name, serial number (RFC 5280 section 4.1.2.2: positive, at most 20 octets) and life.
fn describe(params: &mut CertificateParams, name: &str, life: Duration) {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    params.distinguished_name = distinguished;
    let mut serial = uuid::Uuid::new_v4().into_bytes();
    if let Some(first) = serial.first_mut() {
        *first &= 0x7f;
    }
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let now = SystemTime::from(underlay_core::clock::now());
    params.not_before = (now - SKEW).into();
    params.not_after = (now + life).into();
    params.use_authority_key_identifier_extension = true;
}
