//! Which images the store of images has to keep: those of living image objects, and no others.

use std::collections::BTreeSet;

use anyhow::Context;
use async_trait::async_trait;
use underlay_core::{
    ErrorKind, Failure, Kind, Object, ObjectId, because,
    image::{Image, Sha256},
};
use underlay_store::{Filter, Store};

/// Asks the store.
pub struct Asking(pub Store);

impl Asking {
    async fn living(&self) -> anyhow::Result<Vec<Object<Image>>> {
        let (mut images, mut after) = (Vec::new(), None);
        loop {
            let page = self.0.list(Kind::Image, &Filter::default(), after, 500).await?;
            for record in page.records {
                images.push(record.raw.decode::<Image>()?);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        images.retain(|image| image.meta.deleted_at.is_none());
        Ok(images)
    }

    /// Removes images that no object is made of any more: one whose `sha256` was changed leaves its old bytes behind.
    /// For a start, before anything is imported.
    ///
    /// # Errors
    /// The objects cannot be listed; nothing was removed then. What cannot be removed is logged and left.
    pub async fn sweep(&self, images: &underlay_image::Store) -> anyhow::Result<()> {
        let wanted: BTreeSet<Sha256> = self.living().await?.iter().map(|image| image.spec.sha256).collect();
        for id in images.list().await.context("listing the image store")? {
            if wanted.contains(&id) {
                continue;
            }
            match images.delete(id).await {
                Ok(()) => tracing::info!(image = %id, "removed an image that nobody needs"),
                Err(error) => {
                    tracing::warn!(image = %id, error = because(&error), "an image could not be removed")
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl underlay_image::Keepers for Asking {
    async fn is_needed_beside(&self, id: ObjectId, sha256: Sha256) -> Result<bool, Failure> {
        let living = self.living().await.map_err(|error| {
            let next = "see the server's log";
            Failure::new(
                ErrorKind::Transient,
                "listing images",
                format!("{error:#}"),
                "nothing was removed",
                next,
            )
        })?;
        Ok(living.iter().any(|image| image.meta.id != id && image.spec.sha256 == sha256))
    }
}
