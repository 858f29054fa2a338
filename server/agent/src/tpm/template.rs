//! Public areas of keys that a TPM makes from its seed whenever it is asked, the same each time: the endorsement keys of the
//! TCG EK Credential Profile 2.x, annex B.3.3 (L-1, RSA 2048) and B.3.4 (L-2, ECC P-256), and a key of ours for quotes.

use super::{
    response::pair,
    wire::{Malformed, Reader, Writer},
};

const RSA: u16 = 0x0001;
const SHA256: u16 = 0x000b;
const NULL: u16 = 0x0010;
const ECC: u16 = 0x0023;
const AES: u16 = 0x0006;
const CFB: u16 = 0x0043;
const P256: u16 = 0x0003;

const ECDSA: u16 = 0x0018;

/// fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign.
const SIGNS: u32 = 0x0005_0072;
/// fixedTPM, fixedParent, sensitiveDataOrigin, adminWithPolicy, restricted, decrypt.
const ATTRIBUTES: u32 = 0x0003_00b2;
/// PolicySecret(TPM_RH_ENDORSEMENT) with SHA-256.
pub const POLICY: [u8; 32] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd,
    0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
];

fn head(kind: u16) -> Writer {
    // Its storage key: AES-128 in CFB; no scheme, as for every key that decrypts only.
    let begun = Writer::default().u16(kind).u16(SHA256).u32(ATTRIBUTES).sized(&POLICY);
    begun.u16(AES).u16(128).u16(CFB).u16(NULL)
}

/// Template L-1: RSA 2048.
pub fn rsa_endorsement() -> Vec<u8> {
    // Exponent 0 stands for 65537; the unique field is of zeros, as long as a modulus.
    head(RSA).u16(2048).u32(0).sized(&[0; 256]).done()
}

/// Template L-2: ECC on NIST P-256.
pub fn ecc_endorsement() -> Vec<u8> {
    // No KDF; the unique field is a point of zeros.
    head(ECC).u16(P256).u16(NULL).sized(&[0; 32]).sized(&[0; 32]).done()
}

/// A key that signs what the TPM itself says and nothing else (restricted), on NIST P-256 by ECDSA with SHA-256.
pub fn quotes() -> Vec<u8> {
    signs().sized(&[]).sized(&[]).done()
}

fn signs() -> Writer {
    let begun = Writer::default().u16(ECC).u16(SHA256).u32(SIGNS).sized(&[]);
    begun.u16(NULL).u16(ECDSA).u16(SHA256).u16(P256).u16(NULL)
}

/// The public point in the public area of the key for quotes, uncompressed.
///
/// # Errors
/// It is the area of another key.
pub fn point(public: &[u8]) -> Result<[u8; 65], Malformed> {
    let begin = signs().done();
    let mut rest = Reader::new(public.strip_prefix(&*begin).ok_or(Malformed)?);
    let (x, y) = (rest.sized()?, rest.sized()?);
    rest.end()?;
    let mut point = [4; 65];
    point.get_mut(1..).ok_or(Malformed)?.copy_from_slice(&pair(x, y)?);
    Ok(point)
}
