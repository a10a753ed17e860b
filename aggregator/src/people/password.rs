//! Passwords: rules, and argon2id.
//!
//! Invariant: a password leaves this file only as a PHC string; checking costs the same whether
//! the person exists or not. Deliberately absent: forced composition ("one digit, one sign"),
//! which makes passwords worse.

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Shortest password, in characters (ASVS 5.0 6.2.1, L2 asks for 8, our outsider for 12).
pub const CHARS_MIN: usize = 12;
/// Longest password, in bytes; longer ones would only feed the hash.
pub(super) const BYTES_MAX: usize = 256;
/// Memory of one hash in KiB: 64 MiB. OWASP's least is 19 MiB with two passes.
const MEMORY_KIB: u32 = 65_536;
/// Passes.
const PASSES: u32 = 2;

/// 10,000 most frequent passwords of public breaches, and all longer than 12 of the first 30,000
/// (the list of zxcvbn, MIT licence), with some of ours.
const COMMON: &str = include_str!("common-passwords.txt");

static COMMON_SET: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| COMMON.lines().collect());

/// Why a password is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// Too short.
    #[error("a password needs at least {CHARS_MIN} characters")]
    Short,
    /// Too long.
    #[error("a password may have at most {BYTES_MAX} bytes")]
    Long,
    /// On the list of breached passwords, or one of those with an ending.
    #[error("this password, or its beginning, is on the list of breached passwords")]
    Common,
    /// Few different characters, or a piece repeated.
    #[error("this password repeats itself")]
    Repeats,
    /// Contains the login name.
    #[error("a password must not contain the login name")]
    Name,
}

/// Whether a password may be used by `person`.
///
/// # Errors
/// [`Weak`] says why not.
pub(super) fn check(password: &str, person: &str) -> Result<(), Weak> {
    let lower = password.to_lowercase();
    let stem = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    let different: BTreeSet<char> = lower.chars().collect();
    let common = |text: &str| text.len() >= 4 && COMMON_SET.contains(text);
    match () {
        () if password.chars().count() < CHARS_MIN => Err(Weak::Short),
        () if password.len() > BYTES_MAX => Err(Weak::Long),
        () if person.len() >= 3 && lower.contains(&person.to_lowercase()) => Err(Weak::Name),
        () if different.len() < 5 || repeats(&lower) => Err(Weak::Repeats),
        () if common(&lower) || common(stem) => Err(Weak::Common),
        () => Ok(()),
    }
}

/// Whether the text is one piece twice or more.
fn repeats(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=chars.len() / 2).any(|piece| chars.chunks(piece).all(|part| chars.starts_with(part)))
}

fn argon() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The PHC string of a password, with a fresh salt. Slow on purpose: call it off the runtime.
///
/// # Errors
/// When there is no memory or no randomness.
pub(super) fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    argon().hash_password(password.as_bytes()).map(|hash| hash.to_string())
}

/// Whether the password is the one. Without a stored hash the same work is done for nothing.
pub(super) fn verify(password: &str, stored: Option<&str>) -> bool {
    static NOBODY: LazyLock<String> =
        LazyLock::new(|| hash("a password nobody has, only for its time").unwrap_or_default());
    let known = stored.is_some();
    let Ok(parsed) = PasswordHash::new(stored.unwrap_or(&NOBODY)) else { return false };
    argon().verify_password(password.as_bytes(), &parsed).is_ok() && known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_judged_by_length_and_by_what_others_guess_first() {
        for (password, wanted) in [
            ("correct horse battery", Ok(())),
            ("尾矿库浸润线在线监测平台口令", Ok(())),
            ("nohGh5ooQuai", Ok(())),
            ("short-1-A!", Err(Weak::Short)),
            ("password123456!", Err(Weak::Common)),
            ("Minewatch2026!!", Err(Weak::Common)),
            ("1qaz2wsx1qaz2wsx", Err(Weak::Repeats)),
            ("aaaaaaaaaaaaab", Err(Weak::Repeats)),
            ("my-li.wei-is-fine", Err(Weak::Name)),
            (&"x1y2z3-".repeat(40), Err(Weak::Long)),
        ] {
            assert_eq!(check(password, "li.wei"), wanted, "{password}");
        }
    }

    #[test]
    fn only_the_right_password_is_right_and_nobody_has_none() {
        let stored = hash("correct horse battery").expect("hash");
        assert!(stored.starts_with("$argon2id$v=19$m=65536,t=2,p=1$"), "{stored}");
        assert!(verify("correct horse battery", Some(&stored)));
        assert!(!verify("correct horse batterz", Some(&stored)));
        assert!(!verify("a password nobody has, only for its time", None));
        assert!(!verify("x", Some("not a PHC string")));
        assert_ne!(stored, hash("correct horse battery").expect("hash"), "salted");
    }
}
