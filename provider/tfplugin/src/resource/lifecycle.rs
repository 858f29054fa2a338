//! The trait to implement.
//!
//! What Terraform does with an error: after create, an error **with** state taints the object, and the next apply destroys
//! it; an error without state saves nothing. So once the object exists, return its state and a warning. After update an
//! error never taints, whatever the state. Read returns `None` only for an object that is certainly gone.

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{Change, Identity, ImportId, MoveSource, New, Outcome, Plan};
use crate::{Context, Diagnostic, Diagnostics, Schema};

/// A managed resource.
#[async_trait]
pub trait Resource: Send + Sync + 'static {
    /// The provider's shared data.
    type Data: Send + Sync + 'static;
    /// The schema, and with it the type of state, plan and configuration.
    type Model: Schema;

    /// The full name, such as `underlay_host`.
    fn type_name(&self) -> &'static str;

    /// The version of the schema that state records. Raise it when old state must be converted.
    fn schema_version(&self) -> i64 {
        0
    }

    /// What names the object apart from its state, if it has such a name.
    fn identity(&self) -> Option<Identity<Self::Model>> {
        None
    }

    /// Checks what single attributes cannot tell. Values may be unknown; the provider may not be configured.
    fn validate(&self, _config: &Self::Model, _diagnostics: &mut Diagnostics) {}

    /// Changes a plan to create or update, after defaults, unknown marking and plan modifiers were applied. Also called
    /// when nothing changes; a computed attribute set to `Attr::Unknown` then makes it an update.
    async fn modify_plan(
        &self,
        _cx: &mut Context<Self::Data>,
        _plan: &mut Plan<Self::Model>,
    ) -> Result<(), Diagnostics> {
        Ok(())
    }

    /// Refuses or comments on a plan to destroy.
    async fn plan_destroy(
        &self,
        _cx: &mut Context<Self::Data>,
        _prior: &Self::Model,
    ) -> Result<(), Diagnostics> {
        Ok(())
    }

    /// Makes the object and returns its state: the plan with the unknown attributes filled in.
    async fn create(&self, cx: &mut Context<Self::Data>, new: New<Self::Model>) -> Outcome<Self::Model>;

    /// Looks the object up. `None` if it is certainly gone; an error if that cannot be told.
    async fn read(
        &self,
        cx: &mut Context<Self::Data>,
        state: Self::Model,
    ) -> Result<Option<Self::Model>, Diagnostics>;

    /// Changes the object and returns its new state.
    async fn update(&self, cx: &mut Context<Self::Data>, change: Change<Self::Model>)
    -> Outcome<Self::Model>;

    /// Removes the object. Removing what is already gone succeeds.
    async fn delete(&self, cx: &mut Context<Self::Data>, state: Self::Model) -> Result<(), Diagnostics>;

    /// Starts the state of an existing object from its name; Terraform then calls read with it.
    async fn import(&self, _cx: &mut Context<Self::Data>, _id: ImportId) -> Result<Self::Model, Diagnostics> {
        let name = self.type_name();
        Err(Diagnostic::error(format!("{name} cannot be imported"), "This resource does not support import.")
            .into())
    }

    /// Converts state that an older schema version wrote, as JSON, into the JSON of the current one. Attributes the
    /// current schema lacks are dropped afterwards, and missing ones become null.
    async fn upgrade_state(&self, version: i64, _old: Json) -> Result<Json, Diagnostics> {
        let name = self.type_name();
        let detail = format!("It has schema version {version}, and this provider cannot convert it.");
        Err(Diagnostic::error(format!("Unable to read the state of a {name}"), detail).into())
    }

    /// Takes over the state of another resource type, for a `moved` block. `None` if that type is not supported.
    async fn move_state(&self, _source: MoveSource) -> Result<Option<Self::Model>, Diagnostics> {
        Ok(None)
    }
}
