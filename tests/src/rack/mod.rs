//! A boot segment for tests, with real parts: the `underlay` binary, QEMU, firmware, iPXE, libvirt, Debian.
//!
//! - [`needs`]: what must be installed; [`parts`]: binary, ramdisk and Debian image, made once into the cache
//! - [`segment`]: a network namespace of the test's own; what runs in it ends with the test, however that ends
//! - [`server`]: the server as a process that can be stopped, killed and started again
//! - [`client`]: the API over its unix socket, and waits on its streams; [`specs`]: what tests ask of it
//! - [`image`]: disks of a few MiB that say on the serial port that they were booted
//! - [`vm`]: machines that the test itself runs; [`console`]: waits for what a serial port says; [`tpm`]: a TPM for one
//! - [`site`]: a key of a site's own, and what is signed with it
//! - [`live`]: a Debian that runs already, in nspawn
//! - [`redfish`]: machines behind sushy-tools; [`ipmi`]: one behind ipmi_sim; [`debian`]: a whole deployment, then a life without the server
//!
//! Nothing sleeps for a fixed time: each wait is for something, with a limit that suits a busy machine.

pub mod client;
pub mod console;
pub mod debian;
pub mod image;
pub mod ipmi;
pub mod live;
pub mod needs;
pub mod parts;
pub mod redfish;
pub mod segment;
pub mod server;
pub mod site;
pub mod specs;
pub mod tpm;
pub mod vm;

use std::time::Duration;

/// How long anything that takes seconds on an idle machine may take on a busy one without KVM.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// How long between two looks at what cannot be subscribed to: a file that grows, a port that opens.
pub const GLANCE: Duration = Duration::from_millis(50);
