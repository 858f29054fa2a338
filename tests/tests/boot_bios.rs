//! A BIOS machine from power off to Debian over DHCP and HTTP on a segment of its own, and its life without the server.

use anyhow::Result;
use underlay_tests::rack::{
    debian::{Way, deploys_and_lives_alone},
    needs,
};

#[tokio::test(flavor = "multi_thread")]
async fn debian_is_deployed_and_starts_from_its_own_disk_when_the_server_is_gone() -> Result<()> {
    if !needs::met(&["mmdebstrap", "ssh", "python3"]) {
        return Ok(());
    }
    // QEMU's NIC has iPXE in its ROM: no loader is needed.
    Box::pin(deploys_and_lives_alone(Way { mode: "bios", method: "pxe", loaders: 0 })).await
}
