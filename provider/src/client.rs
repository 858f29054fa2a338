//! The line to the server: one channel per provider process, the token, and under whose name objects are kept.

use std::time::Duration;

use prost::Message;
use secrecy::{ExposeSecret, SecretString};
use tfplugin::Diagnostic;
use tonic::{Request, metadata::MetadataValue, transport::Channel};
use underlay_proto::v1 as pb;

use crate::{
    connect::{self, Trouble},
    endpoint::Endpoint,
    planned::Planned,
    reads::Reads,
};

/// How long one call may take; waiting is done on streams, which have no limit of their own.
const CALL: Duration = Duration::from_secs(30);

/// The line to the server.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    channel: Channel,
    token: Option<SecretString>,
    trouble: Trouble,
    site: String,
    owner: String,
    pub(crate) reads: Reads,
    pub(crate) planned: Planned,
}

/// What is needed to make a [`Client`].
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) endpoint: Endpoint,
    pub(crate) ca_file: Option<std::path::PathBuf>,
    pub(crate) token: Option<SecretString>,
    pub(crate) site: String,
    pub(crate) owner: String,
}

impl Client {
    /// A client that connects when it is first used.
    ///
    /// # Errors
    /// The trusted certificates cannot be read.
    pub(crate) fn new(settings: Settings) -> Result<Self, connect::Error> {
        let (channel, trouble) = connect::channel(&settings.endpoint, settings.ca_file.as_deref())?;
        let Settings { endpoint, token, site, owner, .. } = settings;
        Ok(Self {
            endpoint,
            channel,
            token,
            trouble,
            site,
            owner,
            reads: Reads::default(),
            planned: Planned::default(),
        })
    }

    /// Where the server is.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The owner of this state's objects.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// The site of this state's objects.
    pub(crate) fn site(&self) -> &str {
        &self.site
    }

    /// Why the server could not be reached when it was last tried.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.last()
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The key of an object of this state.
    pub(crate) fn key(&self, name: &str) -> pb::Key {
        pb::Key { site: self.site.clone(), owner: self.owner.clone(), name: name.to_owned() }
    }

    /// The same as a selector.
    pub(crate) fn by_name(&self, name: &str) -> pb::Selector {
        pb::Selector { by: Some(pb::selector::By::Key(self.key(name))) }
    }

    /// A call that is answered at once.
    pub(crate) fn call<M: Message>(&self, message: M) -> Request<M> {
        let mut request = self.stream(message);
        request.set_timeout(CALL);
        request
    }

    /// A call that is answered for as long as it is listened to.
    pub(crate) fn stream<M: Message>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token
            && let Ok(mut bearer) = MetadataValue::try_from(format!("Bearer {}", token.expose_secret()))
        {
            bearer.set_sensitive(true);
            request.metadata_mut().insert("authorization", bearer);
        }
        request
    }
}

/// What the `provider` block came to. While planning, part of it may depend on something that is not built yet.
#[derive(Debug)]
pub enum Session {
    /// Not known yet; calls are made once it is.
    Unknown,
    /// Ready to be used.
    Known(Box<Client>),
}

impl Session {
    /// The client, if where the server is is known.
    pub(crate) fn known(&self) -> Option<&Client> {
        match self {
            Self::Unknown => None,
            Self::Known(client) => Some(client),
        }
    }

    /// The client.
    ///
    /// # Errors
    /// Where the server is is not known yet.
    pub(crate) fn client(&self) -> Result<&Client, Diagnostic> {
        self.known().ok_or_else(|| {
            Diagnostic::error(
                "The underlay server is not known yet",
                "The provider block depends on something that is not built yet, and this object is already there. \
                 Nothing was changed.\n\nTo go on: build what the provider block depends on first (terraform apply \
                 -target=...), or write the endpoint as a literal.",
            )
        })
    }
}
