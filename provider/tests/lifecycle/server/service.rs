//! The services over the tables.

use std::{pin::Pin, sync::atomic::Ordering};

use tokio_stream::Stream;
use tonic::{Request, Response, Status, transport::server::Router};
use underlay_proto::v1::{self as pb, *};

use super::{
    Shared, World,
    table::{Thing, refusal},
};

type Events<E> = Pin<Box<dyn Stream<Item = Result<E, Status>> + Send>>;

pub fn router(shared: Shared) -> Router {
    tonic::transport::Server::builder()
        .add_service(host_service_server::HostServiceServer::new(shared.clone()))
        .add_service(network_service_server::NetworkServiceServer::new(shared.clone()))
        .add_service(credential_service_server::CredentialServiceServer::new(shared.clone()))
        .add_service(image_service_server::ImageServiceServer::new(shared.clone()))
        .add_service(machine_service_server::MachineServiceServer::new(shared))
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let outcome = work(&mut self.world.lock().unwrap());
        self.changed.send_modify(|revision| *revision += 1);
        outcome
    }

    fn admit<M>(&self, request: &Request<M>) -> Result<(), Status> {
        let wanted = self.world.lock().unwrap().token.clone();
        let Some(wanted) = wanted else { return Ok(()) };
        let sent = request.metadata().get("authorization").map(|value| value.as_bytes().to_vec());
        if sent == Some(format!("Bearer {wanted}").into_bytes()) {
            return Ok(());
        }
        Err(Status::unauthenticated("raw gRPC text that nobody must see"))
    }
}

macro_rules! service {
    ($noun:ident, $kind:literal, $good:literal, $table:ident, $field:ident, $server:ident::$trait:ident, $spec:ident, $put:ident, $put_response:ident, $batch:ident, $entry:ident, $list:ident, $event:ident, $events:ident, { $($more:tt)* }, |$object:ident| $settled:block, |$world:ident, $asked:ident| $judge:expr) => {
        impl Thing for $noun {
            const KIND: &'static str = $kind;
            const GOOD: &'static str = $good;
            type Spec = $spec;

            fn meta(&mut self) -> &mut Meta {
                self.meta.get_or_insert_default()
            }

            fn standing(&mut self) -> &mut Standing {
                self.standing.get_or_insert_default()
            }

            fn spec(&mut self) -> &mut $spec {
                self.spec.get_or_insert_default()
            }

            fn settled(&mut self) {
                let $object = self;
                $settled
            }
        }

        #[tonic::async_trait]
        impl $server::$trait for Shared {
            type WatchStream = Events<$event>;

            async fn put(&self, request: Request<$put>) -> Result<Response<$put_response>, Status> {
                self.admit(&request)?;
                let request = request.into_inner();
                let outcome = self.with(|world| {
                    let ($world, $asked) = (&mut *world, &request);
                    let preview: Preview = $judge;
                    let options = request.options.clone().unwrap_or_default();
                    if !preview.errors.is_empty() {
                        let detail = ErrorDetail { fields: preview.errors, ..Default::default() };
                        return Err(refusal(tonic::Code::FailedPrecondition, detail));
                    }
                    let mut spec = request.spec.clone().unwrap_or_default();
                    spec.complete();
                    world.$table.put(request.key.clone().unwrap_or_default(), spec, &options)
                });
                let (object, result) = outcome?;
                Ok(Response::new($put_response { $field: Some(object), result: result.into() }))
            }

            async fn get(&self, request: Request<GetRequest>) -> Result<Response<$noun>, Status> {
                self.admit(&request)?;
                self.with(|world| world.$table.get(&request.into_inner())).map(Response::new)
            }

            async fn batch_get(&self, request: Request<BatchGetRequest>) -> Result<Response<$batch>, Status> {
                self.admit(&request)?;
                self.batches.fetch_add(1, Ordering::SeqCst);
                let requests = request.into_inner().requests;
                let entries = self.with(|world| {
                    requests.iter().map(|one| $entry::Entry { $field: world.$table.get(one).ok() }).collect()
                });
                Ok(Response::new($batch { entries }))
            }

            async fn list(&self, _: Request<ListRequest>) -> Result<Response<$list>, Status> {
                let all = self.with(|world| world.$table.rows.values().map(|row| row.object.clone()).collect());
                Ok(Response::new($list { $table: all, next_page_token: String::new() }))
            }

            async fn delete(&self, request: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
                self.admit(&request)?;
                Ok(Response::new(self.with(|world| world.$table.delete(&request.into_inner()))))
            }

            async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
                self.admit(&request)?;
                let selector = request.into_inner().selector;
                let (events, stream) = tokio::sync::mpsc::channel(32);
                let shared = self.clone();
                tokio::spawn(async move {
                    let mut changed = shared.changed.subscribe();
                    let mut is_first = true;
                    loop {
                        changed.mark_unchanged();
                        let found: Vec<$noun> = {
                            let mut world = shared.world.lock().unwrap();
                            match &selector {
                                Some(_) => world.$table.find(selector.as_ref()).into_iter().map(|row| row.object.clone()).collect(),
                                None => world.$table.rows.values().map(|row| row.object.clone()).collect(),
                            }
                        };
                        for object in found {
                            let event = $event { event: Some($events::Event::$noun(object)) };
                            if events.send(Ok(event)).await.is_err() {
                                return;
                            }
                        }
                        if std::mem::take(&mut is_first) {
                            let event = $event { event: Some($events::Event::SnapshotComplete(true)) };
                            events.send(Ok(event)).await.ok();
                        }
                        tokio::select! {
                            _ = changed.changed() => {}
                            () = shared.stop.cancelled() => return,
                            () = events.closed() => return,
                        }
                    }
                });
                Ok(Response::new(Box::pin(tokio_stream::wrappers::ReceiverStream::new(stream))))
            }

            async fn preview(&self, request: Request<$put>) -> Result<Response<Preview>, Status> {
                self.admit(&request)?;
                let request = request.into_inner();
                Ok(Response::new(self.with(|world| {
                    let ($world, $asked) = (&mut *world, &request);
                    $judge
                })))
            }

            $($more)*
        }
    };
}

service!(
    Host,
    "host",
    "available",
    hosts,
    host,
    host_service_server::HostService,
    HostSpec,
    PutHostRequest,
    PutHostResponse,
    BatchGetHostsResponse,
    batch_get_hosts_response,
    ListHostsResponse,
    HostEvent,
    host_event,
    {
        async fn power(&self, _: Request<PowerRequest>) -> Result<Response<Host>, Status> {
            Err(Status::unimplemented("a test that needs it adds it"))
        }

        async fn confirm(&self, _: Request<ConfirmRequest>) -> Result<Response<Host>, Status> {
            Err(Status::unimplemented("a test that needs it adds it"))
        }

        async fn tend(&self, _: Request<TendRequest>) -> Result<Response<Host>, Status> {
            Err(Status::unimplemented("a test that needs it adds it"))
        }

        async fn offer_adoption(
            &self,
            _: Request<OfferAdoptionRequest>,
        ) -> Result<Response<OfferAdoptionResponse>, Status> {
            Err(Status::unimplemented("a test that needs it adds it"))
        }

        async fn check(&self, _: Request<CheckHostRequest>) -> Result<Response<CheckHostResponse>, Status> {
            Err(Status::unimplemented("a test that needs it adds it"))
        }

        async fn own_passwords(
            &self,
            _: Request<OwnPasswordsRequest>,
        ) -> Result<Response<OwnPasswordsResponse>, Status> {
            Err(Status::unimplemented("a test that needs it adds it"))
        }

        async fn list_discovered(
            &self,
            _: Request<ListDiscoveredRequest>,
        ) -> Result<Response<ListDiscoveredResponse>, Status> {
            Err(Status::unimplemented("a test that needs it adds it"))
        }
    },
    |host| {
        let ports = match &host.spec.as_ref().unwrap().driver {
            Some(host_spec::Driver::Qemu(qemu)) => qemu.forward.clone(),
            _ => Vec::new(),
        };
        let status = host.status.get_or_insert_default();
        status.forwards =
            ports.iter().map(|port| (port.to_string(), format!("127.0.0.1:{}", 40000 + port))).collect();
        status.boot_mac = "52:54:00:00:00:01".to_owned();
    },
    |world, _asked| scripted(world)
);
service!(
    Network,
    "network",
    "serving",
    networks,
    network,
    network_service_server::NetworkService,
    NetworkSpec,
    PutNetworkRequest,
    PutNetworkResponse,
    BatchGetNetworksResponse,
    batch_get_networks_response,
    ListNetworksResponse,
    NetworkEvent,
    network_event,
    {},
    |_network| {},
    |world, _asked| scripted(world)
);
service!(
    Credential,
    "credential",
    "stored",
    credentials,
    credential,
    credential_service_server::CredentialService,
    CredentialSpec,
    PutCredentialRequest,
    PutCredentialResponse,
    BatchGetCredentialsResponse,
    batch_get_credentials_response,
    ListCredentialsResponse,
    CredentialEvent,
    credential_event,
    {},
    |_credential| {},
    |world, asked| {
        if is_put(asked.options.as_ref()) {
            world.credential_puts.push(asked.clone());
        }
        scripted(world)
    }
);
service!(
    Image,
    "image",
    "ready",
    images,
    image,
    image_service_server::ImageService,
    ImageSpec,
    PutImageRequest,
    PutImageResponse,
    BatchGetImagesResponse,
    batch_get_images_response,
    ListImagesResponse,
    ImageEvent,
    image_event,
    {
        async fn upload(
            &self,
            _: Request<tonic::Streaming<UploadRequest>>,
        ) -> Result<Response<UploadResponse>, Status> {
            Err(Status::unimplemented("a test that needs it adds it"))
        }
    },
    |image| {
        let name = image.meta.as_ref().unwrap().key.as_ref().unwrap().name.clone();
        let sha256 = image.spec.as_ref().unwrap().sha256.clone();
        let status = image.status.get_or_insert_default();
        status.reference = format!("{name}@sha256:{sha256}");
        status.format = "raw".to_owned();
        status.virtual_size = 1 << 20;
    },
    |world, _asked| scripted(world)
);
service!(
    Machine,
    "machine",
    "ready",
    machines,
    machine,
    machine_service_server::MachineService,
    MachineSpec,
    PutMachineRequest,
    PutMachineResponse,
    BatchGetMachinesResponse,
    batch_get_machines_response,
    ListMachinesResponse,
    MachineEvent,
    machine_event,
    {},
    |machine| {
        let spec = machine.spec.clone().unwrap();
        let status = machine.status.get_or_insert_default();
        if status.deployed_image != spec.image {
            status.deployments += 1;
            status.deployed_image = spec.image;
            status.address = format!("10.0.2.{}", 10 + status.deployments);
        }
        status.host = spec.host;
        status.forwards = [("22".to_owned(), "127.0.0.1:40022".to_owned())].into();
    },
    |world, asked| {
        if is_put(asked.options.as_ref()) {
            world.machine_puts.push(asked.clone());
        }
        judge(world, asked)
    }
);

/// What a spec leaves out, as the server fills it in.
trait Complete {
    fn complete(&mut self) {}
}

impl Complete for NetworkSpec {}
impl Complete for CredentialSpec {}
impl Complete for ImageSpec {}

impl Complete for HostSpec {
    fn complete(&mut self) {
        self.boot.get_or_insert_with(|| HostBoot {
            mode: "uefi".to_owned(),
            methods: vec!["pxe".to_owned()],
            ..Default::default()
        });
    }
}

impl Complete for MachineSpec {
    fn complete(&mut self) {
        self.redeploy.get_or_insert_with(|| Redeploy { on: vec!["image".to_owned()], generation: 1 });
        self.ssh_keys.iter_mut().for_each(|key| *key = key.trim_end().to_owned());
    }
}

/// A Put has a request id, a Preview has none.
fn is_put(options: Option<&PutOptions>) -> bool {
    options.is_some_and(|options| !options.request_id.is_empty())
}

/// What a test said the Preview is, once; nothing to object otherwise.
fn scripted(world: &mut World) -> Preview {
    world.preview.clone().unwrap_or_else(|| Preview { disruption: "none".to_owned(), ..Default::default() })
}

/// Another image than the deployed one erases the root disk, if that is allowed.
fn judge(world: &mut World, asked: &PutMachineRequest) -> pb::Preview {
    if let Some(preview) = &world.preview {
        return preview.clone();
    }
    let (key, spec) = (asked.key.clone().unwrap_or_default(), asked.spec.clone().unwrap_or_default());
    let existing = world.machines.named(&key.name).map(|row| row.object.clone()).unwrap_or_default();
    let deployed = existing.status.unwrap_or_default().deployed_image;
    let is_erased = !deployed.is_empty() && deployed != spec.image;
    let disruption = if is_erased { "erase_root" } else { "none" };
    let mut errors = Vec::new();
    if is_erased && spec.allow_disruption != "erase_root" {
        let message = "to let it happen write allow_disruption = \"erase_root\"".to_owned();
        errors.push(FieldError { attribute: "allow_disruption".to_owned(), message });
    }
    Preview {
        disruption: disruption.to_owned(),
        fingerprint: format!("b3:{disruption}"),
        base_generation: existing.meta.unwrap_or_default().generation,
        errors,
        ..Default::default()
    }
}
