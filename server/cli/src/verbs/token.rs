//! `underlay token create|list|revoke`.

use clap::{Args, Subcommand, ValueEnum};
use underlay_proto::v1::{
    CreateTokenRequest, ListTokensRequest, RevokeTokenRequest, server_service_client::ServerServiceClient,
};

use super::Shared;
use crate::{
    exit::Error,
    output::{self, Format, or_dash, time},
};

/// Make, list and void API tokens
#[derive(Args, Debug)]
pub struct Token {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make a token; it is printed this once
    Create {
        /// What it is for
        name: String,
        /// What it may do
        #[arg(long, value_enum, default_value_t = Role::Tenant)]
        role: Role,
        /// The only owner whose objects it may write; every owner when left out
        #[arg(long = "only-owner", value_name = "OWNER", default_value = "")]
        only_owner: String,
        /// The only site in which it may write; every site when left out
        #[arg(long = "only-site", value_name = "SITE", default_value = "", hide_default_value = true)]
        only_site: String,
        /// The only pool whose hosts, and machines on them, it may write; every pool when left out
        #[arg(long = "only-pool", value_name = "POOL", default_value = "", hide_default_value = true)]
        only_pool: String,
        /// It may take the protection from what is protected; an admin's may in any case
        #[arg(long)]
        may_unprotect: bool,
        /// Void after this many seconds; never when left out
        #[arg(long, default_value_t = 0)]
        ttl: u64,
    },
    /// List tokens, without their secrets
    List,
    /// Void a token at once
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
}

/// What a token may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// Everything
    Admin,
    /// Hosts, networks, credentials, and all that tenants may
    Operator,
    /// Images and machines
    Tenant,
    /// Only read
    Viewer,
}

pub(super) async fn run(token: Token, shared: Shared) -> Result<(), Error> {
    let mut client = ServerServiceClient::new(shared.target.connect().await?);
    match token.act {
        Act::Create { name, role, only_owner, only_site, only_pool, may_unprotect, ttl } => {
            let role = role.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            let request = CreateTokenRequest {
                name,
                role,
                owner: only_owner,
                ttl_seconds: ttl,
                site: only_site,
                pool: only_pool,
                may_unprotect,
            };
            let made = client.create_token(request).await?.into_inner();
            match shared.output {
                Format::Json => println!("{:#}", output::json(&made)?),
                Format::Table => println!("{}", made.token),
            }
        }
        Act::List => {
            let listed = client.list_tokens(ListTokensRequest {}).await?.into_inner();
            if shared.output == Format::Json {
                println!("{:#}", output::json(&listed)?);
                return Ok(());
            }
            let row = |token: &underlay_proto::v1::ApiToken| {
                let expires = token.expires_at.map_or("never".into(), |at| time(Some(at)));
                let mut cells = vec![token.id.clone(), token.name.clone(), token.role.clone()];
                let unprotects = if token.may_unprotect { "yes" } else { "-" };
                cells.extend([&token.owner, &token.site, &token.pool].map(|bound| or_dash(bound)));
                cells.extend([unprotects.into(), time(token.created_at), expires]);
                cells
            };
            let rows: Vec<Vec<String>> = listed.tokens.iter().map(row).collect();
            println!(
                "{}",
                output::table(
                    &["ID", "NAME", "ROLE", "OWNER", "SITE", "POOL", "UNPROTECTS", "CREATED", "EXPIRES"],
                    &rows
                )
            );
        }
        Act::Revoke { id } => {
            client.revoke_token(RevokeTokenRequest { id: id.clone() }).await?;
            println!("{id} is void");
        }
    }
    Ok(())
}
