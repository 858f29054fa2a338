//! The boot override of a ComputerSystem (DSP2046, `Boot`): which source is next, for once or for good.

/// What is set to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override {
    /// For how long.
    pub enabled: Enabled,
    /// From what; one of the model's targets.
    pub target: &'static str,
    /// `UEFI` or `Legacy`.
    pub mode: &'static str,
}

/// `BootSourceOverrideEnabled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabled {
    /// Nothing is set.
    Disabled,
    /// For the next boot.
    Once,
    /// Until something else is set.
    Continuous,
}

/// What firmware tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The disk.
    Disk,
    /// The network, by PXE.
    Pxe,
    /// The network, by UEFI HTTP boot.
    Http,
    /// The virtual CD.
    Cd,
    /// Setup, a shell, a medium that is not there: it stays where it is.
    Elsewhere,
}

impl Enabled {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::Once => "Once",
            Self::Continuous => "Continuous",
        }
    }

    /// What a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Disabled, Self::Once, Self::Continuous].into_iter().find(|one| one.word() == word)
    }
}

impl Default for Override {
    fn default() -> Self {
        Self { enabled: Enabled::Disabled, target: "None", mode: "UEFI" }
    }
}

impl Override {
    /// What this boot tries, in order; one that was set for once is used up by it.
    pub fn take(&mut self) -> &'static [Source] {
        let sources: &[Source] = match (self.enabled, self.target) {
            (Enabled::Disabled, _) | (_, "None") => &[Source::Disk, Source::Pxe],
            (_, "Pxe") => &[Source::Pxe, Source::Disk],
            (_, "UefiHttp") => &[Source::Http, Source::Disk],
            (_, "Cd" | "UsbCd" | "Usb") => &[Source::Cd, Source::Disk],
            (_, "Hdd") => &[Source::Disk],
            _ => &[Source::Elsewhere],
        };
        if self.enabled == Enabled::Once {
            self.enabled = Enabled::Disabled;
            self.target = "None";
        }
        sources
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_is_used_up_by_one_boot_and_continuous_stays() {
        let mut boot = Override { enabled: Enabled::Once, target: "Pxe", mode: "UEFI" };
        assert_eq!(boot.take()[0], Source::Pxe);
        assert_eq!(boot.take()[0], Source::Disk);
        let mut boot = Override { enabled: Enabled::Continuous, target: "Hdd", mode: "UEFI" };
        assert_eq!((boot.take(), boot.take()), (&[Source::Disk][..], &[Source::Disk][..]));
    }
}
