//! Commands for disks that no library has: the NVMe admin command (linux/nvme_ioctl.h) and the SCSI one (scsi/sg.h, SG_IO).
//!
//! The only file with `unsafe` in it. Whatever is asked for here moves data from the disk to us, into a buffer whose
//! length the kernel is told; what would change a disk is refused before the kernel hears of it.
#![allow(unsafe_code, reason = "an ioctl takes a structure with pointers in it")]

use std::{
    ffi::{c_int, c_uint, c_ushort, c_void},
    fs::File,
    io,
    ptr::null_mut,
    time::Duration,
};

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

/// `struct nvme_admin_cmd`.
#[repr(C)]
#[derive(Default)]
struct NvmeAdmin {
    opcode: u8,
    flags: u8,
    reserved: u16,
    nsid: u32,
    cdw2: u32,
    cdw3: u32,
    metadata: u64,
    addr: u64,
    metadata_len: u32,
    data_len: u32,
    cdw10: u32,
    cdw11: u32,
    cdw12: u32,
    cdw13: u32,
    cdw14: u32,
    cdw15: u32,
    timeout_ms: u32,
    result: u32,
}

/// `struct sg_io_hdr`.
#[repr(C)]
struct SgIo {
    interface_id: c_int,
    dxfer_direction: c_int,
    cmd_len: u8,
    mx_sb_len: u8,
    iovec_count: c_ushort,
    dxfer_len: c_uint,
    dxferp: *mut c_void,
    cmdp: *const u8,
    sbp: *mut u8,
    timeout: c_uint,
    flags: c_uint,
    pack_id: c_int,
    usr_ptr: *mut c_void,
    status: u8,
    masked_status: u8,
    msg_status: u8,
    sb_len_wr: u8,
    host_status: c_ushort,
    driver_status: c_ushort,
    resid: c_int,
    duration: c_uint,
    info: c_uint,
}

const _: () = assert!(size_of::<NvmeAdmin>() == 72);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<SgIo>() == 88);

/// `NVME_IOCTL_ADMIN_CMD`.
const ADMIN: Opcode = opcode::read_write::<NvmeAdmin>(b'N', 0x41);
/// `SG_IO`.
const SG_IO: Opcode = 0x2285;
/// `SG_DXFER_NONE` and `SG_DXFER_FROM_DEV`.
const NO_DATA: c_int = -1;
const FROM_DISK: c_int = -3;
/// Get Log Page, the one admin command that is sent.
const GET_LOG_PAGE: u8 = 0x02;
/// The most that is asked for at once.
const MOST: usize = 4096;

/// A call whose argument is that structure.
struct Call<'a, T> {
    opcode: Opcode,
    argument: &'a mut T,
}

// SAFETY: only made in this file, with the opcode that goes with the structure; the kernel reads and writes that structure
// and what it points to, and what is returned is its number.
unsafe impl<T> Ioctl for Call<'_, T> {
    type Output = c_int;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.opcode
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(self.argument).cast()
    }

    unsafe fn output_from_ptr(output: IoctlOutput, _: *mut c_void) -> rustix::io::Result<c_int> {
        Ok(output)
    }
}

/// Reads a log page of an NVMe controller, for all of its namespaces (NVMe base specification 1.4, 5.14).
pub(crate) fn nvme_log(disk: &File, page: u8, into: &mut [u8], patience: Duration) -> io::Result<()> {
    let length = u32::try_from(into.len()).ok().filter(|length| *length >= 4 && into.len() <= MOST);
    let length = length.ok_or(io::ErrorKind::InvalidInput)?;
    let dwords = length / 4 - 1;
    let mut command = NvmeAdmin {
        opcode: GET_LOG_PAGE,
        nsid: u32::MAX,
        addr: into.as_mut_ptr().expose_provenance() as u64,
        data_len: length,
        cdw10: (dwords << 16) | u32::from(page),
        timeout_ms: milliseconds(patience),
        ..NvmeAdmin::default()
    };
    // SAFETY: the opcode goes with the structure, whose one pointer is to a buffer that we hold alone until the call returns,
    // and whose length it says; the kernel writes no more than that.
    let status = unsafe { ioctl(disk, Call { opcode: ADMIN, argument: &mut command }) }?;
    match status {
        0 => Ok(()),
        status => Err(io::Error::other(format!("NVMe status {status:#x}"))),
    }
}

/// What a disk answered to a SCSI command.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// SCSI status: 0 is good, 2 says that there is sense data.
    pub(crate) status: u8,
    /// Sense data, as much as there is.
    pub(crate) sense: Vec<u8>,
}

/// Sends a SCSI command that reads, or that moves no data where `into` is empty. Only LOG SENSE and ATA PASS-THROUGH(16) with
/// SMART's reading subcommands are known here.
pub(crate) fn scsi_read(
    disk: &File,
    command: &[u8; 16],
    into: &mut [u8],
    patience: Duration,
) -> io::Result<Answer> {
    const SMART: (u8, u8) = (0x85, 0xb0);
    let length = match command[0] {
        0x4d => 10,
        pass if (pass, command[14]) == SMART && [0xd0, 0xda].contains(&command[4]) => 16,
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let room = u32::try_from(into.len()).ok().filter(|_| into.len() <= MOST);
    let mut sense = [0_u8; 64];
    let mut call = SgIo {
        interface_id: c_int::from(b'S'),
        dxfer_direction: if into.is_empty() { NO_DATA } else { FROM_DISK },
        cmd_len: length,
        mx_sb_len: 64,
        iovec_count: 0,
        dxfer_len: room.ok_or(io::ErrorKind::InvalidInput)?,
        dxferp: if into.is_empty() { null_mut() } else { into.as_mut_ptr().cast() },
        cmdp: command.as_ptr(),
        sbp: sense.as_mut_ptr(),
        timeout: milliseconds(patience),
        flags: 0,
        pack_id: 0,
        usr_ptr: null_mut(),
        status: 0,
        masked_status: 0,
        msg_status: 0,
        sb_len_wr: 0,
        host_status: 0,
        driver_status: 0,
        resid: 0,
        duration: 0,
        info: 0,
    };
    // SAFETY: the opcode goes with the structure; its pointers are to the command, which is read, and to two buffers that we
    // hold alone until the call returns, and whose lengths it says.
    unsafe { ioctl(disk, Call { opcode: SG_IO, argument: &mut call }) }?;
    if call.host_status != 0 {
        return Err(io::Error::other(format!("the host adapter says {:#x}", call.host_status)));
    }
    let written = sense.get(..usize::from(call.sb_len_wr)).unwrap_or(&sense);
    Ok(Answer { status: call.status, sense: written.to_vec() })
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
