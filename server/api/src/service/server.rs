//! The server itself: who it is, who calls, and the API tokens.

use jiff::SignedDuration;
use secrecy::ExposeSecret;
use tonic::{Request, Response, Status};
use underlay_core::Name;
use underlay_proto::v1::{self as pb, server_service_server::ServerService};
use underlay_store::api_token::ApiToken;

use super::{backup, caller::caller, stream::Events};
use crate::{
    auth::{self, Caller, Reach, Role, mint, new_token},
    context::Context,
    convert::{Faults, object},
    errors::Error,
};

/// The longest life of a token that expires, in seconds: ten years.
const LIFE: u64 = 10 * 365 * 86_400;

/// The service of the server itself.
pub(crate) struct Server {
    context: Context,
}

impl Server {
    /// The service over what all share.
    pub(crate) fn new(context: Context) -> Self {
        Self { context }
    }

    async fn create(
        &self,
        caller: &Caller,
        request: pb::CreateTokenRequest,
    ) -> Result<pb::CreateTokenResponse, Error> {
        let mut faults = Faults::default();
        let name = faults.parse::<Name>("name", &request.name);
        let role = faults.parse::<RoleWord>("role", &request.role);
        let reach = Reach {
            owner: faults.parse_optional("owner", &request.owner),
            site: faults.parse_optional("site", &request.site),
            pool: faults.parse_optional("pool", &request.pool),
        };
        if matches!(role, Some(RoleWord(Role::Admin))) && reach != Reach::default() {
            let message =
                "an admin makes tokens of any reach, so binding one binds nothing; use operator or tenant";
            faults.add("role", message.to_owned());
        }
        if request.ttl_seconds > LIFE {
            faults.add("ttl_seconds", format!("use at most {LIFE}, or 0 for a token that does not expire"));
        }
        let (name, RoleWord(role)) = faults.into_result(name.zip(role))?;
        let ttl = i64::try_from(request.ttl_seconds).ok().filter(|ttl| *ttl != 0);
        let expires_at =
            ttl.and_then(|ttl| underlay_core::clock::now().checked_add(SignedDuration::from_secs(ttl)).ok());
        let token = mint();
        let mut record = new_token(&token, name.as_str(), role, reach, expires_at);
        record.may_unprotect |= request.may_unprotect;
        caller.trail.note_object(format_args!("token {name}"));
        caller.trail.note_detail(&format!("role {role}"));
        self.context.store.on_record(&caller.trail).add_api_token(&record).await?;
        let token = token.expose_secret().to_owned();
        Ok(pb::CreateTokenResponse { token, info: Some(message(&record)) })
    }

    async fn revoke(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        let tokens = self.context.store.api_tokens().await?;
        let token = tokens
            .iter()
            .find(|token| token.revoked_at.is_none() && (auth::id(&token.digest) == id || token.name == id));
        let Some(token) = token else {
            return Err(Error::field("id", "there is no living token of that id or name"));
        };
        caller.trail.note_object(format_args!("token {}", token.name));
        self.context
            .store
            .on_record(&caller.trail)
            .revoke_api_token(&token.name, underlay_core::clock::now())
            .await?;
        Ok(())
    }
}

/// A role as users write it.
struct RoleWord(Role);

impl std::str::FromStr for RoleWord {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        text.parse().map(Self)
    }
}

fn message(token: &ApiToken) -> pb::ApiToken {
    let or_all = |name: &Option<Name>| name.as_ref().map(ToString::to_string).unwrap_or_default();
    pb::ApiToken {
        id: auth::id(&token.digest).to_owned(),
        name: token.name.clone(),
        role: Role::from(token.role).to_string(),
        owner: or_all(&token.owner),
        site: or_all(&token.site),
        pool: or_all(&token.pool),
        may_unprotect: token.may_unprotect,
        created_at: Some(object::timestamp(token.created_at)),
        expires_at: token.expires_at.map(object::timestamp),
    }
}

#[tonic::async_trait]
impl ServerService for Server {
    type BackupStream = Events<pb::BackupPart>;

    async fn backup(
        &self,
        request: Request<pb::BackupRequest>,
    ) -> Result<Response<Self::BackupStream>, Status> {
        let caller = caller(&request)?;
        tracing::info!(caller = caller.name, "copying the database for a caller");
        Ok(Response::new(backup::backup(&self.context).await?))
    }

    async fn info(&self, request: Request<pb::InfoRequest>) -> Result<Response<pb::InfoResponse>, Status> {
        let caller = caller(&request)?;
        let config = &self.context.config;
        Ok(Response::new(pb::InfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            caller: caller.name,
            role: caller.role.to_string(),
            boot_url: config.boot_url.clone(),
            ramdisk_present: tokio::fs::try_exists(&config.ramdisk).await.unwrap_or(false),
        }))
    }

    async fn create_token(
        &self,
        request: Request<pb::CreateTokenRequest>,
    ) -> Result<Response<pb::CreateTokenResponse>, Status> {
        let caller = caller(&request)?;
        let made = self.create(&caller, request.into_inner()).await?;
        let name = made.info.as_ref().map(|info| info.name.as_str());
        tracing::info!(name, caller = caller.name, "made an api token");
        Ok(Response::new(made))
    }

    async fn list_tokens(
        &self,
        _: Request<pb::ListTokensRequest>,
    ) -> Result<Response<pb::ListTokensResponse>, Status> {
        let tokens = self.context.store.api_tokens().await.map_err(Error::from)?;
        let tokens = tokens.iter().filter(|token| token.revoked_at.is_none()).map(message).collect();
        Ok(Response::new(pb::ListTokensResponse { tokens }))
    }

    async fn revoke_token(
        &self,
        request: Request<pb::RevokeTokenRequest>,
    ) -> Result<Response<pb::RevokeTokenResponse>, Status> {
        let caller = caller(&request)?;
        let id = request.into_inner().id;
        self.revoke(&caller, &id).await?;
        tracing::info!(id, caller = caller.name, "revoked an api token");
        Ok(Response::new(pb::RevokeTokenResponse {}))
    }
}
