//! `underlay_pool`: where machines come from, and how many of them may be disrupted at once.

pub mod bind;
mod convert;
pub mod model;

use tfplugin::{
    Context, Diagnostics, Resource, async_trait,
    resource::{Change, ImportId, New, Outcome, Plan},
};

use self::model::Model;
use underlay_proto::v1::FieldError;

use super::{object, step};
use crate::client::{Client, Session};

/// The resource.
#[derive(Debug, Clone, Copy)]
pub struct Pool;

#[async_trait]
impl Resource for Pool {
    type Data = Session;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "underlay_pool"
    }

    async fn modify_plan(
        &self,
        cx: &mut Context<Session>,
        plan: &mut Plan<Model>,
    ) -> Result<(), Diagnostics> {
        let named = step::names(&plan.planned.steps);
        let comes = |client: &Client, objection: &FieldError| step::is_planned(client, &named, objection);
        object::plan(cx, plan, comes).await.map(drop)
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
