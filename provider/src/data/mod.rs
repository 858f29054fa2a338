//! The data sources: how things stand now, volatile facts included.
//!
//! | file | data source |
//! |---|---|
//! | `host.rs` | `underlay_host` |
//! | `hosts.rs` | `underlay_hosts` |
//! | `machine.rs` | `underlay_machine` |
//! | `image.rs` | `underlay_image` |
//! | `pool.rs` | `underlay_pool` |
//! | `find.rs` | looking one object up |

mod find;
mod host;
mod hosts;
mod image;
mod machine;
mod pool;

pub use host::{Host, Model as HostModel};
pub use hosts::{Hosts, Model as HostsModel};
pub use image::{Image, Model as ImageModel};
pub use machine::{Machine, Model as MachineModel};
pub use pool::{Model as PoolModel, Pool};
