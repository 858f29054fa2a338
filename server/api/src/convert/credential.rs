//! Credential on the wire, both ways, without its secret: that goes from the request straight to the seal.

use underlay_core::{
    FieldError, Object,
    credential::{Credential, Spec},
};
use underlay_proto::v1 as pb;

use super::{faults::Faults, object};

/// Reads a spec.
///
/// # Errors
/// Every fault, at its attribute.
pub(crate) fn spec(message: pb::CredentialSpec) -> Result<Spec, Vec<FieldError>> {
    let mut faults = Faults::default();
    let username = faults.text("username", message.username, 256);
    faults.into_result(Some(Spec { username, secret_version: message.secret_version }))
}

/// Spells a spec.
pub(crate) fn spec_message(spec: &Spec) -> pb::CredentialSpec {
    pb::CredentialSpec { username: spec.username.clone(), secret_version: spec.secret_version }
}

/// Spells a credential.
pub(crate) fn message(credential: &Object<Credential>) -> pb::Credential {
    pb::Credential {
        meta: Some(object::meta(&credential.meta)),
        spec: Some(spec_message(&credential.spec)),
        status: Some(pb::CredentialStatus {}),
        standing: Some(object::standing(credential)),
    }
}
