//! Resource identity: the few attributes that name an object for ever, stored beside its state since Terraform 1.12.
//!
//! It is a function of the state, so it is filled in after every operation and cannot drift from it.

use std::sync::Arc;

use crate::{
    Schema,
    cty::{Error, Path, Value},
    schema::{AttrType, Block},
};

/// The identity of a resource whose state is `M`.
#[derive(Clone)]
pub struct Identity<M> {
    block: Block,
    of: Arc<dyn Fn(&M) -> Value + Send + Sync>,
}

impl<M> Identity<M> {
    /// The identity in the struct `I`, made from the state. Required attributes of `I` must be given to import by
    /// identity, optional ones may.
    pub fn new<I: Schema>(of: impl Fn(&M) -> I + Send + Sync + 'static) -> Self {
        Self { block: Block::of::<I>(), of: Arc::new(move |state| of(state).to_value()) }
    }

    /// The same under a version number.
    #[must_use]
    pub fn at_version(mut self, version: i64) -> Self {
        self.block = self.block.at_version(version);
        self
    }

    pub(crate) fn block(&self) -> &Block {
        &self.block
    }

    /// The identity in a state; `None` while part of it is not known.
    pub(crate) fn read(&self, state: &Value) -> Result<Option<Value>, Error>
    where
        M: Schema,
    {
        let state = M::from_value(state, &Path::root())?;
        let identity = (self.of)(&state);
        Ok(Some(identity).filter(Value::is_wholly_known))
    }
}
