//! `underlay_host`: a box that the server can power and boot.
//!
//! A BMC that does not answer is a condition, which the data source shows, and no difference here.

mod convert;
mod defaults;
pub mod model;

use tfplugin::{
    Context, Diagnostic, Diagnostics, Resource, async_trait,
    resource::{Change, ImportId, New, Outcome, Plan},
};

use self::model::Model;
use super::object;
use crate::{client::Session, errors::paragraphs};

/// The resource.
#[derive(Debug, Clone, Copy)]
pub struct Host;

#[async_trait]
impl Resource for Host {
    type Data = Session;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "underlay_host"
    }

    fn validate(&self, config: &Model, found: &mut Diagnostics) {
        let detail = "A host needs exactly one of redfish, ipmi, qemu, manual and none = {...}.";
        let drivers = [
            ("redfish", config.redfish.is_null(), config.redfish.is_value()),
            ("ipmi", config.ipmi.is_null(), config.ipmi.is_value()),
            ("qemu", config.qemu.is_null(), config.qemu.is_value()),
            ("manual", config.manual.is_null(), config.manual.is_value()),
            ("none", config.none.is_null(), config.none.is_value()),
        ];
        if drivers.iter().all(|(_, is_null, _)| *is_null) {
            found.error_at("redfish", "This host has no driver", detail);
        }
        if config.none.is_value() && config.on_destroy.get().is_some_and(|what| what == "power_off") {
            let detail =
                "Nobody can switch a host with none = {}. Leave on_destroy out, or write \"forget\".";
            found.error_at("on_destroy", "This host cannot be switched off", detail);
        }
        for (name, ..) in drivers.iter().filter(|(.., is_value)| *is_value).skip(1) {
            found.error_at(*name, "This host has two drivers", detail);
        }
    }

    async fn modify_plan(
        &self,
        cx: &mut Context<Session>,
        plan: &mut Plan<Model>,
    ) -> Result<(), Diagnostics> {
        defaults::fill(plan);
        if plan.prior.as_ref().is_some_and(|prior| prior.phase.as_str() == "quarantined") {
            let name = plan.planned.name.as_str();
            let text = paragraphs(&[
                "No machine may have it until it is cleared, and no apply clears it",
                &format!(
                    "To see why: underlay explain host/{name}\nOnce it is mended: underlay host clear {name}"
                ),
            ]);
            cx.warn(format!("host {name} is quarantined"), text);
        }
        let planned = &plan.planned;
        let logins = [
            ("redfish.credential", planned.redfish.get().map(|it| it.credential.as_str().to_owned())),
            ("ipmi.credential", planned.ipmi.get().map(|it| it.credential.as_str().to_owned())),
            ("manual.credential", planned.manual.get().map(|it| it.credential.as_str().to_owned())),
        ];
        object::plan(cx, plan, |client, objection| {
            logins.iter().any(|(attribute, login)| {
                objection.attribute == *attribute
                    && login.as_ref().is_some_and(|login| client.planned.has("credential", login))
            })
        })
        .await
        .map(drop)
    }

    async fn plan_destroy(&self, _cx: &mut Context<Session>, prior: &Model) -> Result<(), Diagnostics> {
        if prior.protected.get() != Some(&true) {
            return Ok(());
        }
        let name = prior.name.as_str();
        let text = paragraphs(&[
            "It has protected = true",
            "Nothing was changed",
            "To destroy it, write protected = false in its block and apply that first",
        ]);
        Err(Diagnostic::error(format!("host {name} is protected"), text).at("protected").into())
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
