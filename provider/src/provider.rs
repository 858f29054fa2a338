//! The `provider` block, and what the provider registers.

use std::{env, path::PathBuf};

use secrecy::SecretString;
use tfplugin::{Attr, Catalog, Diagnostic, Diagnostics, Provider, Schema, Setup, async_trait};

use crate::{
    client::{Client, Session, Settings},
    data,
    endpoint::Endpoint,
    resources,
};

/// The source address.
pub const ADDRESS: &str = "registry.terraform.io/underlay/underlay";

/// Turns blank servers into machines: pools, hosts, networks, images and machines in one plan.
///
/// The provider talks to an `underlay serve`, which does the work; `underlay watch` shows it live.
#[derive(Debug, Clone, Default, Schema)]
pub struct Config {
    /// Where the server is: `https://HOST:PORT`, `http://` on loopback only, or `unix:///PATH`. Also
    /// `UNDERLAY_ENDPOINT`.
    #[tf(optional)]
    pub endpoint: Attr<String>,
    /// File with the certificate of the server's CA, PEM. Also `UNDERLAY_CA_FILE`; without it the system's CAs are
    /// trusted.
    #[tf(optional)]
    pub ca_file: Attr<String>,
    /// API token. Better set as `UNDERLAY_TOKEN`, where no file holds it; a unix socket needs none.
    #[tf(optional, sensitive)]
    pub token: Attr<String>,
    /// The owner of this state's objects: a namespace of its own. Also `UNDERLAY_OWNER`; `default` without it.
    #[tf(optional)]
    pub owner: Attr<String>,
    /// The site of this state's objects; `default` without it.
    #[tf(optional)]
    pub site: Attr<String>,
}

/// The provider.
#[derive(Debug, Clone, Copy)]
pub struct Underlay;

#[async_trait]
impl Provider for Underlay {
    type Config = Config;
    type Data = Session;

    fn type_name(&self) -> &'static str {
        "underlay"
    }

    fn register(&self, catalog: &mut Catalog<Session>) {
        catalog
            .resource(resources::Site)
            .resource(resources::Pool)
            .resource(resources::Host)
            .resource(resources::Network)
            .resource(resources::Credential)
            .resource(resources::Image)
            .resource(resources::Profile)
            .resource(resources::Step)
            .resource(resources::Machine)
            .resource(resources::Ready)
            .data_source(data::Pool)
            .data_source(data::Host)
            .data_source(data::Hosts)
            .data_source(data::Machine)
            .data_source(data::Image);
    }

    async fn configure(&self, _setup: &mut Setup, config: Config) -> Result<Session, Diagnostics> {
        let Some(settings) = settings(config)? else { return Ok(Session::Unknown) };
        let untrusted = |error: crate::connect::Error| {
            let why =
                std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            let detail = format!(
                "{error}{why}. Nothing was asked of the server.\n\nThe server writes its CA at first start; name that file in ca_file or UNDERLAY_CA_FILE."
            );
            Diagnostic::error("Unable to check the server's certificate", detail).at("ca_file")
        };
        Ok(Session::Known(Box::new(Client::new(settings).map_err(untrusted)?)))
    }
}

/// The settings, also from the environment; `None` while part of them is not known.
fn settings(config: Config) -> Result<Option<Settings>, Diagnostics> {
    let (Some(endpoint), Some(ca_file), Some(token), Some(owner), Some(site)) = (
        setting(config.endpoint, "UNDERLAY_ENDPOINT"),
        setting(config.ca_file, "UNDERLAY_CA_FILE"),
        setting(config.token, "UNDERLAY_TOKEN"),
        setting(config.owner, "UNDERLAY_OWNER"),
        setting(config.site, "UNDERLAY_SITE"),
    ) else {
        return Ok(None);
    };
    let endpoint = endpoint.ok_or_else(|| {
        let detail = "The provider does not know where the underlay server is. Nothing was asked of it.\n\nSet \
                      endpoint in the provider block or UNDERLAY_ENDPOINT, for example to unix:///DIR/api.sock of: \
                      underlay serve --data DIR";
        Diagnostic::error("No endpoint", detail).at("endpoint")
    })?;
    let endpoint: Endpoint = endpoint.parse().map_err(|error: crate::endpoint::Error| {
        Diagnostic::error("Invalid endpoint", error.to_string()).at("endpoint")
    })?;
    let default = || "default".to_owned();
    Ok(Some(Settings {
        endpoint,
        ca_file: ca_file.map(PathBuf::from),
        token: token.map(SecretString::from),
        site: site.unwrap_or_else(default),
        owner: owner.unwrap_or_else(default),
    }))
}

/// The configured value, else the environment's; `None` if it is not known yet.
#[allow(clippy::option_option)]
fn setting(value: Attr<String>, variable: &str) -> Option<Option<String>> {
    match value {
        Attr::Value(value) => Some(Some(value)),
        Attr::Null => Some(env::var(variable).ok().filter(|value| !value.is_empty())),
        Attr::Unknown => None,
    }
}
