//! The schema of `underlay_pool`.

use tfplugin::{Attr, Schema, Timeouts, cty::Value, schema::validate};

use super::{super::step::Steps, bind::Rule};
use crate::{resources::object::valid_name, values};

/// A pool: where machines come from that say what they need and name no host.
///
/// A host belongs to it by its `pool`. How full it is stands in the data source of the same name.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// The server's id.
    #[tf(computed, keep)]
    pub id: Attr<String>,
    /// Changes when the pool is created anew under the same name.
    #[tf(computed, keep)]
    pub incarnation: Attr<String>,
    /// Name.
    #[tf(required, requires_replace, validate = valid_name)]
    pub name: Attr<String>,
    /// How many of its machines may be disrupted at once: a number such as `2`, or a share such as `10%`, rounded down but
    /// never less than one. The server holds to it across every apply of everybody. Left out: as many as are asked for.
    #[tf(optional, validate = valid_limit)]
    pub max_disrupted: Attr<String>,
    /// How many other hosts are tried for a machine that was never ready, when the host is at fault.
    #[tf(default = 2, validate = validate::between(0..=100))]
    pub replacements: Attr<i64>,
    /// Values of attributes, for every machine on its hosts whose profiles declare them; profiles and the machine itself
    /// overrule them.
    #[tf(optional, validate = values::valid)]
    pub values: Attr<Value>,
    /// Which machines that nobody enrolled become hosts of it: those that boot the agent on a network with
    /// `unknown = "discover"` and fit a rule, the first that fits. Such a host is known by all that its agent found, is
    /// named after its serial number, and is switched by hand. A machine that rules of two pools fit becomes nobody's.
    #[tf(optional)]
    pub bind: Attr<Vec<Rule>>,
    /// Why a freshly booted agent on its hosts is believed, and so given secrets. `segment`: it is on the boot network and asked
    /// first. `virtual_media`: the host's BMC showed it its image; hosts of this pool are booted in no other way, and those that
    /// do not list `virtual_media` in their `boot.methods` are given to nobody. `tpm`: the host's TPM, known by its `identity.tpm`, says
    /// that the signed agent was started by UEFI HTTP Boot and nothing else was. What each does not protect from stands in
    /// docs/trust.md.
    #[tf(default = "segment", validate = validate::one_of(&["segment", "virtual_media", "tpm"]))]
    pub trust: Attr<String>,
    /// What is done for every machine on its hosts, before what the machine itself names. A change counts from a machine's next
    /// deployment on, and causes none.
    #[tf(optional)]
    pub steps: Attr<Steps>,
    /// How the disks of its hosts are wiped when a machine lets go of one, before another may have it: `best` (by the most
    /// thorough method each disk has), `overwrite` (zeros over all of it), `quick` (both ends, and the rest is discarded where
    /// the disk can), or `none`, which leaves them as they are. What was done and seen stands in `underlay describe host/NAME`.
    #[tf(default = "none", validate = validate::one_of(&["none", "quick", "overwrite", "best"]))]
    pub clean: Attr<String>,
    /// Where it stands: `open` once it gives out hosts.
    #[tf(computed)]
    pub phase: Attr<String>,
    /// How long operations may take.
    #[tf(optional)]
    pub timeouts: Attr<Timeouts>,
}

/// For `#[tf(validate = ...)]`: a number of machines or a percentage of them.
///
/// # Errors
/// It is neither, or nothing.
fn valid_limit(text: &String) -> Result<(), String> {
    let (number, most) = match text.trim().strip_suffix('%') {
        Some(percent) => (percent.trim(), 100),
        None => (text.trim(), u32::MAX),
    };
    match number.parse::<u32>() {
        Ok(number) if (1..=most).contains(&number) => Ok(()),
        _ => Err(format!(
            "must be a number from 1, as \"2\", or a share from \"1%\" to \"100%\", not {text:?}"
        )),
    }
}
