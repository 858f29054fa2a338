//! The boot override of a Redfish host: read, set, read back, and looked after until the power comes on.

use reqwest::{Method, StatusCode};
use serde_json::json;
use underlay_core::bmc::{Error, Target};

use super::{
    Redfish,
    driver::Found,
    model::{Boot, BootWish, Settings},
    quirks::{self, BootAt, Etag},
};

/// The boot override as just read, and where it is written.
pub(super) struct Override {
    path: String,
    etag: Option<String>,
    pub(super) boot: Boot,
}

/// Send `If-Match`?
#[derive(Clone, Copy, PartialEq, Eq)]
enum UseEtag {
    Yes,
    No,
}

impl Redfish {
    /// The boot override of a system just read, where that is.
    pub(super) async fn boot_of(&self, found: &Found) -> Result<Override, Error> {
        let Found { path, etag, system } = found;
        let settings = system.settings().filter(|_| self.client.quirks().boot_at == BootAt::Settings);
        if let Some(settings) = settings {
            let (read, etag) = self.client.get::<Settings>(settings).await?;
            if let Some(boot) = read.boot.filter(|boot| boot.enabled.is_some()) {
                return Ok(Override { path: settings.to_owned(), etag: etag.or(read.etag), boot });
            }
        }
        let boot = system.boot.clone().unwrap_or_default();
        Ok(Override { path: path.clone(), etag: etag.clone(), boot })
    }

    async fn read_boot(&self) -> Result<Override, Error> {
        let found = self.read().await?;
        self.boot_of(&found).await
    }

    /// Has the boot override be what starts `target`, and says how.
    pub(super) async fn set_boot(&self, now: Override, target: Target) -> Result<BootWish, Error> {
        let quirks = self.client.quirks();
        let wish = quirks::words(target);
        let wishes = quirks::boot_wishes(target, self.mode, &now.boot, quirks)
            .map_err(|why| self.client.unsupported(wish, why))?;
        let (mut now, mut last) = (now, None);
        for wish in wishes {
            if quirks::is_exactly(&wish, &now.boot) {
                return Ok(wish);
            }
            match self.patch(now, &wish).await? {
                Ok(()) => return self.confirm(wish).await,
                Err(rejected) => last = Some(rejected),
            }
            now = self.read_boot().await?;
        }
        Err(last.unwrap_or_else(|| self.client.unsupported(wish, "there is no way to say so")))
    }

    /// Ask for `wish`; the inner error is the BMC's word that it will never do.
    async fn patch(&self, now: Override, wish: &BootWish) -> Result<Result<(), Error>, Error> {
        let body = json!({ "Boot": wish });
        let mut now = now;
        let tries: &[UseEtag] = match self.client.quirks().etag {
            Etag::Sent => &[UseEtag::Yes, UseEtag::Yes, UseEtag::No],
            Etag::Never => &[UseEtag::No],
        };
        for use_etag in tries {
            let etag = now.etag.as_deref().filter(|_| *use_etag == UseEtag::Yes);
            let reply = self.client.write(Method::PATCH, &now.path, &body, etag).await?;
            if reply.status == StatusCode::PRECONDITION_FAILED {
                now = self.read_boot().await?;
                continue;
            }
            let complaint = self.client.complaint(&reply, "set the boot source");
            return match reply.status {
                status if status.is_success() => Ok(Ok(())),
                status if quirks::is_rejected(status) && !matches!(complaint, Error::Busy { .. }) => {
                    Ok(Err(complaint))
                }
                _ => Err(complaint),
            };
        }
        Err(self.client.busy("its ComputerSystem keeps changing under us"))
    }

    async fn confirm(&self, wish: BootWish) -> Result<BootWish, Error> {
        let boot = self.read_boot().await?.boot;
        if quirks::is_reached(&wish, &boot, self.client.quirks()) {
            return Ok(wish);
        }
        let Boot { enabled, target, mode, .. } = boot;
        let why = format!("it took {wish:?} and then says {enabled:?}, {target:?}, {mode:?}");
        Err(self.client.nonsense("PATCH Boot", why))
    }

    /// Before the power comes on, the boot source that was set is to be there still; lost, it is set once more.
    pub(super) async fn keep_boot(&self, found: Found) -> Result<Found, Error> {
        let Some((target, wish)) = self.asked().boot() else { return Ok(found) };
        let is_kept = |boot: &Boot| quirks::is_reached(&wish, boot, self.client.quirks());
        let now = self.boot_of(&found).await?;
        if is_kept(&now.boot) {
            return Ok(found);
        }
        tracing::info!("a BMC has lost the boot source that was set; it is set again");
        self.set_boot(now, target).await?;
        let found = self.read().await?;
        if is_kept(&self.boot_of(&found).await?.boot) {
            return Ok(found);
        }
        let why = "it takes the boot source and has lost it before the power comes on, twice";
        Err(self.client.nonsense("PATCH Boot", why))
    }
}
