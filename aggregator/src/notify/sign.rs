//! Signatures, exactly as each receiver checks them. Pure.
//!
//! The golden vectors were computed independently (Python `hmac`, the `standardwebhooks` package);
//! `tests/peers/notify_vectors.py` does it again in every full test run.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

fn mac(key: &[u8], message: &[u8]) -> String {
    STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message))
}

/// DingTalk: HMAC-SHA256 with the secret as key over `timestamp_ms "\n" secret`, base64, then
/// form-encoded into the query beside `timestamp`. The receiver allows an hour of clock error.
pub(super) fn dingtalk(secret: &str, timestamp_ms: i64) -> String {
    mac(secret.as_bytes(), format!("{timestamp_ms}\n{secret}").as_bytes())
}

/// Feishu: key and message swapped against DingTalk: the key is `timestamp_s "\n" secret`, the
/// message is empty; base64 into the body beside `timestamp`.
pub(super) fn feishu(secret: &str, timestamp_s: i64) -> String {
    mac(format!("{timestamp_s}\n{secret}").as_bytes(), b"")
}

/// A secret of the Standard Webhooks specification: `whsec_` and base64 of 24 to 64 bytes.
///
/// # Errors
/// A sentence that does not repeat the secret.
pub(super) fn webhook_key(secret: &str) -> Result<Vec<u8>, &'static str> {
    let text = secret.strip_prefix("whsec_").ok_or("must begin with whsec_")?;
    let key = STANDARD.decode(text).map_err(|_| "must be base64 after whsec_")?;
    match (24..=64).contains(&key.len()) {
        true => Ok(key),
        false => Err("must hold 24 to 64 bytes"),
    }
}

/// Standard Webhooks `webhook-signature`: `v1,` and base64 of HMAC-SHA256 over
/// `id "." timestamp_s "." body`, one per active secret, separated by spaces.
pub(super) fn webhook(keys: &[Vec<u8>], id: &str, timestamp_s: i64, body: &str) -> String {
    let signed = format!("{id}.{timestamp_s}.{body}");
    let each: Vec<String> = keys.iter().map(|key| format!("v1,{}", mac(key, signed.as_bytes()))).collect();
    each.join(" ")
}

/// Whether one of the signatures in `shown` is that of one of our keys. Takes the same time for any wrong one.
pub(super) fn signed(keys: &[Vec<u8>], id: &str, timestamp_s: i64, body: &[u8], shown: &str) -> bool {
    let message = [format!("{id}.{timestamp_s}.").as_bytes(), body].concat();
    let shown = shown.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
    let shown: Vec<Vec<u8>> = shown.take(SIGNATURES_MAX).collect();
    keys.iter().any(|key| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        shown.iter().any(|mac| hmac::verify(&key, &message, mac).is_ok())
    })
}

/// Signatures looked at in one header: two active secrets on either side.
const SIGNATURES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dingtalk_signs_as_its_receiver_expects() {
        // python3: base64.b64encode(hmac.new(s, f"{t}\n{s}".encode(), sha256).digest())
        assert_eq!(dingtalk("SEC0123456789abcdef", 1_795_600_800_000), VECTOR_DINGTALK);
    }

    #[test]
    fn feishu_signs_as_its_receiver_expects() {
        assert_eq!(feishu("SEC0123456789abcdef", 1_795_600_800), VECTOR_FEISHU);
        // A second vector with a short secret.
        assert_eq!(feishu("demo", 1_599_360_473), VECTOR_FEISHU_SHORT);
    }

    #[test]
    fn a_webhook_is_signed_by_every_active_secret() {
        // Vector of the Standard Webhooks specification.
        let key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("good");
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", r#"{"test": 2432232314}"#);
        let known = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(webhook(std::slice::from_ref(&key), id, 1_614_265_330, body), known);
        let two = webhook(&[key.clone(), b"another key of thirty-two bytes!".to_vec()], id, 1_614_265_330, body);
        assert!(two.starts_with(&format!("{known} v1,")) && two.split(' ').count() == 2, "{two}");
    }

    #[test]
    fn a_bad_secret_is_refused_without_being_repeated() {
        for bad in ["", "secret", "whsec_", "whsec_???", "whsec_c2hvcnQ="] {
            let why = webhook_key(bad).expect_err("bad");
            assert!(bad.is_empty() || !why.contains(bad.trim_start_matches("whsec_")) || bad == "whsec_", "{why}");
        }
    }

    const VECTOR_DINGTALK: &str = "fS7FTq2BFwEu9i3Ndih623WFpBkbxHOFtCAKIdLbfBw=";
    const VECTOR_FEISHU: &str = "y/ekeDQ8GIwTwtrFpQotCoziapyWf/YZ1Mx6YYT7KLc=";
    const VECTOR_FEISHU_SHORT: &str = "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8=";
}
