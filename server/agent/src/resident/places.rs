//! Where the agent's own files are in a live system. Tests put them under a folder of their own.

use std::path::{Path, PathBuf};

/// A system's root, and what lies where beneath it.
#[derive(Clone, Debug)]
pub struct Places {
    root: PathBuf,
}

impl Places {
    /// The running system.
    pub fn real() -> Self {
        Self::beneath(Path::new("/"))
    }

    /// A system beneath that folder.
    pub fn beneath(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The program.
    pub fn program(&self) -> PathBuf {
        self.at("usr/local/sbin/underlay-agent")
    }

    /// The folder of the settings.
    pub fn settings_folder(&self) -> PathBuf {
        self.at("etc/underlay")
    }

    /// Where the server is, and by what it is known; root alone may read it.
    pub fn settings(&self) -> PathBuf {
        self.at("etc/underlay/agent.conf")
    }

    /// The folder of the key; root alone may enter it.
    pub fn state_folder(&self) -> PathBuf {
        self.at("var/lib/underlay-agent")
    }

    /// The key, PKCS#8 in DER.
    pub fn key(&self) -> PathBuf {
        self.at("var/lib/underlay-agent/key.der")
    }

    /// The list of the attributes that were written.
    pub fn attributes(&self) -> PathBuf {
        self.at("var/lib/underlay-agent/attributes")
    }

    /// A file of the system by its absolute path.
    pub fn file(&self, path: &str) -> PathBuf {
        self.at(path.trim_start_matches('/'))
    }

    /// The service.
    pub fn unit(&self) -> PathBuf {
        self.at("etc/systemd/system/underlay-agent.service")
    }

    /// There while systemd runs the system (sd_booted(3)).
    pub fn systemd(&self) -> PathBuf {
        self.at("run/systemd/system")
    }
}
