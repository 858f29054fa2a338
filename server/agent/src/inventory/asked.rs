//! What hardware says only when it is asked: disks of their health, the TPM of its key. It may take its time, so an inventory waits
//! a little for the answers, and has those that came late the next time.
//!
//! Needs the rights of root. An agent that lives on an installed system has them not, and asks nothing.

use std::time::Duration;

use underlay_core::agent::{Endorsement, Inventory};

use super::{Places, background::Background, health};
use crate::{deploy::error::chain, tpm::endorsement};

/// How long an inventory waits for answers.
const PATIENCE: Duration = Duration::from_secs(4);
/// A TPM that did not answer is not asked more often.
const AGAIN: Duration = Duration::from_secs(600);
const TPM: &str = "tpm";

/// What was asked in this boot.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    disks: health::Disks,
    tpm: Background<Endorsement>,
}

impl Asked {
    /// Asks what was not asked lately, and adds what is answered.
    pub fn add_to(&self, places: Places<'_>, inventory: &mut Inventory) {
        let is_known = self.tpm.answers(Duration::ZERO).contains_key(TPM);
        if inventory.tpm && inventory.tpm_version.as_deref() != Some("1.2") && !is_known {
            self.tpm.ask(TPM, AGAIN, || {
                let said = endorsement::of_this_machine();
                said.inspect_err(|error| {
                    tracing::info!(error = chain(error), "the TPM does not say what it is")
                })
                .ok()?
            });
        }
        health::ask(places, &inventory.disks, &self.disks);
        health::add_to(&mut inventory.disks, &self.disks.answers(PATIENCE));
        inventory.endorsement = self.tpm.answers(PATIENCE).remove(TPM);
    }
}
