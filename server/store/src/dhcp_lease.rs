//! DHCP leases: durable before a client is told, a batch in one transaction.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use jiff::Timestamp;
use underlay_core::Mac;

use crate::{
    Error, Store,
    column::{Columns, micros},
    operation::words,
};

/// Why an address is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// The MAC uses it.
    Bound,
    /// The MAC gave it back.
    Released,
    /// The MAC found somebody else using it.
    Declined,
}

words!(LeaseState {
    LeaseState::Bound => "bound",
    LeaseState::Released => "released",
    LeaseState::Declined => "declined",
});

/// One address on one network and the MAC that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpLease {
    /// The network, as the DHCP server names it.
    pub network: String,
    /// The address, unique in the network.
    pub address: Ipv4Addr,
    /// The holder, unique in the network.
    pub mac: Mac,
    /// Why it is held.
    pub state: LeaseState,
    /// Until when.
    pub expires_at: Timestamp,
}

impl Store {
    /// Makes a batch durable, in order, all or nothing. Each lease replaces whatever its network holds for its address
    /// and whatever it holds for its MAC.
    ///
    /// # Errors
    /// Where the database fails; nothing was written then.
    pub async fn commit_dhcp_leases(&self, batch: &[DhcpLease]) -> Result<(), Error> {
        let failed = || Error::doing("keeping DHCP leases");
        let mut write = self.write().await?;
        for lease in batch {
            sqlx::query("DELETE FROM dhcp_lease WHERE network = $1 AND address = $2 AND mac <> $3")
                .bind(&lease.network)
                .bind(lease.address.to_string())
                .bind(lease.mac.to_string())
                .execute(write.connection())
                .await
                .map_err(failed())?;
            sqlx::query(
                "INSERT INTO dhcp_lease (network, mac, address, state, expires_at) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (network, mac) DO UPDATE SET address = excluded.address, state = excluded.state, \
                 expires_at = excluded.expires_at",
            )
            .bind(&lease.network)
            .bind(lease.mac.to_string())
            .bind(lease.address.to_string())
            .bind(lease.state.as_str())
            .bind(micros(lease.expires_at))
            .execute(write.connection())
            .await
            .map_err(failed())?;
        }
        write.commit_quietly().await
    }

    /// Every lease, expired or not.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn dhcp_leases(&self) -> Result<Vec<DhcpLease>, Error> {
        let rows = sqlx::query("SELECT network, mac, address, state, expires_at FROM dhcp_lease")
            .fetch_all(self.pool())
            .await
            .map_err(Error::doing("reading DHCP leases"))?;
        rows.iter()
            .map(|row| {
                Ok(DhcpLease {
                    network: row.text("network")?,
                    mac: row.parsed("mac")?,
                    address: row.parsed("address")?,
                    state: row.parsed("state")?,
                    expires_at: row.time("expires_at")?,
                })
            })
            .collect()
    }
}
