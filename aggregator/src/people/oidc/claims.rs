//! What an identity provider's token says, and whether it may be believed. Pure: time is an argument.
//!
//! Invariant: nothing of a token is used before its signature, issuer, audience, times and nonce
//! were right. Only the three signatures named here are accepted; `none` and HMAC never are.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minewatch_domain::At;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

/// Clocks may differ by this much.
const SKEW_MS: i64 = 60_000;
/// Largest token read.
const TOKEN_BYTES_MAX: usize = 32 * 1024;
/// Groups of one person that are looked at.
const GROUPS_MAX: usize = 1_000;

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// Not three parts of base64url, or claims that are missing.
    #[error("it is not a signed token")]
    Form,
    /// `none`, HMAC, or one that does not fit the key.
    #[error("it is signed in a way that is not accepted")]
    Algorithm,
    /// The provider has no such key.
    #[error("the provider has no such key")]
    Key,
    /// The signature is not that key's.
    #[error("its signature is wrong")]
    Signature,
    /// `iss`.
    #[error("it is of another issuer")]
    Issuer,
    /// `aud`, `azp`.
    #[error("it is for somebody else")]
    Audience,
    /// `exp`, `iat`, `nbf`.
    #[error("it is expired, or from the future")]
    Time,
    /// `nonce`.
    #[error("it answers another question")]
    Nonce,
}

impl Doubt {
    /// Its short name.
    pub(super) fn code(self) -> &'static str {
        match self {
            Doubt::Form => "form",
            Doubt::Algorithm => "algorithm",
            Doubt::Key => "key",
            Doubt::Signature => "signature",
            Doubt::Issuer => "issuer",
            Doubt::Audience => "audience",
            Doubt::Time => "time",
            Doubt::Nonce => "nonce",
        }
    }
}

/// A public key of the provider.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The provider's keys.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515); none are.
    crit: Option<Value>,
}

/// What a token must say.
#[derive(Debug, Clone)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client: &'a str,
    pub(super) nonce: &'a str,
    pub(super) groups_claim: &'a str,
}

/// Who the provider says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) subject: String,
    pub(super) login: Option<String>,
    pub(super) name: Option<String>,
    pub(super) groups: Vec<String>,
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?.trim_end_matches('=')).ok()
}

fn signed(key: &Jwk, algorithm: &str, message: &[u8], mac: &[u8]) -> Result<(), Doubt> {
    let rsa = |how: &'static signature::RsaParameters| {
        let (n, e) = (bytes(key.n.as_ref()).ok_or(Doubt::Key)?, bytes(key.e.as_ref()).ok_or(Doubt::Key)?);
        RsaPublicKeyComponents { n, e }.verify(how, message, mac).map_err(|_| Doubt::Signature)
    };
    match (algorithm, key.kty.as_str()) {
        ("RS256", "RSA") => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        ("PS256", "RSA") => rsa(&signature::RSA_PSS_2048_8192_SHA256),
        ("ES256", "EC") if key.crv.as_deref() == Some("P-256") => {
            let (x, y) = (bytes(key.x.as_ref()).ok_or(Doubt::Key)?, bytes(key.y.as_ref()).ok_or(Doubt::Key)?);
            let point = [&[4u8][..], &x, &y].concat();
            let public = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
            public.verify(message, mac).map_err(|_| Doubt::Signature)
        }
        _ => Err(Doubt::Algorithm),
    }
}

/// The subject of a token that may be believed.
///
/// # Errors
/// [`Doubt`]; [`Doubt::Key`] also when the provider has changed its keys since `keys` were read.
pub(super) fn judge(token: &str, keys: &Jwks, expected: &Expected<'_>, now: At) -> Result<Subject, Doubt> {
    let mut parts = token.split('.');
    let (Some(head), Some(body), Some(mac), None, true) =
        (parts.next(), parts.next(), parts.next(), parts.next(), token.len() <= TOKEN_BYTES_MAX)
    else {
        return Err(Doubt::Form);
    };
    let read = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| Doubt::Form);
    let header: Header = serde_json::from_slice(&read(head)?).map_err(|_| Doubt::Form)?;
    let kind = match header.alg.as_str() {
        "RS256" | "PS256" => "RSA",
        "ES256" => "EC",
        _ => return Err(Doubt::Algorithm),
    };
    if header.crit.is_some() {
        return Err(Doubt::Form);
    }
    let usable = |key: &&Jwk| {
        let named = header.kid.is_none() || key.kid == header.kid;
        let meant = key.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let fits = key.alg.as_deref().is_none_or(|alg| alg == header.alg);
        named && meant && fits && key.kty == kind
    };
    let key = keys.keys.iter().find(usable).ok_or(Doubt::Key)?;
    signed(key, &header.alg, &token.as_bytes()[..head.len() + 1 + body.len()], &read(mac)?)?;
    let claims: Value = serde_json::from_slice(&read(body)?).map_err(|_| Doubt::Form)?;
    believed(&claims, expected, now)
}

fn believed(claims: &Value, expected: &Expected<'_>, now: At) -> Result<Subject, Doubt> {
    if claims["iss"].as_str() != Some(expected.issuer) {
        return Err(Doubt::Issuer);
    }
    let audience: Vec<&str> = match &claims["aud"] {
        Value::String(one) => vec![one],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    let party = claims["azp"].as_str();
    let alone = audience.len() == 1 || party == Some(expected.client);
    if !audience.contains(&expected.client) || !alone || party.is_some_and(|party| party != expected.client) {
        return Err(Doubt::Audience);
    }
    let time = |claim: &str| claims[claim].as_f64().map(|seconds| At::from_millis((seconds * 1_000.0) as i64));
    let (Some(ends), Some(begun)) = (time("exp"), time("iat")) else { return Err(Doubt::Time) };
    let early = [Some(begun), time("nbf")].into_iter().flatten().any(|at| at.millis_since(now) > SKEW_MS);
    if now.millis_since(ends) >= SKEW_MS || early {
        return Err(Doubt::Time);
    }
    if claims["nonce"].as_str() != Some(expected.nonce) {
        return Err(Doubt::Nonce);
    }
    let text = |claim: &str| claims[claim].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let groups = claims[expected.groups_claim].as_array().map_or(&[][..], Vec::as_slice);
    Ok(Subject {
        subject: text("sub").ok_or(Doubt::Form)?,
        login: text("preferred_username").or_else(|| text("email")),
        name: text("name"),
        groups: groups.iter().take(GROUPS_MAX).filter_map(Value::as_str).map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::json;

    const NOW: At = At(1_795_000_000_000_000);
    const EXPECTED: Expected<'static> =
        Expected { issuer: "https://idp.example", client: "minewatch", nonce: "n-1", groups_claim: "groups" };

    fn claims() -> Value {
        let now = NOW.millis() / 1_000;
        json!({ "iss": "https://idp.example", "aud": "minewatch", "exp": now + 300, "iat": now, "nonce": "n-1",
            "sub": "u-1", "preferred_username": "li.wei", "name": "李伟", "groups": ["dam-operators", 7] })
    }

    struct Signer {
        pair: EcdsaKeyPair,
        keys: Jwks,
    }

    fn signer() -> Signer {
        let rng = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).expect("key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &rng).expect("key");
        let point = pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let keys = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig", "x": x, "y": y }] });
        Signer { pair, keys: serde_json::from_value(keys).expect("keys") }
    }

    impl Signer {
        fn token(&self, header: &Value, claims: &Value) -> String {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let text = format!("{}.{}", part(header), part(claims));
            let mac = self.pair.sign(&SystemRandom::new(), text.as_bytes()).expect("signed");
            format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.as_ref()))
        }

        fn judged(&self, header: &Value, claims: &Value) -> Result<Subject, Doubt> {
            judge(&self.token(header, claims), &self.keys, &EXPECTED, NOW)
        }
    }

    fn header() -> Value {
        json!({ "alg": "ES256", "kid": "k1" })
    }

    #[test]
    fn a_sound_token_names_its_subject_and_groups() {
        let subject = signer().judged(&header(), &claims()).expect("believed");
        assert_eq!((subject.subject.as_str(), subject.login.as_deref()), ("u-1", Some("li.wei")));
        assert_eq!(subject.groups, ["dam-operators"]);
    }

    #[test]
    fn each_thing_that_is_wrong_is_enough() {
        let signer = signer();
        let now = NOW.millis() / 1_000;
        for (claim, value, doubt) in [
            ("iss", json!("https://idp.example/"), Doubt::Issuer),
            ("aud", json!("other"), Doubt::Audience),
            ("aud", json!(["minewatch", "other"]), Doubt::Audience),
            ("azp", json!("other"), Doubt::Audience),
            ("exp", json!(now - 60), Doubt::Time),
            ("exp", json!(null), Doubt::Time),
            ("iat", json!(now + 61), Doubt::Time),
            ("nbf", json!(now + 61), Doubt::Time),
            ("nonce", json!("n-2"), Doubt::Nonce),
            ("nonce", json!(null), Doubt::Nonce),
            ("sub", json!(""), Doubt::Form),
        ] {
            let mut changed = claims();
            changed[claim] = value.clone();
            assert_eq!(signer.judged(&header(), &changed), Err(doubt), "{claim} {value}");
        }
        for (claim, value) in [("exp", json!(now - 59)), ("iat", json!(now + 60)), ("aud", json!(["minewatch"]))] {
            let mut changed = claims();
            changed[claim] = value.clone();
            assert!(signer.judged(&header(), &changed).is_ok(), "{claim} {value}: within the skew");
        }
    }

    #[test]
    fn only_the_providers_own_signature_counts() {
        let (ours, stranger) = (signer(), signer());
        for (head, doubt) in [
            (json!({ "alg": "none" }), Doubt::Algorithm),
            (json!({ "alg": "HS256", "kid": "k1" }), Doubt::Algorithm),
            (json!({ "alg": "RS256", "kid": "k1" }), Doubt::Key),
            (json!({ "alg": "ES256", "kid": "k1", "crit": ["b64"] }), Doubt::Form),
            (json!({ "alg": "ES256", "kid": "k2" }), Doubt::Key),
        ] {
            assert_eq!(ours.judged(&head, &claims()), Err(doubt), "{head}");
        }
        let forged = stranger.token(&header(), &claims());
        assert_eq!(judge(&forged, &ours.keys, &EXPECTED, NOW), Err(Doubt::Signature));
        let token = ours.token(&header(), &claims());
        for broken in ["", "a.b", "a.b.c.d", &token[..token.len() - 2], &format!("{token}.x")] {
            assert!(judge(broken, &ours.keys, &EXPECTED, NOW).is_err(), "{broken}");
        }
    }
}
