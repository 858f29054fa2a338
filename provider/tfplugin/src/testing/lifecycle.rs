//! Refresh, plan, apply, destroy, taint, import: the calls in the order in which Terraform makes them.

use super::{
    Action, Change, Core, Error, Instance, Rule, Violation,
    core::{checked, complete, expect_null, from_wire, malformed, to_wire, type_name},
    propose::propose,
    rules,
};
use crate::{
    Diagnostics, Provider, cty,
    cty::{Path, Value},
    proto::tfplugin6 as pb,
    schema::{AttrType, Block},
};

/// What a host of this version can do.
fn capabilities() -> Option<pb::ClientCapabilities> {
    Some(pb::ClientCapabilities { write_only_attributes_allowed: true, ..Default::default() })
}

impl<P: Provider> Core<P> {
    /// Upgrades the stored state and reads the object anew; drops it from state if it is gone.
    ///
    /// # Errors
    /// The provider's own, or a broken rule.
    pub async fn refresh(&mut self, address: &str) -> Result<(), Error> {
        let Some(instance) = self.instances.get(address).cloned() else { return Ok(()) };
        let (block, name) = (self.block(address)?, type_name(address).to_owned());
        let json = cty::to_json(&instance.state, block.ty()).map_err(malformed)?.to_string();
        let upgraded = self.upgrade(&name, instance.schema_version, &json).await?;
        let current_identity =
            instance.identity.as_ref().map(|identity| self.identity_to_wire(&name, identity));
        let request = pb::read_resource::Request {
            type_name: name.clone(),
            current_state: Some(to_wire(&upgraded, block.ty())?),
            private: instance.private.clone(),
            client_capabilities: capabilities(),
            current_identity: current_identity.transpose()?,
            ..Default::default()
        };
        let read = self.client.read_resource(request).await?.into_inner();
        checked(&read.diagnostics)?;
        let state = from_wire(read.new_state.as_ref(), block.ty())?;
        rules::storable(block.attributes(), &state)?;
        if state.is_null() {
            self.instances.remove(address);
            return Ok(());
        }
        let identity = self.identity(&name, read.new_identity.as_ref(), instance.identity.as_ref())?;
        let schema_version = block.version();
        let refreshed = Instance { state, private: read.private, identity, schema_version, ..instance };
        self.instances.insert(address.to_owned(), refreshed);
        Ok(())
    }

    /// The state that JSON of a schema version becomes.
    ///
    /// # Errors
    /// The provider's own, or a broken rule.
    pub async fn upgrade(&mut self, type_name: &str, version: i64, json: &str) -> Result<Value, Error> {
        let block = self.block(type_name)?;
        let raw_state = Some(pb::RawState { json: json.as_bytes().to_vec(), ..Default::default() });
        let request =
            pb::upgrade_resource_state::Request { type_name: type_name.to_owned(), version, raw_state };
        let upgraded = self.client.upgrade_resource_state(request).await?.into_inner();
        checked(&upgraded.diagnostics)?;
        let state = from_wire(upgraded.upgraded_state.as_ref(), block.ty())?;
        rules::storable(block.attributes(), &state)?;
        Ok(state)
    }

    /// Puts an object into state as if an earlier version of the provider had left it there.
    pub fn adopt(&mut self, address: &str, state: Value, schema_version: i64) {
        let instance =
            Instance { state, tainted: false, private: Vec::new(), identity: None, schema_version };
        self.instances.insert(address.to_owned(), instance);
    }

    /// Refreshes, validates and plans: `TYPE.NAME` is to be as configured. Attributes that are left out are null.
    ///
    /// # Errors
    /// The provider's own, or a broken rule.
    pub async fn plan(&mut self, address: &str, config: &impl AttrType) -> Result<Change, Error> {
        self.refresh(address).await?;
        let block = self.block(address)?;
        let config = complete(&config.to_value(), block.ty())?;
        let mut found = self.validate(address, &block, &config).await?;
        let instance = self.instances.get(address).cloned();
        let prior = instance.as_ref().filter(|instance| !instance.tainted);
        let mut change = self.plan_put(address, &block, prior, &config).await?;
        let replaced = match prior {
            Some(prior) => change.replace.iter().any(|path| change.planned.at(path) != prior.state.at(path)),
            None => instance.is_some(),
        };
        if replaced {
            let before = std::mem::take(&mut change.replace);
            let again = self.plan_put(address, &block, None, &config).await?;
            change = Change { action: Action::Replace, replace: before, ..again };
        }
        found.extend(std::mem::take(&mut change.diagnostics));
        change.diagnostics = found;
        Ok(change)
    }

    async fn validate(&mut self, address: &str, block: &Block, config: &Value) -> Result<Diagnostics, Error> {
        let request = pb::validate_resource_config::Request {
            type_name: type_name(address).to_owned(),
            config: Some(to_wire(config, block.ty())?),
            client_capabilities: capabilities(),
        };
        checked(&self.client.validate_resource_config(request).await?.into_inner().diagnostics)
    }

    async fn plan_put(
        &mut self,
        address: &str,
        block: &Block,
        prior: Option<&Instance>,
        config: &Value,
    ) -> Result<Change, Error> {
        let before = prior.map(|prior| prior.state.clone()).unwrap_or_default();
        let proposed = propose(block.attributes(), &before, config);
        let answer = self.plan_call(address, block, prior, &proposed, config).await?;
        let diagnostics = checked(&answer.diagnostics)?;
        let planned = from_wire(answer.planned_state.as_ref(), block.ty())?;
        expect_null(&planned, false, "an object that is configured must be planned")?;
        rules::plan(block.attributes(), &before, config, &planned, &Path::root())?;
        let replace: Vec<Path> = answer.requires_replace.iter().map(Path::from_proto).collect();
        if let Some(path) = replace.iter().find(|path| block.find(path).is_none()) {
            return Err(Violation::new(Rule::NoSuchPath, path, "a replacement because of it").into());
        }
        let action = match prior {
            None => Action::Create,
            Some(prior) if prior.state == planned => Action::NoOp,
            Some(_) => Action::Update,
        };
        Ok(Change {
            address: address.to_owned(),
            action,
            planned,
            replace,
            diagnostics,
            config: config.clone(),
            private: answer.planned_private,
            identity: answer.planned_identity,
        })
    }

    async fn plan_call(
        &mut self,
        address: &str,
        block: &Block,
        prior: Option<&Instance>,
        proposed: &Value,
        config: &Value,
    ) -> Result<pb::plan_resource_change::Response, Error> {
        let name = type_name(address);
        let identity = prior.and_then(|prior| prior.identity.as_ref());
        let request = pb::plan_resource_change::Request {
            type_name: name.to_owned(),
            prior_state: Some(to_wire(prior.map_or(&Value::Null, |prior| &prior.state), block.ty())?),
            proposed_new_state: Some(to_wire(proposed, block.ty())?),
            config: Some(to_wire(config, block.ty())?),
            prior_private: prior.map(|prior| prior.private.clone()).unwrap_or_default(),
            client_capabilities: capabilities(),
            prior_identity: identity.map(|identity| self.identity_to_wire(name, identity)).transpose()?,
            ..Default::default()
        };
        Ok(self.client.plan_resource_change(request).await?.into_inner())
    }

    /// Plans to destroy.
    ///
    /// # Errors
    /// The provider's own, a broken rule, or no such object.
    pub async fn plan_destroy(&mut self, address: &str) -> Result<Change, Error> {
        let block = self.block(address)?;
        let missing = || Error::Missing(format!("object {address}"));
        let instance = self.instances.get(address).cloned().ok_or_else(missing)?;
        let answer = self.plan_call(address, &block, Some(&instance), &Value::Null, &Value::Null).await?;
        let diagnostics = checked(&answer.diagnostics)?;
        let planned = from_wire(answer.planned_state.as_ref(), block.ty())?;
        expect_null(&planned, true, "a plan to destroy plans nothing")?;
        Ok(Change {
            address: address.to_owned(),
            action: Action::Destroy,
            planned,
            replace: Vec::new(),
            diagnostics,
            config: Value::Null,
            private: answer.planned_private,
            identity: answer.planned_identity,
        })
    }

    /// Carries out a plan. State is written as Terraform writes it, also after errors: a failed creation that returns a
    /// state leaves a tainted object.
    ///
    /// # Errors
    /// The provider's own, or a broken rule.
    pub async fn apply(&mut self, change: Change) -> Result<Diagnostics, Error> {
        match change.action {
            Action::NoOp => Ok(Diagnostics::new()),
            Action::Create | Action::Update => self.put(change).await,
            Action::Destroy => self.remove(&change).await,
            Action::Replace => {
                let destroy = self.plan_destroy(&change.address).await?;
                let mut found = self.remove(&destroy).await?;
                found.extend(self.put(change).await?);
                Ok(found)
            }
        }
    }

    /// Carries out a plan that was made while part of the configuration was unknown: plans again with all of it known, and
    /// holds the provider to what it planned first.
    ///
    /// # Errors
    /// The provider's own, or a broken rule.
    pub async fn apply_known(
        &mut self,
        change: Change,
        config: &impl AttrType,
    ) -> Result<Diagnostics, Error> {
        let block = self.block(&change.address)?;
        let config = complete(&config.to_value(), block.ty())?;
        let prior = self.instances.get(&change.address).filter(|_| change.action == Action::Update).cloned();
        let last = self.plan_put(&change.address, &block, prior.as_ref(), &config).await?;
        rules::consistent(&change.planned, &last.planned, Rule::InconsistentFinalPlan, &Path::root())?;
        self.apply(Change { action: change.action, ..last }).await
    }

    async fn apply_call(
        &mut self,
        change: &Change,
        block: &Block,
        prior: &Value,
    ) -> Result<pb::apply_resource_change::Response, Error> {
        let request = pb::apply_resource_change::Request {
            type_name: type_name(&change.address).to_owned(),
            prior_state: Some(to_wire(prior, block.ty())?),
            planned_state: Some(to_wire(&change.planned, block.ty())?),
            config: Some(to_wire(&change.config, block.ty())?),
            planned_private: change.private.clone(),
            planned_identity: change.identity.clone(),
            ..Default::default()
        };
        Ok(self.client.apply_resource_change(request).await?.into_inner())
    }

    async fn put(&mut self, change: Change) -> Result<Diagnostics, Error> {
        let block = self.block(&change.address)?;
        let before = self.instances.get(&change.address).filter(|_| change.action == Action::Update).cloned();
        let prior = before.as_ref().map(|before| before.state.clone()).unwrap_or_default();
        let answer = self.apply_call(&change, &block, &prior).await?;
        let outcome = checked(&answer.diagnostics);
        let state = from_wire(answer.new_state.as_ref(), block.ty())?;
        rules::storable(block.attributes(), &state)?;
        if outcome.is_ok() {
            expect_null(&state, false, "an object that was made has a state")?;
            rules::consistent(&change.planned, &state, Rule::InconsistentResult, &Path::root())?;
        }
        if state.is_null() {
            return outcome;
        }
        let known = before.as_ref().and_then(|before| before.identity.as_ref());
        let identity = self.identity(type_name(&change.address), answer.new_identity.as_ref(), known)?;
        let tainted = outcome.is_err() && before.is_none();
        let schema_version = block.version();
        let instance = Instance { state, tainted, private: answer.private, identity, schema_version };
        self.instances.insert(change.address.clone(), instance);
        outcome
    }

    async fn remove(&mut self, change: &Change) -> Result<Diagnostics, Error> {
        let block = self.block(&change.address)?;
        let Some(instance) = self.instances.get(&change.address).cloned() else {
            return Ok(Diagnostics::new());
        };
        let answer = self.apply_call(change, &block, &instance.state).await?;
        let found = checked(&answer.diagnostics)?;
        let state = from_wire(answer.new_state.as_ref(), block.ty())?;
        expect_null(&state, true, "an object that was destroyed has no state")?;
        self.instances.remove(&change.address);
        Ok(found)
    }

    /// Plans to destroy, and does.
    ///
    /// # Errors
    /// The provider's own, or a broken rule.
    pub async fn destroy(&mut self, address: &str) -> Result<Diagnostics, Error> {
        self.refresh(address).await?;
        if !self.instances.contains_key(address) {
            return Ok(Diagnostics::new());
        }
        let change = self.plan_destroy(address).await?;
        self.apply(change).await
    }

    /// Plans and applies, then plans again, which must change nothing.
    ///
    /// # Errors
    /// The provider's own, or a broken rule.
    pub async fn converge(&mut self, address: &str, config: &impl AttrType) -> Result<Diagnostics, Error> {
        let change = self.plan(address, config).await?;
        let mut found = change.diagnostics.clone();
        found.extend(self.apply(change).await?);
        self.expect_empty(address, config).await?;
        Ok(found)
    }

    /// Plans, which must change nothing.
    ///
    /// # Errors
    /// The provider's own, or a broken rule.
    pub async fn expect_empty(&mut self, address: &str, config: &impl AttrType) -> Result<(), Error> {
        let change = self.plan(address, config).await?;
        if change.action == Action::NoOp {
            return Ok(());
        }
        let before = self.instances.get(address).map(|instance| &instance.state);
        let detail = format!("{:?}: from {before:?} to {:?}", change.action, change.planned);
        Err(Violation::new(Rule::NotEmpty, &Path::root(), detail).into())
    }

    /// Marks an object to be replaced, as `terraform taint` does.
    pub fn taint(&mut self, address: &str) {
        if let Some(instance) = self.instances.get_mut(address) {
            instance.tainted = true;
        }
    }

    /// Imports by id, then reads, as `terraform import` does.
    ///
    /// # Errors
    /// The provider's own, or a broken rule.
    pub async fn import(&mut self, address: &str, id: &str) -> Result<(), Error> {
        self.import_call(address, id, None).await
    }

    /// Imports by identity, then reads, as an `import` block does.
    ///
    /// # Errors
    /// The provider's own, or a broken rule.
    pub async fn import_by_identity(&mut self, address: &str, identity: &impl AttrType) -> Result<(), Error> {
        let identity = self.identity_to_wire(type_name(address), &identity.to_value())?;
        self.import_call(address, "", Some(identity)).await
    }

    async fn import_call(
        &mut self,
        address: &str,
        id: &str,
        identity: Option<pb::ResourceIdentityData>,
    ) -> Result<(), Error> {
        let (block, name) = (self.block(address)?, type_name(address).to_owned());
        let request = pb::import_resource_state::Request {
            type_name: name.clone(),
            id: id.to_owned(),
            client_capabilities: capabilities(),
            identity,
        };
        let answer = self.client.import_resource_state(request).await?.into_inner();
        checked(&answer.diagnostics)?;
        let empty = |what: &str| Error::from(Violation::new(Rule::EmptyImport, &Path::root(), what));
        let imported = answer.imported_resources.first().ok_or_else(|| empty("nothing was imported"))?;
        let state = from_wire(imported.state.as_ref(), block.ty())?;
        rules::storable(block.attributes(), &state)?;
        expect_null(&state, false, "an import yields a state")?;
        let identity = self.identity(&name, imported.identity.as_ref(), None)?;
        let (private, schema_version) = (imported.private.clone(), block.version());
        let instance = Instance { state, tainted: false, private, identity, schema_version };
        self.instances.insert(address.to_owned(), instance);
        self.refresh(address).await?;
        if self.instances.contains_key(address) { Ok(()) } else { Err(empty("there is no such object")) }
    }

    fn identity_to_wire(&self, name: &str, identity: &Value) -> Result<pb::ResourceIdentityData, Error> {
        let ty = self.identities.get(name).ok_or_else(|| Error::Missing(format!("identity of {name}")))?;
        Ok(pb::ResourceIdentityData { identity_data: Some(to_wire(identity, ty)?) })
    }

    /// An identity that came back: there, known, and the same as before.
    fn identity(
        &self,
        name: &str,
        wire: Option<&pb::ResourceIdentityData>,
        before: Option<&Value>,
    ) -> Result<Option<Value>, Error> {
        let Some(ty) = self.identities.get(name) else { return Ok(None) };
        let identity = from_wire(wire.and_then(|wire| wire.identity_data.as_ref()), ty)?;
        let broken = |what: &str| Err(Violation::new(Rule::Identity, &Path::root(), what).into());
        if identity.is_null() {
            return broken("the resource has identities, and this object came without one");
        }
        if !identity.is_wholly_known() {
            return broken("an identity must be known");
        }
        if before.is_some_and(|before| *before != identity) {
            return broken("an identity never changes");
        }
        Ok(Some(identity))
    }
}
