//! The machine the agent runs on, as a deployment asks for it.

use std::{io, path::Path, sync::Arc};

use underlay_core::{
    Mac,
    agent::{Disk as DiskFacts, Inventory},
};

use crate::{
    deploy::run::Host,
    disk::{Disk, block::Block},
    inventory::{self, Places},
};

/// The real one.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// The NIC it booted over.
    pub boot: Option<Mac>,
}

impl Host for Machine {
    fn inventory(&self) -> Inventory {
        inventory::read(Places::real(), self.boot)
    }

    fn open(&self, disk: &DiskFacts) -> io::Result<Arc<dyn Disk>> {
        Ok(Arc::new(Block::open(&Path::new("/dev").join(&disk.name))?))
    }
}
