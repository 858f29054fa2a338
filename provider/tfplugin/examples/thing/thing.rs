//! The resource `thing_thing`.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value as Json;
use tfplugin::{
    Attr, Context, Diagnostics, ExposeSecret, Resource, Schema, SecretString, Timeouts, async_trait,
    resource::{Change, Failure, Identity, ImportId, MoveSource, New, Outcome, Plan},
    schema::validate,
};

use crate::store::{Record, Store};

/// A thing with a name.
#[derive(Debug, Clone, Schema)]
pub struct Model {
    /// Identifier.
    #[tf(computed, keep)]
    pub id: Attr<String>,
    /// Name. It names the file.
    #[tf(required, requires_replace, validate = validate::length(1..=63))]
    pub name: Attr<String>,
    /// Size in MiB.
    #[tf(default = 16, validate = validate::between(1..=1024))]
    pub size: Attr<i64>,
    /// Labels.
    #[tf(optional)]
    pub labels: Attr<BTreeMap<String, String>>,
    /// Where it stands.
    #[tf(optional)]
    pub place: Attr<Place>,
    /// A secret that is never stored; its length is kept to show that it arrived.
    #[tf(optional, write_only)]
    pub password_wo: Attr<SecretString>,
    /// Changes whenever `password_wo` does.
    #[tf(optional)]
    pub password_wo_version: Attr<i64>,
    /// How long making it takes, such as `2s`: to try interrupts.
    #[tf(optional, validate = tfplugin::timeouts::valid)]
    pub slow: Attr<String>,
    /// How often it was written.
    #[tf(computed)]
    pub revision: Attr<i64>,
    /// `ready`, or `building` if making it was interrupted.
    #[tf(computed)]
    pub phase: Attr<String>,
    /// How long operations may take.
    #[tf(optional)]
    pub timeouts: Attr<Timeouts>,
}

impl Model {
    /// A thing of which only the name is known; read finds out the rest.
    fn existing(name: Attr<String>) -> Self {
        Self {
            id: name.clone().map(|name| format!("thing/{name}")),
            name,
            size: Attr::Null,
            labels: Attr::Null,
            place: Attr::Null,
            password_wo: Attr::Null,
            password_wo_version: Attr::Null,
            slow: Attr::Null,
            revision: Attr::Null,
            phase: "ready".into(),
            timeouts: Attr::Null,
        }
    }
}

/// Where a thing stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Schema)]
pub struct Place {
    /// Name of the rack.
    #[tf(required)]
    pub rack: Attr<String>,
    /// Height unit.
    #[tf(default = 1)]
    pub unit: Attr<i64>,
}

/// What names a thing for ever.
#[derive(Debug, Clone, Schema)]
pub struct Name {
    /// Name.
    #[tf(required)]
    pub name: Attr<String>,
}

/// The resource.
pub struct Thing;

#[async_trait]
impl Resource for Thing {
    type Data = Store;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "thing_thing"
    }

    fn schema_version(&self) -> i64 {
        1
    }

    fn identity(&self) -> Option<Identity<Model>> {
        Some(Identity::new(|state: &Model| Name { name: state.name.clone() }))
    }

    fn validate(&self, config: &Model, found: &mut Diagnostics) {
        if config.password_wo.is_value() && config.password_wo_version.is_null() {
            found.error_at(
                "password_wo_version",
                "No version",
                "Set password_wo_version beside password_wo.",
            );
        }
    }

    async fn modify_plan(&self, cx: &mut Context<Store>, plan: &mut Plan<Model>) -> Result<(), Diagnostics> {
        let Some(prior) = &plan.prior else { return Ok(()) };
        if prior.phase.as_str() == "building" {
            // Nothing in the configuration changed, but there is work left to do.
            plan.planned.phase = Attr::Unknown;
            plan.planned.revision = Attr::Unknown;
        }
        if plan.planned.size.get().zip(prior.size.get()).is_some_and(|(planned, prior)| planned < prior) {
            cx.warn(format!("{} shrinks", plan.planned.name.as_str()), "What no longer fits is lost.");
        }
        Ok(())
    }

    async fn plan_destroy(&self, _cx: &mut Context<Store>, prior: &Model) -> Result<(), Diagnostics> {
        let mut found = Diagnostics::new();
        if prior.labels.get().is_some_and(|labels| labels.contains_key("protected")) {
            found.error_at(
                "labels",
                format!("{} is protected", prior.name.as_str()),
                "Remove the label first.",
            );
        }
        found.into_result()
    }

    async fn create(&self, cx: &mut Context<Store>, new: New<Model>) -> Outcome<Model> {
        let (store, name) = (cx.data()?, new.plan.name.require()?.clone());
        if name == "refused" {
            let mut found = Diagnostics::new();
            found.error("refused cannot be made", "That is its name.");
            return Err(found.into());
        }
        assert!(name != "panic", "a thing named panic");
        // Stored before the wait: an interrupt must not lose it.
        let mut record = record(&new.plan, &new.config, 1);
        store.put(&name, &record)?;
        let phase = wait(cx, &new.plan).await;
        record.revision = 1;
        let mut state = new.plan;
        state.id = format!("thing/{name}").into();
        state.revision = record.revision.into();
        state.phase = phase.into();
        Ok(state)
    }

    async fn read(&self, cx: &mut Context<Store>, mut state: Model) -> Result<Option<Model>, Diagnostics> {
        let Some(record) = cx.data()?.get(state.name.as_str())? else { return Ok(None) };
        state.size = record.size.into();
        state.revision = record.revision.into();
        if !record.labels.is_empty() || state.labels.is_value() {
            state.labels = Attr::Value(record.labels.into_iter().collect());
        }
        state.place =
            Attr::from(record.rack.map(|rack| Place { rack: rack.into(), unit: record.unit.into() }));
        Ok(Some(state))
    }

    async fn update(&self, cx: &mut Context<Store>, change: Change<Model>) -> Outcome<Model> {
        let (store, name) = (cx.data()?, change.plan.name.require()?.clone());
        if change.plan.size.get() == Some(&13) {
            let mut found = Diagnostics::new();
            found.error_at("size", format!("{name} cannot have size 13"), "Choose another.");
            return Err(Failure::from(found));
        }
        let revision = change.prior.revision.unwrap_or_default() + 1;
        store.put(&name, &record(&change.plan, &change.config, revision))?;
        let mut state = change.plan;
        state.revision = revision.into();
        state.phase = "ready".into();
        Ok(state)
    }

    async fn delete(&self, cx: &mut Context<Store>, state: Model) -> Result<(), Diagnostics> {
        Ok(cx.data()?.remove(state.name.as_str())?)
    }

    async fn import(&self, _cx: &mut Context<Store>, id: ImportId) -> Result<Model, Diagnostics> {
        Ok(Model::existing(match (id.identity::<Name>()?, &id) {
            (Some(identity), _) => identity.name,
            (None, ImportId::Id(id)) => id.strip_prefix("thing/").unwrap_or(id).into(),
            (None, ImportId::Identity(_)) => Attr::Null,
        }))
    }

    /// A `terraform_data` whose input is the name becomes the thing of that name.
    async fn move_state(&self, source: MoveSource) -> Result<Option<Model>, Diagnostics> {
        let name = source.state.pointer("/input/value").and_then(Json::as_str);
        Ok(name.filter(|_| source.type_name == "terraform_data").map(|name| Model::existing(name.into())))
    }

    /// Version 0 called the size `megabytes`.
    async fn upgrade_state(&self, _version: i64, mut old: Json) -> Result<Json, Diagnostics> {
        if let Some(fields) = old.as_object_mut()
            && let Some(size) = fields.remove("megabytes")
        {
            fields.insert("size".to_owned(), size);
        }
        Ok(old)
    }
}

/// Waits as long as `slow` says: `ready`, or `building` under a warning if time or patience ran out.
async fn wait(cx: &mut Context<Store>, plan: &Model) -> &'static str {
    let slow = plan.slow.get().and_then(|slow| tfplugin::timeouts::parse_duration(slow)).unwrap_or_default();
    let limit = plan.timeouts.create_or(Duration::from_secs(600));
    tokio::select! {
        biased;
        () = cx.stop().cancelled() => {}
        () = tokio::time::sleep(slow.min(limit)) => if slow <= limit { return "ready" },
    }
    cx.warn(
        format!("{} is not ready yet", plan.name.as_str()),
        "It is still being built. Apply again to go on.",
    );
    "building"
}

fn record(plan: &Model, config: &Model, revision: i64) -> Record {
    Record {
        size: plan.size.get().copied().unwrap_or_default(),
        labels: plan.labels.get().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect(),
        rack: plan.place.get().and_then(|place| place.rack.get().cloned()),
        unit: plan.place.get().and_then(|place| place.unit.get().copied()),
        revision,
        password_length: config.password_wo.get().map_or(0, |password| password.expose_secret().len()),
    }
}
