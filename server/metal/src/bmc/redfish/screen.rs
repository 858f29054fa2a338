//! What a host's screen shows. The standard has no such action; of the makes with a table here, Dell's iDRAC has one of its own
//! (`DellLCService.ExportServerScreenShot`), which its Manager leads to.

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use underlay_core::bmc::{Error, SCREEN};

use super::{
    Redfish,
    client::{Client, ROOT},
    model::Root,
};

const WISH: &str = "show its screen";
/// Where a manager names the service, and that its action.
const SERVICE: &str = "/Links/Oem/Dell/DellLCService/@odata.id";
const ACTION: &str = "/Actions/#DellLCService.ExportServerScreenShot/target";
/// How every PNG begins (RFC 2083, 3.1).
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The action's answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Shot {
    server_screen_shot_file: String,
}

impl Redfish {
    /// The screen, as a PNG.
    pub(super) async fn screen(&self) -> Result<Vec<u8>, Error> {
        let client = &self.client;
        let Some(action) = action(client).await? else {
            return Err(client.unsupported(WISH, "it lists no action for that; its make may have none"));
        };
        let wish = json!({ "FileType": "ServerScreenShot" });
        let reply = client.write(Method::POST, &action, &wish, None).await?;
        if !reply.status.is_success() {
            return Err(client.complaint(&reply, WISH));
        }
        let nonsense = |why: &str| client.nonsense(WISH, why.to_owned());
        let shot: Shot =
            serde_json::from_slice(&reply.body).map_err(|_| nonsense("there is no file in it"))?;
        picture(&shot.server_screen_shot_file).ok_or_else(|| nonsense("the file in it is no PNG"))
    }
}

/// The action of the first manager that has one.
async fn action(client: &Client) -> Result<Option<String>, Error> {
    let text = |value: &Value, pointer: &str| value.pointer(pointer)?.as_str().map(str::to_owned);
    let (root, _) = client.get::<Root>(ROOT).await?;
    let Some(managers) = root.managers() else { return Ok(None) };
    for manager in client.members(managers).await? {
        let (manager, _) = client.get::<Value>(&manager).await?;
        let Some(service) = text(&manager, SERVICE) else { continue };
        let (service, _) = client.get::<Value>(&service).await?;
        if let Some(action) = text(&service, ACTION) {
            return Ok(Some(action));
        }
    }
    Ok(None)
}

/// Some put line ends into their base64.
fn picture(base64: &str) -> Option<Vec<u8>> {
    let text: String = base64.split_whitespace().collect();
    let png = BASE64_STANDARD.decode(text).ok()?;
    (png.starts_with(PNG) && png.len() <= SCREEN).then_some(png)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_png_is_taken_with_line_ends_in_its_base64_and_nothing_else_is() {
        let png = [PNG, b"and the rest"].concat();
        let text = BASE64_STANDARD.encode(&png);
        let (one, other) = text.split_at(9);
        assert_eq!(picture(&format!("{one}\r\n{other}\n")), Some(png));
        assert_eq!(picture(&BASE64_STANDARD.encode(b"GIF89a")), None);
        assert_eq!(picture("no base64!"), None);
        let long = [PNG, &vec![0; SCREEN]].concat();
        assert_eq!(picture(&BASE64_STANDARD.encode(long)), None);
    }

    proptest! {
        #[test]
        fn noise_is_no_picture(noise in ".{0,300}") {
            prop_assert_eq!(picture(&noise), None);
        }
    }
}
