//! `underlay_image` to the API and back.

use std::time::Duration;

use tfplugin::Attr;
use underlay_proto::v1 as pb;

use super::model::{Model, Source};
use crate::{
    client::Client,
    resources::object::{Mirror, fields},
    written::{Fit, nested, plain, seen_caseless, seen_number, seen_text, settled},
};

/// What machines refer to, as soon as name and digest are known.
pub(super) fn reference(plan: &Model) -> Attr<String> {
    let sha256 = plan.source.get().map(|source| &source.sha256);
    match (plan.name.get(), sha256.and_then(|sha256| sha256.get())) {
        (Some(name), Some(sha256)) => format!("{name}@sha256:{}", sha256.to_ascii_lowercase()).into(),
        _ => Attr::Unknown,
    }
}

impl Mirror for Model {
    type Noun = pb::Image;
    const WAIT: Duration = Duration::from_secs(60 * 60);
    const DELETE: Duration = Duration::from_secs(10 * 60);

    fields!(object_id);

    fn reopen(&mut self) {
        self.phase = Attr::Unknown;
        self.format = Attr::Unknown;
        self.virtual_size = Attr::Unknown;
    }

    fn put(
        client: &Client,
        plan: &Self,
        _config: &Self,
        _prior: Option<&Self>,
        options: pb::PutOptions,
    ) -> Fit<pb::PutImageRequest> {
        let key = client.key(plan.name.require()?);
        let source = nested(&plan.source, |source| Ok((plain(&source.url)?, plain(&source.sha256)?)))?;
        let (url, sha256) = source.unwrap_or_default();
        let (arch, seed) = (plain(&plan.arch)?, plain(&plan.seed)?);
        let spec = pb::ImageSpec { url, sha256: sha256.to_ascii_lowercase(), arch, seed };
        Ok(pb::PutImageRequest { key: Some(key), spec: Some(spec), options: Some(options) })
    }

    fn read(prior: &Self, image: &pb::Image) -> Self {
        let meta = image.meta.clone().unwrap_or_default();
        let spec = image.spec.clone().unwrap_or_default();
        let status = image.status.clone().unwrap_or_default();
        let before = prior.source.clone().unwrap_or_default();
        let source =
            Source { url: seen_text(&spec.url), sha256: seen_caseless(&before.sha256, &spec.sha256) };
        Self {
            id: seen_text(&status.reference),
            object_id: meta.id.into(),
            incarnation: meta.incarnation.into(),
            name: meta.key.map(|key| key.name).into(),
            source: source.into(),
            arch: seen_text(&spec.arch),
            // A server that knows of no other says nothing.
            seed: if spec.seed.is_empty() { "cloud_init".into() } else { spec.seed.into() },
            phase: image.standing.clone().unwrap_or_default().phase.into(),
            format: seen_text(&status.format),
            virtual_size: seen_number(&Attr::Null, status.virtual_size),
            timeouts: prior.timeouts.clone(),
        }
    }

    fn applied(plan: &Self, image: &pb::Image) -> Self {
        let fresh = Self::read(plan, image);
        Self {
            id: settled(&plan.id, fresh.id),
            object_id: fresh.object_id,
            incarnation: fresh.incarnation,
            phase: settled(&plan.phase, fresh.phase),
            format: settled(&plan.format, fresh.format),
            virtual_size: settled(&plan.virtual_size, fresh.virtual_size),
            ..plan.clone()
        }
    }
}
