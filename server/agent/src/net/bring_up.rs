//! From a machine without addresses to one that can reach its boot endpoint.
//!
//! The NIC the firmware booted over is asked first; where nobody told us which that is, all are asked at once and the
//! first answer wins. Where the NIC's address is given, nobody is asked. Drivers may take a while to find their hardware, so interfaces are looked for again and again.

use std::{path::Path, time::Duration};

use futures::future::{FutureExt, select_all};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};
use underlay_core::Mac;

use super::{
    dhcp,
    lease::Lease,
    link::{self, Link, Netlink},
};
use crate::cmdline::Fixed;

/// How long the boot NIC is waited for before the others are tried as well.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks for interfaces.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Gets an address, unless one is given, and returns the interface it is on. Goes on until it has one.
pub async fn bring_up(boot: Option<Mac>, given: Option<Fixed>) -> Result<Link, link::Error> {
    let netlink = Netlink::open()?;
    netlink.loopback_up().await?;
    let began = Instant::now();
    loop {
        let found = link::links(Path::new("/sys"));
        for link in &found {
            netlink.up(link).await.unwrap_or_else(|error| warn!(link = %link.name, %error, "link not up"));
            // Where it does not, its switch is not heard, and nothing else is lost.
            let _ = netlink.hear_groups(link).await;
        }
        if let Some(Fixed { mac, address, prefix, gateway }) = given {
            if let Some(link) = found.iter().find(|link| link.mac == mac) {
                netlink.apply(link, address, prefix, gateway).await?;
                info!(link = %link.name, %mac, %address, prefix, "network is up, with the address that was given");
                return Ok(link.clone());
            }
            sleep(LOOK_AGAIN).await;
            continue;
        }
        let chosen = candidates(&found, boot, began.elapsed());
        if chosen.is_empty() {
            sleep(LOOK_AGAIN).await;
            continue;
        }
        if let Ok((link, lease)) = timeout(PATIENCE, first_answer(&chosen)).await {
            netlink.apply(&link, lease.address, lease.prefix, lease.router).await?;
            info!(link = %link.name, mac = %link.mac, address = %lease.address, prefix = lease.prefix, "network is up");
            tokio::spawn(dhcp::keep(netlink, link.clone(), lease));
            return Ok(link);
        }
        warn!(seconds = began.elapsed().as_secs(), "no DHCP server answers");
    }
}

/// The boot NIC alone while it is there or may still come; then every NIC.
fn candidates(found: &[Link], boot: Option<Mac>, waited: Duration) -> Vec<Link> {
    match boot {
        Some(mac) if waited < PATIENCE => found.iter().filter(|link| link.mac == mac).cloned().collect(),
        _ => found.to_vec(),
    }
}

async fn first_answer(links: &[Link]) -> (Link, Lease) {
    let asked = links.iter().map(|link| {
        async move {
            loop {
                match dhcp::acquire(link).await {
                    Ok(lease) => return (link.clone(), lease),
                    Err(error) => warn!(link = %link.name, %error, "DHCP cannot be asked"),
                }
                sleep(Duration::from_secs(1)).await;
            }
        }
        .boxed()
    });
    select_all(asked).await.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_nic_is_preferred_until_patience_ends() {
        let link = |name: &str, last| Link { name: name.into(), index: 2, mac: Mac([2, 0, 0, 0, 0, last]) };
        let found = [link("eth0", 1), link("eth1", 2)];
        assert_eq!(candidates(&found, Some(Mac([2, 0, 0, 0, 0, 2])), Duration::ZERO), [link("eth1", 2)]);
        assert!(candidates(&found, Some(Mac([2; 6])), Duration::ZERO).is_empty());
        assert_eq!(candidates(&found, Some(Mac([2; 6])), PATIENCE).len(), 2);
        assert_eq!(candidates(&found, None, Duration::ZERO).len(), 2);
    }
}
