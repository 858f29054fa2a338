//! `underlay_profile`: typed attributes that are injected into machines, and the files made of them.

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
pub struct Profile;

#[async_trait]
impl Resource for Profile {
    type Data = Session;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "underlay_profile"
    }

    fn validate(&self, config: &Model, found: &mut Diagnostics) {
        if !config.secret_values_wo.is_null() && config.secret_values_version.is_null() {
            let detail = "A change of secret_values_wo cannot be seen. Write secret_values_version = 1 beside it, and raise it \
                          whenever one of the values changes.";
            found.error_at("secret_values_version", "These secret values have no version", detail);
        }
        for (path, file) in config.files.get().into_iter().flatten() {
            if file.content.is_null() == file.template.is_null() {
                let detail = "Write content for a file as it is, or template for one with places for values, such as {{name}}.";
                found.error_at(
                    "files",
                    format!("File {path:?} has both of content and template, or none"),
                    detail,
                );
            }
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
