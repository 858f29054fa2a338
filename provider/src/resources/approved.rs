//! What a plan showed and its apply is held to, handed over in private state.

use tfplugin::{Attr, Context};
use underlay_proto::v1 as pb;

use crate::client::Session;

/// The name of the private note.
const NOTE: &str = "approved";

/// What a plan showed.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Approved {
    fingerprint: String,
    generation: i64,
}

impl Approved {
    /// What a Preview said.
    pub(super) fn of(preview: &pb::Preview) -> Self {
        Self { fingerprint: preview.fingerprint.clone(), generation: preview.base_generation }
    }

    /// Hands it over to the apply.
    pub(super) fn hand_over(&self, cx: &mut Context<Session>) {
        // A text and a number always have a JSON form.
        cx.private.set(NOTE, self).ok();
    }

    /// Takes over what the plan showed; nothing if it could not ask.
    pub(super) fn take_over(cx: &mut Context<Session>) -> Self {
        let approved = cx.private.get(NOTE).unwrap_or_default();
        cx.private.remove(NOTE);
        approved
    }

    /// The options of a Put that creates. The generation is left open: what is replaced was deleted in between.
    pub(super) fn create(self) -> pb::PutOptions {
        pb::PutOptions { fingerprint: self.fingerprint, ..Default::default() }
    }

    /// The options of a Put that changes what the state holds, or tries again what had failed.
    pub(super) fn update(self, incarnation: &Attr<String>, phase: &Attr<String>) -> pb::PutOptions {
        pb::PutOptions {
            incarnation: incarnation.as_str().to_owned(),
            expected_generation: self.generation,
            fingerprint: self.fingerprint,
            retry: phase.as_str() == "failed",
            ..Default::default()
        }
    }
}
