//! What the boot servers know, in memory: whose MAC is whose, what it is to boot, which networks there are.
//!
//! What tells hosts apart, and the rules of pools, go on to the register of machines that nobody enrolled.
//!
//! Follows the store's change feed, so that a packet costs no query and a change costs one. Rebuilt from the store at
//! start; nothing here is a truth of its own.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, PoisonError, RwLock},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use underlay_api::discovery::Register;
use underlay_core::{
    Kind, Mac, Noun, ObjectId, because,
    boot::{Media, Plan},
    brake,
    host::Host,
    network::{self, Network},
    pool::Pool,
};
use underlay_metal::dhcp;
use underlay_store::{
    Record, Store,
    boot_plan::{BootPlan, BootPlans, Position},
    feed::Follow,
    hint::Topic,
};

use super::dhcp::{Place, served};

/// How many changes are taken at once.
const BATCH: usize = 500;

/// Everything the boot servers read.
pub struct Projection {
    known: RwLock<Known>,
    networks: watch::Sender<Arc<[dhcp::Network]>>,
    /// Told the same, for machines that wait in RAM.
    register: Arc<Register>,
    place: Place,
}

#[derive(Default)]
struct Known {
    /// Each host's MACs, and back.
    macs: HashMap<Mac, ObjectId>,
    hosts: HashMap<ObjectId, (String, Vec<Mac>)>,
    plans: HashMap<Mac, (ObjectId, Plan)>,
    /// What the image of each host's boot says.
    media: HashMap<ObjectId, Media>,
    /// For which MACs each host has a plan.
    planned: HashMap<ObjectId, Vec<Mac>>,
    networks: HashMap<ObjectId, Segment>,
    /// Each network by its name.
    names: HashMap<String, ObjectId>,
    /// Does everything boot its own disk, because the server only observes or is on hold?
    own_disks: bool,
}

/// A network, with what a packet asks of it found at once.
struct Segment {
    name: String,
    spec: network::Spec,
    /// Its reservations, by address.
    reserved: HashMap<Ipv4Addr, Mac>,
}

impl Known {
    /// What an unknown machine of a network gets: never the agent where everything boots its own disk.
    fn unknown(&self, spec: &network::Spec) -> network::Unknown {
        match spec.unknown() {
            network::Unknown::Discover if self.own_disks => network::Unknown::LocalDisk,
            unknown => unknown,
        }
    }

    fn drop_plans(&mut self, host: ObjectId) {
        self.media.remove(&host);
        for mac in self.planned.remove(&host).unwrap_or_default() {
            if self.plans.get(&mac).is_some_and(|(of, _)| *of == host) {
                self.plans.remove(&mac);
            }
        }
    }

    fn put_plan(&mut self, plan: BootPlan) {
        self.plans.insert(plan.mac, (plan.host, plan.plan));
        let planned = self.planned.entry(plan.host).or_default();
        if !planned.contains(&plan.mac) {
            planned.push(plan.mac);
        }
    }

    fn network(&self, name: &str) -> Option<&Segment> {
        self.networks.get(self.names.get(name)?)
    }

    fn drop_network(&mut self, id: ObjectId) {
        if let Some(gone) = self.networks.remove(&id)
            && self.names.get(&gone.name) == Some(&id)
        {
            self.names.remove(&gone.name);
        }
    }

    fn put_network(&mut self, id: ObjectId, name: String, spec: network::Spec) {
        self.drop_network(id);
        let reserved = spec.reservations.iter().map(|(mac, address)| (*address, *mac)).collect();
        self.names.insert(name.clone(), id);
        self.networks.insert(id, Segment { name, spec, reserved });
    }
}

impl Projection {
    /// An empty one; [`Projection::follow`] fills it.
    pub fn new(place: Place) -> Arc<Self> {
        let networks = watch::Sender::new(Arc::from([]));
        Arc::new(Self { known: RwLock::default(), networks, register: Arc::default(), place })
    }

    /// What reports of machines that nobody enrolled are held against.
    pub fn register(&self) -> Arc<Register> {
        self.register.clone()
    }

    /// The networks DHCP serves, whenever they change.
    pub fn networks(&self) -> watch::Receiver<Arc<[dhcp::Network]>> {
        self.networks.subscribe()
    }

    /// Whose NIC it is, and its plan where one was made.
    pub fn host_of(&self, mac: Mac) -> Option<(ObjectId, Plan)> {
        let known = self.read();
        if let Some((host, plan)) = known.plans.get(&mac) {
            return Some((*host, if known.own_disks { Plan::LocalDisk } else { plan.clone() }));
        }
        known.macs.get(&mac).map(|host| (*host, Plan::LocalDisk))
    }

    /// What the image of a host's boot says, where it is to boot from one.
    pub fn media_of(&self, host: ObjectId) -> Option<Media> {
        let known = self.read();
        known.media.get(&host).filter(|_| !known.own_disks).cloned()
    }

    /// How many hosts there are.
    pub fn hosts(&self) -> usize {
        self.read().hosts.len()
    }

    /// The name of the host a NIC belongs to.
    pub fn name_of(&self, mac: Mac) -> Option<String> {
        let known = self.read();
        let host = known.plans.get(&mac).map(|(host, _)| host).or_else(|| known.macs.get(&mac))?;
        known.hosts.get(host).map(|(name, _)| name.clone())
    }

    /// What an unknown machine at `address` gets: what its network says, and its own disk where it is on none.
    pub fn unknown_at(&self, address: IpAddr) -> network::Unknown {
        let IpAddr::V4(address) = address.to_canonical() else { return network::Unknown::LocalDisk };
        let known = self.read();
        let network = known.networks.values().find(|network| network.spec.cidr.contains(&address));
        network.map_or(network::Unknown::LocalDisk, |network| known.unknown(&network.spec))
    }

    /// The address reserved for a NIC on a network of that name.
    pub fn reserved_for(&self, mac: Mac, network: &str) -> Option<Ipv4Addr> {
        self.read().network(network)?.spec.reservations.get(&mac).copied()
    }

    /// The NIC for which an address of that network is reserved.
    pub fn reserver_of(&self, address: Ipv4Addr, network: &str) -> Option<Mac> {
        self.read().network(network)?.reserved.get(&address).copied()
    }

    /// The network that DHCP knows by that name.
    pub fn network_named(&self, name: &str) -> Option<ObjectId> {
        self.read().names.get(name).copied()
    }

    /// The server's address on the first boot network it serves.
    pub fn first_server_address(&self) -> Option<Ipv4Addr> {
        self.networks.borrow().first().map(|network| network.server)
    }

    /// Nothing is known any more, but whether everything boots its own disk.
    fn forget(&self) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Known { own_disks: known.own_disks, ..Known::default() };
        drop(known);
        self.register.forget();
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follow the store until cancelled. The first round is done when this is first pending.
    pub async fn follow(self: Arc<Self>, store: Store, cancel: CancellationToken) {
        let of = [Kind::Host, Kind::Network, Kind::Pool].map(Topic::Kind);
        let mut hint = store.hint_of(&[of.as_slice(), &[Topic::BootPlans, Topic::Brakes]].concat());
        let mut cursor = 0;
        let mut plans_at = None;
        while !cancel.is_cancelled() {
            hint.mark_unchanged();
            match self.catch_up(&store, &mut cursor, &mut plans_at).await {
                Ok(()) => self.register.complete(),
                Err(underlay_store::Error::Expired { .. }) => {
                    // What was forgotten are tombstones: start over from nothing.
                    self.forget();
                    (cursor, plans_at) = (store.head().await.unwrap_or_default(), None);
                    if let Err(error) = self.load(&store).await {
                        tracing::warn!(
                            error = because(&error),
                            "the boot servers' view could not be rebuilt"
                        );
                        cursor = 0;
                        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    }
                    continue;
                }
                Err(error) => {
                    tracing::warn!(error = because(&error), "the boot servers' view is behind the store");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    continue;
                }
            }
            tokio::select! {
                () = cancel.cancelled() => {}
                changed = hint.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn load(&self, store: &Store) -> Result<(), underlay_store::Error> {
        for kind in [Kind::Host, Kind::Network, Kind::Pool] {
            let mut after = None;
            loop {
                let page = store.list(kind, &underlay_store::Filter::default(), after, BATCH).await?;
                page.records.into_iter().for_each(|record| self.take(record));
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        self.announce();
        Ok(())
    }

    async fn catch_up(
        &self,
        store: &Store,
        cursor: &mut i64,
        plans_at: &mut Option<Position>,
    ) -> Result<(), underlay_store::Error> {
        // Nothing of a machine is asked for here, and machines change most.
        let narrowed = Follow { but: Some(Kind::Machine), ..Follow::default() };
        loop {
            if self.follow_brakes(store).await? {
                self.announce();
            }
            let changes = store.changes(*cursor, narrowed, BATCH).await?;
            let full = changes.records.len() >= BATCH;
            let networks = changes.records.iter().any(|record| record.raw.meta.kind == Kind::Network);
            changes.records.into_iter().for_each(|record| self.take(record));
            *cursor = changes.cursor;
            if networks {
                self.announce();
            }
            if !full {
                break;
            }
        }
        let news = store.boot_plans(*plans_at).await?;
        *plans_at = Some(news.position);
        self.take_plans(news);
        Ok(())
    }

    fn take_plans(&self, news: BootPlans) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if news.all {
            known.plans.clear();
            known.planned.clear();
            known.media.clear();
            self.register.drop_all_plans();
        }
        for host in news.dropped {
            known.drop_plans(host);
            self.register.drop_plans(host);
        }
        for plan in news.plans {
            self.register.put_plan(plan.host, plan.mac, &plan.plan);
            known.put_plan(plan);
        }
        known.media.extend(news.media);
    }

    /// Looks whether everything has to boot its own disk now. Is that news?
    async fn follow_brakes(&self, store: &Store) -> Result<bool, underlay_store::Error> {
        let standing = store.standing_brakes().await?;
        let own_disks = standing.iter().any(|brake| brake.kind != brake::Kind::Freeze);
        self.register.set_own_disks(own_disks);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::replace(&mut known.own_disks, own_disks) != own_disks)
    }

    fn take(&self, record: Record) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let id = record.raw.meta.id;
        let gone = record.raw.meta.purged_at.is_some();
        match record.raw.meta.kind {
            Kind::Host => {
                if let Some((_, macs)) = known.hosts.remove(&id) {
                    known.macs.retain(|mac, host| *host != id || !macs.contains(mac));
                }
                if gone {
                    known.drop_plans(id);
                    self.register.drop_host(id);
                }
                match record.raw.decode::<Host>() {
                    Ok(host) if !gone => {
                        let macs = underlay_core::identity::boot_macs(&host, &[]);
                        macs.iter().for_each(|mac| {
                            known.macs.insert(*mac, id);
                        });
                        known.hosts.insert(id, (host.meta.key.name.to_string(), macs));
                        self.register.put_host(&host);
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(error = because(&error), "a host cannot be read"),
                }
            }
            Kind::Network => match record.raw.decode::<Network>() {
                Ok(network) if !gone && network.meta.deleted_at.is_none() => {
                    self.register.put_network(&network);
                    known.put_network(id, network.meta.key.to_string(), network.spec);
                }
                Ok(_) => {
                    known.drop_network(id);
                    self.register.drop_network(id);
                }
                Err(error) => {
                    tracing::warn!(kind = Network::KIND.as_str(), error = because(&error), "unreadable")
                }
            },
            Kind::Pool => match record.raw.decode::<Pool>() {
                Ok(pool) if !gone && pool.meta.deleted_at.is_none() => self.register.put_pool(&pool),
                Ok(_) => self.register.drop_pool(id),
                Err(error) => tracing::warn!(error = because(&error), "a pool cannot be read"),
            },
            Kind::Site | Kind::Credential | Kind::Image | Kind::Profile | Kind::Step | Kind::Machine => {}
        }
    }

    fn announce(&self) {
        let known = self.read();
        let mut networks: Vec<dhcp::Network> = known
            .networks
            .values()
            .filter_map(|Segment { name, spec, .. }| match served(name, spec, &self.place) {
                Ok(network) => Some(dhcp::Network { unknown: known.unknown(spec), ..network }),
                Err(error) => {
                    tracing::warn!(network = name, error, "this network cannot be served");
                    None
                }
            })
            .collect();
        drop(known);
        networks.sort_by(|a, b| a.name.cmp(&b.name));
        self.networks.send_replace(networks.into());
    }
}

#[cfg(test)]
mod tests {
    use underlay_core::{Brake, Effect, boot::Token, brake::Reach, network::Unknown};
    use underlay_store::{Commit, Decision, Intent, PutRequest, testing::Database};

    use super::*;

    const NIC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    /// A network that has strangers discovered, and a host that is to boot the agent.
    async fn furnish(store: &Store) {
        let key = |name: &str| underlay_core::Key {
            site: Default::default(),
            owner: Default::default(),
            name: name.parse().expect("a name"),
        };
        let dhcp =
            network::Dhcp { mode: network::Mode::Off, range: None, interface: None, lease_seconds: 60 };
        let spec = network::Spec {
            cidr: "10.12.0.0/22".parse().expect("a segment"),
            gateway: None,
            dns: Vec::new(),
            domain: None,
            dhcp,
            unknown: Some(Unknown::Discover),
            reservations: Default::default(),
        };
        let put = PutRequest::new::<Network>(key("boot"), &spec, Intent::Create).expect("a request");
        let network = store.put(put).await.expect("put").record.id();
        let now = underlay_core::clock::now();
        let kinds = [Kind::Network].into();
        let lease = store.lease_next("test", &kinds, 1, now, std::time::Duration::from_secs(60)).await;
        let lease = lease.expect("a lease").0.remove(0);
        let base = store.snapshot(network).await.expect("a snapshot").expect("it is there");
        let plan = Plan::Agent { token: Token("t".to_owned().into()), epoch: 1, host: network };
        let media = Media {
            token: Token("t".to_owned().into()),
            epoch: 1,
            url: "http://10.12.0.2:7480".into(),
            mac: None,
            address: None,
        };
        let effects = vec![
            Effect::PutBootPlan { mac: NIC, host: network, plan },
            Effect::PutBootMedia { host: network, media },
        ];
        let decision = Decision::Done { audit: None };
        let decided_at = "test:1".into();
        let commit = Commit { lease: &lease, base: &base, decision, status: None, effects, decided_at, now };
        store.commit(commit).await.expect("committed");
    }

    async fn seen(projection: &Projection, store: &Store) -> (Option<Plan>, Unknown) {
        projection.catch_up(store, &mut 0, &mut None).await.expect("it catches up");
        let address = "10.12.0.9".parse().expect("an address");
        let plan = projection.host_of(NIC).map(|(_, plan)| plan);
        let known: Vec<ObjectId> = projection.read().media.keys().copied().collect();
        let shown = known.iter().filter(|host| projection.media_of(**host).is_some()).count();
        assert_eq!((known.len(), shown), (1, usize::from(matches!(plan, Some(Plan::Agent { .. })))));
        (plan, projection.unknown_at(address))
    }

    #[tokio::test]
    async fn everything_boots_its_own_disk_while_the_server_observes_or_is_on_hold() {
        let database = Database::sqlite().await.expect("SQLite needs nothing");
        let store = database.open().await;
        furnish(&store).await;
        let projection = Projection::new(Place { port: 7480, ramdisk: "/nowhere".into() });
        let (plan, unknown) = seen(&projection, &store).await;
        assert!(matches!(plan, Some(Plan::Agent { .. })) && unknown == Unknown::Discover);
        for kind in brake::Kind::ALL {
            let (by, since, reason) = ("ops".into(), underlay_core::clock::now(), "a test".into());
            let wanted = Brake { kind, reach: Reach::default(), by, since, reason };
            store.put_brake(&wanted).await.expect("put");
            let (plan, unknown) = seen(&projection, &store).await;
            let own_disks = plan == Some(Plan::LocalDisk) && unknown == Unknown::LocalDisk;
            assert_eq!(own_disks, kind != brake::Kind::Freeze, "{kind}: a frozen boot may come to its end");
            store
                .lift_brake(kind, &Reach::default(), "ops", underlay_core::clock::now())
                .await
                .expect("lifted");
        }
        let (plan, unknown) = seen(&projection, &store).await;
        assert!(matches!(plan, Some(Plan::Agent { .. })) && unknown == Unknown::Discover);
    }
}
