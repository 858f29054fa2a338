//! The data source `underlay_image`.

use tfplugin::{Attr, Context, DataSource, Diagnostics, Schema, async_trait};
use underlay_proto::v1::{self as pb, selector::By};

use super::find::find;
use crate::{
    client::Session,
    written::{seen_number, seen_text},
};

/// An image as it stands now.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// Name.
    #[tf(required)]
    pub name: Attr<String>,
    /// Owner; left out, the provider's.
    #[tf(optional, computed)]
    pub owner: Attr<String>,
    /// What machines refer to: `NAME@sha256:HEX`.
    #[tf(computed)]
    pub id: Attr<String>,
    /// Where it comes from.
    #[tf(computed)]
    pub url: Attr<String>,
    /// SHA-256 of its source.
    #[tf(computed)]
    pub sha256: Attr<String>,
    /// `x86_64` or `aarch64`.
    #[tf(computed)]
    pub arch: Attr<String>,
    /// Where it stands.
    #[tf(computed)]
    pub phase: Attr<String>,
    /// Format of the source.
    #[tf(computed)]
    pub format: Attr<String>,
    /// Size in bytes of the disk it describes.
    #[tf(computed)]
    pub virtual_size: Attr<u64>,
    /// Bytes it takes in the store.
    #[tf(computed)]
    pub stored_size: Attr<u64>,
}

/// The data source.
#[derive(Debug, Clone, Copy)]
pub struct Image;

#[async_trait]
impl DataSource for Image {
    type Data = Session;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "underlay_image"
    }

    async fn read(&self, cx: &mut Context<Session>, config: Model) -> Result<Model, Diagnostics> {
        let session = cx.data()?;
        let client = session.client()?;
        let mut key = client.key(config.name.require()?);
        if let Some(owner) = config.owner.get() {
            key.owner.clone_from(owner);
        }
        let image = find::<pb::Image>(client, By::Key(key)).await?;
        Ok(seen(image))
    }
}

fn seen(image: pb::Image) -> Model {
    let key = image.meta.and_then(|meta| meta.key).unwrap_or_default();
    let spec = image.spec.unwrap_or_default();
    let status = image.status.unwrap_or_default();
    Model {
        name: key.name.into(),
        owner: key.owner.into(),
        id: seen_text(&status.reference),
        url: seen_text(&spec.url),
        sha256: seen_text(&spec.sha256),
        arch: seen_text(&spec.arch),
        phase: image.standing.map(|standing| standing.phase).into(),
        format: seen_text(&status.format),
        virtual_size: seen_number(&Attr::Null, status.virtual_size),
        stored_size: seen_number(&Attr::Null, status.stored_size),
    }
}
