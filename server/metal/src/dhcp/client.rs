//! Who is asking: the processor and firmware of a machine, and which program on it speaks DHCP.
//!
//! Pure reading of options 60, 77, 93 and 175 (RFC 4578, the IANA processor architecture registry, UEFI 2.10 section
//! 24.7, iPXE's encapsulated options). It decides nothing.

use std::fmt;

/// A client system architecture of option 93, as far as there is a loader for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// BIOS (0).
    Bios,
    /// 64-bit x86 UEFI: 7, and 9 because firmware writers took the registry's two entries either way round; over HTTP
    /// 16, and 17 for the same reason.
    UefiX64,
    /// 64-bit ARM UEFI: 11, over HTTP 19.
    UefiArm64,
    /// One we have no loader for.
    Other(u16),
}

impl Arch {
    /// Reads the number of option 93.
    pub fn from_code(code: u16) -> Self {
        match code {
            0 => Self::Bios,
            7 | 9 | 16 | 17 => Self::UefiX64,
            11 | 19 => Self::UefiArm64,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bios => f.write_str("bios"),
            Self::UefiX64 => f.write_str("uefi_x64"),
            Self::UefiArm64 => f.write_str("uefi_arm64"),
            Self::Other(code) => write!(f, "arch_{code}"),
        }
    }
}

/// The program that sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// Firmware that loads a file by TFTP: option 60 begins with `PXEClient`.
    Pxe,
    /// Firmware that loads a URL: option 60 begins with `HTTPClient`.
    Http,
    /// iPXE: user class `iPXE`, or option 175.
    Ipxe,
    /// An operating system, or anything else that only wants an address.
    System,
}

impl Program {
    /// Tells programs apart. iPXE comes first because it says `PXEClient` too.
    pub fn from_options(vendor_class: &[u8], user_class: &[u8], ipxe: Option<&[u8]>) -> Self {
        let is_ipxe = user_class.windows(b"iPXE".len()).any(|word| word == b"iPXE");
        match () {
            () if is_ipxe || ipxe.is_some() => Self::Ipxe,
            () if vendor_class.starts_with(b"HTTPClient") => Self::Http,
            () if vendor_class.starts_with(b"PXEClient") => Self::Pxe,
            () => Self::System,
        }
    }

    /// The word used in logs and observations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pxe => "pxe",
            Self::Http => "http",
            Self::Ipxe => "ipxe",
            Self::System => "system",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipxe_is_told_from_the_firmware_that_started_it() {
        let firmware = b"PXEClient:Arch:00007:UNDI:003016";
        assert_eq!(Program::from_options(firmware, b"", None), Program::Pxe);
        assert_eq!(Program::from_options(firmware, b"iPXE", None), Program::Ipxe);
        assert_eq!(Program::from_options(firmware, b"\x04iPXE", None), Program::Ipxe);
        assert_eq!(Program::from_options(firmware, b"", Some(b"\x15\x01\x01")), Program::Ipxe);
        assert_eq!(Program::from_options(b"HTTPClient:Arch:00016", b"", None), Program::Http);
        assert_eq!(Program::from_options(b"udhcp 1.35.0", b"", None), Program::System);
    }

    #[test]
    fn both_numberings_of_64_bit_uefi_are_the_same_machine() {
        for code in [7, 9, 16, 17] {
            assert_eq!(Arch::from_code(code), Arch::UefiX64, "{code}");
        }
        assert_eq!(Arch::from_code(6), Arch::Other(6));
    }
}
