//! Network interfaces: found in /sys, changed through netlink.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use rtnetlink::{Handle, LinkUnspec, RouteMessageBuilder};
use underlay_core::Mac;

/// One Ethernet interface of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Kernel name.
    pub name: String,
    /// Kernel index.
    pub index: u32,
    /// Hardware address.
    pub mac: Mac,
}

/// Changing the machine's network did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No netlink socket.
    #[error("netlink cannot be opened")]
    Open(#[source] io::Error),
    /// The kernel refused a change.
    #[error("{act} on {link} was refused")]
    Change {
        /// What was tried.
        act: &'static str,
        /// On which interface.
        link: String,
        /// The kernel's answer.
        #[source]
        source: rtnetlink::Error,
    },
}

/// The Ethernet interfaces with hardware behind them, by name.
pub fn links(sys: &Path) -> Vec<Link> {
    let folder = sys.join("class/net");
    let mut links: Vec<Link> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("device").exists())
        .filter_map(|entry| {
            let read = |file: &str| fs::read_to_string(entry.path().join(file)).ok();
            Some(Link {
                name: entry.file_name().into_string().ok()?,
                index: read("ifindex")?.trim().parse().ok()?,
                mac: read("address")?.trim().parse().ok()?,
            })
        })
        .collect();
    links.sort_by(|a, b| a.name.cmp(&b.name));
    links
}

/// The line to the kernel's network configuration.
#[derive(Clone, Debug)]
pub struct Netlink(Handle);

impl Netlink {
    /// Opens it; a background task of the runtime serves it.
    pub fn open() -> Result<Self, Error> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(Error::Open)?;
        tokio::spawn(connection);
        Ok(Self(handle))
    }

    /// Switches an interface on.
    pub async fn up(&self, link: &Link) -> Result<(), Error> {
        let message = LinkUnspec::new_with_index(link.index).up().build();
        self.0.link().change(message).execute().await.map_err(refused("setting the link up", link))
    }

    /// Has an interface hear what is said to groups of machines, such as what switches say of themselves.
    pub async fn hear_groups(&self, link: &Link) -> Result<(), Error> {
        let message = LinkUnspec::new_with_index(link.index).allmulticast(true).build();
        self.0.link().change(message).execute().await.map_err(refused("hearing all groups", link))
    }

    /// Switches the loopback interface on (index 1 in every network namespace).
    pub async fn loopback_up(&self) -> Result<(), Error> {
        let mac = Mac([0; 6]);
        self.up(&Link { name: "lo".into(), index: 1, mac }).await
    }

    /// Gives an interface its address and default route. Doing it again (a renewal) changes nothing else.
    pub async fn apply(
        &self,
        link: &Link,
        address: Ipv4Addr,
        prefix: u8,
        router: Option<Ipv4Addr>,
    ) -> Result<(), Error> {
        let add = self.0.address().add(link.index, IpAddr::V4(address), prefix).replace();
        add.execute().await.map_err(refused("setting the address", link))?;
        if let Some(router) = router {
            let route = RouteMessageBuilder::<Ipv4Addr>::new()
                .output_interface(link.index)
                .gateway(router)
                .onlink()
                .build();
            self.0
                .route()
                .add(route)
                .replace()
                .execute()
                .await
                .map_err(refused("setting the default route", link))?;
        }
        Ok(())
    }
}

fn refused(act: &'static str, link: &Link) -> impl FnOnce(rtnetlink::Error) -> Error {
    let link = link.name.clone();
    move |source| Error::Change { act, link, source }
}
