//! A resource without its types: converts values, calls the typed methods, converts back.

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{Change, Failure, Identity, ImportId, MoveSource, New, Outcome, Plan, Resource};
use crate::{
    Context, Diagnostics,
    cty::{Path, Value},
    plan::overlay,
    schema::{AttrType, Block},
};

/// A plan in the making, as values.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) config: Value,
    pub(crate) prior: Option<Value>,
    pub(crate) planned: Value,
    pub(crate) replace: Vec<Path>,
}

#[async_trait]
pub(crate) trait AnyResource<D>: Send + Sync {
    fn block(&self) -> &Block;
    fn identity_block(&self) -> Option<&Block>;
    fn identity_of(&self, state: &Value) -> Result<Option<Value>, Diagnostics>;
    fn validate(&self, config: &Value, diagnostics: &mut Diagnostics);
    async fn modify_plan(&self, cx: &mut Context<D>, draft: &mut Draft) -> Result<(), Diagnostics>;
    async fn plan_destroy(&self, cx: &mut Context<D>, prior: &Value) -> Result<(), Diagnostics>;
    async fn create(&self, cx: &mut Context<D>, plan: &Value, config: &Value) -> Outcome<Value>;
    async fn read(&self, cx: &mut Context<D>, state: &Value) -> Result<Option<Value>, Diagnostics>;
    async fn update(
        &self,
        cx: &mut Context<D>,
        prior: &Value,
        plan: &Value,
        config: &Value,
    ) -> Outcome<Value>;
    async fn delete(&self, cx: &mut Context<D>, state: &Value) -> Result<(), Diagnostics>;
    async fn import(&self, cx: &mut Context<D>, id: ImportId) -> Result<Value, Diagnostics>;
    async fn upgrade_state(&self, version: i64, old: Json) -> Result<Json, Diagnostics>;
    async fn move_state(&self, source: MoveSource) -> Result<Option<Value>, Diagnostics>;
}

pub(crate) struct Entry<R: Resource> {
    resource: R,
    block: Block,
    identity: Option<Identity<R::Model>>,
}

impl<R: Resource> Entry<R> {
    pub(crate) fn new(resource: R) -> Self {
        let block = Block::of::<R::Model>().at_version(resource.schema_version());
        let identity = resource.identity();
        Self { resource, block, identity }
    }
}

/// A value as the resource's struct.
fn typed<M: AttrType>(value: &Value) -> Result<M, crate::cty::Error> {
    M::from_value(value, &Path::root())
}

#[async_trait]
impl<R: Resource> AnyResource<R::Data> for Entry<R> {
    fn block(&self) -> &Block {
        &self.block
    }

    fn identity_block(&self) -> Option<&Block> {
        self.identity.as_ref().map(Identity::block)
    }

    fn identity_of(&self, state: &Value) -> Result<Option<Value>, Diagnostics> {
        match &self.identity {
            Some(identity) => Ok(identity.read(state)?),
            None => Ok(None),
        }
    }

    fn validate(&self, config: &Value, diagnostics: &mut Diagnostics) {
        match typed(config) {
            Ok(config) => self.resource.validate(&config, diagnostics),
            Err(error) => diagnostics.push(error),
        }
    }

    async fn modify_plan(&self, cx: &mut Context<R::Data>, draft: &mut Draft) -> Result<(), Diagnostics> {
        let planned: R::Model = typed(&draft.planned)?;
        let before = planned.to_value();
        let prior = draft.prior.as_ref().map(typed).transpose()?;
        let mut plan = Plan { config: typed(&draft.config)?, prior, planned, replace: Vec::new() };
        self.resource.modify_plan(cx, &mut plan).await?;
        // Only what was edited is written back: a list of which one element is unknown keeps the others.
        overlay(&mut draft.planned, &before, plan.planned.to_value());
        draft.replace.append(&mut plan.replace);
        Ok(())
    }

    async fn plan_destroy(&self, cx: &mut Context<R::Data>, prior: &Value) -> Result<(), Diagnostics> {
        self.resource.plan_destroy(cx, &typed(prior)?).await
    }

    async fn create(&self, cx: &mut Context<R::Data>, plan: &Value, config: &Value) -> Outcome<Value> {
        let new = New { plan: typed(plan)?, config: typed(config)? };
        let outcome = self.resource.create(cx, new).await;
        outcome.map(|state| state.to_value()).map_err(|failure| failure.map(|state| state.to_value()))
    }

    async fn read(&self, cx: &mut Context<R::Data>, state: &Value) -> Result<Option<Value>, Diagnostics> {
        Ok(self.resource.read(cx, typed(state)?).await?.map(|state| state.to_value()))
    }

    async fn update(
        &self,
        cx: &mut Context<R::Data>,
        prior: &Value,
        plan: &Value,
        config: &Value,
    ) -> Outcome<Value> {
        let change = Change { prior: typed(prior)?, plan: typed(plan)?, config: typed(config)? };
        let outcome = self.resource.update(cx, change).await;
        outcome
            .map(|state| state.to_value())
            .map_err(|failure: Failure<_>| failure.map(|state| state.to_value()))
    }

    async fn delete(&self, cx: &mut Context<R::Data>, state: &Value) -> Result<(), Diagnostics> {
        self.resource.delete(cx, typed(state)?).await
    }

    async fn import(&self, cx: &mut Context<R::Data>, id: ImportId) -> Result<Value, Diagnostics> {
        Ok(self.resource.import(cx, id).await?.to_value())
    }

    async fn upgrade_state(&self, version: i64, old: Json) -> Result<Json, Diagnostics> {
        self.resource.upgrade_state(version, old).await
    }

    async fn move_state(&self, source: MoveSource) -> Result<Option<Value>, Diagnostics> {
        Ok(self.resource.move_state(source).await?.map(|state| state.to_value()))
    }
}
