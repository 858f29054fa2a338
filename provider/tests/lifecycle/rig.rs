//! A fake Terraform and a server, wired up; configurations.

use terraform_provider_underlay::{
    Config, Underlay,
    resources::{ReadyModel, host_model, image_model, machine_model},
};
use tfplugin::{
    Attr, Diagnostics, Severity, Timeouts,
    cty::Value,
    testing::{Core, Error},
};

use crate::server::{Server, Stopped};

pub const WEB: &str = "underlay_machine.web";
pub const LAB: &str = "underlay_host.lab";
pub const DEBIAN: &str = "underlay_image.debian";

/// Digests of two images.
pub const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// A state, and the server it talks to.
pub struct Rig {
    pub core: Core<Underlay>,
    pub server: Server,
}

impl Rig {
    pub async fn new() -> Self {
        let server = Server::start().await;
        Self { core: state(&server).await, server }
    }

    /// The server goes away; the state stays.
    pub async fn lose_server(self) -> (Core<Underlay>, Stopped) {
        (self.core, self.server.stop().await)
    }

    /// An attribute in state.
    #[track_caller]
    pub fn attribute(&self, address: &str, name: &str) -> Value {
        self.core.instance(address).expect("it is in state").state.get(name).cloned().unwrap_or_default()
    }

    /// A text attribute in state.
    #[track_caller]
    pub fn text(&self, address: &str, name: &str) -> String {
        self.attribute(address, name).as_str().unwrap_or_default().to_owned()
    }
}

/// Another state of the same owner.
pub async fn state(server: &Server) -> Core<Underlay> {
    let mut core = Core::start(Underlay).await.unwrap();
    core.configure(&provider(server)).await.unwrap();
    core
}

pub fn provider(server: &Server) -> Config {
    Config { endpoint: format!("http://{}", server.address).into(), ..Default::default() }
}

pub fn image_id(sha256: &str) -> String {
    format!("debian@sha256:{sha256}")
}

pub fn machine() -> machine_model::Model {
    machine_model::Model {
        name: "web-0".into(),
        image: image_id(A).into(),
        host: "lab-1".into(),
        timeouts: Timeouts { create: "300ms".into(), update: "300ms".into(), ..Default::default() }.into(),
        ..Default::default()
    }
}

pub fn host() -> host_model::Model {
    let qemu = host_model::Qemu {
        cpus: 1.into(),
        memory: "1024MiB".into(),
        disks: vec!["4GiB".to_owned()].into(),
        forward: vec![22].into(),
        tap: Attr::Null,
    };
    host_model::Model { name: "lab-1".into(), qemu: qemu.into(), ..Default::default() }
}

pub fn image(sha256: &str) -> image_model::Model {
    let source = image_model::Source { url: "http://127.0.0.1/debian.raw".into(), sha256: sha256.into() };
    image_model::Model { name: "debian".into(), source: source.into(), ..Default::default() }
}

pub fn gate(ids: &[String]) -> ReadyModel {
    ReadyModel { machines: ids.to_vec().into(), timeout: "300ms".into(), ..Default::default() }
}

/// The messages of an error, as one text; its paths are in parentheses.
#[track_caller]
pub fn told(error: &Error) -> String {
    text(
        error.diagnostics().unwrap_or_else(|| panic!("the provider is to answer with errors, not {error:?}")),
    )
}

/// Messages as one text.
pub fn text(diagnostics: &Diagnostics) -> String {
    let line = |one: &tfplugin::Diagnostic| {
        let severity = if one.severity == Severity::Error { "Error" } else { "Warning" };
        let path = one.path.as_ref().map(|path| format!(" ({path})")).unwrap_or_default();
        format!("{severity}: {}{path}\n{}\n", one.summary, one.detail)
    };
    diagnostics.iter().map(line).collect()
}

/// All of these words are in the text.
#[track_caller]
pub fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
    assert!(!text.contains("raw gRPC"), "{text}");
}
