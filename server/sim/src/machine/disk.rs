//! What is on a disk: which image, how many of its verified segments, and the seed. The image's description is shared by
//! all disks that hold it, so that a thousand written disks cost little more than a thousand blank ones.

use std::sync::Arc;

use underlay_core::image::Blake3;

use crate::system::seed::Volume;

/// The content of one disk.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// The image that was last begun.
    pub image: Option<Arc<Written>>,
    /// How many of its segments have landed, from the first one on.
    pub segments: usize,
    /// The seed, once it was written behind the image.
    pub seed: Option<Arc<Volume>>,
    /// The instance whose once-only parts the installed system has done.
    pub instance: Option<String>,
    /// How many writes it took in its life.
    pub writes: u64,
}

/// What must be known of an image that lies on disks.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    /// The digest of its manifest.
    pub digest: Blake3,
    /// How many segments it has.
    pub segments: usize,
    /// Does it begin with a partition table?
    pub table: Table,
}

/// Does an image begin with a partition table?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// An MBR signature, with a GPT behind it or not.
    Present,
    /// Neither.
    Absent,
}

impl Content {
    /// Begin to write `image`; what was there is gone.
    pub fn begin(&mut self, image: Arc<Written>) {
        let writes = self.writes;
        *self = Self { image: Some(image), writes, ..Self::default() };
    }

    /// One more segment has landed.
    pub fn land(&mut self) {
        self.segments += 1;
        self.writes += 1;
    }

    /// The seed has landed.
    pub fn put_seed(&mut self, seed: Arc<Volume>) {
        self.seed = Some(seed);
        self.writes += 1;
    }

    /// Why nothing starts from it; `None` if a system does.
    pub fn flaw(&self) -> Option<&'static str> {
        let Some(image) = &self.image else { return Some("the disk is blank") };
        if self.segments < image.segments {
            Some("the disk holds part of an image")
        } else if image.table == Table::Absent {
            Some("the disk has no partition table")
        } else if self.seed.is_none() {
            Some("the disk has no seed")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_image_with_a_table_and_a_seed_starts() {
        let image = |table| Arc::new(Written { digest: Blake3::of(b"x"), segments: 2, table });
        let mut disk = Content::default();
        assert_eq!(disk.flaw(), Some("the disk is blank"));
        disk.begin(image(Table::Present));
        disk.land();
        assert_eq!(disk.flaw(), Some("the disk holds part of an image"));
        disk.land();
        assert_eq!(disk.flaw(), Some("the disk has no seed"));
        disk.put_seed(Arc::new(Volume::of(&[0; 512])));
        assert_eq!((disk.flaw(), disk.writes), (None, 3));
        disk.begin(image(Table::Absent));
        disk.land();
        disk.land();
        assert_eq!(disk.flaw(), Some("the disk has no partition table"));
        assert_eq!(disk.writes, 5);
    }
}
