//! One trait over the services, whose calls are the same for every noun.

use async_trait::async_trait;
use tonic::{Status, Streaming};
use underlay_proto::v1 as pb;

use crate::{
    client::Client,
    reads::{Batch, Reads},
};

/// The largest message that is accepted: a list of a thousand machines with their inventories.
const MESSAGE: usize = 64 << 20;

/// What a Watch says.
#[derive(Debug)]
pub(crate) enum News<N> {
    /// The object as it is now.
    Object(Box<N>),
    /// The cursor is too old: watch anew.
    Resync,
    /// All that was there at the start has been sent.
    Complete,
}

/// A kind of object.
#[async_trait]
pub(crate) trait Noun: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// Its name in texts and in `underlay watch KIND/NAME`.
    const KIND: &'static str;
    /// The phase in which nothing is left to be wished for.
    const GOOD: &'static str;
    /// Another phase in which a plan leaves it alone: somebody has to see to it, and no apply does.
    const ASIDE: Option<&'static str>;
    /// The message that creates or changes it.
    type Put: Clone + Send + Sync + 'static;

    fn meta(&self) -> &pb::Meta;
    fn standing(&self) -> &pb::Standing;
    fn options(put: &mut Self::Put) -> &mut pb::PutOptions;
    fn batch(reads: &Reads) -> &Batch<Self>;

    async fn put(client: &Client, put: Self::Put) -> Result<Self, Status>;
    async fn preview(client: &Client, put: Self::Put) -> Result<pb::Preview, Status>;
    async fn get(client: &Client, request: pb::GetRequest) -> Result<Self, Status>;
    async fn get_many(client: &Client, request: pb::BatchGetRequest) -> Result<Vec<Option<Self>>, Status>;
    async fn list(client: &Client, request: pb::ListRequest) -> Result<(Vec<Self>, String), Status>;
    async fn delete(client: &Client, request: pb::DeleteRequest) -> Result<pb::DeleteResponse, Status>;
    async fn watch(client: &Client, request: pb::WatchRequest) -> Result<Watch<Self>, Status>;
}

/// The objects of a Watch, as they change.
pub(crate) struct Watch<N> {
    next: Box<dyn Next<N>>,
}

impl<N> Watch<N> {
    /// What is said next; `None` when the server has ended the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<News<N>>, Status> {
        self.next.next().await
    }
}

#[async_trait]
trait Next<N>: Send {
    async fn next(&mut self) -> Result<Option<News<N>>, Status>;
}

static NO_META: std::sync::LazyLock<pb::Meta> = std::sync::LazyLock::new(pb::Meta::default);
static NO_STANDING: std::sync::LazyLock<pb::Standing> = std::sync::LazyLock::new(pb::Standing::default);

macro_rules! noun {
    ($noun:ident, $kind:literal, $good:literal, $aside:expr, $field:ident, $module:ident::$client:ident, $put:ident, $event:ident, $events:ident, $list:ident) => {
        #[async_trait]
        impl Noun for pb::$noun {
            const KIND: &'static str = $kind;
            const GOOD: &'static str = $good;
            const ASIDE: Option<&'static str> = $aside;
            type Put = pb::$put;

            fn meta(&self) -> &pb::Meta {
                self.meta.as_ref().unwrap_or(&NO_META)
            }

            fn standing(&self) -> &pb::Standing {
                self.standing.as_ref().unwrap_or(&NO_STANDING)
            }

            fn options(put: &mut Self::Put) -> &mut pb::PutOptions {
                put.options.get_or_insert_default()
            }

            fn batch(reads: &Reads) -> &Batch<Self> {
                &reads.$field
            }

            async fn put(client: &Client, put: Self::Put) -> Result<Self, Status> {
                let answer = <Self as Service>::service(client).put(client.call(put)).await?.into_inner();
                answer.$field.ok_or_else(|| Status::internal("the answer to a Put holds no object"))
            }

            async fn preview(client: &Client, put: Self::Put) -> Result<pb::Preview, Status> {
                Ok(<Self as Service>::service(client).preview(client.call(put)).await?.into_inner())
            }

            async fn get(client: &Client, request: pb::GetRequest) -> Result<Self, Status> {
                Ok(<Self as Service>::service(client).get(client.call(request)).await?.into_inner())
            }

            async fn get_many(
                client: &Client,
                request: pb::BatchGetRequest,
            ) -> Result<Vec<Option<Self>>, Status> {
                let answer =
                    <Self as Service>::service(client).batch_get(client.call(request)).await?.into_inner();
                Ok(answer.entries.into_iter().map(|entry| entry.$field).collect())
            }

            async fn list(client: &Client, request: pb::ListRequest) -> Result<(Vec<Self>, String), Status> {
                let answer =
                    <Self as Service>::service(client).list(client.call(request)).await?.into_inner();
                Ok((answer.$list, answer.next_page_token))
            }

            async fn delete(
                client: &Client,
                request: pb::DeleteRequest,
            ) -> Result<pb::DeleteResponse, Status> {
                Ok(<Self as Service>::service(client).delete(client.call(request)).await?.into_inner())
            }

            async fn watch(client: &Client, request: pb::WatchRequest) -> Result<Watch<Self>, Status> {
                let events =
                    <Self as Service>::service(client).watch(client.stream(request)).await?.into_inner();
                Ok(Watch { next: Box::new(events) })
            }
        }

        #[async_trait]
        impl Next<pb::$noun> for Streaming<pb::$event> {
            async fn next(&mut self) -> Result<Option<News<pb::$noun>>, Status> {
                use pb::$events::Event;
                loop {
                    let Some(message) = self.message().await? else { return Ok(None) };
                    return Ok(Some(match message.event {
                        Some(Event::$noun(object)) => News::Object(Box::new(object)),
                        Some(Event::Resync(_)) => News::Resync,
                        Some(Event::SnapshotComplete(_)) => News::Complete,
                        // What a newer server says besides.
                        None => continue,
                    }));
                }
            }
        }

        impl Service for pb::$noun {
            type Client = pb::$module::$client<tonic::transport::Channel>;

            fn service(client: &Client) -> Self::Client {
                pb::$module::$client::new(client.channel()).max_decoding_message_size(MESSAGE)
            }
        }
    };
}

trait Service {
    type Client;
    fn service(client: &Client) -> Self::Client;
}

noun!(
    Host,
    "host",
    "available",
    Some("quarantined"),
    host,
    host_service_client::HostServiceClient,
    PutHostRequest,
    HostEvent,
    host_event,
    hosts
);
noun!(
    Pool,
    "pool",
    "open",
    None,
    pool,
    pool_service_client::PoolServiceClient,
    PutPoolRequest,
    PoolEvent,
    pool_event,
    pools
);
noun!(
    Network,
    "network",
    "serving",
    None,
    network,
    network_service_client::NetworkServiceClient,
    PutNetworkRequest,
    NetworkEvent,
    network_event,
    networks
);
noun!(
    Credential,
    "credential",
    "stored",
    None,
    credential,
    credential_service_client::CredentialServiceClient,
    PutCredentialRequest,
    CredentialEvent,
    credential_event,
    credentials
);
noun!(
    Image,
    "image",
    "ready",
    None,
    image,
    image_service_client::ImageServiceClient,
    PutImageRequest,
    ImageEvent,
    image_event,
    images
);
noun!(
    Machine,
    "machine",
    "ready",
    None,
    machine,
    machine_service_client::MachineServiceClient,
    PutMachineRequest,
    MachineEvent,
    machine_event,
    machines
);
noun!(
    Profile,
    "profile",
    "defined",
    None,
    profile,
    profile_service_client::ProfileServiceClient,
    PutProfileRequest,
    ProfileEvent,
    profile_event,
    profiles
);
noun!(
    Site,
    "site",
    "known",
    None,
    site,
    site_service_client::SiteServiceClient,
    PutSiteRequest,
    SiteEvent,
    site_event,
    sites
);
noun!(
    Step,
    "step",
    "defined",
    None,
    step,
    step_service_client::StepServiceClient,
    PutStepRequest,
    StepEvent,
    step_event,
    steps
);
