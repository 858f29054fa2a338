//! Commands that move data from a disk to us and change nothing: what would change it is refused before the kernel hears of it.

use std::{fs::File, io, time::Duration};

use super::{Data, NvmeCommand, ScsiStatus, nvme_admin, scsi};

/// Get Log Page, the one admin command that is sent.
const GET_LOG_PAGE: u8 = 0x02;
/// The most that is asked for at once.
const MOST: usize = 4096;
/// LOG SENSE.
const LOG_SENSE: u8 = 0x4d;
/// ATA PASS-THROUGH(16), with SMART in it, and its subcommands READ DATA and RETURN STATUS.
const ATA: u8 = 0x85;
const SMART: u8 = 0xb0;
const SMART_READS: [u8; 2] = [0xd0, 0xda];

/// Reads a log page of an NVMe controller, for all of its namespaces (NVMe base specification 1.4, 5.14).
pub(crate) fn nvme_log(disk: &File, page: u8, into: &mut [u8], patience: Duration) -> io::Result<()> {
    let length = u32::try_from(into.len()).ok().filter(|length| *length >= 4 && into.len() <= MOST);
    let dwords = length.ok_or(io::ErrorKind::InvalidInput)? / 4 - 1;
    let command = NvmeCommand {
        opcode: GET_LOG_PAGE,
        namespace: u32::MAX,
        dwords: [(dwords << 16) | u32::from(page), 0],
        timeout_ms: milliseconds(patience),
    };
    match nvme_admin(disk, command, into)? {
        0 => Ok(()),
        status => Err(io::Error::other(format!("NVMe status {status:#x}"))),
    }
}

/// Sends a SCSI command that reads, or that moves no data where `into` is empty. Only LOG SENSE and ATA PASS-THROUGH(16) with
/// SMART's reading subcommands are known here.
pub(crate) fn scsi_read(
    disk: &File,
    command: &[u8; 16],
    into: &mut [u8],
    patience: Duration,
) -> io::Result<ScsiStatus> {
    let reads = match command[0] {
        LOG_SENSE => true,
        ATA => command[14] == SMART && SMART_READS.contains(&command[4]),
        _ => false,
    };
    if !reads || into.len() > MOST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let data = if into.is_empty() { Data::None } else { Data::From(into) };
    let answer = scsi(disk, command, data, milliseconds(patience))?;
    if answer.host != 0 {
        return Err(io::Error::other(format!("the host adapter says {:#x}", answer.host)));
    }
    Ok(answer)
}

fn milliseconds(patience: Duration) -> u32 {
    u32::try_from(patience.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_disk_answers_with_an_error_and_what_would_write_is_not_sent() {
        let file = tempfile::tempfile().unwrap();
        let patience = Duration::from_secs(1);
        assert!(nvme_log(&file, 2, &mut [0; 512], patience).is_err());
        let not_sent = |command: [u8; 16]| {
            let refused = scsi_read(&file, &command, &mut [0; 512], patience).unwrap_err();
            refused.kind() == io::ErrorKind::InvalidInput
        };
        let smart = |feature: u8, command: u8| {
            let mut cdb = [0; 16];
            (cdb[0], cdb[4], cdb[14]) = (0x85, feature, command);
            cdb
        };
        // WRITE(10), SMART WRITE LOG, SECURITY ERASE UNIT.
        let mut write = [0; 16];
        write[0] = 0x2a;
        assert!(not_sent(write) && not_sent(smart(0xd6, 0xb0)) && not_sent(smart(0xd0, 0xf4)));
        assert!(!not_sent(smart(0xda, 0xb0)), "this is sent, and the kernel refuses it: a file is no disk");
    }
}
