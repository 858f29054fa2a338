//! Ties the shared calls to the generated services of the nouns. The macro only moves fields between messages.

use secrecy::SecretString;
use tonic::{Request, Response, Status, Streaming};
use underlay_core::{
    credential::Credential,
    host::Host,
    image::Image,
    machine::Machine,
    network::Network,
    pool::Pool,
    profile::{Profile, Values},
    site::Site,
    step::Step,
};
use underlay_proto::v1::{
    self as pb, credential_service_server::CredentialService, host_service_server::HostService,
    image_service_server::ImageService, machine_service_server::MachineService,
    network_service_server::NetworkService, pool_service_server::PoolService,
    profile_service_server::ProfileService, site_service_server::SiteService,
    step_service_server::StepService,
};

use super::{
    caller::caller,
    check, confirm,
    objects::Objects,
    offer, passwords, power,
    put::{Secret, Wanted},
    screenshot, stream, tend, upload,
    watch::{self, Spelled},
};
use crate::{errors::Error, rules::Rules};

/// The longest secret, in bytes: user data with a few files in it.
const SECRET: usize = 1 << 20;

fn secret(attribute: &str, text: Option<String>) -> Result<Secret, Error> {
    match text {
        Some(text) if text.len() > SECRET => {
            Err(Error::field(attribute, format!("is longer than {SECRET} bytes")))
        }
        Some(text) => Ok(Secret::Set(SecretString::from(text))),
        None => Ok(Secret::Keep),
    }
}

/// Values to seal, JSON by attribute.
fn sealed(text: Option<String>) -> Result<Option<Values>, Error> {
    let Some(text) = text else { return Ok(None) };
    if text.len() > SECRET {
        return Err(Error::field("secret_values_wo", format!("is longer than {SECRET} bytes")));
    }
    let values = serde_json::from_str::<Values>(&text);
    // What a reader says of text it cannot read quotes it.
    values.map(Some).map_err(|_| Error::field("secret_values_wo", "is not a JSON object"))
}

/// The Put message of a noun.
trait Message<N: Rules> {
    /// Takes it apart.
    fn wanted(self) -> Result<Wanted<N>, Error>;
}

macro_rules! noun {
    (
        $service:ident for $noun:ident: $field:ident, $fields:ident,
        put $put:ident -> $put_response:ident, secret |$message:ident| $secret:expr,
        $(values $values:ident,)? $(planned $planned:ident,)?
        batch $batch:ident by $batch_mod:ident, list $list:ident, event $event:ident by $event_mod:ident
        $(, $($extra:tt)*)?
    ) => {
        impl Message<$noun> for pb::$put {
            fn wanted(self) -> Result<Wanted<$noun>, Error> {
                let $message = self;
                let secret = $secret;
                let secret_values: Option<Values> =
                    [$(sealed($message.$values)?)?].into_iter().next().flatten();
                let planned: Option<pb::Planned> = [$($message.$planned)?].into_iter().next().flatten();
                let (key, spec, options) = ($message.key, $message.spec, $message.options);
                Ok(Wanted { key, spec, options, secret, secret_values, planned })
            }
        }

        impl Spelled for $noun {
            type Event = pb::$event;

            fn event(object: Self::Message) -> pb::$event {
                pb::$event { event: Some(pb::$event_mod::Event::$noun(object)) }
            }

            fn snapshot_complete() -> pb::$event {
                pb::$event { event: Some(pb::$event_mod::Event::SnapshotComplete(true)) }
            }

            fn resync() -> pb::$event {
                pb::$event { event: Some(pb::$event_mod::Event::Resync(true)) }
            }
        }

        #[tonic::async_trait]
        impl $service for Objects<$noun> {
            type WatchStream = stream::Events<pb::$event>;

            async fn put(&self, request: Request<pb::$put>) -> Result<Response<pb::$put_response>, Status> {
                let caller = caller(&request)?;
                let ($field, result) = self.put_one(&caller, request.into_inner().wanted()?).await?;
                Ok(Response::new(pb::$put_response { $field: Some($field), result: result.into() }))
            }

            async fn get(&self, request: Request<pb::GetRequest>) -> Result<Response<pb::$noun>, Status> {
                let caller = caller(&request)?;
                Ok(Response::new(self.get_one(&caller, request.into_inner()).await?))
            }

            async fn batch_get(
                &self,
                request: Request<pb::BatchGetRequest>,
            ) -> Result<Response<pb::$batch>, Status> {
                let caller = caller(&request)?;
                let found = self.get_many(&caller, request.into_inner()).await?;
                let entries = found.into_iter().map(|$field| pb::$batch_mod::Entry { $field }).collect();
                Ok(Response::new(pb::$batch { entries }))
            }

            async fn list(&self, request: Request<pb::ListRequest>) -> Result<Response<pb::$list>, Status> {
                let ($fields, next_page_token) = self.list_page(request.into_inner()).await?;
                Ok(Response::new(pb::$list { $fields, next_page_token }))
            }

            async fn delete(
                &self,
                request: Request<pb::DeleteRequest>,
            ) -> Result<Response<pb::DeleteResponse>, Status> {
                let caller = caller(&request)?;
                Ok(Response::new(self.delete_one(&caller, request.into_inner()).await?))
            }

            async fn watch(
                &self,
                request: Request<pb::WatchRequest>,
            ) -> Result<Response<Self::WatchStream>, Status> {
                Ok(Response::new(watch::watch::<$noun>(&self.context, request.into_inner()).await?))
            }

            async fn preview(&self, request: Request<pb::$put>) -> Result<Response<pb::Preview>, Status> {
                let caller = caller(&request)?;
                Ok(Response::new(self.preview_one(&caller, request.into_inner().wanted()?).await?))
            }

            $($($extra)*)?
        }
    };
}

noun! {
    NetworkService for Network: network, networks,
    put PutNetworkRequest -> PutNetworkResponse, secret |message| Secret::Keep,
    batch BatchGetNetworksResponse by batch_get_networks_response, list ListNetworksResponse,
    event NetworkEvent by network_event
}

noun! {
    PoolService for Pool: pool, pools,
    put PutPoolRequest -> PutPoolResponse, secret |message| Secret::Keep,
    batch BatchGetPoolsResponse by batch_get_pools_response, list ListPoolsResponse,
    event PoolEvent by pool_event
}

noun! {
    SiteService for Site: site, sites,
    put PutSiteRequest -> PutSiteResponse, secret |message| Secret::Keep,
    batch BatchGetSitesResponse by batch_get_sites_response, list ListSitesResponse,
    event SiteEvent by site_event
}

noun! {
    ProfileService for Profile: profile, profiles,
    put PutProfileRequest -> PutProfileResponse, secret |message| Secret::Keep, values secret_values,
    batch BatchGetProfilesResponse by batch_get_profiles_response, list ListProfilesResponse,
    event ProfileEvent by profile_event
}

noun! {
    StepService for Step: step, steps,
    put PutStepRequest -> PutStepResponse, secret |message| Secret::Keep,
    batch BatchGetStepsResponse by batch_get_steps_response, list ListStepsResponse,
    event StepEvent by step_event
}

noun! {
    CredentialService for Credential: credential, credentials,
    put PutCredentialRequest -> PutCredentialResponse, secret |message| secret("password", message.password)?,
    batch BatchGetCredentialsResponse by batch_get_credentials_response, list ListCredentialsResponse,
    event CredentialEvent by credential_event
}

noun! {
    MachineService for Machine: machine, machines,
    put PutMachineRequest -> PutMachineResponse, secret |message| match message.user_data {
        Some(_) if message.clear_user_data => {
            return Err(Error::field("user_data", "is given and cleared at once"));
        }
        None if message.clear_user_data => Secret::Clear,
        Some(text) if text.is_empty() => Secret::Clear,
        given => secret("user_data", given)?,
    },
    values secret_values, planned planned,
    batch BatchGetMachinesResponse by batch_get_machines_response, list ListMachinesResponse,
    event MachineEvent by machine_event
}

noun! {
    HostService for Host: host, hosts,
    put PutHostRequest -> PutHostResponse, secret |message| Secret::Keep,
    batch BatchGetHostsResponse by batch_get_hosts_response, list ListHostsResponse,
    event HostEvent by host_event,

    async fn power(&self, request: Request<pb::PowerRequest>) -> Result<Response<pb::Host>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(power::power(&self.context, &caller, request.into_inner()).await?))
    }

    async fn confirm(&self, request: Request<pb::ConfirmRequest>) -> Result<Response<pb::Host>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(confirm::confirm(&self.context, &caller, request.into_inner()).await?))
    }

    async fn tend(&self, request: Request<pb::TendRequest>) -> Result<Response<pb::Host>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(tend::tend(&self.context, &caller, request.into_inner()).await?))
    }

    async fn offer_adoption(
        &self,
        request: Request<pb::OfferAdoptionRequest>,
    ) -> Result<Response<pb::OfferAdoptionResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(offer::offer(&self.context, &caller, request.into_inner()).await?))
    }

    async fn list_discovered(
        &self,
        request: Request<pb::ListDiscoveredRequest>,
    ) -> Result<Response<pb::ListDiscoveredResponse>, Status> {
        Ok(Response::new(power::list_discovered(&self.context, &request.into_inner()).await?))
    }

    async fn screenshot(
        &self,
        request: Request<pb::ScreenshotRequest>,
    ) -> Result<Response<pb::ScreenshotResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(screenshot::screenshot(&self.context, &caller, request.into_inner()).await?))
    }

    async fn check(
        &self,
        request: Request<pb::CheckHostRequest>,
    ) -> Result<Response<pb::CheckHostResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(check::check(&self.context, &caller, request.into_inner()).await?))
    }

    async fn own_passwords(
        &self,
        request: Request<pb::OwnPasswordsRequest>,
    ) -> Result<Response<pb::OwnPasswordsResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(passwords::passwords(&self.context, &caller, request.into_inner()).await?))
    }
}

noun! {
    ImageService for Image: image, images,
    put PutImageRequest -> PutImageResponse, secret |message| Secret::Keep,
    batch BatchGetImagesResponse by batch_get_images_response, list ListImagesResponse,
    event ImageEvent by image_event,

    async fn upload(
        &self,
        request: Request<Streaming<pb::UploadRequest>>,
    ) -> Result<Response<pb::UploadResponse>, Status> {
        Ok(Response::new(upload::receive(&self.context, request.into_inner()).await?))
    }
}
