//! The commands that are asked of a BMC, each in a session that is closed again, and its errors in our words.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use secrecy::ExposeSecret;
use tokio::net::lookup_host;
use underlay_core::{
    bmc::{Error, Power},
    host,
};

use super::{
    super::Login,
    fru,
    packet::{Answer, Bytes, Flaw, Request},
    quirks::{self, Flags},
    session::{Fault, Session},
    suite::Suite,
};

const CHASSIS: u8 = 0x00;
const APP: u8 = 0x06;
const STORAGE: u8 = 0x0a;
/// The least that each FRU reader can do in one answer.
const PIECE: u8 = 16;
/// So much of a product area is looked at: its serial number is the fifth of some short texts.
const LARGEST_AREA: u16 = 256;
/// What IPMI 2.0 allows (sections 13.20 and 22.30).
const LONGEST_USER: usize = 16;
const LONGEST_PASSWORD: usize = 20;

/// Speaks to one BMC.
pub(super) struct Client {
    address: String,
    endpoint: (String, u16),
    suite: Option<u8>,
    login: Login,
    /// The suite that the BMC took last.
    worked: Mutex<Option<Suite>>,
}

/// A conversation: the session, and whom it is with.
pub(super) struct Conversation<'a> {
    client: &'a Client,
    session: Session,
}

impl Client {
    /// A client of a BMC; nothing is contacted.
    pub(super) fn new(bmc: &host::Ipmi, login: Login) -> Result<Self, Error> {
        let (host, port) = bmc.endpoint().map_err(|why| Error::Invalid(format!("ipmi.address: {why}")))?;
        let too_long = |what: &str, most: usize| {
            Error::Invalid(format!(
                "the {what} of credential {} is longer than IPMI's {most} bytes",
                bmc.credential
            ))
        };
        if login.user.len() > LONGEST_USER {
            return Err(too_long("user name", LONGEST_USER));
        }
        if login.password.expose_secret().len() > LONGEST_PASSWORD {
            return Err(too_long("password", LONGEST_PASSWORD));
        }
        Ok(Self {
            address: bmc.address.clone(),
            endpoint: (host.to_owned(), port),
            suite: bmc.cipher_suite,
            login,
            worked: Mutex::default(),
        })
    }

    /// Begin a conversation in a session of its own.
    pub(super) async fn begin(&self) -> Result<Conversation<'_>, Error> {
        Ok(Conversation { client: self, session: self.open().await? })
    }

    async fn open(&self) -> Result<Session, Error> {
        let address = self.resolve().await?;
        let worked = *self.worked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = Fault::Silent;
        for suite in quirks::suites(self.suite, worked) {
            match Session::open(address, &self.login, suite).await {
                Ok(session) => {
                    *self.worked.lock().unwrap_or_else(PoisonError::into_inner) = Some(suite);
                    return Ok(session);
                }
                Err(fault) if quirks::may_want_another_suite(&fault) => last = fault,
                Err(fault) => return Err(self.fault("opening a session", fault)),
            }
        }
        // A BMC may have got other firmware.
        *self.worked.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Err(self.fault("opening a session", last))
    }

    async fn resolve(&self) -> Result<SocketAddr, Error> {
        let (host, port) = &self.endpoint;
        let unreachable = |error: std::io::Error| Error::Unreachable {
            address: self.address.clone(),
            source: Some(Box::new(error)),
        };
        let mut found = lookup_host((host.as_str(), *port)).await.map_err(unreachable)?;
        found.next().ok_or_else(|| unreachable(std::io::Error::other("the name has no address")))
    }

    pub(super) fn nonsense(&self, request: &str, why: impl Into<String>) -> Error {
        Error::Nonsense { address: self.address.clone(), request: request.into(), why: why.into() }
    }

    /// IPMI has no virtual media.
    pub(super) fn no_media(&self) -> Error {
        let why = "IPMI has no virtual media that we could put anything into".into();
        Error::Unsupported { address: self.address.clone(), wish: "boot from virtual media".into(), why }
    }

    fn refused(&self, why: impl Into<String>) -> Error {
        Error::Refused { address: self.address.clone(), why: why.into() }
    }

    fn fault(&self, request: &str, fault: Fault) -> Error {
        let address = self.address.clone();
        match fault {
            Fault::Silent => Error::Unreachable { address, source: None },
            Fault::Network(error) => Error::Unreachable { address, source: Some(Box::new(error)) },
            Fault::Stray(flaw) => self.nonsense(request, flaw),
            Fault::Unproved => {
                self.refused("the password is wrong, or it is another BMC than the one that knows it")
            }
            Fault::Random => Error::Local {
                wish: request.into(),
                source: Box::new(std::io::Error::other("there are no random numbers")),
            },
            Fault::Status(status) => self.status(status),
        }
    }

    /// The status of a handshake (table 13-15).
    fn status(&self, status: u8) -> Error {
        let known = |text: &str| format!("{text} (RMCP+ status {status:#04x})");
        match status {
            0x01 | 0x0b => {
                Error::Busy { address: self.address.clone(), why: known("it has no session left") }
            }
            0x02 | 0x08 => {
                self.nonsense("opening a session", known("it has lost the session it just gave us"))
            }
            0x03..=0x07 | 0x10..=0x12 => {
                self.refused(known("it knows none of the cipher suites that were tried"))
            }
            0x09 | 0x0a => self.refused(known("the user may not be an operator over the network")),
            0x0c | 0x0d => self.refused(known("it knows no such user")),
            0x0f => self.refused(known("the password is wrong")),
            _ => self.refused(known("it does not open a session")),
        }
    }
}

impl Conversation<'_> {
    /// Close its session.
    pub(super) async fn end(self) {
        self.session.close().await;
    }

    /// What the BMC answers; a completion code other than 0 is an error.
    async fn ask(&mut self, what: &str, request: Request<'_>) -> Result<Vec<u8>, Error> {
        let Answer { completion, data } =
            self.session.ask(request).await.map_err(|fault| self.client.fault(what, fault))?;
        if completion == 0 { Ok(data) } else { Err(self.complaint(what, completion)) }
    }

    /// A completion code (table 5-2).
    fn complaint(&self, what: &str, completion: u8) -> Error {
        let address = self.client.address.clone();
        let why = format!("IPMI completion code {completion:#04x}");
        match completion {
            0xc0 | 0xc3 | 0xc4 | 0xce | 0xcf | 0xd0..=0xd2 | 0xd5 => Error::Busy { address, why },
            0xc1 | 0xc2 | 0xd3 | 0xd6 | 0x80 => Error::Unsupported { address, wish: what.into(), why },
            0xd4 => self.client.refused(format!("the user may not {what}: {why}")),
            _ => self.client.nonsense(what, why),
        }
    }

    fn flawed<T>(&self, what: &str, read: Result<T, Flaw>) -> Result<T, Error> {
        read.map_err(|flaw| self.client.nonsense(what, flaw))
    }

    /// Is it on? (Get Chassis Status)
    pub(super) async fn power(&mut self) -> Result<Power, Error> {
        const WHAT: &str = "read its power";
        let data = self.ask(WHAT, Request { family: CHASSIS, command: 0x01, data: &[] }).await?;
        let state = self.flawed(WHAT, Bytes(&data).byte())?;
        Ok(if state & 1 != 0 { Power::On } else { Power::Off })
    }

    /// Switch it, hard. (Chassis Control; never a cycle, a reset or a soft shutdown)
    pub(super) async fn switch(&mut self, power: Power) -> Result<(), Error> {
        let (what, control) = match power {
            Power::On => ("switch it on", 1),
            Power::Off => ("switch it off", 0),
            Power::Unknown => {
                return Err(Error::Invalid("a host is switched on or off, nothing else".into()));
            }
        };
        self.ask(what, Request { family: CHASSIS, command: 0x02, data: &[control] }).await.map(drop)
    }

    /// The boot flags. (Get System Boot Options)
    pub(super) async fn flags(&mut self) -> Result<Flags, Error> {
        const WHAT: &str = "read its boot flags";
        let data = self.ask(WHAT, Request { family: CHASSIS, command: 0x09, data: &[5, 0, 0] }).await?;
        self.flawed(WHAT, Flags::read(&data))
    }

    /// Set the boot flags, to stay until they are used. (Set System Boot Options)
    pub(super) async fn set_flags(&mut self, flags: Flags) -> Result<(), Error> {
        const WHAT: &str = "set its boot flags";
        /// Parameter 3: do not clear the flags for want of a chassis command within 60 s.
        const STAY: [u8; 2] = [3, 0x08];
        /// Parameter 4: the BIOS has not dealt with them yet.
        const UNREAD: [u8; 3] = [4, 0x01, 0x01];
        self.may_fail(WHAT, &[0, 1]).await?;
        self.may_fail(WHAT, &STAY).await?;
        self.may_fail(WHAT, &UNREAD).await?;
        let data = [[5].as_slice(), &flags.0].concat();
        let set = self.ask(WHAT, Request { family: CHASSIS, command: 0x08, data: &data }).await;
        self.may_fail(WHAT, &[0, 0]).await?;
        set.map(drop)
    }

    /// Set a boot option that a BMC need not know. One that does not answer at all is another matter.
    async fn may_fail(&mut self, what: &str, data: &[u8]) -> Result<(), Error> {
        match self.session.ask(Request { family: CHASSIS, command: 0x08, data }).await {
            Ok(_) => Ok(()),
            Err(fault) => Err(self.client.fault(what, fault)),
        }
    }

    /// The GUID of the system, if it has one. (Get System GUID)
    pub(super) async fn guid(&mut self) -> Result<Option<[u8; 16]>, Error> {
        let known = self.known("read its GUID", Request { family: APP, command: 0x37, data: &[] }).await?;
        Ok(known.and_then(|data| Bytes(&data).array().ok()))
    }

    /// The serial number in its FRU inventory, if it has one. (Read FRU Data of device 0)
    pub(super) async fn serial(&mut self) -> Result<Option<String>, Error> {
        let Some(header) = self.fru(0, fru::HEADER).await? else { return Ok(None) };
        let Ok(Some(at)) = fru::product_at(&header) else { return Ok(None) };
        let Some(begin) = self.fru(at, 2).await? else { return Ok(None) };
        let size = fru::area_size(&begin).unwrap_or_default().min(LARGEST_AREA);
        let Some(area) = self.fru(at, size).await? else { return Ok(None) };
        Ok(fru::serial(&area).ok().flatten())
    }

    /// So many bytes of its FRU inventory; fewer where it gives fewer, `None` where it gives none.
    async fn fru(&mut self, at: u16, size: u16) -> Result<Option<Vec<u8>>, Error> {
        let mut read = Vec::new();
        while let Some(left) = usize::from(size).checked_sub(read.len()).filter(|left| *left > 0) {
            let count = u8::try_from(left).unwrap_or(PIECE).min(PIECE);
            let [low, high] = at.saturating_add(u16::try_from(read.len()).unwrap_or(u16::MAX)).to_le_bytes();
            let request = Request { family: STORAGE, command: 0x11, data: &[0, low, high, count] };
            let Some(data) = self.known("read its serial number", request).await? else { return Ok(None) };
            let mut data = Bytes(&data);
            let given = usize::from(data.byte().unwrap_or_default()).min(count.into());
            let Ok(piece) = data.take(given) else { return Ok(None) };
            if piece.is_empty() {
                break;
            }
            read.extend(piece);
        }
        Ok(Some(read))
    }

    /// What the BMC answers, where it knows: what it does not tell is no error.
    async fn known(&mut self, what: &str, request: Request<'_>) -> Result<Option<Vec<u8>>, Error> {
        match self.session.ask(request).await {
            Ok(Answer { completion: 0, data }) => Ok(Some(data)),
            Ok(_) => Ok(None),
            Err(fault) => Err(self.client.fault(what, fault)),
        }
    }
}
