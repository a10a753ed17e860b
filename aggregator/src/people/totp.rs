//! The second factor: TOTP (RFC 6238, SHA-1, six digits, 30 s, as every authenticator app has it).
//!
//! Invariant: a code is accepted once; the step it stands for must be later than the last one
//! used. Pure: time is an argument.

use minewatch_domain::At;
use ring::hmac;

/// Length of a step.
const STEP_S: i64 = 30;
/// Steps before and after now that are still accepted: clocks differ, people type slowly.
const DRIFT: i64 = 1;
/// Bytes of a shared secret (RFC 4226 R6 asks for at least 16, recommends 20).
pub(super) const SECRET_BYTES: usize = 20;

fn code(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let mac = hmac::sign(&key, &step.to_be_bytes());
    let mac = mac.as_ref();
    let at = usize::from(mac[mac.len() - 1] & 0x0f);
    let word = u32::from_be_bytes([mac[at] & 0x7f, mac[at + 1], mac[at + 2], mac[at + 3]]);
    format!("{:06}", word % 1_000_000)
}

/// The step a code stands for, when it is one of those around now and later than `last`.
pub(super) fn accepted(secret: &[u8], shown: &str, now: At, last: i64) -> Option<i64> {
    let step = now.micros().div_euclid(STEP_S * 1_000_000);
    let near = (step - DRIFT)..=(step + DRIFT);
    near.filter(|step| *step > last).find(|step| super::secret::same(&code(secret, *step), shown))
}

/// RFC 4648 base32 without padding, as authenticator apps take it.
pub(super) fn base32(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1)).collect();
    let letter = |five: &[u8]| {
        let value = (0..5).fold(0usize, |value, at| (value << 1) | usize::from(five.get(at).copied().unwrap_or(0)));
        char::from(alphabet[value])
    };
    bits.chunks(5).map(letter).collect()
}

/// What an authenticator app scans.
pub(super) fn uri(person: &str, secret: &[u8]) -> String {
    format!(
        "otpauth://totp/Minewatch:{person}?secret={}&issuer=Minewatch&algorithm=SHA1&digits=6&period=30",
        base32(secret)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B, the last six of eight digits.
        for (seconds, wanted) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let now = At(seconds * 1_000_000);
            assert_eq!(accepted(SECRET, wanted, now, 0), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_accepted_once_and_only_around_its_time() {
        let now = At(59_000_000);
        assert_eq!(accepted(SECRET, "287082", now, 0), Some(1));
        assert_eq!(accepted(SECRET, "287082", now, 1), None, "used");
        assert_eq!(accepted(SECRET, "287082", At(89_000_000), 0), Some(1), "one step late");
        assert_eq!(accepted(SECRET, "287082", At(120_000_000), 0), None, "too late");
        assert_eq!(accepted(SECRET, "000000", now, 0), None);
        assert_eq!(accepted(SECRET, "", now, 0), None);
    }

    #[test]
    fn base32_is_that_of_the_rfc() {
        for (text, wanted) in [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foobar", "MZXW6YTBOI")] {
            assert_eq!(base32(text.as_bytes()), wanted);
        }
    }
}
