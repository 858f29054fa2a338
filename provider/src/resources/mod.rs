//! The resources.
//!
//! | file | resource |
//! |---|---|
//! | `host/` | `underlay_host` |
//! | `pool/` | `underlay_pool` |
//! | `profile/` | `underlay_profile` |
//! | `step/` | `underlay_step` |
//! | `site/` | `underlay_site` |
//! | `network/` | `underlay_network` |
//! | `credential/` | `underlay_credential` |
//! | `image/` | `underlay_image` |
//! | `machine/` | `underlay_machine` |
//! | `ready.rs` | `underlay_ready` |
//!
//! `object.rs` is what they do alike, `approved.rs` what a plan hands over to its apply.
//!
//! A folder holds `model.rs` (the schema), `convert.rs` (to and from the API) and `mod.rs` (what is its own).

mod approved;
mod credential;
mod host;
mod image;
mod machine;
mod network;
mod object;
mod pool;
mod profile;
mod ready;
mod site;
mod step;

pub use credential::{Credential, model as credential_model};
pub use host::{Host, model as host_model};
pub use image::{Image, model as image_model};
pub use machine::{Machine, model as machine_model};
pub use network::{Network, model as network_model};
pub use pool::{Pool, model as pool_model};
pub use profile::{Profile, model as profile_model};
pub use ready::{Model as ReadyModel, Ready};
pub use site::{Site, model as site_model};
pub use step::{Step, model as step_model};
