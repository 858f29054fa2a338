//! `underlay_site` to the API and back.

use std::time::Duration;

use tfplugin::Attr;
use underlay_proto::v1 as pb;

use super::model::Model;
use crate::{
    client::Client,
    planned::Planned,
    resources::object::{Mirror, fields},
    values,
    written::{Fit, settled},
};

impl Mirror for Model {
    type Noun = pb::Site;
    const WAIT: Duration = Duration::from_secs(2 * 60);
    const DELETE: Duration = Duration::from_secs(5 * 60);

    fields!(id);

    fn reopen(&mut self) {
        self.phase = Attr::Unknown;
    }

    fn put(
        client: &Client,
        plan: &Self,
        _config: &Self,
        _prior: Option<&Self>,
        options: pb::PutOptions,
    ) -> Fit<pb::PutSiteRequest> {
        let key = client.key(plan.name.require()?);
        let spec = pb::SiteSpec { values: values::values("values", &plan.values)? };
        Ok(pb::PutSiteRequest { key: Some(key), spec: Some(spec), options: Some(options) })
    }

    fn foretell(planned: &Planned, put: &pb::PutSiteRequest) {
        if let Some(spec) = &put.spec {
            planned.site(spec.clone());
        }
    }

    fn read(prior: &Self, site: &pb::Site) -> Self {
        let meta = site.meta.clone().unwrap_or_default();
        let spec = site.spec.clone().unwrap_or_default();
        Self {
            id: meta.id.into(),
            incarnation: meta.incarnation.into(),
            name: meta.key.map(|key| key.name).into(),
            values: values::seen_values(&prior.values, &spec.values),
            phase: site.standing.clone().unwrap_or_default().phase.into(),
            timeouts: prior.timeouts.clone(),
        }
    }

    fn applied(plan: &Self, site: &pb::Site) -> Self {
        let fresh = Self::read(plan, site);
        let phase = settled(&plan.phase, fresh.phase);
        Self { id: fresh.id, incarnation: fresh.incarnation, phase, ..plan.clone() }
    }
}
