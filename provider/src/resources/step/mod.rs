//! `underlay_step`: a piece of work of the shop's own, before or after a machine is deployed.

mod convert;
pub mod model;
mod named;

use tfplugin::{
    Context, Diagnostics, Resource, async_trait,
    resource::{Change, ImportId, New, Outcome, Plan},
};

use self::model::Model;
pub(crate) use self::named::{Steps, is_planned, message, names, seen};
use super::object;
use crate::client::Session;

/// The resource.
#[derive(Debug, Clone, Copy)]
pub struct Step;

#[async_trait]
impl Resource for Step {
    type Data = Session;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "underlay_step"
    }

    async fn modify_plan(
        &self,
        cx: &mut Context<Session>,
        plan: &mut Plan<Model>,
    ) -> Result<(), Diagnostics> {
        let login = plan.planned.webhook.get().and_then(|webhook| webhook.credential.get().cloned());
        object::plan(cx, plan, |client, objection| {
            objection.attribute == "webhook.credential"
                && login.as_ref().is_some_and(|login| client.planned.has("credential", login))
        })
        .await
        .map(drop)
    }

    async fn create(&self, cx: &mut Context<Session>, new: New<Model>) -> Outcome<Model> {
        object::create(cx, new).await
    }

    async fn read(&self, cx: &mut Context<Session>, state: Model) -> Result<Option<Model>, Diagnostics> {
        object::read(cx, state).await
    }

    async fn update(&self, cx: &mut Context<Session>, change: Change<Model>) -> Outcome<Model> {
        object::update(cx, change).await
    }

    async fn delete(&self, cx: &mut Context<Session>, state: Model) -> Result<(), Diagnostics> {
        object::delete(cx, state).await
    }

    async fn import(&self, cx: &mut Context<Session>, id: ImportId) -> Result<Model, Diagnostics> {
        object::import(cx, &id).await
    }
}
