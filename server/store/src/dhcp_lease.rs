//! DHCP leases: durable before a client is told, a batch in one transaction.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::Ipv4Addr,
    str::FromStr,
    sync::LazyLock,
};

use jiff::Timestamp;
use underlay_core::Mac;

use crate::{Error, Store, column::micros, operation::words, sql};

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

/// How many rows one statement takes, most first. A few sizes only, so that each is prepared once per connection; five
/// parameters a row stay far below what either database accepts.
const ROWS: [usize; 5] = [256, 64, 16, 4, 1];

/// The statements of one size.
struct Statements {
    rows: usize,
    displace: String,
    vacate: String,
    put: String,
}

static STATEMENTS: LazyLock<[Statements; ROWS.len()]> = LazyLock::new(|| ROWS.map(Statements::of));

impl Statements {
    fn of(rows: usize) -> Self {
        let values = |of: usize, used: usize| {
            let row = |row: usize| {
                let columns: Vec<_> = (1..=used).map(|column| format!("${}", row * of + column)).collect();
                format!("({})", columns.join(", "))
            };
            (0..rows).map(row).collect::<Vec<_>>().join(", ")
        };
        Self {
            rows,
            displace: format!("DELETE FROM dhcp_lease WHERE (network, mac) IN (VALUES {})", values(2, 2)),
            vacate: format!(
                "DELETE FROM dhcp_lease WHERE (network, address) IN (VALUES {}) \
                 AND (network, address, mac) NOT IN (VALUES {})",
                values(3, 2),
                values(3, 3)
            ),
            put: format!(
                "INSERT INTO dhcp_lease (network, mac, address, state, expires_at) VALUES {} \
                 ON CONFLICT (network, mac) DO UPDATE SET address = excluded.address, state = excluded.state, \
                 expires_at = excluded.expires_at",
                values(5, 5)
            ),
        }
    }
}

/// Pieces of a list, each with the statements of its size.
fn pieces<T>(mut rest: &[T]) -> impl Iterator<Item = (&'static Statements, &[T])> {
    std::iter::from_fn(move || {
        let statements = STATEMENTS.iter().find(|statements| statements.rows <= rest.len())?;
        let (piece, more) = rest.split_at_checked(statements.rows)?;
        rest = more;
        Some((statements, piece))
    })
}

/// What a batch comes to when its leases are taken one after the other.
#[derive(Default)]
struct Outcome<'a> {
    /// Who holds what in the end.
    held: HashMap<(&'a str, Mac), &'a DhcpLease>,
    /// Every address that was given, and who has it in the end or had it last.
    addresses: HashMap<(&'a str, Ipv4Addr), Mac>,
    /// Who was given an address and lost it to another one of the batch.
    displaced: HashSet<(&'a str, Mac)>,
}

impl<'a> Outcome<'a> {
    fn of(batch: &'a [DhcpLease]) -> Self {
        let mut outcome = Self::default();
        for lease in batch {
            let network = lease.network.as_str();
            let before = outcome.addresses.insert((network, lease.address), lease.mac);
            if let Some(mac) = before.filter(|mac| *mac != lease.mac)
                && outcome.held.get(&(network, mac)).is_some_and(|held| held.address == lease.address)
            {
                outcome.held.remove(&(network, mac));
                outcome.displaced.insert((network, mac));
            }
            outcome.displaced.remove(&(network, lease.mac));
            outcome.held.insert((network, lease.mac), lease);
        }
        outcome
    }
}

impl Store {
    /// Makes a batch durable, in order, all or nothing. Each lease replaces whatever its network holds for its address
    /// and whatever it holds for its MAC.
    ///
    /// # Errors
    /// Where the database fails; nothing was written then.
    pub async fn commit_dhcp_leases(&self, batch: &[DhcpLease]) -> Result<(), Error> {
        let Outcome { held, addresses, displaced } = Outcome::of(batch);
        let (held, addresses): (Vec<_>, Vec<_>) =
            (held.into_values().collect(), addresses.into_iter().collect());
        let displaced: Vec<_> = displaced.into_iter().collect();
        let mut write = self.write().await?;
        for (statements, piece) in pieces(&displaced) {
            let mut query = sql::query(statements.displace.as_str());
            for (network, mac) in piece {
                query = query.bind(*network).bind(mac.to_string());
            }
            query.execute(write.connection()).await.map_err(Error::doing("ending DHCP leases"))?;
        }
        for (statements, piece) in pieces(&addresses) {
            let mut query = sql::query(statements.vacate.as_str());
            for ((network, address), mac) in piece {
                query = query.bind(*network).bind(address.to_string()).bind(mac.to_string());
            }
            query.execute(write.connection()).await.map_err(Error::doing("vacating DHCP addresses"))?;
        }
        for (statements, piece) in pieces(&held) {
            let mut query = sql::query(statements.put.as_str());
            for lease in piece {
                query = query
                    .bind(lease.network.as_str())
                    .bind(lease.mac.to_string())
                    .bind(lease.address.to_string())
                    .bind(lease.state.as_str())
                    .bind(micros(lease.expires_at));
            }
            query.execute(write.connection()).await.map_err(Error::doing("keeping DHCP leases"))?;
        }
        write.commit_quietly().await
    }

    /// Every lease, expired or not.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn dhcp_leases(&self) -> Result<Vec<DhcpLease>, Error> {
        let rows = sql::query("SELECT network, mac, address, state, expires_at FROM dhcp_lease")
            .fetch_all(&mut *self.reader().await?)
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
