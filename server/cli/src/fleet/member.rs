//! The nouns of a fleet: how each is listed page by page and watched, and what its objects may have in common.
//!
//! A page is asked for when the one before it was dealt with, so that a reader of ten thousand holds a few hundred.

use std::future::Future;

use prost::{Message, Name};
use tonic::{Status, Streaming};
use underlay_proto::v1::{self, ListRequest, Standing, WatchRequest};

use super::row::Row;
use crate::connect::{ANSWER, Connection};

/// Objects of one page.
pub const PAGE: i32 = 500;

/// A noun of which there may be many.
pub trait Member: Message + Name + Default + Sized + 'static {
    /// What its watch sends.
    type Event: Message + Name + Default + 'static;
    /// `machines`.
    const KINDS: &'static str;

    /// Who it is.
    fn meta(&self) -> Option<&v1::Meta>;
    /// How it stands.
    fn standing(&self) -> Option<&Standing>;
    /// What holds true of it beside.
    fn conditions(&self) -> &[v1::Condition] {
        &[]
    }
    /// What it may have in common with others.
    fn traits(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    /// The pool it is in or wants a host of; empty where it is not said.
    fn pool(&self) -> &str {
        ""
    }
    /// The id and the name of the host it is on, for machines.
    fn host(&self) -> Option<(&str, &str)> {
        None
    }

    /// One page, and the token of the next; empty after the last.
    fn page(
        connection: Connection,
        filter: ListRequest,
    ) -> impl Future<Output = Result<(Vec<Self>, String), Status>>;
    /// Everything there is, then what changes.
    fn watch(
        connection: Connection,
        request: WatchRequest,
    ) -> impl Future<Output = Result<Streaming<Self::Event>, Status>>;
    /// What an event says.
    fn change(event: Self::Event) -> Change<Self>;

    /// What is kept of it.
    fn row(&self) -> Row {
        Row::new(
            self.meta(),
            self.standing(),
            self.conditions(),
            self.host().map(|(_, name)| name),
            self.traits(),
        )
    }
}

/// What an event of a watch says.
#[derive(Debug)]
pub enum Change<N> {
    /// An object as it is now.
    Object(Box<N>),
    /// Everything that was there at the start has been sent.
    Complete,
    /// Begin anew.
    Resync,
}

macro_rules! member {
    ($Noun:ident, $kinds:literal, $field:ident, $client:ident::$Client:ident, $Event:ident, $event:ident $(, $own:item)*) => {
        impl Member for v1::$Noun {
            type Event = v1::$Event;
            const KINDS: &'static str = $kinds;

            fn meta(&self) -> Option<&v1::Meta> {
                self.meta.as_ref()
            }

            fn standing(&self) -> Option<&Standing> {
                self.standing.as_ref()
            }

            async fn page(connection: Connection, filter: ListRequest) -> Result<(Vec<Self>, String), Status> {
                let mut client = v1::$client::$Client::new(connection).max_decoding_message_size(ANSWER);
                let page = client.list(filter).await?.into_inner();
                Ok((page.$field, page.next_page_token))
            }

            async fn watch(connection: Connection, request: WatchRequest) -> Result<Streaming<v1::$Event>, Status> {
                let mut client = v1::$client::$Client::new(connection).max_decoding_message_size(ANSWER);
                Ok(client.watch(request).await?.into_inner())
            }

            fn change(event: v1::$Event) -> Change<Self> {
                match event.event {
                    Some(v1::$event::Event::$Noun(object)) => Change::Object(Box::new(object)),
                    Some(v1::$event::Event::SnapshotComplete(_)) => Change::Complete,
                    // Also what a later server may say: to begin anew is never wrong.
                    Some(v1::$event::Event::Resync(_)) | None => Change::Resync,
                }
            }

            $($own)*
        }
    };
}

member!(Site, "sites", sites, site_service_client::SiteServiceClient, SiteEvent, site_event);
member!(
    Profile,
    "profiles",
    profiles,
    profile_service_client::ProfileServiceClient,
    ProfileEvent,
    profile_event
);
member!(Step, "steps", steps, step_service_client::StepServiceClient, StepEvent, step_event);
member!(Pool, "pools", pools, pool_service_client::PoolServiceClient, PoolEvent, pool_event);
member!(
    Network,
    "networks",
    networks,
    network_service_client::NetworkServiceClient,
    NetworkEvent,
    network_event,
    fn conditions(&self) -> &[v1::Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }
);
member!(
    Credential,
    "credentials",
    credentials,
    credential_service_client::CredentialServiceClient,
    CredentialEvent,
    credential_event
);
member!(Image, "images", images, image_service_client::ImageServiceClient, ImageEvent, image_event);
member!(
    Host,
    "hosts",
    hosts,
    host_service_client::HostServiceClient,
    HostEvent,
    host_event,
    fn conditions(&self) -> &[v1::Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    },
    fn pool(&self) -> &str {
        self.spec.as_ref().map_or("", |spec| or_default(&spec.pool))
    },
    fn traits(&self) -> Vec<(String, String)> {
        let mut traits = vec![("pool".to_owned(), self.pool().to_owned())];
        traits.extend(
            self.meta.as_ref().and_then(|meta| Some(("site".to_owned(), meta.key.as_ref()?.site.clone()))),
        );
        let inventory = self.status.as_ref().and_then(|status| status.inventory.as_ref());
        if let Some(inventory) = inventory.filter(|inventory| !inventory.product.is_empty()) {
            traits.push((
                "model".into(),
                format!("{} {}", inventory.vendor, inventory.product).trim().to_owned(),
            ));
            traits.push(("firmware".into(), inventory.firmware_version.clone()));
        }
        let labels = self.spec.as_ref().map(|spec| &spec.labels);
        traits.extend(labels.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
        traits.sort();
        traits
    }
);
member!(
    Machine,
    "machines",
    machines,
    machine_service_client::MachineServiceClient,
    MachineEvent,
    machine_event,
    fn pool(&self) -> &str {
        let require = self.spec.as_ref().and_then(|spec| spec.require.as_ref());
        require.map_or("", |require| or_default(&require.pool))
    },
    fn host(&self) -> Option<(&str, &str)> {
        let named = self.spec.as_ref().map_or("", |spec| spec.host.as_str());
        let (id, name) =
            self.status.as_ref().map_or(("", ""), |status| (status.host_id.as_str(), status.host.as_str()));
        let name = if name.is_empty() { named } else { name };
        (!id.is_empty() || !name.is_empty()).then_some((id, name))
    },
    fn traits(&self) -> Vec<(String, String)> {
        let mut traits = Vec::new();
        traits.extend(
            self.meta.as_ref().and_then(|meta| Some(("site".to_owned(), meta.key.as_ref()?.site.clone()))),
        );
        if !self.pool().is_empty() {
            traits.push(("pool".into(), self.pool().to_owned()));
        }
        let image = self.spec.as_ref().map_or("", |spec| &spec.image);
        traits
            .push(("image".into(), image.split_once("@sha256:").map_or(image, |(name, _)| name).to_owned()));
        traits
    }
);

fn or_default(pool: &str) -> &str {
    if pool.is_empty() { "default" } else { pool }
}
