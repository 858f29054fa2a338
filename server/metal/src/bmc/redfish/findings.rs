//! What the resources of a BMC say of our wishes.

use serde_json::Value;
use underlay_core::{
    bmc::Power,
    check::{Finding, Works},
};

use super::{
    check::{Read, Sort},
    quirks::{self, BootAt, Mode, Quirks},
};

/// How much of a list is told.
const TOLD: usize = 200;

/// All of them.
pub(super) fn findings(quirks: &Quirks, login: &str, read: &[Read]) -> Vec<Finding> {
    let seen = Seen(read);
    vec![
        seen.login(login),
        seen.power(),
        seen.boot(quirks, "boot from the network by PXE", &["Pxe"]),
        seen.boot(quirks, "boot from the network by UEFI HTTP", &["UefiHttp"]),
        seen.boot(quirks, "boot from its virtual CD", &quirks::CDS),
        seen.boot(quirks, "boot from its disk by name", &["Hdd"]),
        seen.boot_mode(quirks),
        seen.media(),
        seen.identity(),
        seen.nics(),
        seen.drives(),
        seen.events(),
        seen.accounts(),
        seen.pace(),
    ]
}

struct Seen<'a>(&'a [Read]);

fn finding(what: &'static str, works: Works, why: impl Into<String>) -> Finding {
    let why: String = why.into().chars().map(|c| if c.is_control() { ' ' } else { c }).take(TOLD).collect();
    Finding { what, works, why }
}

fn words(value: Option<&Value>) -> Option<Vec<String>> {
    let words = value?.as_array()?.iter().filter_map(Value::as_str);
    Some(words.take(40).map(str::to_owned).collect())
}

impl Seen<'_> {
    /// The first resource of that sort that was read well.
    fn first(&self, sort: Sort) -> Option<&Value> {
        self.all(sort).next()
    }

    fn all(&self, sort: Sort) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |read| read.sort == sort && read.status == 200).map(|read| &read.body)
    }

    /// The resource at a link.
    fn at(&self, link: Option<&Value>) -> Option<&Value> {
        let path = link?.as_str().or_else(|| link?.get("@odata.id")?.as_str())?.trim_end_matches('/');
        let found = self.0.iter().find(|read| read.path.trim_end_matches('/') == path)?;
        (found.status == 200).then_some(&found.body)
    }

    fn members(&self, link: Option<&Value>) -> Vec<&Value> {
        let members = self.at(link).and_then(|list| list.get("Members")?.as_array());
        members.into_iter().flatten().filter_map(|member| self.at(Some(member))).collect()
    }

    fn login(&self, login: &str) -> Finding {
        match login {
            "session" => finding("log in with a session", Works::Yes, "it opened one, and it was ended"),
            _ => finding("log in with a session", Works::No, "HTTP Basic is used: it has no session to give"),
        }
    }

    fn power(&self) -> Finding {
        const WHAT: &str = "switch its power";
        let Some(system) = self.first(Sort::System) else {
            return finding(WHAT, Works::No, "it lists no system");
        };
        let Some(reset) = system.pointer("/Actions/#ComputerSystem.Reset") else {
            return finding(WHAT, Works::No, "the system has no ComputerSystem.Reset");
        };
        let beside = words(reset.get("ResetType@Redfish.AllowableValues"));
        let allowed = beside.or_else(|| {
            let info = self.at(reset.get("@Redfish.ActionInfo"))?;
            let parameters = info.get("Parameters")?.as_array()?;
            words(parameters.iter().find(|one| one["Name"] == "ResetType")?.get("AllowableValues"))
        });
        let Some(allowed) = allowed else {
            return finding(
                WHAT,
                Works::Unknown,
                "it does not say which resets it takes; On and ForceOff are tried",
            );
        };
        let chosen = [Power::On, Power::Off].map(|power| quirks::choose_reset(power, Some(&allowed)));
        let listed = allowed.join(", ");
        match chosen {
            [Some(on), Some(off)] => finding(WHAT, Works::Yes, format!("{on} and {off}, of {listed}")),
            [None, _] => finding(WHAT, Works::No, format!("it takes neither On nor ForceOn, only {listed}")),
            [_, None] => finding(WHAT, Works::No, format!("it takes no ForceOff, only {listed}")),
        }
    }

    /// The resource that takes the override.
    fn boot_of(&self, quirks: &Quirks) -> Option<&Value> {
        let system = self.first(Sort::System)?;
        let settings = self.at(system.pointer("/@Redfish.Settings/SettingsObject"));
        let settings = settings.filter(|_| quirks.boot_at == BootAt::Settings).and_then(|it| it.get("Boot"));
        settings.filter(|boot| boot.get("BootSourceOverrideEnabled").is_some()).or_else(|| system.get("Boot"))
    }

    fn boot(&self, quirks: &Quirks, what: &'static str, wanted: &[&str]) -> Finding {
        let Some(boot) = self.boot_of(quirks) else {
            return finding(what, Works::No, "the system has no Boot to override");
        };
        match words(boot.get("BootSourceOverrideTarget@Redfish.AllowableValues")) {
            Some(targets) => match wanted.iter().find(|wanted| targets.iter().any(|one| one == *wanted)) {
                Some(target) => finding(what, Works::Yes, format!("it takes {target}")),
                None => finding(what, Works::No, format!("it only takes {}", targets.join(", "))),
            },
            None if boot.get("BootSourceOverrideTarget").is_some() => {
                let tried = wanted.join(", then ");
                finding(what, Works::Unknown, format!("it does not say what it takes; {tried} is tried"))
            }
            None => finding(what, Works::No, "it has no BootSourceOverrideTarget"),
        }
    }

    fn boot_mode(&self, quirks: &Quirks) -> Finding {
        const WHAT: &str = "choose between BIOS and UEFI for a boot";
        let shown = self.boot_of(quirks).and_then(|boot| boot.get("BootSourceOverrideMode")?.as_str());
        match (shown, quirks.mode) {
            (None, _) => {
                finding(WHAT, Works::No, "it has no BootSourceOverrideMode: the firmware's own setting holds")
            }
            (Some(mode), Mode::ReadOnly) => finding(
                WHAT,
                Works::No,
                format!("its firmware is set to {mode}, and this make takes no other"),
            ),
            (Some(mode), _) => finding(WHAT, Works::Yes, format!("it is {mode} now")),
        }
    }

    fn media(&self) -> Finding {
        const WHAT: &str = "show an image as a CD (virtual media)";
        let owners = self.all(Sort::System).chain(self.all(Sort::Manager));
        let drives: Vec<&Value> = owners.flat_map(|owner| self.members(owner.get("VirtualMedia"))).collect();
        let is_cd = |drive: &&Value| {
            let types = words(drive.get("MediaTypes")).unwrap_or_default();
            types.iter().any(|one| one == "CD" || one == "DVD")
        };
        let Some(drive) = drives.into_iter().find(is_cd) else {
            return finding(WHAT, Works::No, "it lists no virtual drive that takes a CD");
        };
        let inserts = drive.pointer("/Actions/#VirtualMedia.InsertMedia").is_some();
        let why = if inserts {
            "it has InsertMedia; whether it wants a licence for that shows when it is asked"
        } else {
            "its drive has no InsertMedia action; a licence may be missing"
        };
        finding(WHAT, if inserts { Works::Yes } else { Works::Unknown }, why)
    }

    fn identity(&self) -> Finding {
        const WHAT: &str = "tell which machine it is";
        let has = |name: &str| {
            let value = self.first(Sort::System).and_then(|system| system.get(name)?.as_str());
            value.is_some_and(|value| !value.trim().is_empty())
        };
        match (has("SerialNumber"), has("UUID")) {
            (true, true) => finding(WHAT, Works::Yes, "it gives a serial number and a UUID"),
            (true, false) => finding(WHAT, Works::Yes, "it gives a serial number"),
            (false, true) => finding(WHAT, Works::Yes, "it gives a UUID"),
            (false, false) => {
                finding(WHAT, Works::No, "it gives neither serial number nor UUID; name boot_mac")
            }
        }
    }

    fn nics(&self) -> Finding {
        const WHAT: &str = "tell its MAC addresses";
        let Some(system) = self.first(Sort::System) else {
            return finding(WHAT, Works::No, "there is no system");
        };
        let nics = self.members(system.get("EthernetInterfaces"));
        let mac = |nic: &&Value| {
            let text = nic.get("MACAddress").and_then(Value::as_str).unwrap_or_default();
            text.parse::<underlay_core::Mac>().is_ok()
        };
        let off = if system["PowerState"] == "Off" { " while it is off" } else { "" };
        match nics.iter().filter(|nic| mac(nic)).count() {
            0 => finding(
                WHAT,
                Works::No,
                format!("it lists none{off}: enrol it with identity = {{ boot_mac = .. }}"),
            ),
            count => finding(WHAT, Works::Yes, format!("of {count} interfaces")),
        }
    }

    fn drives(&self) -> Finding {
        const WHAT: &str = "tell its disks before the first boot";
        let drives = self.all(Sort::Storage).flat_map(|it| it.get("Drives")?.as_array()).flatten();
        let sized = drives.filter_map(|link| self.at(Some(link))?.get("CapacityBytes")?.as_u64());
        match sized.filter(|size| *size > 0).count() {
            0 => finding(WHAT, Works::No, "it lists no drives with a size; the agent tells them"),
            count => finding(WHAT, Works::Yes, format!("{count} drives")),
        }
    }

    fn events(&self) -> Finding {
        const WHAT: &str = "send events to us";
        let root = self.first(Sort::Root);
        match self.at(root.and_then(|root| root.get("EventService"))) {
            None => finding(WHAT, Works::No, "it has no EventService; it is asked now and then instead"),
            Some(service) if service["ServiceEnabled"] == false => {
                finding(WHAT, Works::No, "its EventService is switched off")
            }
            Some(service) if service.get("Subscriptions").is_none() => {
                finding(WHAT, Works::No, "its EventService takes no subscriptions")
            }
            Some(_) => finding(WHAT, Works::Yes, "its EventService takes subscriptions"),
        }
    }

    fn accounts(&self) -> Finding {
        const WHAT: &str = "have its passwords changed";
        let root = self.first(Sort::Root);
        let service = self.at(root.and_then(|root| root.get("AccountService")));
        match service.map(|service| self.members(service.get("Accounts")).len()) {
            None | Some(0) => {
                finding(WHAT, Works::No, "it shows us no accounts; change its password by hand")
            }
            Some(count) => {
                finding(WHAT, Works::Unknown, format!("{count} accounts are shown; none was touched"))
            }
        }
    }

    fn pace(&self) -> Finding {
        const WHAT: &str = "answer in time";
        let mut took: Vec<_> = self.0.iter().map(|read| read.took).collect();
        took.sort_unstable();
        let slowest = took.last().copied().unwrap_or_default();
        let middle = took.get(took.len() / 2).copied().unwrap_or_default();
        let why = format!(
            "{} answers, {} ms in the middle, {} ms at worst",
            took.len(),
            middle.as_millis(),
            slowest.as_millis()
        );
        let works = if slowest.as_secs() < 10 { Works::Yes } else { Works::Unknown };
        finding(WHAT, works, why)
    }
}
