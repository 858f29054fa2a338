//! One command and its answer, by name.

use std::io;

use super::{
    command,
    response::{self, Code, NvPublic},
    transport::Transport,
    wire::{Malformed, Reader},
};

/// A TPM did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The way to it.
    #[error("the TPM cannot be spoken to")]
    Exchange(#[source] io::Error),
    /// Its answer.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It says no.
    #[error("the TPM refuses: {:#05x}", .0.0)]
    Refused(Code),
}

/// The most of an NV index that is asked for at once; no TPM gives less.
const PIECE: u16 = 512;

/// A TPM 2.0 that can be asked.
pub struct Tpm<T>(pub T);

impl<T: Transport> Tpm<T> {
    /// Sends a command, and takes its answer apart with `read`.
    ///
    /// # Errors
    /// It does not answer, says no, or answers something else.
    pub fn ask<R>(
        &mut self,
        command: &[u8],
        read: impl FnOnce(Reader<'_>) -> Result<R, Malformed>,
    ) -> Result<R, Error> {
        let answer = self.0.exchange(command).map_err(Error::Exchange)?;
        let body = response::body(&answer)?.map_err(Error::Refused)?;
        Ok(read(body)?)
    }

    /// What is written at an NV index that whoever asks may read; nothing where there is nothing, or it is for others or longer
    /// than `most`.
    ///
    /// # Errors
    /// The TPM cannot be asked.
    pub fn nv(&mut self, index: u32, most: u16) -> Result<Option<Vec<u8>>, Error> {
        let public = self.ask(&command::nv_read_public(index), |body| response::nv_public(body, index));
        let public = match public {
            Ok(public) => public,
            Err(Error::Refused(code)) if code.is_no_handle() => return Ok(None),
            Err(error) => return Err(error),
        };
        let who = match public.attributes {
            attributes if attributes & NvPublic::AUTH_READ != 0 => index,
            attributes if attributes & NvPublic::OWNER_READ != 0 => command::OWNER,
            _ => return Ok(None),
        };
        if public.attributes & NvPublic::WRITTEN == 0 || public.size == 0 || public.size > most {
            return Ok(None);
        }
        let mut data = Vec::with_capacity(public.size.into());
        let mut offset = 0;
        while offset < public.size {
            let length = PIECE.min(public.size - offset);
            let command = command::nv_read(who, index, offset, length);
            data.extend(self.ask(&command, |body| Ok(response::nv_data(body, length)?.to_vec()))?);
            offset += length;
        }
        Ok(Some(data))
    }

    /// The public area of the key that a template makes in a hierarchy. The key is let go again.
    ///
    /// # Errors
    /// The TPM cannot be asked, or cannot make such a key.
    pub fn primary(&mut self, hierarchy: u32, template: &[u8]) -> Result<Vec<u8>, Error> {
        let command = command::create_primary(hierarchy, template);
        let (handle, made) = self.ask(&command, |body| {
            response::primary(body).map(|(handle, public)| (handle, public.to_vec()))
        })?;
        let loaded = self.ask(&command::read_public(handle), |body| Ok(response::public(body)?.0.to_vec()));
        self.ask(&command::flush_context(handle), |body| body.end())?;
        match loaded? {
            loaded if loaded == made => Ok(made),
            _ => Err(Malformed.into()),
        }
    }
}
