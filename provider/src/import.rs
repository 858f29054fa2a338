//! Names by which objects are imported: `name/NAME`, `mac/MAC`, `serial/SERIAL`, `uuid/UUID`, a bare name, or the id that
//! the server gave. Importing looks the object up and touches nothing.

use tfplugin::{Diagnostic, Diagnostics, resource::ImportId};
use tonic::Code;
use underlay_proto::v1::{self as pb, selector::By};
use uuid::Uuid;

use crate::{
    client::Client,
    errors::{Act, explain},
    noun::Noun,
};

/// What `terraform import` was given, as a selector.
///
/// # Errors
/// It is of no form that this noun is found by.
pub(crate) fn selector<N: Noun>(client: &Client, text: &str) -> Result<pb::Selector, Diagnostics> {
    let is_host = N::KIND == "host";
    let by = match text.split_once('/') {
        Some(("name", name)) => By::Key(client.key(name)),
        Some(("mac", mac)) if is_host => By::Mac(mac.to_owned()),
        Some(("serial", serial)) if is_host => By::Serial(serial.to_owned()),
        Some(("uuid", uuid)) if is_host => By::Uuid(uuid.to_owned()),
        Some(_) => return Err(unknown_form::<N>(text).into()),
        None if Uuid::parse_str(text).is_ok() => By::Id(text.to_owned()),
        // The id of an image names it.
        None if N::KIND == "image" => By::Key(client.key(text.split('@').next().unwrap_or(text))),
        None => By::Key(client.key(text)),
    };
    Ok(pb::Selector { by: Some(by) })
}

fn unknown_form<N: Noun>(text: &str) -> Diagnostic {
    let kind = N::KIND;
    let forms = match kind {
        "host" => "name/NAME, mac/MAC, serial/SERIAL, uuid/UUID, NAME or the object's id",
        _ => "name/NAME, NAME or the object's id",
    };
    let detail = format!(
        "{text:?} is none of the forms by which a {kind} is found. Nothing was imported.\n\nUse {forms}, as in: \
         terraform import underlay_{kind}.example name/example"
    );
    Diagnostic::error(format!("Unable to import {kind} {text}"), detail)
}

/// Finds the object to import.
///
/// # Errors
/// There is none, or the server's.
pub(crate) async fn find<N: Noun>(client: &Client, id: &ImportId) -> Result<N, Diagnostics> {
    let ImportId::Id(text) = id else {
        return Err(Diagnostic::error("Import by id", "Name the object by a text, as in name/NAME.").into());
    };
    let selector = selector::<N>(client, text)?;
    let request = pb::GetRequest { selector: Some(selector), incarnation: String::new() };
    match N::get(client, request).await {
        Ok(object) => Ok(object),
        Err(status) if status.code() == Code::NotFound => Err(missing::<N>(client, text).into()),
        Err(status) => {
            Err(explain(client, Act { verb: "import", kind: N::KIND, name: text, attributes: &[] }, &status))
        }
    }
}

fn missing<N: Noun>(client: &Client, text: &str) -> Diagnostic {
    let (kind, owner, site) = (N::KIND, client.owner(), client.site());
    let detail = format!(
        "The server has no {kind} {text:?} of owner {owner} in site {site}. Nothing was imported.\n\nTo see what there \
         is: underlay get {kind}s"
    );
    Diagnostic::error(format!("Unable to import {kind} {text}"), detail)
}
