//! `underlay_credential`: a named secret that is written and never read back.

mod convert;
pub mod model;

use tfplugin::{
    Context, Diagnostics, Resource, async_trait,
    resource::{Change, ImportId, New, Outcome, Plan},
};

use self::model::Model;
use super::object;
use crate::client::Session;

/// The resource.
#[derive(Debug, Clone, Copy)]
pub struct Credential;

#[async_trait]
impl Resource for Credential {
    type Data = Session;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "underlay_credential"
    }

    fn validate(&self, config: &Model, found: &mut Diagnostics) {
        if !config.password_wo.is_null() && config.password_wo_version.is_null() {
            let detail = "A change of password_wo cannot be seen. Write password_wo_version = 1 beside it, and raise it \
                          whenever the password changes.";
            found.error_at("password_wo_version", "This password has no version", detail);
        }
    }

    async fn modify_plan(
        &self,
        cx: &mut Context<Session>,
        plan: &mut Plan<Model>,
    ) -> Result<(), Diagnostics> {
        object::plan(cx, plan, |_, _| false).await.map(drop)
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
