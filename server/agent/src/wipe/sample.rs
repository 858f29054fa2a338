//! The blocks that are read back: which ones, the mark they get before the wipe, and what they read as after it.
//!
//! Which blocks is told by a seed that stands in the record, so that anybody can read the same ones again. The mark is made from
//! a secret that is nowhere but in this process: a disk that shows it afterwards was not wiped.

use std::io;

use ring::rand::{SecureRandom, SystemRandom};
use underlay_core::cleaning::{Method, Proof};

use super::drive::Drive;

/// Bytes of a block: a whole number of sectors on every disk.
pub const BLOCK: usize = 4096;
/// How many blocks are read from a disk, if it has as many.
pub const COUNT: usize = 64;

/// The blocks of one disk, as they were before.
pub struct Samples {
    seed: u64,
    offsets: Vec<u64>,
    before: Vec<Vec<u8>>,
    secret: [u8; 32],
}

/// What is wrong with a disk that was to be wiped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("reading at byte {0}: {1}")]
    Read(u64, io::Error),
    /// It cannot be written.
    #[error("writing at byte {0}: {1}")]
    Write(u64, io::Error),
    /// It does not confirm what was written.
    #[error("flushing it: {0}")]
    Sync(io::Error),
    /// It takes writes and does not keep them.
    #[error("what was written at byte {0} does not read back")]
    Forgets(u64),
    /// There is no room for a sample.
    #[error("it is smaller than {BLOCK} bytes")]
    Tiny,
    /// No secret could be made.
    #[error("no random numbers are to be had")]
    Random,
}

/// Where the samples of a disk of `size` bytes lie within `ranges`: the first and the last block of it all, and others
/// between, ascending.
pub fn offsets(seed: u64, size: u64, ranges: &[(u64, u64)]) -> Vec<u64> {
    let block = BLOCK as u64;
    let places = |(begin, end): &(u64, u64)| (begin.div_ceil(block), (*end).min(size) / block);
    let ranges: Vec<(u64, u64)> = ranges.iter().map(places).filter(|(begin, end)| begin < end).collect();
    let total: u64 = ranges.iter().map(|(begin, end)| end - begin).sum();
    let nth = |mut index: u64| {
        for (begin, end) in &ranges {
            if index < end - begin {
                return Some((begin + index) * block);
            }
            index -= end - begin;
        }
        None
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(&size.to_le_bytes());
    let mut stream = hasher.finalize_xof();
    let mut chosen: Vec<u64> = nth(0).into_iter().chain(total.checked_sub(1).and_then(nth)).collect();
    let wanted = usize::try_from(total).unwrap_or(COUNT).min(COUNT);
    chosen.sort_unstable();
    chosen.dedup();
    // Twice the same is passed over; a disk with few blocks has all of them read.
    let mut tries = 0;
    while chosen.len() < wanted && tries < COUNT * 64 {
        let mut bytes = [0; 8];
        stream.fill(&mut bytes);
        let Some(offset) = nth(u64::from_le_bytes(bytes) % total.max(1)) else { break };
        if !chosen.contains(&offset) {
            chosen.push(offset);
        }
        tries += 1;
    }
    chosen.sort_unstable();
    chosen
}

impl Samples {
    /// Reads them as they are.
    pub fn take(drive: &dyn Drive, seed: u64, ranges: &[(u64, u64)]) -> Result<Self, Error> {
        let offsets = offsets(seed, drive.disk().size(), ranges);
        if offsets.is_empty() {
            return Err(Error::Tiny);
        }
        let mut secret = [0; 32];
        SystemRandom::new().fill(&mut secret).map_err(|_| Error::Random)?;
        let before = offsets.iter().map(|offset| read(drive, *offset)).collect::<Result<_, _>>()?;
        Ok(Self { seed, offsets, before, secret })
    }

    /// Writes the mark to each, and makes sure that it is there.
    pub fn mark(&self, drive: &dyn Drive) -> Result<(), Error> {
        for offset in &self.offsets {
            let written = drive.disk().write(*offset, &self.mark_of(*offset));
            written.map_err(|error| Error::Write(*offset, error))?;
        }
        drive.disk().sync().map_err(Error::Sync)?;
        for offset in &self.offsets {
            if read(drive, *offset)? != self.mark_of(*offset) {
                return Err(Error::Forgets(*offset));
            }
        }
        Ok(())
    }

    /// Reads them again.
    pub fn prove(&self, drive: &dyn Drive) -> Result<Proof, Error> {
        let mut proof = Proof {
            seed: self.seed,
            samples: u32::try_from(self.offsets.len()).unwrap_or(u32::MAX),
            block: BLOCK as u32,
            ..Proof::default()
        };
        let (mut was, mut is) = (blake3::Hasher::new(), blake3::Hasher::new());
        for (offset, before) in self.offsets.iter().zip(&self.before) {
            let now = read(drive, *offset)?;
            was.update(before);
            is.update(&now);
            let held_data = !is_zero(before);
            proof.held_data += u32::from(held_data);
            if now == self.mark_of(*offset) || (held_data && now == *before) {
                proof.kept += 1;
            } else if is_zero(&now) {
                proof.zeros += 1;
            } else {
                proof.changed += 1;
            }
        }
        proof.before = was.finalize().to_hex().to_string();
        proof.after = is.finalize().to_hex().to_string();
        Ok(proof)
    }

    fn mark_of(&self, offset: u64) -> Vec<u8> {
        let mut mark = vec![0; BLOCK];
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(&offset.to_le_bytes()).finalize_xof().fill(&mut mark);
        mark
    }
}

/// What speaks against a disk that was wiped by `method`, after what was read back.
pub fn objection(method: Method, proof: &Proof) -> Option<String> {
    if proof.kept > 0 {
        return Some(format!("{} of {} blocks read as before", proof.kept, proof.samples));
    }
    let is_zeroed = matches!(method, Method::Overwrite | Method::Quick);
    (is_zeroed && proof.changed > 0)
        .then(|| format!("{} of {} blocks do not read as zeros", proof.changed, proof.samples))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn read(drive: &dyn Drive, offset: u64) -> Result<Vec<u8>, Error> {
    let mut block = vec![0; BLOCK];
    drive.read_medium(offset, &mut block).map_err(|error| Error::Read(offset, error))?;
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_block_are_always_among_them_and_the_seed_tells_the_others() {
        let size = 10_000 * BLOCK as u64 + 512;
        let whole = [(0, size)];
        let chosen = offsets(7, size, &whole);
        assert_eq!(chosen.len(), COUNT);
        assert_eq!((chosen[0], chosen[COUNT - 1]), (0, 9_999 * BLOCK as u64));
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(chosen, offsets(7, size, &whole));
        assert_ne!(chosen, offsets(8, size, &whole));
    }

    #[test]
    fn a_small_disk_has_all_its_blocks_read_and_none_beyond_it() {
        for blocks in 0..5_u64 {
            let size = blocks * BLOCK as u64 + 100;
            let all: Vec<u64> = (0..blocks).map(|index| index * BLOCK as u64).collect();
            assert_eq!(offsets(1, size, &[(0, size)]), all);
        }
    }

    #[test]
    fn blocks_outside_the_ranges_are_left_alone() {
        let size = 1 << 30;
        let chosen = offsets(1, size, &[(0, 1 << 20), ((1 << 30) - (1 << 20), 1 << 30)]);
        assert_eq!(chosen.len(), COUNT);
        assert!(chosen.iter().all(|at| *at < 1 << 20 || *at >= (1 << 30) - (1 << 20)));
    }
}
