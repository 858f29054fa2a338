//! A machine that starts from its virtual CD: its BMC reads the image over HTTP in parts, over its own network, and the
//! boot loader on it finds its menu, a kernel and an initramfs there.
//!
//! A line that breaks in the middle is taken up where it broke, if the image is still the same.

use std::ops::Range;

use super::{
    firmware::Loaded,
    http::{self, Nic},
    iso::{self, Search},
};
use crate::{machine::Life, rack::spec::Fetch};

/// What the boot loader reads first.
const MENU: &str = "boot/grub/grub.cfg";
/// Of a menu.
const LONGEST: u64 = 64 << 10;
/// What a BMC reads at once.
const PART: u64 = 64 << 10;
/// So often a part is begun anew.
const AGAIN: u32 = 8;

/// The machine does not start from the medium.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The drive is empty.
    #[error("there is no medium in the drive")]
    Empty,
    /// The image did not come.
    #[error("the image did not come")]
    Read(#[source] http::Error),
    /// What came is none.
    #[error("there is nothing to start on the medium")]
    Disc(#[source] iso::Error),
    /// The menu starts nothing.
    #[error("the menu on the medium starts no kernel")]
    Menu,
    /// Another image took its place while it was read.
    #[error("the image changed while it was read")]
    Changed,
}

/// Boot from the virtual CD.
///
/// # Errors
/// It comes to nothing.
pub async fn boot(life: &Life) -> Result<Loaded, Error> {
    let image = life.machine.state().bmc.cd().ok_or(Error::Empty)?;
    let mut disc = Disc { life, url: image, tag: None };
    let menu = disc.find(MENU).await?;
    let menu = disc.read(menu.start..menu.end.min(menu.start + LONGEST)).await?;
    let (kernel, initrd, command_line) = starts(&String::from_utf8_lossy(&menu)).ok_or(Error::Menu)?;
    for path in [kernel, initrd] {
        let file = disc.find(path.trim_start_matches('/')).await?;
        let end = match life.rack.spec.ramdisk {
            Fetch::Whole => file.end,
            Fetch::Beginning(bytes) => file.end.min(file.start + bytes.max(1)),
        };
        let mut at = file.start;
        while at < end {
            let next = end.min(at + PART);
            disc.read(at..next).await?;
            at = next;
        }
    }
    Ok(Loaded::Kernel { command_line })
}

/// Kernel, initramfs and the kernel's line of the first entry of a menu.
fn starts(menu: &str) -> Option<(String, String, String)> {
    let line = |command: &str| {
        menu.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some(command)).then(|| words.map(str::to_owned).collect::<Vec<_>>())
        })
    };
    let mut kernel = line("linux")?.into_iter();
    let path = kernel.next()?;
    Some((path, line("initrd")?.into_iter().next()?, kernel.collect::<Vec<_>>().join(" ")))
}

/// An image that a BMC reads.
struct Disc<'a> {
    life: &'a Life,
    url: String,
    /// Of what was read so far.
    tag: Option<String>,
}

impl Disc<'_> {
    async fn find(&mut self, path: &str) -> Result<Range<u64>, Error> {
        let mut search = iso::find(path);
        loop {
            search = match search {
                Search::Found(extent) => return Ok(extent),
                Search::Read(range, step) => {
                    let bytes = self.read(range).await?;
                    step.with(&bytes).map_err(Error::Disc)?
                }
            };
        }
    }

    /// These bytes, or as many as there are.
    async fn read(&mut self, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        for _ in 0..AGAIN {
            let left = range.start + bytes.len() as u64..range.end;
            if left.is_empty() {
                break;
            }
            if self.begin(left, &mut bytes).await? {
                break;
            }
        }
        Ok(bytes)
    }

    /// Reads on until the end, or until the line breaks. Did it come to its end?
    async fn begin(&mut self, range: Range<u64>, bytes: &mut Vec<u8>) -> Result<bool, Error> {
        let nic = Nic::of_bmc(&self.life.rack, &self.life.machine);
        let breaks =
            self.life.rack.faults.media_are_cut(&self.life.machine).then_some((range.end - range.start) / 2);
        let mut answer = nic.get(&self.url, Some(range.clone())).await.map_err(Error::Read)?;
        let tag =
            answer.headers.get(::http::header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        if self.tag.is_some() && self.tag != tag {
            return Err(Error::Changed);
        }
        self.tag = tag;
        let mut read = 0;
        while let Some(chunk) = answer.chunk().await.map_err(Error::Read)? {
            let most = breaks.map_or(u64::MAX, |breaks| breaks.saturating_sub(read));
            let taken = chunk.get(..usize::try_from(most).unwrap_or(usize::MAX)).unwrap_or(&chunk);
            bytes.extend_from_slice(taken);
            read += taken.len() as u64;
            if breaks.is_some_and(|breaks| read >= breaks) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_of_a_menu_is_what_starts() {
        let menu = "set timeout=0\nmenuentry \"a\" {\n\tlinux /vmlinuz quiet underlay.mode=discover     \n\tinitrd /initrd\n}\n\
                    menuentry \"b\" {\n\treboot\n}\n";
        let (kernel, initrd, line) = starts(menu).unwrap();
        assert_eq!(
            (kernel.as_str(), initrd.as_str(), line.as_str()),
            ("/vmlinuz", "/initrd", "quiet underlay.mode=discover")
        );
        for menu in ["", "linux", "linux /vmlinuz", "initrd /initrd", "#linux /vmlinuz\ninitrd /initrd"] {
            assert!(starts(menu).is_none(), "{menu}");
        }
    }
}
