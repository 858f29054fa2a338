//! The store of the rack: objects by id, and everything that is committed beside them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use underlay_core::{
    Brakes, Cancellation, Controller, Effect, Incarnation, Key, Kind, Mac, Meta, Noun, Object, ObjectId,
    SecretString, Snapshot, Spec, Standing, State, View,
    agent::{Assignment, Purpose, Task, TokenGrant},
    bmc::{MediaAddress, MediaUrl, media_path},
    boot,
    brake::{Hold, Reach, Scope},
    cancellation::Until,
    host::{Host, OWN_PASSWORD},
    image::Image,
    machine::{Machine, USER_DATA},
    observation::{Body, Observation, Source},
    view::{self, Census, RawObject},
};

use super::{
    bounded::Bounded, boxes::Boxes, brakes::FakeBrakes, pools::Rows, samples, standing::Decided,
    witness::Witness, work::FakeSteps,
};
use crate::{
    bmc::{
        Gate,
        fake::{FACTORY, Fake, Fakes},
    },
    host::Hosts,
    machine::{BootUrl, Machines, Patience},
    pool::Pools,
};

/// How a step is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commits {
    /// As it should be.
    Always,
    /// The server dies after each step's driver calls, before its commit, and the next one steps again.
    SecondTime,
}

/// Everything a test has in its hands.
pub(crate) struct Rack {
    pub(crate) bmcs: Fakes,
    pub(crate) boxes: Boxes,
    pub(crate) commits: Commits,
    pub(crate) brakes: Arc<FakeBrakes>,
    pub(crate) steps: Arc<FakeSteps>,
    pub(super) witness: Witness,
    machines: Machines,
    hosts: Hosts,
    pools: Pools,
    store: Mutex<Stored>,
}

/// What a commit writes.
pub(crate) struct Stored {
    pub(crate) now: Timestamp,
    pub(crate) objects: BTreeMap<ObjectId, RawObject>,
    pub(crate) claims: BTreeMap<ObjectId, ObjectId>,
    pub(crate) plans: BTreeMap<Mac, (ObjectId, boot::Plan)>,
    pub(crate) media: BTreeMap<ObjectId, boot::Media>,
    pub(crate) tokens: Vec<TokenGrant>,
    pub(crate) assignments: BTreeMap<ObjectId, Assignment>,
    /// Every assignment ever made, with the generation of the object on whose behalf.
    pub(crate) assigned: Vec<(i64, Assignment)>,
    /// Every state an object entered.
    pub(crate) entered: Vec<(ObjectId, &'static str)>,
    pub(crate) effects: Vec<Effect>,
    pub(super) pools: Rows,
    observations: BTreeMap<(ObjectId, Source), (Observation, Timestamp)>,
    pub(crate) cancellations: BTreeMap<ObjectId, Cancellation>,
    secrets: HashMap<(ObjectId, String), SecretString>,
    due: BTreeMap<ObjectId, Timestamp>,
    /// Since when the server runs.
    pub(crate) awake_since: Timestamp,
    unreadable: bool,
    /// After how many reads one fails.
    fails_after: Option<u32>,
}

struct Url;

impl BootUrl for Url {
    fn boot_url(&self, _host: &underlay_core::host::Spec) -> String {
        "http://10.0.2.2:7480".into()
    }
}

/// Images are there; as a secret the epoch will do.
struct Images;

impl MediaAddress for Images {
    fn of(&self, _host: &Object<Host>, epoch: i64) -> Result<MediaUrl, String> {
        Ok(MediaUrl(format!("http://10.0.2.2:7480{}", media_path(&epoch.to_string())).into()))
    }
}

impl Default for Rack {
    fn default() -> Self {
        let bmcs = Fakes::default();
        let brakes = Arc::new(FakeBrakes::default());
        let steps = Arc::new(FakeSteps::default());
        let shared = Arc::new(Gate::new(Arc::new(Bounded(bmcs.clone())), brakes.clone()));
        let store = Stored {
            now: Timestamp::from_second(1_700_000_000).expect("a time"),
            objects: BTreeMap::new(),
            claims: BTreeMap::new(),
            plans: BTreeMap::new(),
            media: BTreeMap::new(),
            tokens: Vec::new(),
            assignments: BTreeMap::new(),
            assigned: Vec::new(),
            entered: Vec::new(),
            effects: Vec::new(),
            pools: Rows::default(),
            observations: BTreeMap::new(),
            cancellations: BTreeMap::new(),
            secrets: HashMap::new(),
            due: BTreeMap::new(),
            awake_since: Timestamp::UNIX_EPOCH,
            unreadable: false,
            fails_after: None,
        };
        Self {
            machines: Machines {
                bmcs: shared.clone(),
                boot_url: Arc::new(Url),
                media: Arc::new(Images),
                steps: steps.clone(),
                patience: Patience::default(),
            },
            pools: Pools,
            hosts: Hosts {
                bmcs: shared,
                audits: Arc::new(Duration::from_secs(600)),
                boot_url: Arc::new(Url),
                media: Arc::new(Images),
                patience: Patience::default(),
            },
            bmcs,
            brakes,
            steps,
            boxes: Boxes::default(),
            witness: Witness::default(),
            commits: Commits::Always,
            store: Mutex::new(store),
        }
    }
}

impl Rack {
    /// A rack with image `debian` ready and hosts `lab-1` to `lab-N` available.
    pub(crate) async fn with_hosts(count: u8) -> Self {
        let rack = Self::default();
        rack.put_image('a');
        for number in 1..=count {
            rack.put::<Host>(&format!("lab-{number}"), samples::host(number));
            rack.boxes.insert(&format!("lab-{number}"), number);
        }
        rack.run_due().await;
        rack
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Stored> {
        self.store.lock().expect("no test panicked with it")
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.store().now
    }

    pub(crate) fn bmc(&self, host: &str) -> Fake {
        self.bmcs.of(host)
    }

    /// Put a spec as the API does: another one, or none at all before, is a new generation.
    pub(crate) fn put<N: Noun>(&self, name: &str, spec: N::Spec) -> ObjectId {
        let mut store = self.store();
        let spec = serde_json::to_value(spec).expect("a spec");
        let now = store.now;
        let living = |raw: &&mut RawObject| {
            raw.meta.kind == N::KIND && raw.meta.key.name.as_str() == name && raw.meta.purged_at.is_none()
        };
        let id = match store.objects.values_mut().find(living) {
            Some(raw) => {
                raw.meta.generation += i64::from(raw.spec != spec);
                raw.spec = spec;
                raw.meta.id
            }
            None => {
                let raw = fresh::<N>(name, spec, now);
                let id = raw.meta.id;
                store.objects.insert(id, raw);
                id
            }
        };
        store.kick(id);
        store.wake_dependents(id);
        id
    }

    /// Put a brake, as the store does: whoever is not at rest is looked at.
    pub(crate) fn brake(&self, reach: Reach) {
        let now = self.now();
        self.brakes.put(reach, now);
        self.kick_all();
    }

    /// Lift every brake.
    pub(crate) fn release(&self) {
        let now = self.now();
        self.brakes.lift(now);
        self.kick_all();
    }

    fn kick_all(&self) {
        let mut store = self.store();
        let ids: Vec<_> = store.objects.keys().copied().collect();
        ids.into_iter().for_each(|id| store.kick(id));
    }

    /// Want the operation of a machine stopped.
    pub(crate) fn cancel(&self, id: ObjectId, until: Until) {
        let mut store = self.store();
        let (at, generation) = (store.now, store.objects[&id].meta.generation);
        let wish = Cancellation { generation, by: "ops".into(), at, reason: "wrong rack".into(), until };
        store.cancellations.insert(id, wish);
        store.kick(id);
    }

    /// Ask for another try of the same spec.
    pub(crate) fn apply_again(&self, id: ObjectId) {
        let mut store = self.store();
        store.objects.get_mut(&id).expect("an object").meta.generation += 1;
        store.kick(id);
    }

    /// Image `debian` with that content, ready.
    pub(crate) fn put_image(&self, digit: char) -> ObjectId {
        let id = self.put::<Image>("debian", samples::image(digit));
        self.change::<Image>(id, |image| {
            image.state = underlay_core::image::State::Ready;
            image.status = samples::image_status();
        });
        id
    }

    /// Change an object behind its controller's back.
    pub(crate) fn change<N: Noun>(&self, id: ObjectId, change: impl FnOnce(&mut Object<N>)) {
        let mut object = self.get::<N>(id);
        change(&mut object);
        let mut store = self.store();
        let raw = store.objects.get_mut(&id).expect("an object");
        raw.spec = serde_json::to_value(object.spec).expect("a spec");
        raw.state = serde_json::to_value(object.state).expect("a state");
        raw.status = serde_json::to_value(object.status).expect("a status");
        raw.meta = object.meta;
        raw.progress = object.progress;
        store.wake_dependents(id);
    }

    pub(crate) fn set_user_data(&self, id: ObjectId, text: &str) {
        self.store().secrets.insert((id, USER_DATA.to_owned()), text.to_owned().into());
    }

    /// From now on the store can, or cannot, be read by controllers.
    pub(crate) fn break_store(&self, unreadable: bool) {
        self.store().unreadable = unreadable;
    }

    /// One read fails, after so many others.
    pub(crate) fn break_read(&self, after: u32) {
        self.store().fails_after = Some(after);
    }

    /// Of those who want a host of a pool, show so many at once.
    pub(crate) fn show_wants(&self, most: usize) {
        self.store().pools.shown = Some(most);
    }

    pub(crate) fn is_due(&self, id: ObjectId) -> bool {
        let store = self.store();
        store.due.get(&id).is_some_and(|at| *at <= store.now)
    }

    pub(crate) fn delete(&self, id: ObjectId) {
        let mut store = self.store();
        let now = store.now;
        let raw = store.objects.get_mut(&id).expect("an object");
        raw.meta.deleted_at.get_or_insert(now);
        store.kick(id);
    }

    /// The object as it stands, tombstones included.
    pub(crate) fn get<N: Noun>(&self, id: ObjectId) -> Object<N> {
        self.store().objects.get(&id).expect("an object").clone().decode().expect("its type")
    }

    pub(crate) fn phase<N: Noun>(&self, id: ObjectId) -> &'static str {
        let object = self.get::<N>(id);
        if object.meta.purged_at.is_some() { "gone" } else { object.state.phase() }
    }

    pub(crate) fn machine(&self, id: ObjectId) -> Object<Machine> {
        self.get(id)
    }

    pub(crate) fn is_gone(&self, id: ObjectId) -> bool {
        self.store().objects.get(&id).is_none_or(|raw| raw.meta.purged_at.is_some())
    }

    pub(crate) fn find(&self, kind: Kind, name: &str) -> Option<ObjectId> {
        let store = self.store();
        let living = |raw: &&RawObject| {
            raw.meta.kind == kind && raw.meta.key.name.as_str() == name && raw.meta.purged_at.is_none()
        };
        store.objects.values().find(living).map(|raw| raw.meta.id)
    }

    /// Keep an observation.
    pub(crate) fn observe(&self, id: ObjectId, source: Source, body: Body) {
        self.store().see(id, source, body);
    }

    /// What `source` saw last, whatever becomes of reads.
    pub(crate) fn seen(&self, id: ObjectId, source: Source) -> Option<Body> {
        self.store().observations.get(&(id, source)).map(|(seen, _)| seen.body.clone())
    }

    /// Is this token good now? Its grant, if it is.
    pub(crate) fn redeem(&self, digest: &str, purpose: Purpose) -> Option<TokenGrant> {
        let store = self.store();
        let good = |grant: &&TokenGrant| {
            grant.digest == digest && grant.purpose == purpose && grant.expires_at > store.now
        };
        store.tokens.iter().find(good).cloned()
    }

    /// One step of one object.
    pub(crate) async fn step(&self, id: ObjectId) {
        self.store().due.remove(&id);
        let raw = self.store().objects.get(&id).cloned();
        let Some(raw) = raw.filter(|raw| raw.meta.purged_at.is_none()) else { return };
        match raw.meta.kind {
            Kind::Machine => self.step_with(&self.machines, raw).await,
            Kind::Host => self.step_with(&self.hosts, raw).await,
            Kind::Pool => self.step_with(&self.pools, raw).await,
            Kind::Image | Kind::Network | Kind::Credential | Kind::Profile | Kind::Site | Kind::Step => {}
        }
    }

    async fn step_with<C: Controller>(&self, controller: &C, raw: RawObject) {
        let id = raw.meta.id;
        let (now, awake_since, observations) = {
            let store = self.store();
            let seen = store.observations.values().map(|(seen, _)| seen.clone());
            (store.now, store.awake_since, seen.filter(|seen| seen.id == id).collect())
        };
        let mut object = raw.decode::<C::Noun>().expect("its type");
        object.progress.evidence_at = object.progress.evidence_at.max(awake_since);
        let snapshot = Snapshot { object, observations, now, awake_since };
        if self.commits == Commits::SecondTime {
            self.attempt_begins();
            let _lost = tokio::time::timeout(controller.step_limit(), controller.step(&snapshot, self)).await;
            self.attempt_ends(false);
        }
        self.attempt_begins();
        let step = tokio::time::timeout(controller.step_limit(), controller.step(&snapshot, self)).await;
        let present = snapshot.object.state.clone();
        match step.expect("a step ends within its limit, whatever its driver does") {
            Ok(step) => {
                let effects = step.effects.clone();
                self.attempt_ends(effects.iter().any(|effect| match effect {
                    Effect::Assign(work) => matches!(work.task, Task::Deploy(_)),
                    _ => false,
                }));
                self.commit(id, Decided::of(step, present), effects);
            }
            Err(failure) => {
                self.attempt_ends(false);
                self.commit(id, Decided::retry::<C::Noun>(failure, present), Vec::new());
            }
        }
    }

    fn commit(&self, id: ObjectId, decided: Decided, effects: Vec<Effect>) {
        let mut store = self.store();
        // No two commits share a moment, in no store.
        store.now += Duration::from_micros(1);
        let lost = effects.iter().any(|effect| match effect {
            Effect::Claim { host } | Effect::Join { host } => {
                store.claims.get(host).is_some_and(|holder| *holder != id)
            }
            _ => store.is_crowded(id, effect),
        });
        if lost {
            let again = store.now + Duration::from_millis(250);
            store.due.insert(id, again);
            return;
        }
        for effect in effects {
            store.take(id, effect);
        }
        let (now, news) = (store.now, store.last_news(id));
        let phase = decided.phase;
        let raw = store.objects.get_mut(&id).expect("an object");
        let before = (raw.state.clone(), raw.progress.failure.is_some(), raw.meta.observed_generation);
        let next = decided.apply(raw, news, now);
        let after = (raw.state.clone(), raw.progress.failure.is_some(), raw.meta.observed_generation);
        let (moved, gone) = (before.0 != after.0, raw.meta.purged_at.is_some());
        if moved {
            store.entered.push((id, phase));
        }
        if let Some(next) = next {
            let due = store.due.get(&id).copied().map_or(next, |due| due.min(next));
            store.due.insert(id, due);
        }
        if before != after || gone {
            store.wake_dependents(id);
        }
        if gone {
            store.clear(id);
        }
    }

    /// When an object is looked at again.
    pub(crate) fn due(&self, id: ObjectId) -> Option<Timestamp> {
        self.store().due.get(&id).copied()
    }

    /// Step all that is due now, until nothing is.
    pub(crate) async fn run_due(&self) {
        for _ in 0..1000 {
            let due = {
                let store = self.store();
                store.due.iter().find(|(_, at)| **at <= store.now).map(|(id, _)| *id)
            };
            match due {
                Some(id) => self.step(id).await,
                None => return,
            }
        }
        panic!("it spins: {:?}", self.store().entered.iter().rev().take(12).collect::<Vec<_>>());
    }

    /// Let the world go on for `time`: steps when they are due, boxes as they are.
    pub(crate) async fn go_on(&self, time: Duration) {
        let end = self.now() + time;
        loop {
            self.run_due().await;
            if self.boxes.act(self) || self.steps.act(self) {
                continue;
            }
            let mut store = self.store();
            let next = store.due.values().min().copied().unwrap_or(end).max(store.now);
            if store.now >= end {
                return;
            }
            store.now = next.min(end);
        }
    }

    /// Let the world go on until a machine has settled, for a day at most.
    pub(crate) async fn settle(&self, id: ObjectId) -> &'static str {
        for _ in 0..24 * 60 {
            self.run_due().await;
            let machine = self.machine(id);
            let meta = &machine.meta;
            let settled = machine.state.is_settled() && meta.observed_generation == meta.generation;
            if meta.purged_at.is_some() || (settled && meta.deleted_at.is_none()) {
                return self.phase::<Machine>(id);
            }
            self.go_on(Duration::from_secs(60)).await;
        }
        panic!("it never settles: {:?}", self.machine(id));
    }
}

fn fresh<N: Noun>(name: &str, spec: serde_json::Value, now: Timestamp) -> RawObject {
    let meta = Meta {
        kind: N::KIND,
        id: ObjectId::new(),
        key: Key { site: Default::default(), owner: Default::default(), name: name.parse().expect("a name") },
        incarnation: Incarnation::new(),
        confirmed: true,
        generation: 1,
        observed_generation: 0,
        revision: 0,
        created_at: now,
        deleted_at: None,
        purged_at: None,
    };
    let progress = Standing {
        since: now,
        evidence_at: now,
        waiting_for: None,
        amount: None,
        next_run_at: None,
        failure: None,
        held: None,
        decided_at: String::new(),
        attempts: 0,
    };
    let state = serde_json::to_value(N::State::default()).expect("a state");
    let status = serde_json::to_value(N::Status::default()).expect("a status");
    RawObject { meta, spec, state, status, progress }
}

impl Stored {
    /// No boot plan, no token and no work for any host.
    pub(crate) fn serves_nothing(&self) -> bool {
        self.plans.is_empty()
            && self.media.is_empty()
            && self.tokens.is_empty()
            && self.assignments.is_empty()
    }

    /// How often an agent was given something to do, or a NIC the agent to boot.
    pub(crate) fn begun(&self) -> usize {
        let begins = |effect: &&Effect| match effect {
            Effect::PutBootPlan { plan, .. } => *plan != boot::Plan::LocalDisk,
            Effect::PutBootMedia { .. } => true,
            Effect::Assign(work) => work.task != Task::Stay,
            _ => false,
        };
        self.effects.iter().filter(begins).count()
    }

    pub(crate) fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    /// Keep an observation as the store does: the same again moves only its time.
    pub(super) fn see(&mut self, id: ObjectId, source: Source, body: Body) {
        let now = self.now;
        let last = self.observations.get(&(id, source));
        let is_news = last.is_none_or(|(seen, _)| seen.body != body);
        let changed_at = last.filter(|_| !is_news).map_or(now, |(_, changed)| *changed);
        self.observations.insert((id, source), (Observation { id, source, at: now, body }, changed_at));
        if is_news {
            self.kick(id);
            if let Some(machine) = self.claims.get(&id).copied() {
                self.kick(machine);
            }
        }
    }

    pub(super) fn kick(&mut self, id: ObjectId) {
        let now = self.now;
        self.due.insert(id, now);
    }

    fn take(&mut self, by: ObjectId, effect: Effect) {
        self.effects.push(effect.clone());
        let Some(effect) = self.take_of_pools(by, effect) else { return };
        match effect {
            Effect::Claim { host } | Effect::Join { host } => {
                self.claims.insert(host, by);
            }
            Effect::Release { host } => self.release(host, by),
            Effect::HandOver { host } => {
                if self.claims.get(&host) == Some(&by) {
                    self.claims.insert(host, host);
                    self.kick(host);
                    self.wake_pool(host);
                }
            }
            Effect::PutBootPlan { mac, host, plan } => {
                self.plans.insert(mac, (host, plan));
            }
            Effect::PutBootMedia { host, media } => {
                self.media.insert(host, media);
            }
            Effect::DropBootPlans { host } => {
                self.plans.retain(|_, (owner, _)| *owner != host);
                self.media.remove(&host);
            }
            Effect::GrantToken(grant) => {
                let older = |token: &TokenGrant| {
                    token.host == grant.host && (token.epoch < grant.epoch || token.purpose == grant.purpose)
                };
                self.tokens.retain(|token| !older(token));
                self.tokens.push(grant);
            }
            Effect::RevokeTokens { host } => self.tokens.retain(|token| token.host != host),
            Effect::Assign(work) => {
                let generation = self.objects.get(&by).map_or(0, |raw| raw.meta.generation);
                self.assigned.push((generation, work.clone()));
                self.assignments.insert(work.host, work);
            }
            Effect::Unassign { host } => {
                self.assignments.remove(&host);
            }
            Effect::DrawPassword => {
                let drawn = format!("drawn-{}", self.secrets.len());
                self.secrets.entry((by, OWN_PASSWORD.to_owned())).or_insert_with(|| drawn.into());
            }
            Effect::DropPassword => drop(self.secrets.remove(&(by, OWN_PASSWORD.to_owned()))),
            Effect::Wake { id } => self.kick(id),
            Effect::Note { .. } | Effect::BeginStep { .. } => {}
            other => unreachable!("taken as one of pools: {other:?}"),
        }
    }

    fn release(&mut self, host: ObjectId, by: ObjectId) {
        if self.claims.get(&host) == Some(&by) {
            self.claims.remove(&host);
            self.kick(host);
            self.wake_pool(host);
            self.wake_dependents(host);
        }
    }

    fn clear(&mut self, id: ObjectId) {
        self.settle_pools(id);
        let held: Vec<_> = self.claims.iter().filter(|(_, by)| **by == id).map(|(host, _)| *host).collect();
        held.into_iter().for_each(|host| self.release(host, id));
        self.claims.remove(&id);
        self.plans.retain(|_, (owner, _)| *owner != id);
        self.media.remove(&id);
        self.assignments.remove(&id);
        self.tokens.retain(|token| token.host != id && token.on_behalf_of != id);
        self.observations.retain(|(owner, _), _| *owner != id);
        self.due.remove(&id);
    }

    fn wake_dependents(&mut self, id: ObjectId) {
        self.wake_pool(id);
        let Some(changed) = self.objects.get(&id).map(|raw| raw.meta.clone()) else { return };
        let names = |raw: &&RawObject| {
            raw.meta.kind == Kind::Machine
                && RawObject::clone(raw).decode::<Machine>().is_ok_and(|machine| {
                    let mut references = machine.spec.references().into_iter();
                    references.any(|r| r.kind == changed.kind && r.name == changed.key.name.as_str())
                })
        };
        let ids: Vec<_> = self.objects.values().filter(names).map(|raw| raw.meta.id).collect();
        ids.into_iter().for_each(|id| self.kick(id));
    }

    fn last_news(&self, id: ObjectId) -> Option<Timestamp> {
        let seen = self.observations.iter();
        let about = seen.filter(|((of, _), _)| *of == id || self.claims.get(of) == Some(&id));
        about.map(|(_, (_, changed))| *changed).max()
    }
}

#[async_trait]
impl Brakes for Rack {
    async fn hold(&self, scope: &Scope) -> Result<Hold, view::Error> {
        drop(self.readable()?);
        self.brakes.hold(scope).await
    }
}

#[async_trait]
impl View for Rack {
    async fn by_id(&self, id: ObjectId) -> Result<Option<RawObject>, view::Error> {
        let store = self.readable()?;
        Ok(store.objects.get(&id).filter(|raw| raw.meta.purged_at.is_none()).cloned())
    }

    async fn by_name(&self, _from: &Key, kind: Kind, name: &str) -> Result<Option<RawObject>, view::Error> {
        drop(self.readable()?);
        let id = self.find(kind, name);
        Ok(id.and_then(|id| self.store().objects.get(&id).cloned()))
    }

    async fn observation(&self, id: ObjectId, source: Source) -> Result<Option<Observation>, view::Error> {
        Ok(self.readable()?.observations.get(&(id, source)).map(|(seen, _)| seen.clone()))
    }

    async fn holder(&self, host: ObjectId) -> Result<Option<ObjectId>, view::Error> {
        Ok(self.readable()?.claims.get(&host).copied())
    }

    async fn claim(&self, machine: ObjectId) -> Result<Option<ObjectId>, view::Error> {
        let store = self.readable()?;
        Ok(store.claims.iter().find(|(_, holder)| **holder == machine).map(|(host, _)| *host))
    }

    async fn wants(&self, pool: ObjectId) -> Result<Vec<RawObject>, view::Error> {
        Ok(self.readable()?.wants(pool))
    }

    async fn members(&self, pool: ObjectId) -> Result<Vec<(RawObject, Option<ObjectId>)>, view::Error> {
        Ok(self.readable()?.members(pool))
    }

    async fn tenants(&self, pool: ObjectId) -> Result<Vec<RawObject>, view::Error> {
        Ok(self.readable()?.tenants(pool))
    }

    async fn census(&self, pool: ObjectId) -> Result<Census, view::Error> {
        Ok(self.readable()?.census(pool))
    }

    async fn accused(&self, pool: ObjectId, shared: &(String, String)) -> Result<Vec<ObjectId>, view::Error> {
        Ok(self.readable()?.accused(pool, shared))
    }

    async fn credential(&self, _: &Key, _: &str) -> Result<Option<(String, SecretString)>, view::Error> {
        drop(self.readable()?);
        Ok(Some(("root".into(), FACTORY.into())))
    }

    async fn cancellation(&self, id: ObjectId) -> Result<Option<Cancellation>, view::Error> {
        Ok(self.readable()?.cancellations.get(&id).cloned())
    }

    async fn secret(&self, id: ObjectId, name: &str) -> Result<Option<SecretString>, view::Error> {
        Ok(self.readable()?.secrets.get(&(id, name.to_owned())).cloned())
    }
}

impl Rack {
    fn readable(&self) -> Result<MutexGuard<'_, Stored>, view::Error> {
        let mut store = self.store();
        let fails = store.unreadable || store.fails_after == Some(0);
        store.fails_after = store.fails_after.and_then(|left| left.checked_sub(1));
        if fails {
            drop(store);
            self.is_blind();
            let source = std::io::Error::other("database is locked").into();
            return Err(view::Error::Read { what: "anything".into(), source });
        }
        Ok(store)
    }
}
