//! Operating system images: import, formats, content-addressed store.
//!
//! An image comes from a URL, an allowed local file or an upload, always with the SHA-256 of its source; it leaves as a
//! manifest and one blob of segments that an agent fetches with Range requests, verifies one by one, and writes.
//!
//! ```text
//! fetch / local / upload -> tap (hash, bound) -> detect -> unpack -> qcow2 -> encode -> store
//! ```
//!
//! - [`source`]: what may be imported; [`mod@local`]: files under an allowed root; [`mod@fetch`]: http and https, resumed
//! - `tap`: counts and hashes what is really read; [`detect`]: formats by magic; `unpack`: one layer of compression
//! - [`qcow2`]: our own bounded reader; no program is ever run over an image
//! - `encode`: holes, zstd, parallel and in order; [`segment`]: one segment in and out
//! - [`mod@import`]: the way through all of these; [`mod@store`]: what is published, served, verified and deleted
//! - [`controller`]: moves image objects by all of these
//! - [`limits`], [`progress`]: bounds, and what a watcher sees
//!
//! What it does not do: decide which image a machine gets, serve HTTP, sign anything, or write disks.
//!
//! The invariant: an image that can be seen in the store is whole, durable, and made from bytes that hash to its name.
//! Layout under the store's directory: `images/<sha256>/{manifest.json,data}`, `tmp/` for imports under way, `lock`.
//!
//! The process must have a default rustls crypto provider installed before [`fetch::Fetcher::new`] is called.
//!
//! To add a format, see [`detect`] and `unpack`; it needs a magic, a bounded reader and a row in `tests/formats.rs`.

pub mod controller;
pub mod detect;
mod encode;
pub mod fetch;
pub mod import;
pub mod limits;
pub mod local;
pub mod progress;
pub mod qcow2;
pub mod segment;
pub mod source;
pub mod store;
mod tap;
mod unpack;

pub use controller::{Images, Keepers};
pub use fetch::Fetcher;
pub use import::Importer;
pub use limits::Limits;
pub use progress::{Phase, Progress};
pub use source::Source;
pub use store::{Image, Store};
pub use underlay_core::image::{Blake3, Encoding, Manifest, Segment, Sha256};
