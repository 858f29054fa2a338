//! The order to wipe and what became of it, as they go over the wire.

use underlay_core::{
    agent::ExpectedIdentity,
    cleaning::{Clean, Ending, Method, Policy, Wipe},
};
use underlay_proto::v1;

use super::convert::Error;

/// Reads the order. One that does not say how, or not to at all, is none.
pub fn clean(order: v1::Clean) -> Result<Clean, Error> {
    let given = |text: String| (!text.is_empty()).then_some(text);
    let policy = Policy::WORDS.iter().find(|(word, policy)| *word == order.policy && !policy.is_none());
    let Some((_, policy)) = policy else { return Err(Error::Field("policy")) };
    let mac = given(order.expected_mac).map(|mac| mac.parse()).transpose();
    Ok(Clean {
        identity: ExpectedIdentity {
            serial: given(order.expected_serial),
            uuid: given(order.expected_uuid),
            mac: mac.map_err(|_| Error::Field("expected_mac"))?,
        },
        policy: *policy,
        seed: order.seed,
    })
}

/// Spells what became of a disk.
pub fn message(wipe: &Wipe) -> v1::Wipe {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (ending, why) = match &wipe.ending {
        Ending::Wiped => ("wiped", String::new()),
        Ending::Spared { why } => ("spared", why.clone()),
        Ending::Failed { why } => ("failed", why.clone()),
    };
    v1::Wipe {
        disk: wipe.disk.clone(),
        serial: text(&wipe.serial),
        wwn: text(&wipe.wwn),
        model: text(&wipe.model),
        size_bytes: wipe.size.0,
        ending: ending.to_owned(),
        why,
        method: wipe.method.map(Method::word).unwrap_or_default().to_owned(),
        passed_over: wipe.passed_over.clone(),
        bytes: wipe.bytes,
        elapsed_ms: wipe.elapsed_ms,
        proof: wipe.proof.as_ref().map(|proof| v1::WipeProof {
            seed: proof.seed,
            samples: proof.samples,
            block_bytes: proof.block,
            held_data: proof.held_data,
            zeros: proof.zeros,
            changed: proof.changed,
            kept: proof.kept,
            before: proof.before.clone(),
            after: proof.after.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_does_not_say_how_is_refused() {
        for policy in ["", "none", "thoroughly"] {
            let order = v1::Clean { policy: policy.into(), ..v1::Clean::default() };
            assert_eq!(clean(order), Err(Error::Field("policy")), "{policy:?}");
        }
        let order = v1::Clean { policy: "best".into(), seed: 7, ..v1::Clean::default() };
        assert_eq!(clean(order).map(|clean| (clean.policy, clean.seed)), Ok((Policy::Best, 7)));
    }
}
