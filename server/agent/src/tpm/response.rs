//! Answers, from bytes: the header is checked first, then what the command should have brought, and nothing may be left over.

use super::wire::{MOST, Malformed, Reader};

/// What the TPM says of a command: zero, or why not (Part 2, 6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u32);

impl Code {
    /// The error without the number of the handle, parameter or session it is about: those of format one (bit 7).
    pub fn kind(self) -> u32 {
        if self.0 & 0x80 == 0 { self.0 } else { self.0 & 0xbf }
    }

    /// Is there nothing behind the handle? TPM_RC_HANDLE.
    pub fn is_no_handle(self) -> bool {
        self.kind() == 0x8b
    }

    /// Was the command not begun, because the TPM is busy with a test of itself? TPM_RC_RETRY.
    pub fn is_retry(self) -> bool {
        self.0 == 0x922
    }

    /// Can the TPM not make such a key? TPM_RC_ASYMMETRIC, HASH, VALUE, KEY_SIZE, MODE, TYPE, KDF, SCHEME, SYMMETRIC, CURVE.
    pub fn is_unsupported(self) -> bool {
        [0x81, 0x83, 0x84, 0x87, 0x89, 0x8a, 0x8c, 0x92, 0x96, 0xa6].contains(&self.kind())
    }
}

/// The body of an answer without sessions.
///
/// # Errors
/// It is no answer, or one that says no.
pub fn body(answer: &[u8]) -> Result<Result<Reader<'_>, Code>, Malformed> {
    if answer.len() > MOST {
        return Err(Malformed);
    }
    let mut reader = Reader::new(answer);
    let (_tag, length, code) = (reader.u16()?, reader.u32()?, reader.u32()?);
    if usize::try_from(length) != Ok(answer.len()) {
        return Err(Malformed);
    }
    Ok(if code == 0 { Ok(reader) } else { Err(Code(code)) })
}

/// What comes after the handles of an answer with sessions: the parameters, whose length is said.
///
/// # Errors
/// It is longer than what is there.
pub fn parameters<'a>(body: &mut Reader<'a>) -> Result<Reader<'a>, Malformed> {
    let length = usize::try_from(body.u32()?).map_err(|_| Malformed)?;
    Ok(Reader::new(body.raw(length)?))
}

/// What there is at an NV index (TPMS_NV_PUBLIC, Part 2, 13.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NvPublic {
    /// TPMA_NV.
    pub attributes: u32,
    /// How long what is there is.
    pub size: u16,
}

impl NvPublic {
    /// TPMA_NV_OWNERREAD: the owner may read it.
    pub const OWNER_READ: u32 = 1 << 17;
    /// TPMA_NV_AUTHREAD: whoever has its own password may.
    pub const AUTH_READ: u32 = 1 << 18;
    /// TPMA_NV_WRITTEN: something was written there.
    pub const WRITTEN: u32 = 1 << 29;
}

/// The answer to TPM2_NV_ReadPublic.
///
/// # Errors
/// It is not that, or of another index.
pub fn nv_public(mut body: Reader<'_>, index: u32) -> Result<NvPublic, Malformed> {
    let mut public = Reader::new(body.sized()?);
    let (of, _name_algorithm, attributes) = (public.u32()?, public.u16()?, public.u32()?);
    let (_policy, size) = (public.sized()?, public.u16()?);
    public.end()?;
    let _name = body.sized()?;
    body.end()?;
    if of == index { Ok(NvPublic { attributes, size }) } else { Err(Malformed) }
}

/// The answer to TPM2_NV_Read: what was read, of the length that was asked for.
///
/// # Errors
/// It is not that.
pub fn nv_data(mut body: Reader<'_>, wanted: u16) -> Result<&[u8], Malformed> {
    let data = parameters(&mut body)?.sized()?;
    if data.len() == usize::from(wanted) { Ok(data) } else { Err(Malformed) }
}

/// The answer to TPM2_CreatePrimary: the handle of the loaded key, and its public area (TPMT_PUBLIC).
///
/// # Errors
/// It is not that.
pub fn primary(mut body: Reader<'_>) -> Result<(u32, &[u8]), Malformed> {
    let handle = body.u32()?;
    Ok((handle, parameters(&mut body)?.sized()?))
}

/// The answer to TPM2_ReadPublic: the public area (TPMT_PUBLIC) and the name.
///
/// # Errors
/// It is not that.
pub fn public<'a>(mut body: Reader<'a>) -> Result<(&'a [u8], &'a [u8]), Malformed> {
    let (public, name) = (body.sized()?, body.sized()?);
    let _qualified_name = body.sized()?;
    body.end()?;
    Ok((public, name))
}

/// The answer to TPM2_Quote by a P-256 key: the attestation (TPMS_ATTEST), and its signature by ECDSA with SHA-256 as r and s.
///
/// # Errors
/// It is not that.
pub fn quoted(mut body: Reader<'_>) -> Result<(&[u8], [u8; 64]), Malformed> {
    let mut parameters = parameters(&mut body)?;
    let attest = parameters.sized()?;
    if (parameters.u16()?, parameters.u16()?) != (0x0018, 0x000b) {
        return Err(Malformed);
    }
    let signature = pair(parameters.sized()?, parameters.sized()?)?;
    parameters.end()?;
    Ok((attest, signature))
}

/// Two numbers of 32 bytes, of which leading zeros may have been left out.
pub fn pair(one: &[u8], two: &[u8]) -> Result<[u8; 64], Malformed> {
    let mut pair = [0; 64];
    for (number, place) in [one, two].into_iter().zip(pair.chunks_exact_mut(32)) {
        let begin = place.len().checked_sub(number.len()).ok_or(Malformed)?;
        place.get_mut(begin..).ok_or(Malformed)?.copy_from_slice(number);
    }
    Ok(pair)
}
