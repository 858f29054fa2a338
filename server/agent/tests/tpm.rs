//! A TPM that is software, and real otherwise: it says what it is known by with its maker's certificates and without, the same
//! each time, and another one says something else.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command},
    time::{Duration, Instant},
};

use ring::{
    digest::{SHA256, digest},
    signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey},
};
use underlay_agent::tpm::{Tpm, command, endorsement, quote, template};
use underlay_core::agent::{Endorsement, endorsement::Source};

const PATIENCE: Duration = Duration::from_secs(60);

/// One that answers on a socket, until this goes.
struct Software {
    process: Child,
    state: tempfile::TempDir,
}

impl Drop for Software {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Software {
    /// One that nothing was written to.
    fn blank() -> Self {
        Self::begin(tempfile::tempdir().unwrap())
    }

    /// One that its maker wrote certificates into, as swtpm's own tool does for a virtual machine, and where they are too.
    fn made() -> (Self, PathBuf) {
        let state = tempfile::tempdir().unwrap();
        let at = |name: &str| state.path().join(name).display().to_string();
        let tool = "/usr/bin/swtpm_localca";
        let setup = format!(
            "create_certs_tool = {tool}\ncreate_certs_tool_config = {}\ncreate_certs_tool_options = {}\n",
            at("localca.conf"),
            at("localca.options")
        );
        let authority = format!(
            "statedir = {}\nsigningkey = {}\nissuercert = {}\ncertserial = {}\n",
            state.path().display(),
            at("signkey.pem"),
            at("issuercert.pem"),
            at("certserial")
        );
        let options = "--platform-manufacturer Test --platform-version 1 --platform-model Test\n";
        for (name, text) in
            [("setup.conf", &*setup), ("localca.conf", &authority), ("localca.options", options)]
        {
            fs::write(state.path().join(name), text).unwrap();
        }
        let mut setup = Command::new("swtpm_setup");
        setup
            .args(["--tpm2", "--tpm-state"])
            .arg(state.path())
            .arg("--config")
            .arg(state.path().join("setup.conf"));
        setup.args(["--create-ek-cert", "--overwrite", "--write-ek-cert-files"]).arg(state.path());
        let done = setup.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        let certificate = state.path().join("ek-rsa2048.crt");
        (Self::begin(state), certificate)
    }

    fn begin(state: tempfile::TempDir) -> Self {
        let socket = format!("type=unixio,path={}", state.path().join("data").display());
        let place = format!("dir={}", state.path().display());
        let mut command = Command::new("swtpm");
        command.args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--tpmstate", &place]);
        let process = command.args(["--server", &socket]).spawn().unwrap();
        Self { process, state }
    }

    fn ask(&self) -> Tpm<UnixStream> {
        let (path, begun) = (self.state.path().join("data"), Instant::now());
        let stream = loop {
            match UnixStream::connect(&path) {
                Ok(stream) => break stream,
                Err(error) => assert!(begun.elapsed() < PATIENCE, "swtpm does not listen: {error}"),
            }
            std::thread::yield_now();
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Tpm(stream)
    }

    fn endorsement(&self) -> Endorsement {
        endorsement::read(&mut self.ask()).unwrap().expect("every TPM has a key")
    }
}

/// Is there one to run? Where everything has to be there, its absence is a failure.
fn is_here() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let here = std::env::split_paths(&path).any(|folder| folder.join("swtpm_setup").is_file());
    assert!(here || std::env::var_os("CI").is_none(), "swtpm is not installed: scripts/setup.sh metal");
    if !here {
        eprintln!("skipped: swtpm is not installed");
    }
    here
}

#[test]
fn a_quote_is_signed_by_a_key_that_stays_the_same_and_bound_to_what_it_was_asked_for() {
    if !is_here() {
        return;
    }
    let one = Software::blank();
    let asked = |binding: &[u8; 32]| quote::read(&mut one.ask(), binding).unwrap();
    let first = asked(&[7; 32]);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &first.key)
        .verify(&first.attest, &first.signature)
        .unwrap();
    assert!(first.attest.windows(32).any(|window| window == [7; 32]), "the binding is in it");
    let other = asked(&[8; 32]);
    assert_eq!(first.key, other.key);
    assert_ne!(first.attest, other.attest);
    assert_ne!(quote::read(&mut Software::blank().ask(), &[7; 32]).unwrap().key, first.key);
}

#[test]
fn a_tpm_without_certificates_is_known_by_its_key_over_its_restarts_and_another_is_another() {
    if !is_here() {
        return;
    }
    let mut one = Software::blank();
    let found = one.endorsement();
    assert_eq!(found.source, Source::EccKey);
    assert_eq!(one.endorsement(), found);
    let state = std::mem::replace(&mut one.state, tempfile::tempdir().unwrap());
    drop(one);
    assert_eq!(Software::begin(state).endorsement(), found, "it is the same after a restart");
    let other = Software::blank().endorsement();
    assert_eq!(other.source, Source::EccKey);
    assert_ne!(other.sha256, found.sha256);
}

#[test]
fn keys_that_are_made_to_look_at_them_are_let_go_again() {
    if !is_here() {
        return;
    }
    let software = Software::blank();
    let mut tpm = software.ask();
    // It has room for three at a time.
    let keys: Vec<_> =
        (0..8).map(|_| tpm.primary(command::ENDORSEMENT, &template::ecc_endorsement()).unwrap()).collect();
    assert!(keys.iter().all(|key| *key == keys[0]));
    let rsa = tpm.primary(command::ENDORSEMENT, &template::rsa_endorsement()).unwrap();
    assert_eq!(rsa.len(), 314, "the public area has the template's shape");
    assert_eq!(tpm.nv(0x01c0_0002, 8192).unwrap(), None);
}

#[test]
fn a_tpm_with_its_makers_certificate_is_known_by_that() {
    if !is_here() {
        return;
    }
    let (software, certificate) = Software::made();
    let found = software.endorsement();
    assert_eq!(found.source, Source::RsaCertificate);
    let der = fs::read(certificate).unwrap();
    assert_eq!(
        digest(&SHA256, &der).as_ref(),
        found.sha256.as_bytes(),
        "it is the one that was written to a file"
    );
}
