//! The judgement on a Put, and the trait through which each noun gives it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use underlay_core::{
    Failure, FieldError, Key, Object,
    machine::{Aspect, Disruption},
    profile::SecretValues,
};

use super::references;
use crate::{auth::Pools, context::Context, convert::Wire, errors::Error};

/// What a Put would do, and what speaks against it.
#[derive(Debug, Default)]
pub(crate) struct Assessment {
    /// The worst it would cause.
    pub(crate) disruption: Disruption,
    /// What would wait until `redeploy.generation` is raised.
    pub(crate) pending: BTreeSet<Aspect>,
    /// What is wrong with the spec, seen beside other objects.
    pub(crate) errors: Vec<FieldError>,
    /// What stands in the way though the spec is right.
    pub(crate) blocks: Vec<FieldError>,
    /// What the user should know.
    pub(crate) warnings: Vec<FieldError>,
}

/// What the spec is told of the object's secret.
pub(crate) enum SecretDigest {
    /// It stays what it is; a digest that the caller sent is not to be believed.
    Kept,
    /// It stays what it is, unless the caller's digest says otherwise: nothing is stored.
    KeptOrClaimed,
    /// It is this, BLAKE3 in hex.
    New(String),
    /// There is none any more.
    None,
}

/// A noun's demands.
#[async_trait]
pub(crate) trait Rules: Wire {
    /// The name under which the noun's secret is sealed, where it has one.
    const SECRET: Option<&'static str> = None;

    /// Writes into the spec what may be known of the secret.
    fn note_secret(_: &mut Self::Spec, _: SecretDigest, _: Option<&Self::Spec>) {}

    /// What the spec knows of sealed values, where the noun has any.
    fn secret_values(_: &mut Self::Spec) -> Option<&mut Option<SecretValues>> {
        None
    }

    /// Which pools a Put of `spec` over `existing`, or a deletion of it, is about.
    async fn pools(
        _: &Context,
        _: &Key,
        _: Option<&Self::Spec>,
        _: Option<&Object<Self>>,
    ) -> Result<Pools, Error> {
        Ok(Pools::Shared)
    }

    /// Does a Put of `spec` take the protection from what is protected?
    fn unprotects(_: &Self::Spec, _: Option<&Object<Self>>) -> bool {
        false
    }

    /// The epoch of what is deployed, and digests of it, where anything is.
    fn deployed(_: &Object<Self>) -> (i64, String) {
        Default::default()
    }

    /// Judges a Put of `spec` under `key`; `existing` is what stands there now.
    async fn assess(
        context: &Context,
        key: &Key,
        spec: &Self::Spec,
        _: Option<&Object<Self>>,
    ) -> Result<Assessment, Error> {
        let errors = references::missing::<Self>(context, key, spec).await?;
        Ok(Assessment { errors, ..Assessment::default() })
    }

    /// What a plan is warned of beside what was judged: of nothing that hinders, so a Put does not ask.
    async fn outlook(
        _: &Context,
        _: &Key,
        _: &Self::Spec,
        _: Option<&Object<Self>>,
    ) -> Result<Vec<FieldError>, Error> {
        Ok(Vec::new())
    }

    /// What keeps the object from being deleted, if anything does.
    async fn keeps(context: &Context, object: &Object<Self>) -> Result<Option<Failure>, Error> {
        references::still_used(context, &object.meta).await
    }
}
