//! Looking one object up by the one attribute that was given.

use tfplugin::{Diagnostic, Diagnostics};
use tonic::Code;
use underlay_proto::v1::{self as pb, selector::By};

use crate::{
    client::Client,
    errors::{Act, explain},
    noun::Noun,
};

/// The object.
///
/// # Errors
/// There is none, or the server's.
pub(super) async fn find<N: Noun>(client: &Client, by: By) -> Result<N, Diagnostics> {
    let words = words(&by);
    let request =
        pb::GetRequest { selector: Some(pb::Selector { by: Some(by) }), incarnation: String::new() };
    match N::get(client, request).await {
        Ok(object) => Ok(object),
        Err(status) if status.code() == Code::NotFound => Err(missing::<N>(&words).into()),
        Err(status) => {
            let act = Act { verb: "read", kind: N::KIND, name: &words, attributes: &[] };
            Err(explain(client, act, &status))
        }
    }
}

fn missing<N: Noun>(words: &str) -> Diagnostic {
    let kind = N::KIND;
    let detail = format!("The server has no {kind} {words}.\n\nTo see what there is: underlay get {kind}s");
    Diagnostic::error(format!("There is no {kind} {words}"), detail)
}

fn words(by: &By) -> String {
    match by {
        By::Id(id) => id.clone(),
        By::Key(key) => format!("{} of owner {} in site {}", key.name, key.owner, key.site),
        By::Mac(mac) => format!("with MAC {mac}"),
        By::Serial(serial) => format!("with serial number {serial}"),
        By::Uuid(uuid) => format!("with UUID {uuid}"),
    }
}
