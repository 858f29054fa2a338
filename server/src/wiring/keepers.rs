//! Does another image object need the same bytes?

use async_trait::async_trait;
use underlay_core::{
    ErrorKind, Failure, Kind, ObjectId, because,
    image::{Image, Sha256},
};
use underlay_store::{Filter, Store};

/// Asks the store.
pub struct Asking(pub Store);

#[async_trait]
impl underlay_image::Keepers for Asking {
    async fn is_needed_beside(&self, id: ObjectId, sha256: Sha256) -> Result<bool, Failure> {
        let unreadable = |error: &dyn std::error::Error| {
            let next = "see the server's log";
            Failure::new(ErrorKind::Transient, "listing images", because(error), "nothing was removed", next)
        };
        let mut after = None;
        loop {
            let page = self.0.list(Kind::Image, &Filter::default(), after, 500).await;
            let page = page.map_err(|error| unreadable(&error))?;
            for record in page.records {
                let image = record.raw.decode::<Image>().map_err(|error| unreadable(&error))?;
                if image.meta.id != id && image.meta.deleted_at.is_none() && image.spec.sha256 == sha256 {
                    return Ok(true);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(false),
            }
        }
    }
}
