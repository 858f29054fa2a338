//! A server in a directory of its own, clients for it, and a hand that plays the engine.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use prost::Message;
use rustls::{ClientConfig, RootCertStore, crypto::ring::default_provider};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    transport::{Channel, Endpoint},
};
use underlay_api::{
    Api, Config, ServeError,
    discovery::Register,
    listen::Listener,
    ports::{BmcChecks, Ports, PowerAction, PowerControl, UploadDirectory},
    tls::{Authority, server_config},
};
use underlay_core::{
    Effect, Kind, Noun, Object, ObjectId, State, bmc,
    check::{Check, Whose},
    host::Host,
};
use underlay_proto::v1 as pb;
use underlay_store::{Commit, Decision, Entered, SealingKey, Store, feed::Follow};

/// A running server.
pub struct Rack {
    pub store: Store,
    pub directory: TempDir,
    pub tls: SocketAddr,
    pub authority: Arc<Authority>,
    pub power: Arc<FakePower>,
    pub api: Api,
    cancel: CancellationToken,
    serving: Mutex<Vec<JoinHandle<Result<(), ServeError>>>>,
}

/// Feeds the register, as the server's projection does.
async fn follow(store: Store, register: Arc<Register>, cancel: CancellationToken) {
    let (mut hint, mut cursor, mut plans) = (store.hint(), 0, None);
    while !cancel.is_cancelled() {
        hint.mark_unchanged();
        let changes = store.changes(cursor, Follow::default(), 1000).await.unwrap();
        cursor = changes.cursor;
        for record in changes.records {
            let (id, gone) = (record.id(), record.raw.meta.purged_at.is_some());
            match (record.raw.meta.kind, gone) {
                (Kind::Host, false) => register.put_host(&record.raw.decode().unwrap()),
                (Kind::Host, true) => register.drop_host(id),
                (Kind::Pool, false) => register.put_pool(&record.raw.decode().unwrap()),
                (Kind::Pool, true) => register.drop_pool(id),
                (Kind::Network, false) => register.put_network(&record.raw.decode().unwrap()),
                _ => {}
            }
        }
        let news = store.boot_plans(plans).await.unwrap();
        plans = Some(news.position);
        news.dropped.into_iter().for_each(|host| register.drop_plans(host));
        news.plans.into_iter().for_each(|plan| register.put_plan(plan.host, plan.mac, &plan.plan));
        register.complete();
        tokio::select! {
            () = cancel.cancelled() => return,
            changed = hint.changed() => if changed.is_err() { return },
        }
    }
}

impl Drop for Rack {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Rack {
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = SealingKey::load_or_create(&directory.path().join("sealing.key")).unwrap();
        let database = directory.path().join("underlay.db");
        let store = Store::open(database.to_str().unwrap(), key).await.unwrap();
        let authority = Arc::new(Authority::open(directory.path()).unwrap());
        let power = Arc::new(FakePower { store: store.clone(), asked: Mutex::default() });
        let uploads = UploadDirectory::new(directory.path().join("uploads"), 1 << 20);
        let register = Arc::new(Register::default());
        let ports = Ports {
            power: power.clone(),
            checks: power.clone(),
            register: register.clone(),
            uploads: Arc::new(uploads),
        };
        let config = Config {
            boot_url: "http://10.0.0.2:7480".into(),
            ramdisk: directory.path().join("ramdisk"),
            ..Config::default()
        };
        let api = Api::new(store.clone(), authority.clone(), ports, config);
        let unix = Listener::unix(&directory.path().join("api.sock"), 0o600).await.unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let tls = Listener::tls(any, server_config(&authority, &[]).unwrap()).await.unwrap();
        let address = tls.address().unwrap();
        let cancel = CancellationToken::new();
        let serve = |listener| {
            let (api, cancel) = (api.clone(), cancel.clone());
            tokio::spawn(async move { api.serve(listener, cancel).await })
        };
        let serving = Mutex::new(vec![serve(unix), serve(tls)]);
        tokio::spawn(follow(store.clone(), register, cancel.clone()));
        Self { store, directory, tls: address, authority, power, api, cancel, serving }
    }

    /// Where the agent's ramdisk would be, with its program beside it.
    pub fn ramdisk(&self) -> PathBuf {
        self.directory.path().join("ramdisk")
    }

    /// Stops the server and waits until it has stopped.
    pub async fn stop(&self) {
        self.cancel.cancel();
        let serving = std::mem::take(&mut *self.serving.lock().unwrap());
        for task in serving {
            task.await.unwrap().unwrap();
        }
    }

    /// A channel over the unix socket: an admin.
    pub async fn local(&self) -> Channel {
        let path = self.directory.path().join("api.sock");
        Endpoint::from_shared(format!("unix://{}", path.display())).unwrap().connect().await.unwrap()
    }

    /// A channel over TLS, with a client certificate where one is given.
    pub async fn remote(
        &self,
        identity: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> Result<Channel, tonic::transport::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            Some((certificate, key)) => config.with_client_auth_cert(vec![certificate], key).unwrap(),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let (connector, address) = (TlsConnector::from(Arc::new(config)), self.tls);
        let connect = move |_| {
            let connector = connector.clone();
            async move {
                let tcp = TcpStream::connect(address).await?;
                let name = "underlay-server".try_into().map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, tcp).await?))
            }
        };
        Endpoint::from_static("http://underlay-server")
            .connect_with_connector(tower::service_fn(connect))
            .await
    }

    /// A token of that role and owner.
    pub async fn token(&self, role: &str, owner: &str) -> String {
        let request = pb::CreateTokenRequest {
            name: format!("{role}-{}", ObjectId::new()),
            role: role.into(),
            owner: owner.into(),
            ttl_seconds: 3600,
            ..Default::default()
        };
        let mut server = pb::server_service_client::ServerServiceClient::new(self.local().await);
        server.create_token(request).await.unwrap().into_inner().token
    }

    /// Plays the engine: brings an object into a state, with effects, and to rest where the state is a settled one.
    pub async fn enter<N: Noun>(
        &self,
        id: ObjectId,
        state: N::State,
        status: N::Status,
        effects: Vec<Effect>,
    ) {
        let (phase, settled) = (state.phase().to_owned(), state.is_settled());
        let state = serde_json::to_value(state).unwrap();
        let next = Entered { state, phase, settled };
        self.commit(id, Decision::Advance(next), Some(serde_json::to_value(status).unwrap()), effects).await;
        if settled {
            self.commit(id, Decision::Done { audit: None }, None, Vec::new()).await;
        }
    }

    /// Plays the engine: one decision.
    pub async fn commit(
        &self,
        id: ObjectId,
        decision: Decision,
        status: Option<serde_json::Value>,
        effects: Vec<Effect>,
    ) {
        self.store.wake(id).await.unwrap();
        let base = self.store.snapshot(id).await.unwrap().unwrap();
        let kinds: BTreeSet<_> = [base.record.raw.meta.kind].into();
        let now = Timestamp::now() + Duration::from_secs(1);
        let (leases, _) =
            self.store.lease_next("test", &kinds, 1000, now, Duration::from_secs(60)).await.unwrap();
        let mut ours = None;
        for lease in leases {
            if lease.id == id {
                ours = Some(lease);
            } else {
                self.store.release(&lease, now).await.unwrap();
            }
        }
        let lease = ours.expect("the object is due");
        let decided_at = "test.rs:1".to_owned();
        let commit = Commit { lease: &lease, base: &base, decision, status, effects, decided_at, now };
        self.store.commit(commit).await.unwrap();
    }
}

/// Writes down what was asked, and says it is so.
pub struct FakePower {
    store: Store,
    pub asked: Mutex<Vec<PowerAction>>,
}

#[async_trait]
impl PowerControl for FakePower {
    async fn power(&self, host: ObjectId, action: PowerAction) -> Result<Object<Host>, bmc::Error> {
        self.asked.lock().unwrap().push(action);
        let record = self.store.get(host).await.unwrap().unwrap();
        let mut host = record.raw.decode::<Host>().unwrap();
        host.status.power = Some(bmc::Power::On);
        Ok(host)
    }

    async fn serial(&self, _host: ObjectId) -> Result<Option<String>, bmc::Error> {
        Ok(Some("Debian GNU/Linux 12 login:\n".into()))
    }

    async fn screenshot(&self, _host: ObjectId) -> Result<Vec<u8>, bmc::Error> {
        Ok(b"\x89PNG\r\n\x1a\n".to_vec())
    }
}

#[async_trait]
impl BmcChecks for FakePower {
    async fn check(&self, whose: Whose) -> Result<Check, bmc::Error> {
        let address = match whose {
            Whose::Host(host) => host.meta.key.name.to_string(),
            Whose::Nobodys { redfish, user, .. } => format!("{user}@{}", redfish.address),
        };
        Ok(Check { address, ..Check::default() })
    }
}

/// A request with a bearer token.
pub fn bearing<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// The detail of an error.
pub fn detail(status: &Status) -> pb::ErrorDetail {
    let value = status.metadata().get_bin(underlay_proto::ERROR_DETAIL_KEY).expect("has details");
    pb::ErrorDetail::decode(value.to_bytes().unwrap()).unwrap()
}

/// The attributes that an error blames.
pub fn blamed(status: &Status) -> Vec<String> {
    detail(status).fields.into_iter().map(|field| field.attribute).collect()
}

pub fn key(name: &str) -> Option<pb::Key> {
    Some(pb::Key { name: name.into(), ..Default::default() })
}

pub fn by_name(name: &str) -> Option<pb::Selector> {
    Some(pb::Selector { by: Some(pb::selector::By::Key(key(name).unwrap())) })
}

pub fn by_id(meta: &pb::Meta) -> Option<pb::Selector> {
    Some(pb::Selector { by: Some(pb::selector::By::Id(meta.id.clone())) })
}

pub fn id(meta: &pb::Meta) -> ObjectId {
    meta.id.parse().unwrap()
}

/// A QEMU host.
pub fn qemu_host(name: &str) -> pb::PutHostRequest {
    let qemu =
        pb::QemuDriver { cpus: 1, memory_bytes: 1 << 30, disk_bytes: vec![4 << 30], ..Default::default() };
    let spec = pb::HostSpec { driver: Some(pb::host_spec::Driver::Qemu(qemu)), ..Default::default() };
    pb::PutHostRequest { key: key(name), spec: Some(spec), options: None }
}

/// An image whose content is `digit` repeated.
pub fn image(name: &str, digit: char) -> pb::PutImageRequest {
    let spec = pb::ImageSpec {
        url: "https://images.example/debian.raw".into(),
        sha256: digit.to_string().repeat(64),
        ..Default::default()
    };
    pb::PutImageRequest { key: key(name), spec: Some(spec), options: None }
}

/// A machine on `host` with the image `debian` made of `digit`.
pub fn machine(name: &str, host: &str, digit: char) -> pb::PutMachineRequest {
    let spec = pb::MachineSpec {
        image: format!("debian@sha256:{}", digit.to_string().repeat(64)),
        host: host.into(),
        ..Default::default()
    };
    pb::PutMachineRequest { key: key(name), spec: Some(spec), ..Default::default() }
}

/// Options of an Update.
pub fn holding(meta: &pb::Meta) -> Option<pb::PutOptions> {
    Some(pb::PutOptions { incarnation: meta.incarnation.clone(), ..Default::default() })
}
