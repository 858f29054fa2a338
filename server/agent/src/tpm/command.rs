//! Commands, as bytes (Part 3). Authorisation is by empty password: what is asked here needs no secret.

use super::wire::Writer;

/// The owner's hierarchy.
pub const OWNER: u32 = 0x4000_0001;
/// The hierarchy of the maker, whose seed no owner can change.
pub const ENDORSEMENT: u32 = 0x4000_000b;
/// The password session.
const PASSWORD: u32 = 0x4000_0009;

/// TPM_ALG_NULL.
const NULL: u16 = 0x0010;

const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;

/// TPM2_Shutdown and TPM2_Startup take one of these; CLEAR begins anew.
const CLEAR: u16 = 0;

/// Command codes (Part 2, 6.5.2).
mod code {
    pub(super) const CREATE_PRIMARY: u32 = 0x131;
    pub(super) const STARTUP: u32 = 0x144;
    pub(super) const NV_READ: u32 = 0x14e;
    pub(super) const QUOTE: u32 = 0x158;
    pub(super) const FLUSH_CONTEXT: u32 = 0x165;
    pub(super) const NV_READ_PUBLIC: u32 = 0x169;
    pub(super) const READ_PUBLIC: u32 = 0x173;
}

/// The header before a body: tag, length of all, command.
fn framed(tag: u16, code: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 10).unwrap_or(u32::MAX);
    Writer::default().u16(tag).u32(length).u32(code).raw(body).done()
}

/// A command without authorisation.
pub(super) fn plain(code: u32, body: Writer) -> Vec<u8> {
    framed(NO_SESSIONS, code, &body.done())
}

/// A command on handles, each of which is opened by the empty password if it is among the first `authorised`.
pub(super) fn with_password(code: u32, handles: &[u32], authorised: usize, parameters: Writer) -> Vec<u8> {
    let one = Writer::default().u32(PASSWORD).sized(&[]).u8(0).sized(&[]).done();
    let sessions = one.repeat(authorised);
    let handles = handles.iter().fold(Writer::default(), |body, handle| body.u32(*handle));
    let length = u32::try_from(sessions.len()).unwrap_or(u32::MAX);
    let body = handles.u32(length).raw(&sessions).raw(&parameters.done());
    framed(SESSIONS, code, &body.done())
}

/// TPM2_Startup(CLEAR) (9.3). Firmware and kernel have done it; only a TPM on a socket needs it.
pub fn startup() -> Vec<u8> {
    plain(code::STARTUP, Writer::default().u16(CLEAR))
}

/// TPM2_NV_ReadPublic (31.6): what there is at an index.
pub fn nv_read_public(index: u32) -> Vec<u8> {
    plain(code::NV_READ_PUBLIC, Writer::default().u32(index))
}

/// TPM2_NV_Read (31.13): so many bytes of an index, with the right of `who`: the index itself or a hierarchy.
pub fn nv_read(who: u32, index: u32, offset: u16, length: u16) -> Vec<u8> {
    with_password(code::NV_READ, &[who, index], 1, Writer::default().u16(length).u16(offset))
}

/// TPM2_CreatePrimary (24.1) in a hierarchy: the key that its seed and the template make, the same every time.
pub fn create_primary(hierarchy: u32, template: &[u8]) -> Vec<u8> {
    // No secret of the caller's, no data; nothing from outside; bound to no PCR.
    let sensitive = Writer::default().sized(&[]).sized(&[]).done();
    let parameters = Writer::default().sized(&sensitive).sized(template).sized(&[]).u32(0);
    with_password(code::CREATE_PRIMARY, &[hierarchy], 1, parameters)
}

/// TPM2_ReadPublic (12.4) of a loaded key.
pub fn read_public(handle: u32) -> Vec<u8> {
    plain(code::READ_PUBLIC, Writer::default().u32(handle))
}

/// TPM2_FlushContext (28.4): a loaded key is let go.
pub fn flush_context(handle: u32) -> Vec<u8> {
    plain(code::FLUSH_CONTEXT, Writer::default().u32(handle))
}

/// TPM2_Quote (18.4) by a loaded key, in its own scheme: what is in the PCRs of that selection (TPMS_PCR_SELECTION), and `data` with it.
pub fn quote(key: u32, data: &[u8], pcrs: &[u8]) -> Vec<u8> {
    let parameters = Writer::default().sized(data).u16(NULL).u32(1).raw(pcrs);
    with_password(code::QUOTE, &[key], 1, parameters)
}
