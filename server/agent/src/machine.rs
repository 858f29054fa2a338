//! The machine the agent runs on, as a deployment asks for it.

use std::{io, path::Path, sync::Arc};

use underlay_core::{
    Mac,
    agent::{Disk as DiskFacts, Inventory},
};

use crate::{
    deploy::run::Host,
    disk::{Disk, block::Block},
    inventory::{self, Places, asked::Asked},
    net::{link, listen::Neighbours},
    wipe::drive::{Device, Drive},
};

/// The real one.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The NIC it booted over.
    pub boot: Option<Mac>,
    /// What switches said of themselves.
    pub neighbours: Neighbours,
    /// What its hardware was asked.
    pub asked: Asked,
}

impl Host for Machine {
    fn inventory(&self) -> Inventory {
        let mut inventory = inventory::read(Places::real(), self.boot);
        self.asked.add_to(Places::real(), &mut inventory);
        let links = link::links(Places::real().sys);
        self.neighbours.add_to(&mut inventory, |name| {
            let index = links.iter().find(|link| link.name == name)?.index;
            usize::try_from(index).ok()
        });
        inventory
    }

    fn open(&self, disk: &DiskFacts) -> io::Result<Arc<dyn Disk>> {
        Ok(Arc::new(Block::open(&Path::new("/dev").join(&disk.name))?))
    }

    fn drive(&self, disk: &DiskFacts) -> io::Result<Box<dyn Drive>> {
        Ok(Box::new(Device::open(&Path::new("/dev").join(&disk.name))?))
    }
}
