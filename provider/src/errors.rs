//! What the server refused, or why it could not be asked, as messages in four parts at the lines to blame.
//!
//! The classification is the server's: it sends an `ErrorDetail` with every error. What gRPC itself says is never shown.

use prost::Message;
use tfplugin::{Diagnostic, Diagnostics, schema::Attribute};
use tonic::{Code, Status};
use underlay_proto::{ERROR_DETAIL_KEY, v1 as pb};

use crate::{
    client::Client,
    endpoint::Endpoint,
    locate::{locate, shown},
};

/// What was being done, and which schema its attribute paths are looked up in.
#[derive(Clone, Copy)]
pub(crate) struct Act<'a> {
    /// As in "Unable to create machine web-0".
    pub(crate) verb: &'a str,
    /// As in `machine`.
    pub(crate) kind: &'a str,
    /// The object's name.
    pub(crate) name: &'a str,
    /// The attributes of its resource.
    pub(crate) attributes: &'a [Attribute],
}

impl Act<'_> {
    fn summary(&self) -> String {
        format!("Unable to {} {} {}", self.verb, self.kind, self.name).trim_end().to_owned()
    }
}

/// The details that came with an error.
pub(crate) fn detail(status: &Status) -> Option<pb::ErrorDetail> {
    let bytes = status.metadata().get_bin(ERROR_DETAIL_KEY)?.to_bytes().ok()?;
    pb::ErrorDetail::decode(bytes).ok()
}

/// Whether the server was not reached, or went away, as opposed to having answered with an error.
pub(crate) fn is_unreachable(status: &Status) -> bool {
    let lost =
        matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded);
    lost && detail(status).is_none()
}

/// The messages for an error.
pub(crate) fn explain(client: &Client, act: Act<'_>, status: &Status) -> Diagnostics {
    if is_unreachable(status) {
        return unreachable(client, act, status.code()).into();
    }
    let Some(detail) = detail(status) else { return plain(client, act, status).into() };
    let done = detail.failure.as_ref().map(|failure| failure.done.as_str()).unwrap_or("nothing was changed");
    if !detail.fields.is_empty() {
        let next = detail.failure.as_ref().map_or("", |failure| failure.next.as_str());
        return detail.fields.iter().map(|field| fault(act, field, done, next)).collect();
    }
    match &detail.failure {
        Some(failure) => told(act, failure).into(),
        None => plain(client, act, status).into(),
    }
}

/// One attribute that is wrong.
pub(crate) fn fault(act: Act<'_>, field: &pb::FieldError, done: &str, next: &str) -> Diagnostic {
    let path = locate(act.attributes, &field.attribute);
    let attribute = path.as_ref().map_or_else(|| field.attribute.clone(), ToString::to_string);
    let summary = format!("{}: {attribute}", act.summary());
    let text = paragraphs(&[&format!("{attribute}: {}", field.message), done, next]);
    let diagnostic = Diagnostic::error(summary, text);
    match path {
        Some(path) => diagnostic.at(shown(&path)),
        None => diagnostic,
    }
}

fn told(act: Act<'_>, failure: &pb::Failure) -> Diagnostic {
    let evidence = format!("{}: {}", failure.what, failure.why);
    let text = paragraphs(&[&evidence, &failure.done, &failure.next]);
    let diagnostic = Diagnostic::error(act.summary(), text);
    match locate(act.attributes, &failure.attribute) {
        Some(path) => diagnostic.at(shown(&path)),
        None => diagnostic,
    }
}

fn unreachable(client: &Client, act: Act<'_>, code: Code) -> Diagnostic {
    let endpoint = client.endpoint();
    let why = match (client.trouble(), code) {
        (Some(trouble), _) => trouble,
        (None, Code::DeadlineExceeded | Code::Cancelled) => "it did not answer within 30 seconds".to_owned(),
        (None, _) => "the connection was lost".to_owned(),
    };
    let listen = match endpoint {
        Endpoint::Unix(path) => {
            let directory = path.parent().unwrap_or(path).display();
            format!("--data {directory}")
        }
        Endpoint::Tls { port, .. } => format!("--data DIR --listen 0.0.0.0:{port}"),
        Endpoint::Loopback { port, .. } => format!("--data DIR --listen 127.0.0.1:{port}"),
    };
    let text = paragraphs(&[
        &format!("The underlay server at {endpoint} cannot be reached: {why}"),
        "Nothing is known of the object now, so nothing was planned or changed by this call",
        &format!(
            "Start the server (underlay serve {listen}), or correct endpoint in the provider block or UNDERLAY_ENDPOINT"
        ),
    ]);
    Diagnostic::error(act.summary(), text)
}

/// An error without details: ours to put into words.
fn plain(client: &Client, act: Act<'_>, status: &Status) -> Diagnostic {
    let endpoint = client.endpoint();
    let said = status.message();
    let (why, next) = match status.code() {
        Code::Unauthenticated => (
            format!("The server at {endpoint} does not know who calls"),
            "Set UNDERLAY_TOKEN, or token in the provider block, to a token that is valid: underlay token create"
                .to_owned(),
        ),
        Code::PermissionDenied => (
            format!("The token may not do that: {said}"),
            format!("Use a token that may act for owner {:?}, or set owner in the provider block", client.owner()),
        ),
        Code::Aborted => (
            format!("The object has changed since it was planned: {said}"),
            "Run terraform plan again and approve what it shows".to_owned(),
        ),
        Code::NotFound => (
            format!("The server does not have it any more, or it was created anew by somebody else: {said}"),
            "Run terraform plan: it shows what is to be created".to_owned(),
        ),
        Code::Unimplemented => (
            format!("The server at {endpoint} does not offer this call"),
            "Use a server and a provider of neighbouring releases: underlay --version".to_owned(),
        ),
        Code::AlreadyExists | Code::FailedPrecondition | Code::InvalidArgument | Code::ResourceExhausted => (
            said.to_owned(),
            format!("Look at it: underlay explain {}/{}", act.kind, act.name),
        ),
        _ => (
            format!("The server at {endpoint} failed"),
            "Look for errors in the server's log; apply again once they are gone".to_owned(),
        ),
    };
    Diagnostic::error(act.summary(), paragraphs(&[&why, "Nothing was changed by this call", &next]))
}

/// Sentences in paragraphs of their own; empty ones are left out.
pub(crate) fn paragraphs(parts: &[&str]) -> String {
    let parts: Vec<_> = parts.iter().filter(|part| !part.is_empty()).map(|part| sentence(part)).collect();
    parts.join("\n\n")
}

/// The text with a capital first letter and a stop at its end. An identifier or a command at its start stays as it is.
fn sentence(text: &str) -> String {
    let text = text.trim();
    let first = text.split([' ', '\n']).next().unwrap_or_default();
    let is_word = first.chars().all(|c| c.is_ascii_lowercase());
    let mut out = String::with_capacity(text.len() + 1);
    let mut letters = text.chars();
    match letters.next() {
        Some(letter) if is_word => out.extend(letter.to_uppercase()),
        Some(letter) => out.push(letter),
        None => {}
    }
    out.push_str(letters.as_str());
    // A command is to be copied, so nothing is glued to its end.
    let is_command = [": terraform ", ": underlay "].iter().any(|command| out.contains(command));
    if out.ends_with(|c: char| c.is_alphanumeric() || c == ')' || c == '"') && !is_command {
        out.push('.');
    }
    out
}
