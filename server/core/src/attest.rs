//! What a TPM's quote is bound to, in one place for who makes it and who checks it.
//!
//! The token is made for one boot of one host and the request for a key of that boot, so a quote of another boot, or one that
//! somebody else brings, is bound to something else. Nothing more is needed for its freshness.

/// The data that a quote qualifies: the token, and the certificate request (PKCS#10, DER) that is sent with it.
pub fn binding(token: &str, request: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("underlay 2026 quote of an agent's boot");
    // Its length first: what belongs to which is never in doubt.
    hasher.update(&(token.len() as u64).to_le_bytes()).update(token.as_bytes()).update(request);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_token_or_request_is_another_binding() {
        let one = binding("token", b"request");
        assert_eq!(one, binding("token", b"request"));
        for (token, request) in [("tokem", &b"request"[..]), ("token", b"other"), ("tokenr", b"equest")] {
            assert_ne!(one, binding(token, request), "{token}");
        }
    }
}
