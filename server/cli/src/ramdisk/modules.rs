//! The modules to carry and the tables that the agent loads them by, in kmod's text forms.

use std::collections::{BTreeMap, BTreeSet};

use super::{modinfo::Modinfo, profile};

/// Every module of the package: its path below `lib/modules/RELEASE/`, uncompressed name, and facts, by name.
pub(super) type All = BTreeMap<String, (String, Modinfo)>;

/// The wanted ones and everything they need, by name. What is needed but not there is built in.
pub(super) fn choose(all: &All) -> BTreeSet<String> {
    let mut chosen = BTreeSet::new();
    let mut open: Vec<&str> = all.keys().map(String::as_str).filter(|name| profile::wants(name)).collect();
    while let Some(name) = open.pop() {
        if let Some((_, info)) = all.get(name)
            && chosen.insert(name.to_owned())
        {
            open.extend(info.depends.iter().map(String::as_str));
        }
    }
    chosen
}

/// `modules.dep`: each module and all it needs, nearest first.
pub(super) fn dependencies(all: &All, chosen: &BTreeSet<String>) -> String {
    let mut text = String::new();
    for name in chosen {
        let Some((path, _)) = all.get(name) else { continue };
        let needs: Vec<&str> =
            closure(all, name).into_iter().filter_map(|name| Some(all.get(name)?.0.as_str())).collect();
        text.push_str(&format!("{path}:{}{}\n", if needs.is_empty() { "" } else { " " }, needs.join(" ")));
    }
    text
}

/// What `name` needs, in an order in which the last must be loaded first.
fn closure<'a>(all: &'a All, name: &str) -> Vec<&'a str> {
    // Depth first; a module is placed after everything it needs, then the whole is turned round.
    fn visit<'a>(all: &'a All, name: &str, seen: &mut BTreeSet<&'a str>, order: &mut Vec<&'a str>) {
        for need in all.get(name).into_iter().flat_map(|(_, info)| &info.depends) {
            if seen.insert(need) {
                visit(all, need, seen, order);
                order.push(need);
            }
        }
    }
    let mut order = Vec::new();
    visit(all, name, &mut BTreeSet::new(), &mut order);
    order.reverse();
    order
}

/// `modules.alias`: device pattern and module, a line each.
pub(super) fn aliases(all: &All, chosen: &BTreeSet<String>) -> String {
    let mut text = String::new();
    for name in chosen {
        for alias in all.get(name).into_iter().flat_map(|(_, info)| &info.aliases) {
            text.push_str(&format!("alias {alias} {name}\n"));
        }
    }
    text
}

/// `modules.always`: names that no device announces.
pub(super) fn always(chosen: &BTreeSet<String>) -> String {
    profile::ALWAYS.iter().filter(|name| chosen.contains(**name)).map(|name| format!("{name}\n")).collect()
}
