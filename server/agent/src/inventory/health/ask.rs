//! Which question a disk is asked, by what the kernel shows of it: NVMe its log, ATA its SMART, other SCSI disks their pages.
//! Virtual disks have nothing to say.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::OFlags;
use underlay_core::agent::Disk;

use super::{Told, ata, nvme, scsi};
use crate::{
    inventory::{Places, background::Background, sysfs},
    sys::reading,
};

/// How long a disk may take over one command; the kernel gives up on it then.
const COMMAND: Duration = Duration::from_secs(5);
/// What a disk says of itself is not asked for more often.
const AGAIN: Duration = Duration::from_secs(600);

/// What was asked of disks.
pub type Disks = Background<Told>;

/// Asks every disk that has something to say, where it was not asked lately.
pub fn ask(places: Places<'_>, disks: &[Disk], asked: &Disks) {
    for disk in disks {
        let Some(way) = way(places.sys, disk) else { continue };
        let path = Path::new("/dev").join(&disk.name);
        asked.ask(&key(disk), AGAIN, move || way.ask(&path));
    }
}

/// Adds what they have answered.
pub fn add_to(disks: &mut [Disk], answers: &BTreeMap<String, Told>) {
    for disk in disks {
        let Some(told) = answers.get(&key(disk)) else { continue };
        let health = disk.health.get_or_insert_default();
        health.verdict = told.verdict;
        health.reason.clone_from(&told.reason);
        health.percent_used = told.percent_used;
        health.spare_percent = told.spare_percent;
        health.media_errors = told.media_errors;
        health.reallocated = told.reallocated;
        health.power_on_hours = told.power_on_hours;
    }
}

/// A disk that was swapped while the machine runs is another one, also under the same name.
fn key(disk: &Disk) -> String {
    format!("{}/{}", disk.name, disk.serial.as_deref().unwrap_or_default())
}

/// A way to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Nvme,
    Ata,
    Scsi,
}

/// How this one is asked, if at all. One that is not ours alone is left to whoever it belongs to.
fn way(sys: &Path, disk: &Disk) -> Option<Way> {
    if disk.excluded.as_deref().is_some_and(|why| why != "read_only") {
        return None;
    }
    if disk.kind == "nvme" {
        return Some(Way::Nvme);
    }
    let vendor = sysfs::text(sys.join("block").join(&disk.name).join("device/vendor"));
    match vendor.as_deref() {
        Some("ATA") => Some(Way::Ata),
        Some(_) if disk.name.starts_with("sd") => Some(Way::Scsi),
        _ => None,
    }
}

impl Way {
    /// Asks. Whatever goes wrong, a disk that says nothing is what comes of it.
    fn ask(self, path: &PathBuf) -> Option<Told> {
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).ok()?;
        let disk = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
        let told = match self {
            Way::Nvme => nvme_log(&disk),
            Way::Ata => ata_smart(&disk),
            Way::Scsi => scsi_pages(&disk),
        };
        told.inspect_err(
            |error| tracing::debug!(disk = %path.display(), %error, "says nothing of its health"),
        )
        .ok()?
    }
}

fn nvme_log(disk: &File) -> io::Result<Option<Told>> {
    let mut log = [0; nvme::LENGTH];
    reading::nvme_log(disk, nvme::PAGE, &mut log, COMMAND)?;
    Ok(nvme::parse(&log))
}

fn ata_smart(disk: &File) -> io::Result<Option<Told>> {
    let status = reading::scsi_read(disk, &ata::return_status(), &mut [], COMMAND)?;
    let expects = ata::expects_to_fail(&status.sense);
    let mut data = [0; ata::LENGTH];
    let read = reading::scsi_read(disk, &ata::read_data(), &mut data, COMMAND).is_ok_and(|it| it.status == 0);
    Ok(ata::parse(expects, Some(&data).filter(|_| read)))
}

fn scsi_pages(disk: &File) -> io::Result<Option<Told>> {
    let page = |command: [u8; 16]| -> io::Result<Option<[u8; scsi::LENGTH]>> {
        let mut page = [0; scsi::LENGTH];
        let answer = reading::scsi_read(disk, &command, &mut page, COMMAND)?;
        Ok((answer.status == 0).then_some(page))
    };
    let Some(exceptions) = page(scsi::exceptions())? else { return Ok(None) };
    let solid_state = page(scsi::solid_state()).ok().flatten();
    Ok(scsi::parse(&exceptions, solid_state.as_ref().map(<[u8; scsi::LENGTH]>::as_slice)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use underlay_core::agent::Verdict;

    use super::*;

    fn disk(name: &str, kind: &str, excluded: Option<&str>) -> Disk {
        let (name, kind, serial) = (name.into(), kind.into(), Some("S".into()));
        Disk { name, kind, serial, excluded: excluded.map(str::to_owned), ..Disk::default() }
    }

    #[test]
    fn each_disk_is_asked_in_its_own_way_and_what_is_not_ours_alone_is_not() {
        let sys = tempfile::tempdir().unwrap();
        for (name, vendor) in [("sda", "ATA     \n"), ("sdb", "SEAGATE \n"), ("sdc", "SEAGATE \n")] {
            let folder = sys.path().join("block").join(name).join("device");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("vendor"), vendor).unwrap();
        }
        let way = |disk: &Disk| way(sys.path(), disk);
        assert_eq!(way(&disk("nvme0n1", "nvme", None)), Some(Way::Nvme));
        assert_eq!(way(&disk("sda", "ssd", Some("read_only"))), Some(Way::Ata));
        assert_eq!(way(&disk("sdb", "hdd", None)), Some(Way::Scsi));
        assert_eq!(way(&disk("sdc", "hdd", Some("fibre_channel"))), None);
        assert_eq!(way(&disk("vda", "virtio", None)), None);
    }

    #[test]
    fn answers_go_to_the_disk_that_gave_them() {
        let told = Told { percent_used: Some(3), ..Told::default() }.judged(&[]);
        let answers = BTreeMap::from([("nvme0n1/S".to_owned(), told)]);
        let mut disks = [disk("nvme0n1", "nvme", None), disk("nvme1n1", "nvme", None)];
        disks[1].serial = None;
        add_to(&mut disks, &answers);
        let health = disks[0].health.as_ref().unwrap();
        assert_eq!((health.verdict, health.percent_used), (Some(Verdict::Ok), Some(3)));
        assert_eq!(disks[1].health, None);
    }
}
