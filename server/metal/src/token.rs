//! One-time tokens: 244 random bits, shown once, kept elsewhere as a digest only.

use underlay_core::SecretString;
use uuid::Uuid;

/// How many hexadecimal digits a token has.
pub const LENGTH: usize = 64;

/// A fresh token: 244 random bits (two version 4 UUIDs), hex.
pub fn mint() -> SecretString {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()).into()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn no_two_tokens_are_the_same() {
        assert_ne!(mint().expose_secret(), mint().expose_secret());
        assert_eq!(mint().expose_secret().len(), LENGTH);
    }
}
