//! Random secrets and their hashes. A secret is shown once and kept only as a hash.

use crate::audit::hex;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// 256 random bits as text, from the operating system through a ChaCha generator.
pub(crate) fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// A name for something secret that may be shown: 64 random bits.
pub(crate) fn public_id() -> String {
    hex(&rand::random::<[u8; 8]>())
}

/// SHA-256 in hex. Enough for secrets of 80 random bits and more; passwords take argon2.
pub(crate) fn digest(secret: &str) -> String {
    hex(&Sha256::digest(secret))
}

/// Whether two secrets are equal, in time that does not tell how far they agree.
pub(crate) fn same(a: &str, b: &str) -> bool {
    let (a, b) = (Sha256::digest(a), Sha256::digest(b));
    a.iter().zip(b.iter()).fold(0u8, |acc, (x, y)| acc | (x ^ y)) == 0
}

/// A password for somebody else to change at once: five groups of four, easy to read out.
pub(crate) fn one_time_password() -> String {
    let letters = b"abcdefghjkmnpqrstuvwxyz23456789";
    let group = || -> String {
        (0..4).map(|_| char::from(letters[usize::from(rand::random::<u16>()) % letters.len()])).collect()
    };
    (0..5).map(|_| group()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_a_one_time_password_is_accepted() {
        assert_ne!(random(), random());
        assert_eq!(random().len(), 43);
        assert!(super::super::password::check(&one_time_password(), "li.wei").is_ok());
        assert!(same("a", "a") && !same("a", "b"));
    }
}
