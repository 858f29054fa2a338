//! Image on the wire, both ways.

use underlay_core::{
    FieldError, Object,
    image::{Image, SeedFormat, Spec, Status},
};
use underlay_proto::v1 as pb;

use super::{faults::Faults, object};

/// The longest URL of a source, in bytes.
const URL: usize = 4096;

/// Reads a spec.
///
/// # Errors
/// Every fault, at its attribute.
pub(crate) fn spec(message: pb::ImageSpec) -> Result<Spec, Vec<FieldError>> {
    let mut faults = Faults::default();
    let url = faults.text("source.url", message.url, URL);
    let sha256 = faults.parse("source.sha256", &message.sha256);
    let mut arch = faults.text("arch", message.arch, 32);
    if arch.is_empty() {
        "x86_64".clone_into(&mut arch);
    }
    let seed = faults.word("seed", &message.seed, &SeedFormat::ALL, SeedFormat::default());
    faults.into_result(sha256.map(|sha256| Spec { url, sha256, arch, seed }))
}

/// Spells a spec.
pub(crate) fn spec_message(spec: &Spec) -> pb::ImageSpec {
    pb::ImageSpec {
        url: spec.url.clone(),
        sha256: spec.sha256.to_string(),
        arch: spec.arch.clone(),
        seed: spec.seed.as_str().to_owned(),
    }
}

fn status_message(status: &Status, reference: String) -> pb::ImageStatus {
    pb::ImageStatus {
        format: status.format.clone().unwrap_or_default(),
        virtual_size: status.virtual_size.unwrap_or_default().0,
        stored_size: status.stored_size.unwrap_or_default().0,
        manifest_digest: status.manifest_digest.clone().unwrap_or_default(),
        reference,
    }
}

/// Spells an image.
pub(crate) fn message(image: &Object<Image>) -> pb::Image {
    pb::Image {
        meta: Some(object::meta(&image.meta)),
        spec: Some(spec_message(&image.spec)),
        status: Some(status_message(&image.status, image.spec.reference(&image.meta.key.name))),
        standing: Some(object::standing(image)),
    }
}
