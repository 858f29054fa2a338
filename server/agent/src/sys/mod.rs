//! What the kernel offers only as an ioctl: commands to a disk's own firmware. The one place with unsafe code.
//!
//! [`reading`] has those that cannot change a disk.
//!
//! Each function takes slices whose length it hands to the kernel, so that no caller can make the kernel write past them.
//! Layouts are those of `linux/nvme_ioctl.h`, `scsi/sg.h` and `linux/fs.h`; their sizes are asserted below.

#![allow(unsafe_code)]

pub mod reading;

use std::{ffi::c_void, fs::File, io};

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl};

/// A command to an NVMe controller, `struct nvme_passthru_cmd`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct NvmePassthru {
    opcode: u8,
    flags: u8,
    reserved: u16,
    namespace: u32,
    dwords_2_3: [u32; 2],
    metadata: u64,
    address: u64,
    metadata_length: u32,
    data_length: u32,
    dwords_10_15: [u32; 6],
    timeout_ms: u32,
    result: u32,
}

const _: () = assert!(size_of::<NvmePassthru>() == 72);

/// `NVME_IOCTL_ADMIN_CMD`: `_IOWR('N', 0x41, struct nvme_passthru_cmd)`.
const NVME_ADMIN: Opcode = 0xc048_4e41;

// SAFETY: the opcode is that of the structure, which is 72 bytes long as the kernel's; `address` and `data_length` are those of
// a slice that outlives the call (see `nvme_admin`).
unsafe impl Ioctl for NvmePassthru {
    type Output = i32;
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        NVME_ADMIN
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(self).cast()
    }

    unsafe fn output_from_ptr(status: IoctlOutput, _: *mut c_void) -> rustix::io::Result<i32> {
        Ok(status)
    }
}

/// One admin command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NvmeCommand {
    /// What is wanted.
    pub opcode: u8,
    /// Of which namespace.
    pub namespace: u32,
    /// Command dwords 10 and 11.
    pub dwords: [u32; 2],
    /// How long it may take, in milliseconds.
    pub timeout_ms: u32,
}

/// Sends `command` to the controller of the namespace `device`, and lets it fill `data`. Returns its status field; 0 is success.
///
/// # Errors
/// The kernel did not send it, or no answer came.
pub fn nvme_admin(device: &File, command: NvmeCommand, data: &mut [u8]) -> io::Result<u16> {
    let [ten, eleven] = command.dwords;
    let passthru = NvmePassthru {
        opcode: command.opcode,
        namespace: command.namespace,
        address: data.as_mut_ptr().addr() as u64,
        data_length: u32::try_from(data.len()).map_err(io::Error::other)?,
        dwords_10_15: [ten, eleven, 0, 0, 0, 0],
        timeout_ms: command.timeout_ms,
        ..NvmePassthru::default()
    };
    // The kernel writes through this address: it must count as used.
    let _exposed = data.as_mut_ptr().expose_provenance();
    // SAFETY: address and length are those of `data`, which is borrowed for writing until the call returns.
    let status = unsafe { ioctl(device, passthru) }?;
    // Bits 15 to 1 of the completion's status field, without phase tag.
    u16::try_from(status & 0x7ff).map_err(io::Error::other)
}

/// A SCSI command, `struct sg_io_hdr`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct SgIo {
    interface: i32,
    direction: i32,
    command_length: u8,
    sense_length: u8,
    segments: u16,
    data_length: u32,
    data: *mut c_void,
    command: *const u8,
    sense: *mut u8,
    timeout_ms: u32,
    flags: u32,
    pack: i32,
    user: *mut c_void,
    status: u8,
    masked_status: u8,
    message_status: u8,
    sense_written: u8,
    host_status: u16,
    driver_status: u16,
    residual: i32,
    duration: u32,
    info: u32,
}

const _: () = assert!(size_of::<SgIo>() == 88);

const SG_IO: Opcode = 0x2285;
const NO_DATA: i32 = -1;
const TO_DEVICE: i32 = -2;
const FROM_DEVICE: i32 = -3;

// SAFETY: SG_IO takes this structure, 88 bytes on 64-bit machines; its pointers are those of slices that outlive the call (see
// `scsi`).
unsafe impl Ioctl for SgIo {
    type Output = SgIo;
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        SG_IO
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(self).cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, header: *mut c_void) -> rustix::io::Result<SgIo> {
        // SAFETY: it is the structure that `as_ptr` gave, filled by the kernel.
        Ok(unsafe { header.cast::<SgIo>().read() })
    }
}

/// What goes with a SCSI command.
#[derive(Debug)]
pub enum Data<'a> {
    /// Nothing.
    None,
    /// The device fills it.
    From(&'a mut [u8]),
    /// The device gets it.
    To(&'a [u8]),
}

/// How a SCSI command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScsiStatus {
    /// SCSI status; 0 is good, 2 says that there is sense.
    pub status: u8,
    /// What the host adapter says; 0 is good.
    pub host: u16,
    /// The sense key, where there is sense.
    pub sense_key: u8,
    /// All of it.
    pub sense: Vec<u8>,
}

impl ScsiStatus {
    /// Did it do what was asked?
    pub fn is_good(&self) -> bool {
        // 1 is a recovered error: it did.
        self.host == 0 && (self.status == 0 || self.sense_key == 1)
    }
}

/// Sends a SCSI command.
///
/// # Errors
/// The kernel did not send it.
pub fn scsi(device: &File, command: &[u8; 16], data: Data<'_>, timeout_ms: u32) -> io::Result<ScsiStatus> {
    let (direction, pointer, length) = match data {
        Data::None => (NO_DATA, std::ptr::null_mut(), 0),
        Data::From(bytes) => (FROM_DEVICE, bytes.as_mut_ptr().cast::<c_void>(), bytes.len()),
        // The kernel only reads what goes to the device.
        Data::To(bytes) => (TO_DEVICE, bytes.as_ptr().cast_mut().cast::<c_void>(), bytes.len()),
    };
    let mut sense = [0_u8; 64];
    let header = SgIo {
        interface: i32::from(b'S'),
        direction,
        command_length: length_of(command),
        sense_length: 64,
        segments: 0,
        data_length: u32::try_from(length).map_err(io::Error::other)?,
        data: pointer,
        command: command.as_ptr(),
        sense: sense.as_mut_ptr(),
        timeout_ms,
        flags: 0,
        pack: 0,
        user: std::ptr::null_mut(),
        status: 0,
        masked_status: 0,
        message_status: 0,
        sense_written: 0,
        host_status: 0,
        driver_status: 0,
        residual: 0,
        duration: 0,
        info: 0,
    };
    // SAFETY: `data`, `command` and `sense` are borrowed, with these lengths, until the call returns.
    let answer = unsafe { ioctl(device, header) }?;
    Ok(ScsiStatus {
        status: answer.status,
        host: answer.host_status,
        sense_key: sense_key(&sense, answer.sense_written),
        sense: sense.get(..usize::from(answer.sense_written)).unwrap_or(&sense).to_vec(),
    })
}

/// SPC-4 4.2.5.1: the group in an operation code's upper bits tells how long its command is.
fn length_of(command: &[u8; 16]) -> u8 {
    match command[0] >> 5 {
        0 => 6,
        1 | 2 => 10,
        5 => 12,
        _ => 16,
    }
}

/// SPC-4 4.5: descriptor format has it in byte 1, fixed format in byte 2.
fn sense_key(sense: &[u8; 64], written: u8) -> u8 {
    let [response, one, two, ..] = sense;
    match response & 0x7f {
        _ if written < 3 => 0,
        0x72 | 0x73 => one & 0x0f,
        _ => two & 0x0f,
    }
}

/// A range of a block device, in bytes.
struct Range<const OPCODE: Opcode>([u64; 2]);

// SAFETY: both opcodes used below take a pointer to two 64-bit numbers, offset and length, and write nothing there.
unsafe impl<const OPCODE: Opcode> Ioctl for Range<OPCODE> {
    type Output = ();
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        OPCODE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.0.as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

/// Tells the disk to forget a range (`BLKDISCARD`); what it reads as afterwards is its own business.
///
/// # Errors
/// It cannot, or does not.
pub fn discard(device: &File, offset: u64, length: u64) -> io::Result<()> {
    // SAFETY: BLKDISCARD reads two 64-bit numbers. What it does to the disk is what the caller wants.
    Ok(unsafe { ioctl(device, Range::<0x1277>([offset, length])) }?)
}

/// The same, with all copies that the disk may have made of it (`BLKSECDISCARD`).
///
/// # Errors
/// It cannot, or does not.
pub fn secure_discard(device: &File, offset: u64, length: u64) -> io::Result<()> {
    // SAFETY: as in `discard`.
    Ok(unsafe { ioctl(device, Range::<0x127d>([offset, length])) }?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_device_refuses_each_of_them() {
        let file = tempfile::tempfile().unwrap();
        let mut data = [0; 512];
        assert!(nvme_admin(&file, NvmeCommand { opcode: 6, ..Default::default() }, &mut data).is_err());
        assert!(scsi(&file, &[0; 16], Data::From(&mut data), 1000).is_err());
        assert!(scsi(&file, &[0; 16], Data::To(&data), 1000).is_err());
        assert!(scsi(&file, &[0; 16], Data::None, 1000).is_err());
        assert!(discard(&file, 0, 512).is_err() && secure_discard(&file, 0, 512).is_err());
    }

    #[test]
    fn the_sense_key_is_found_in_both_formats() {
        let (mut fixed, mut descriptor) = ([0; 64], [0; 64]);
        (fixed[0], fixed[2]) = (0x70, 0x05);
        (descriptor[0], descriptor[1]) = (0x72, 0x0b);
        assert_eq!((sense_key(&fixed, 18), sense_key(&descriptor, 22)), (5, 11));
        assert_eq!(sense_key(&fixed, 0), 0, "there is none");
        let recovered = ScsiStatus { status: 2, sense_key: 1, ..ScsiStatus::default() };
        assert!(recovered.is_good() && !ScsiStatus { sense_key: 5, ..recovered.clone() }.is_good());
        assert!(!ScsiStatus { host: 7, ..ScsiStatus::default() }.is_good());
    }
}
