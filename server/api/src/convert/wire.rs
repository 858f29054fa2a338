//! The one trait that ties a noun to its messages, so that the services are written once for all nouns.

use underlay_core::{
    FieldError, Key, Noun, Object, credential::Credential, host::Host, image::Image, machine::Machine,
    network::Network, pool::Pool, profile::Profile, site::Site, step::Step,
};
use underlay_proto::v1 as pb;

use super::{credential, host, image, machine, network, pool, profile, site, step};

/// A noun that travels.
pub(crate) trait Wire: Noun + Sized {
    /// The object as it travels.
    type Message: Send + 'static;
    /// Its spec as it travels.
    type SpecMessage: Clone + Default + Send + Sync + 'static;

    /// Reads a spec; `key` fills in what defaults to the object's name.
    ///
    /// # Errors
    /// Every fault, at its attribute.
    fn spec(message: Self::SpecMessage, key: &Key) -> Result<Self::Spec, Vec<FieldError>>;

    /// Spells the object.
    fn message(object: &Object<Self>) -> Self::Message;
}

impl Wire for Host {
    type Message = pb::Host;
    type SpecMessage = pb::HostSpec;

    fn spec(message: pb::HostSpec, _: &Key) -> Result<Self::Spec, Vec<FieldError>> {
        host::spec(message)
    }

    fn message(object: &Object<Self>) -> pb::Host {
        host::message(object)
    }
}

impl Wire for Network {
    type Message = pb::Network;
    type SpecMessage = pb::NetworkSpec;

    fn spec(message: pb::NetworkSpec, _: &Key) -> Result<Self::Spec, Vec<FieldError>> {
        network::spec(message)
    }

    fn message(object: &Object<Self>) -> pb::Network {
        network::message(object)
    }
}

impl Wire for Pool {
    type Message = pb::Pool;
    type SpecMessage = pb::PoolSpec;

    fn spec(message: pb::PoolSpec, _: &Key) -> Result<Self::Spec, Vec<FieldError>> {
        pool::spec(message)
    }

    fn message(object: &Object<Self>) -> pb::Pool {
        pool::message(object)
    }
}

impl Wire for Credential {
    type Message = pb::Credential;
    type SpecMessage = pb::CredentialSpec;

    fn spec(message: pb::CredentialSpec, _: &Key) -> Result<Self::Spec, Vec<FieldError>> {
        credential::spec(message)
    }

    fn message(object: &Object<Self>) -> pb::Credential {
        credential::message(object)
    }
}

impl Wire for Image {
    type Message = pb::Image;
    type SpecMessage = pb::ImageSpec;

    fn spec(message: pb::ImageSpec, _: &Key) -> Result<Self::Spec, Vec<FieldError>> {
        image::spec(message)
    }

    fn message(object: &Object<Self>) -> pb::Image {
        image::message(object)
    }
}

impl Wire for Machine {
    type Message = pb::Machine;
    type SpecMessage = pb::MachineSpec;

    fn spec(message: pb::MachineSpec, key: &Key) -> Result<Self::Spec, Vec<FieldError>> {
        machine::spec(message, key)
    }

    fn message(object: &Object<Self>) -> pb::Machine {
        machine::message(object)
    }
}

impl Wire for Profile {
    type Message = pb::Profile;
    type SpecMessage = pb::ProfileSpec;

    fn spec(message: pb::ProfileSpec, _: &Key) -> Result<Self::Spec, Vec<FieldError>> {
        profile::spec(message)
    }

    fn message(object: &Object<Self>) -> pb::Profile {
        profile::message(object)
    }
}

impl Wire for Site {
    type Message = pb::Site;
    type SpecMessage = pb::SiteSpec;

    fn spec(message: pb::SiteSpec, key: &Key) -> Result<Self::Spec, Vec<FieldError>> {
        site::spec(message, key)
    }

    fn message(object: &Object<Self>) -> pb::Site {
        site::message(object)
    }
}

impl Wire for Step {
    type Message = pb::Step;
    type SpecMessage = pb::StepSpec;

    fn spec(message: pb::StepSpec, _: &Key) -> Result<Self::Spec, Vec<FieldError>> {
        step::spec(message)
    }

    fn message(object: &Object<Self>) -> pb::Step {
        step::message(object)
    }
}
