//! The account that we log in with (DSP2046, `ManagerAccount`): its password is changed, and the change is believed once
//! the BMC was logged in to with it.
//!
//! An answer that was lost, or a yes that was none, is resolved by a login and never by guessing. At most one login with each
//! password is made that may be wrong.

use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use underlay_core::bmc::{Accounts, Error, Login};

use super::{
    Redfish,
    client::{ROOT, SYSTEMS},
    model::Link,
    quirks::Etag,
};

/// What is asked, in errors.
const WISH: &str = "change the password of its account";

/// `ServiceRoot`, as far as this goes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Root {
    account_service: Option<Link>,
}

/// `AccountService`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    accounts: Option<Link>,
    min_password_length: Option<u32>,
    max_password_length: Option<u32>,
}

/// `ManagerAccount`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    #[serde(rename = "@odata.etag")]
    etag: Option<String>,
    user_name: Option<String>,
}

/// The account that is meant.
struct Found {
    path: String,
    etag: Option<String>,
}

impl Redfish {
    /// The account of that user, whose password may be that long.
    async fn account(&self, wanted: &Login) -> Result<Found, Error> {
        let lacks = |why: &str| self.client.unsupported(WISH, why);
        let (root, _) = self.client.get::<Root>(ROOT).await?;
        let service = root.account_service.ok_or_else(|| lacks("it has no AccountService"))?;
        let (service, _) = self.client.get::<Service>(&service.path).await?;
        let length = u32::try_from(wanted.password.expose_secret().len()).unwrap_or(u32::MAX);
        // Some say 0 where they mean that there is no bound.
        if service.max_password_length.is_some_and(|most| most > 0 && length > most)
            || service.min_password_length.is_some_and(|least| length < least)
        {
            return Err(lacks(&format!(
                "it wants {} to {} characters, and this one has {length}",
                service.min_password_length.unwrap_or_default(),
                service
                    .max_password_length
                    .map_or_else(|| "any number of".to_owned(), |most| most.to_string())
            )));
        }
        let accounts = service.accounts.ok_or_else(|| lacks("its AccountService lists no accounts"))?;
        for path in self.client.members(&accounts.path).await? {
            let (account, etag) = self.client.get::<Account>(&path).await?;
            if account.user_name.as_deref() == Some(wanted.user.as_str()) {
                return Ok(Found { path, etag: etag.or(account.etag) });
            }
        }
        Err(lacks(&format!("it lists no account of the user {}", wanted.user)))
    }

    async fn set_password(&self, wanted: &Login) -> Result<(), Error> {
        let body = json!({ "Password": wanted.password.expose_secret() });
        let tries: &[bool] = match self.client.quirks().etag {
            Etag::Sent => &[true, true, false],
            Etag::Never => &[false],
        };
        for with_etag in tries {
            let found = self.account(wanted).await?;
            let etag = found.etag.as_deref().filter(|_| *with_etag);
            let reply = self.client.write(Method::PATCH, &found.path, &body, etag).await?;
            if reply.status == StatusCode::PRECONDITION_FAILED {
                continue;
            }
            if reply.status.is_success() {
                return Ok(());
            }
            let complaint = self.client.complaint(&reply, WISH);
            return Err(match complaint {
                // Not our login: the account may not do that.
                Error::Refused { address, why } => Error::Unsupported { address, wish: WISH.into(), why },
                other => other,
            });
        }
        Err(self.client.busy("its account keeps changing under us"))
    }
}

#[async_trait]
impl Accounts for Redfish {
    async fn ensure_password(&self, wanted: &Login) -> Result<(), Error> {
        let client = &self.client;
        let (root, _) = client.get::<super::model::Root>(ROOT).await?;
        client.detect(&root).await?;
        // Once it has shown what it shows nobody else, the login in use is one that it takes.
        client.members(SYSTEMS).await?;
        if client.login() == *wanted {
            return Ok(());
        }
        // A session outlives the password it was opened with: whether that is still good shows at another login.
        client.log_out().await;
        client.members(SYSTEMS).await?;
        if client.login() == *wanted {
            return Ok(());
        }
        let set = self.set_password(wanted).await;
        let is_said_no = matches!(&set, Err(error) if !is_doubtful(error));
        if is_said_no {
            return set;
        }
        if client.prove(wanted).await? {
            return Ok(());
        }
        set.and_then(|()| {
            Err(client.nonsense("PATCH Password", "it took the new password, and a login with it is refused"))
        })
    }
}

/// May it have been done all the same?
fn is_doubtful(error: &Error) -> bool {
    matches!(error, Error::Unreachable { .. } | Error::Nonsense { .. } | Error::Busy { .. })
}
