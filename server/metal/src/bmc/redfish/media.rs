//! The CD that a BMC shows its host (DSP2046, `VirtualMedia`): which drive, what is in it, another image into it, out again.
//!
//! The drives are listed under the ComputerSystem or under its Manager; both are looked at, and the first that takes a CD
//! is used from then on. The URL of an image is a secret: it is sent to the BMC, and neither it nor what the BMC says
//! with it is repeated. What keeps a BMC from ever doing it (no drive, no licence) is [`Error::Unsupported`], so that the
//! host is booted in another way.

use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use underlay_core::bmc::{Error, MediaUrl};

use super::{
    client::{Client, ROOT, Reply},
    model::{ActionInfo, Manager, Medium, Root, System, Target},
    quirks,
};

const WISH: &str = "show an image as a CD";

/// The drive of one host, once found.
#[derive(Default)]
pub(super) struct Media(Mutex<Option<String>>);

impl Media {
    /// Has `image` in the drive in place of any other, or none of ours.
    pub(super) async fn ensure(
        &self,
        client: &Client,
        system: &System,
        image: Option<&MediaUrl>,
    ) -> Result<(), Error> {
        let mut slot = self.0.lock().await;
        let path = match slot.as_ref() {
            Some(path) => path.clone(),
            None => match find(client, system).await? {
                Some(path) => slot.insert(path).clone(),
                // Where there is no drive, there is nothing in it.
                None if image.is_none() => return Ok(()),
                None => return Err(client.unsupported(WISH, "it has no virtual drive that takes a CD")),
            },
        };
        let ensured = change(client, &path, image).await;
        if matches!(ensured, Err(Error::Nonsense { .. } | Error::Unsupported { .. })) {
            // It is looked for again: firmware updates move it.
            *slot = None;
        }
        ensured
    }
}

async fn change(client: &Client, path: &str, image: Option<&MediaUrl>) -> Result<(), Error> {
    let seen = read(client, path).await?;
    let Some(image) = image else {
        return if seen.holds_ours() { eject(client, path, &seen).await } else { Ok(()) };
    };
    let url = image.0.expose_secret();
    if seen.holds(url) {
        return Ok(());
    }
    if seen.is_inserted() {
        eject(client, path, &seen).await?;
    }
    insert(client, path, &seen, url).await?;
    match read(client, path).await? {
        after if after.holds(url) => Ok(()),
        _ => Err(client.busy("it took the image and does not have it in its drive yet")),
    }
}

async fn read(client: &Client, path: &str) -> Result<Medium, Error> {
    client.get::<Medium>(path).await.map(|(medium, _)| medium)
}

/// The first drive that takes a CD, of the system or of who manages it. What cannot be read on the way is passed over,
/// and told only where nothing is found.
async fn find(client: &Client, system: &System) -> Result<Option<String>, Error> {
    let mut lost = None;
    if let Some(list) = &system.virtual_media {
        match first_in(client, &list.path).await {
            Ok(None) => {}
            Err(error @ Error::Nonsense { .. }) => lost = Some(error),
            found => return found,
        }
    }
    for manager in managers(client, system).await? {
        let (manager, _) = client.get::<Manager>(&manager).await?;
        let Some(list) = manager.virtual_media else { continue };
        match first_in(client, &list.path).await {
            Ok(None) => {}
            Err(error @ Error::Nonsense { .. }) => lost = Some(error),
            found => return found,
        }
    }
    lost.map_or(Ok(None), Err)
}

async fn first_in(client: &Client, list: &str) -> Result<Option<String>, Error> {
    for path in client.members(list).await? {
        if read(client, &path).await?.takes_a_cd() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Who manages the system: whom it names, else the only one there is.
async fn managers(client: &Client, system: &System) -> Result<Vec<String>, Error> {
    let named: Vec<String> =
        system.links.iter().flat_map(|links| &links.managed_by).map(|link| link.path.clone()).collect();
    if !named.is_empty() {
        return Ok(named);
    }
    let (root, _) = client.get::<Root>(ROOT).await?;
    let Some(list) = root.managers() else { return Ok(Vec::new()) };
    let all = client.members(list).await?;
    // Of several, nobody says which one is this host's.
    Ok(if all.len() == 1 { all } else { Vec::new() })
}

async fn insert(client: &Client, path: &str, seen: &Medium, url: &str) -> Result<(), Error> {
    let Some(action) = seen.insert() else {
        let wish = json!({ "Image": url, "Inserted": true });
        let reply = client.write(Method::PATCH, path, &wish, seen.etag.as_deref()).await?;
        return settle(client, &reply, Some(url));
    };
    let known = parameters(client, action).await?;
    let mut last = None;
    for wish in quirks::insertions(url, known.as_deref()) {
        let reply = client.write(Method::POST, &action.target, &wish, None).await?;
        if reply.status != StatusCode::BAD_REQUEST {
            return settle(client, &reply, Some(url));
        }
        last = settle(client, &reply, Some(url)).err();
    }
    last.map_or(Ok(()), Err)
}

async fn eject(client: &Client, path: &str, seen: &Medium) -> Result<(), Error> {
    let reply = match seen.eject() {
        Some(action) => client.write(Method::POST, &action.target, &json!({}), None).await?,
        None => {
            let wish = json!({ "Image": Value::Null, "Inserted": false });
            client.write(Method::PATCH, path, &wish, seen.etag.as_deref()).await?
        }
    };
    if reply.status.is_success() || !read(client, path).await?.is_inserted() {
        return Ok(());
    }
    settle(client, &reply, seen.image.as_deref())
}

/// What an action can be told, where the BMC lists that.
async fn parameters(client: &Client, action: &Target) -> Result<Option<Vec<String>>, Error> {
    let Some(info) = &action.info else { return Ok(None) };
    let (info, _) = client.get::<ActionInfo>(info).await?;
    Ok(Some(info.parameters.into_iter().map(|parameter| parameter.name).collect()))
}

/// The error that a reply stands for, if it does. What the BMC says may hold the URL, which is left out.
fn settle(client: &Client, reply: &Reply, url: Option<&str>) -> Result<(), Error> {
    if reply.status.is_success() {
        return Ok(());
    }
    let secret = url.and_then(|url| url.rsplit('/').next());
    let hidden = [url, secret].into_iter().flatten().filter(|text| !text.is_empty());
    let why = hidden.fold(client.said(reply), |why, secret| why.replace(secret, "***"));
    Err(match reply.status {
        StatusCode::UNAUTHORIZED => client.complaint(reply, WISH),
        status if quirks::is_for_later(status) => client.busy(&why),
        // A licence that is missing is told by 403 as often as by 400; no right to do it is as good as none.
        status if status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED => {
            client.unsupported(WISH, why)
        }
        _ => client.nonsense(WISH, why),
    })
}
