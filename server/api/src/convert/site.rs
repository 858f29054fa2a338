//! Site on the wire, both ways.

use underlay_core::{
    FieldError, Key, Object,
    site::{Site, Spec},
};
use underlay_proto::v1 as pb;

use super::{faults::Faults, object, values};

/// Reads a spec; a site is called what it is keyed by.
///
/// # Errors
/// Every fault, at its attribute.
pub(crate) fn spec(message: pb::SiteSpec, key: &Key) -> Result<Spec, Vec<FieldError>> {
    let mut faults = Faults::default();
    if key.name != key.site {
        let (name, site) = (&key.name, &key.site);
        faults.add(
            "name",
            format!("site {name} cannot be said of from site {site}; write name = \"{site}\", or site = \"{name}\" in the provider block"),
        );
    }
    let values = values::values(&mut faults, "values", message.values);
    faults.into_result(Some(Spec { values }))
}

/// Spells a site.
pub(crate) fn message(site: &Object<Site>) -> pb::Site {
    pb::Site {
        meta: Some(object::meta(&site.meta)),
        spec: Some(pb::SiteSpec { values: values::message(&site.spec.values) }),
        status: Some(pb::SiteStatus {}),
        standing: Some(object::standing(site)),
    }
}
