//! NVMe: sanitize and format (NVMe base specification 2.0, sections 5.24 and 5.14).
//!
//! Either may reach further than the one namespace. Where others share the controller's subsystem (CMIC bit 1, NMIC bit 0), what
//! reaches further is not used, because the rest may be somebody else's.

use std::{fs::File, thread::sleep, time::Duration};

use underlay_core::cleaning::Method;

use super::drive::PassedOver;
use crate::sys::{NvmeCommand, nvme_admin};

const GET_LOG_PAGE: u8 = 0x02;
const IDENTIFY: u8 = 0x06;
const FORMAT: u8 = 0x80;
const SANITIZE: u8 = 0x84;
const SANITIZE_STATUS: u32 = 0x81;
const ALL: u32 = u32::MAX;

/// How long an ordinary command may take, in milliseconds.
const SHORT: u32 = 60_000;
/// How long a format may take: it answers when it is done.
const LONG: u32 = 12 * 3600 * 1000;
/// How often a sanitize is asked how far it is, and for how long.
const POLL: Duration = Duration::from_secs(1);
const POLLS: u32 = 24 * 3600;

/// Sends admin commands.
pub trait Admin {
    /// The status field of the answer; 0 is success.
    fn admin(&self, command: NvmeCommand, data: &mut [u8]) -> std::io::Result<u16>;
}

impl Admin for File {
    fn admin(&self, command: NvmeCommand, data: &mut [u8]) -> std::io::Result<u16> {
        nvme_admin(self, command, data)
    }
}

/// What controller and namespace say of themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    namespace: u32,
    /// The other namespaces of the controller.
    others: usize,
    can_format: bool,
    formats_all: bool,
    has_crypto_format: bool,
    sanitizes_blocks: bool,
    sanitizes_keys: bool,
    is_shared: bool,
    /// Command dword 10 of a format that changes nothing but the data: the format, metadata and protection in use.
    format: u32,
}

impl Abilities {
    /// Asks them.
    ///
    /// # Errors
    /// In words.
    pub fn read(device: &File) -> Result<Self, String> {
        let namespace = namespace_of(device);
        Self::ask(device, namespace)
    }

    fn ask(admin: &dyn Admin, namespace: u32) -> Result<Self, String> {
        let controller = identify(admin, 0, 1)?;
        let space = identify(admin, namespace, 0)?;
        let list = identify(admin, 0, 2)?;
        let word = |at: usize| u16::from_le_bytes([byte(&controller, at), byte(&controller, at + 1)]);
        let (oacs, fna, cmic) = (word(256), byte(&controller, 524), byte(&controller, 76));
        let sanitize = byte(&controller, 328);
        let (flbas, dps, nmic) = (byte(&space, 26), byte(&space, 29), byte(&space, 30));
        let ids = list
            .chunks_exact(4)
            .map(|id| u32::from_le_bytes([byte(id, 0), byte(id, 1), byte(id, 2), byte(id, 3)]));
        Ok(Self {
            namespace,
            others: ids.take_while(|id| *id != 0).filter(|id| *id != namespace).count(),
            can_format: oacs & 2 != 0,
            // Bit 0: formatting one formats all; bit 1: so does erasing.
            formats_all: fna & 3 != 0,
            has_crypto_format: fna & 4 != 0,
            sanitizes_keys: sanitize & 1 != 0,
            sanitizes_blocks: sanitize & 2 != 0,
            is_shared: cmic & 2 != 0 || nmic & 1 != 0,
            format: format_in_use(flbas, dps),
        })
    }

    /// The methods it has, the most thorough first; and those it has not, or that reach too far.
    pub fn methods(&self) -> (Vec<Method>, Vec<PassedOver>) {
        let (mut has, mut lacks) = (Vec::new(), Vec::new());
        let too_far = (self.is_shared || self.others > 0)
            .then_some("it would erase what other namespaces or controllers have too");
        let rows = [
            (Method::NvmeSanitizeBlock, self.sanitizes_blocks, too_far),
            (Method::NvmeSanitizeCrypto, self.sanitizes_keys, too_far),
            (
                Method::NvmeFormatErase,
                self.can_format,
                too_far.filter(|_| self.formats_all || self.is_shared),
            ),
            (
                Method::NvmeFormatCrypto,
                self.can_format && self.has_crypto_format,
                too_far.filter(|_| self.formats_all || self.is_shared),
            ),
        ];
        for (method, is_there, objection) in rows {
            match (is_there, objection) {
                (false, _) => lacks.push((method, "its controller does not offer it".to_owned())),
                (true, Some(why)) => lacks.push((method, why.to_owned())),
                (true, None) => has.push(method),
            }
        }
        (has, lacks)
    }
}

/// Format NVM, dword 10: LBA format in bits 3:0 (and 13:12), metadata settings in bit 4, protection in bits 8:5.
fn format_in_use(flbas: u8, dps: u8) -> u32 {
    let (flbas, dps) = (u32::from(flbas), u32::from(dps));
    let (low, high, metadata) = (flbas & 0xf, (flbas >> 5) & 3, (flbas >> 4) & 1);
    let (protection, place) = (dps & 7, (dps >> 3) & 1);
    low | metadata << 4 | protection << 5 | place << 8 | high << 12
}

fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or_default()
}

/// The kernel names a namespace `nvmeXnY`, where Y is not its id; sysfs has that.
fn namespace_of(device: &File) -> u32 {
    use std::os::fd::AsRawFd;
    let path = std::fs::read_link(format!("/proc/self/fd/{}", device.as_raw_fd())).unwrap_or_default();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let told = std::fs::read_to_string(format!("/sys/block/{name}/nsid")).unwrap_or_default();
    told.trim().parse().unwrap_or(1)
}

fn identify(admin: &dyn Admin, namespace: u32, what: u32) -> Result<Vec<u8>, String> {
    let mut data = vec![0; 4096];
    let command = NvmeCommand { opcode: IDENTIFY, namespace, dwords: [what, 0], timeout_ms: SHORT };
    send(admin, command, &mut data, "identify")?;
    Ok(data)
}

fn send(admin: &dyn Admin, command: NvmeCommand, data: &mut [u8], what: &str) -> Result<(), String> {
    match admin.admin(command, data) {
        Ok(0) => Ok(()),
        Ok(status) => Err(format!("{what}: the controller answers status {status:#x}")),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

/// Erases the namespace.
///
/// # Errors
/// In words.
pub fn erase(device: &File, abilities: &Abilities, method: Method) -> Result<(), String> {
    erase_with(device, abilities, method, POLL)
}

fn erase_with(
    admin: &dyn Admin,
    abilities: &Abilities,
    method: Method,
    poll: Duration,
) -> Result<(), String> {
    match method {
        Method::NvmeSanitizeBlock => sanitize(admin, 2, poll),
        Method::NvmeSanitizeCrypto => sanitize(admin, 4, poll),
        Method::NvmeFormatErase => format(admin, abilities, 1),
        Method::NvmeFormatCrypto => format(admin, abilities, 2),
        other => Err(format!("it has no {}", other.word())),
    }
}

fn format(admin: &dyn Admin, abilities: &Abilities, secure_erase: u32) -> Result<(), String> {
    let dwords = [abilities.format | secure_erase << 9, 0];
    let command = NvmeCommand { opcode: FORMAT, namespace: abilities.namespace, dwords, timeout_ms: LONG };
    send(admin, command, &mut [], "format")
}

fn sanitize(admin: &dyn Admin, action: u32, poll: Duration) -> Result<(), String> {
    // Dword 10: the action; a failure leaves the restricted mode (bit 3), so that the disk can be looked at.
    let command =
        NvmeCommand { opcode: SANITIZE, namespace: 0, dwords: [action | 1 << 3, 0], timeout_ms: SHORT };
    send(admin, command, &mut [], "sanitize")?;
    for _ in 0..POLLS {
        // Bits 31:16 of dword 10: how many dwords, less one.
        let mut log = [0; 512];
        let dwords = [SANITIZE_STATUS | (512 / 4 - 1) << 16, 0];
        let ask = NvmeCommand { opcode: GET_LOG_PAGE, namespace: ALL, dwords, timeout_ms: SHORT };
        send(admin, ask, &mut log, "reading the sanitize status")?;
        match byte(&log, 2) & 7 {
            2 => sleep(poll),
            1 | 4 => return Ok(()),
            3 => return Err("sanitize: the controller says that it failed".into()),
            other => return Err(format!("sanitize: the controller says that none was done ({other})")),
        }
    }
    Err("sanitize: it does not come to an end".into())
}

#[cfg(test)]
mod tests;
