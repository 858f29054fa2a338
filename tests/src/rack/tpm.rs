//! A TPM for a machine of QEMU's: swtpm, with the certificates that its maker would have written into it.

use std::{
    fs,
    os::{fd::OwnedFd, unix::net::UnixListener},
    process::Command,
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::segment::{Process, Segment, run};

/// A software TPM; ends when dropped.
pub struct Tpm {
    _process: Process,
    /// QEMU's words for the device.
    devices: [String; 6],
    /// SHA-256 of the certificate of its RSA endorsement key, hex.
    certificate: String,
}

impl Tpm {
    /// Makes one and starts it.
    ///
    /// # Errors
    /// swtpm's tools cannot be run.
    pub fn start(segment: &Segment, name: &str) -> Result<Self> {
        let folder = segment.directory().join(name);
        fs::create_dir(&folder)?;
        let at = |file: &str| folder.join(file).display().to_string();
        let setup = format!(
            "create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = {}\ncreate_certs_tool_options = {}\n",
            at("localca.conf"),
            at("localca.options")
        );
        let authority = format!(
            "statedir = {}\nsigningkey = {}\nissuercert = {}\ncertserial = {}\n",
            folder.display(),
            at("signkey.pem"),
            at("issuercert.pem"),
            at("certserial")
        );
        let options = "--platform-manufacturer Test --platform-version 1 --platform-model Test\n";
        for (file, text) in
            [("setup.conf", &*setup), ("localca.conf", &authority), ("localca.options", options)]
        {
            fs::write(folder.join(file), text)?;
        }
        let mut make = Command::new("swtpm_setup");
        make.args(["--tpm2", "--create-ek-cert", "--tpm-state"]).arg(&folder);
        make.arg("--config").arg(at("setup.conf")).arg("--write-ek-cert-files").arg(&folder);
        run(&mut make)?;
        let certificate = fs::read(at("ek-rsa2048.crt")).context("it has a certificate")?;

        // QEMU may connect at once: the socket is there before anybody listens on it.
        let socket = at("control");
        let listener = OwnedFd::from(UnixListener::bind(&socket)?);
        let mut swtpm = segment.command("swtpm");
        swtpm.args(["socket", "--tpm2", "--ctrl", "type=unixio,fd=0", "--tpmstate"]);
        let process = Process::start(swtpm.arg(format!("dir={}", folder.display())).stdin(listener))?;
        let words = [
            "-chardev",
            &format!("socket,id=tpm,path={socket}"),
            "-tpmdev",
            "emulator,id=tpm0,chardev=tpm",
            "-device",
            "tpm-tis,tpmdev=tpm0",
        ];
        let certificate = hex::encode(Sha256::digest(certificate));
        Ok(Self { _process: process, devices: words.map(str::to_owned), certificate })
    }

    /// QEMU's words for the device.
    pub fn devices(&self) -> impl Iterator<Item = &str> {
        self.devices.iter().map(String::as_str)
    }

    /// SHA-256 of the certificate of its RSA endorsement key, hex.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }
}
