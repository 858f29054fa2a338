//! `underlay_machine`: the claim on one host, and what runs on it.

mod claim;
mod convert;
pub mod model;
mod network;
mod plan;
mod volumes;

use tfplugin::{
    Context, Diagnostics, Resource, async_trait,
    resource::{Change, ImportId, New, Outcome, Plan},
};

use self::model::Model;
use super::object;
use crate::client::Session;

/// The resource.
#[derive(Debug, Clone, Copy)]
pub struct Machine;

#[async_trait]
impl Resource for Machine {
    type Data = Session;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "underlay_machine"
    }

    fn validate(&self, config: &Model, found: &mut Diagnostics) {
        if config.user_data.is_value() && config.user_data_wo.is_value() {
            let detail =
                "Write it as user_data, or as user_data_wo with user_data_wo_version where it is secret.";
            found.error_at("user_data_wo", "This machine has user data twice", detail);
        }
        match (config.host.is_null(), config.require.is_null()) {
            (true, true) => {
                let detail = "Write host = underlay_host.NAME.name, or say what it must be: \
                              require = { pool = underlay_pool.NAME.name }.";
                found.error_at("host", "This machine says nothing of its host", detail);
            }
            (false, false) => {
                let detail = "A host that is named is taken as it is. Leave out host, or leave out require.";
                found.error_at("require", "This machine both names a host and says what it must be", detail);
            }
            (false, true) if !config.spread.is_null() => {
                let detail = "Machines whose hosts are named stand where those stand. Leave it out, or write require in place of host.";
                found.error_at("spread", "This machine names its host", detail);
            }
            _ => {}
        }
        if !config.secret_values_wo.is_null() && config.secret_values_version.is_null() {
            let detail = "A change of secret_values_wo cannot be seen. Write secret_values_version = 1 beside it, and raise it \
                          whenever one of the values changes.";
            found.error_at("secret_values_version", "These secret values have no version", detail);
        }
        if !config.user_data_wo.is_null() && config.user_data_wo_version.is_null() {
            let detail = "A change of user_data_wo cannot be seen. Write user_data_wo_version = 1 beside it, and raise it \
                          whenever the data changes.";
            found.error_at("user_data_wo_version", "This user data has no version", detail);
        }
    }

    async fn modify_plan(
        &self,
        cx: &mut Context<Session>,
        plan: &mut Plan<Model>,
    ) -> Result<(), Diagnostics> {
        plan::modify(cx, plan).await
    }

    async fn create(&self, cx: &mut Context<Session>, new: New<Model>) -> Outcome<Model> {
        object::create(cx, new).await
    }

    async fn read(&self, cx: &mut Context<Session>, state: Model) -> Result<Option<Model>, Diagnostics> {
        object::read(cx, state).await
    }

    async fn update(&self, cx: &mut Context<Session>, change: Change<Model>) -> Outcome<Model> {
        Box::pin(object::update(cx, change)).await
    }

    async fn delete(&self, cx: &mut Context<Session>, state: Model) -> Result<(), Diagnostics> {
        object::delete(cx, state).await
    }

    async fn import(&self, cx: &mut Context<Session>, id: ImportId) -> Result<Model, Diagnostics> {
        object::import(cx, &id).await
    }
}
