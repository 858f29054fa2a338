//! `steps` of pools and machines: which steps are done, in order.

use tfplugin::{Attr, Schema};
use underlay_proto::v1 as pb;

use crate::{
    client::Client,
    written::{Fit, nested, plain, seen_list},
};

/// Steps by name, in the order in which they are done.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Steps {
    /// Once the agent is up in the host's RAM, before anything is written. A change is no reason for a deployment: it counts
    /// from the next one on.
    #[tf(optional)]
    pub pre_deploy: Attr<Vec<String>>,
    /// Once the installed system is up, before the machine counts as ready. Where a machine that runs names others, they are
    /// done on it as it is: nothing is re-imaged.
    #[tf(optional)]
    pub post_deploy: Attr<Vec<String>>,
}

/// What is sent; nothing where none is named.
pub(crate) fn message(steps: &Attr<Steps>) -> Fit<Option<pb::Steps>> {
    let named = nested(steps, |steps| {
        Ok(pb::Steps { pre_deploy: plain(&steps.pre_deploy)?, post_deploy: plain(&steps.post_deploy)? })
    })?;
    Ok(named.filter(|named| *named != pb::Steps::default()))
}

/// What the server has, as the user would write it.
pub(crate) fn seen(prior: &Attr<Steps>, steps: Option<pb::Steps>) -> Attr<Steps> {
    let Some(steps) = steps else {
        let nothing = |steps: &Steps| {
            let none = |names: &Attr<Vec<String>>| names.get().is_none_or(Vec::is_empty);
            none(&steps.pre_deploy) && none(&steps.post_deploy)
        };
        return if prior.get().is_some_and(nothing) { prior.clone() } else { Attr::Null };
    };
    let before = prior.get().cloned().unwrap_or_default();
    Steps {
        pre_deploy: seen_list(&before.pre_deploy, steps.pre_deploy),
        post_deploy: seen_list(&before.post_deploy, steps.post_deploy),
    }
    .into()
}

/// Those that are named, as far as they are known.
pub(crate) fn names(steps: &Attr<Steps>) -> Vec<String> {
    let lists = steps.get().into_iter().flat_map(|steps| [&steps.pre_deploy, &steps.post_deploy]);
    lists.filter_map(|names| names.get()).flatten().cloned().collect()
}

/// Is the objection one to a step that comes with this plan?
pub(crate) fn is_planned(client: &Client, named: &[String], objection: &pb::FieldError) -> bool {
    objection.attribute.starts_with("steps") && named.iter().any(|name| client.planned.has("step", name))
}
