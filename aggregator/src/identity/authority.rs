//! The two certificate authorities: files, signing, revocation lists. No store, no network.
//!
//! Invariant: the two share nothing, so that a gateway's certificate opens no door of headquarters
//! and the reverse. A private key whose file others may read is refused. Deliberately absent: who is
//! entitled to a certificate (`registry`).

use super::SecretFile;
use crate::people::write_secret;
use anyhow::{Context, Result, ensure};
use minewatch_domain::At;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData, RevokedCertParams,
    SanType, SerialNumber,
};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// An authority lives this long, days: replacing it means visiting every gateway.
const AUTHORITY_DAYS: i64 = 20 * 365;
/// Clocks of gateways may be behind by this much when a certificate arrives, ms.
const BEFORE_MS: i64 = 24 * 3_600_000;
/// A revocation list is good for this long; it is written anew every day. An expired one would shut
/// every gateway out, so it is long.
const LIST_DAYS: i64 = 365;
/// Largest certificate request read.
pub(super) const REQUEST_BYTES_MAX: usize = 8 * 1024;
const DAY_MS: i64 = 86_400_000;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Signs gateways. The gateways' listener of the broker trusts it, and nothing else does.
    Gateways,
    /// Signs servers, aggregators and readers at headquarters.
    Headquarters,
}

impl Authority {
    /// Both.
    pub const ALL: [Authority; 2] = [Authority::Gateways, Authority::Headquarters];

    /// Folder below the identity folder, and the name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Authority::Gateways => "gateways",
            Authority::Headquarters => "headquarters",
        }
    }
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// A gateway: speaks in its own tree.
    Gateway,
    /// An aggregator: hears every gateway, publishes for headquarters.
    Service,
    /// A subscriber at headquarters: reads.
    Reader,
    /// A TLS server: the broker, the console.
    Server,
}

impl Role {
    /// Name in the store and in files.
    pub fn name(self) -> &'static str {
        match self {
            Role::Gateway => "gateway",
            Role::Service => "service",
            Role::Reader => "reader",
            Role::Server => "server",
        }
    }

    /// Who signs it.
    pub fn authority(self) -> Authority {
        match self {
            Role::Gateway => Authority::Gateways,
            Role::Service | Role::Reader | Role::Server => Authority::Headquarters,
        }
    }
}

/// What is to be certified.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Common name: gateway id, account, or host.
    pub name: &'a str,
    /// What for.
    pub role: Role,
    /// Host names and addresses of a server.
    pub hosts: &'a [String],
    /// From when.
    pub from: At,
    /// How long, days.
    pub days: u32,
}

/// A certificate that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Public key, hexadecimal.
    pub public_key: String,
    /// The certificate, PEM.
    pub pem: String,
    /// When it ends.
    pub ends: At,
}

/// One authority, opened.
pub struct Ca {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// 128 random bits whose first is 0 (a serial number is a positive integer).
fn serial() -> [u8; 16] {
    let mut bytes = rand::random::<[u8; 16]>();
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    bytes
}

fn date(at: At) -> Result<OffsetDateTime> {
    Ok(OffsetDateTime::from_unix_timestamp(at.millis().div_euclid(1_000))?)
}

fn authority_params(name: &str, now: At) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.not_before = date(now.plus_millis(-BEFORE_MS))?;
    params.not_after = date(now.plus_millis(AUTHORITY_DAYS * DAY_MS))?;
    params.serial_number = Some(SerialNumber::from_slice(&serial()));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// Writes a public file as a whole: readers see the old one or the new one.
pub(super) fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let part = file.with_extension("part");
    let mut opened = fs::File::create(&part)?;
    opened.write_all(text.as_bytes())?;
    opened.sync_all()?;
    fs::rename(part, file)
}

/// SHA-256 of the first certificate of a PEM text, as `openssl x509 -fingerprint -sha256` has it, without colons.
pub fn fingerprint(pem: &str) -> Result<String> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| anyhow::anyhow!("no certificate: {e}"))?;
    Ok(crate::audit::hex(&Sha256::digest(&der)))
}

impl Ca {
    /// Makes the authority's key and certificate; refuses where there is one already.
    ///
    /// # Errors
    /// When there is one, or files cannot be written.
    pub fn init(dir: &Path, which: Authority, label: &str, now: At) -> Result<Ca> {
        let folder = dir.join(which.name());
        ensure!(!folder.join("ca.key").exists(), "{} has an authority already; nothing was changed", folder.display());
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let key = KeyPair::generate()?;
        let certificate = authority_params(&format!("{label} {}", which.name()), now)?.self_signed(&key)?;
        write_secret(&folder.join("ca.key"), key.serialize_pem().as_bytes())?;
        replace(&folder.join("ca.pem"), &certificate.pem())?;
        let ca = Ca::open(dir, which)?;
        ca.write_list(&[], now)?;
        Ok(ca)
    }

    /// Opens the authority.
    ///
    /// # Errors
    /// When a file is missing, damaged, or the key may be read by others.
    pub fn open(dir: &Path, which: Authority) -> Result<Ca> {
        let folder = dir.join(which.name());
        let key = SecretFile::read(&folder.join("ca.key"))?;
        let pem =
            fs::read_to_string(folder.join("ca.pem")).with_context(|| folder.join("ca.pem").display().to_string())?;
        let key = KeyPair::from_pem(&key).with_context(|| folder.join("ca.key").display().to_string())?;
        let issuer =
            Issuer::from_ca_cert_pem(&pem, key).with_context(|| folder.join("ca.pem").display().to_string())?;
        Ok(Ca { folder, issuer, pem })
    }

    /// The authority's certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs the key of a request. Nothing of the request but its key is taken over: names and uses are ours.
    ///
    /// # Errors
    /// When the request is no request, is not signed by its own key, or is too large.
    pub fn sign_request(&self, request: &str, wanted: &Wanted<'_>) -> Result<Issued> {
        let request = parse_request(request)?;
        self.sign(&request.public_key, wanted)
    }

    /// Makes a key and signs it; returns the key too, PEM.
    ///
    /// # Errors
    /// When signing fails.
    pub fn issue(&self, wanted: &Wanted<'_>) -> Result<(String, Issued)> {
        let key = KeyPair::generate()?;
        let issued = self.sign(&key, wanted)?;
        Ok((key.serialize_pem(), issued))
    }

    fn sign(&self, key: &impl PublicKeyData, wanted: &Wanted<'_>) -> Result<Issued> {
        let number = serial();
        let ends = wanted.from.plus_millis(i64::from(wanted.days) * DAY_MS);
        let mut params = CertificateParams::default();
        params.not_before = date(wanted.from.plus_millis(-BEFORE_MS))?;
        params.not_after = date(ends)?;
        params.serial_number = Some(SerialNumber::from_slice(&number));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, wanted.name);
        params.use_authority_key_identifier_extension = true;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match wanted.role {
            Role::Gateway | Role::Service | Role::Reader => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Role::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
        };
        for host in wanted.hosts {
            params.subject_alt_names.push(match host.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(host.as_str().try_into().context("host name")?),
            });
        }
        let certificate = params.signed_by(key, &self.issuer)?;
        let (serial, public_key) = (crate::audit::hex(&number), crate::audit::hex(key.der_bytes()));
        Ok(Issued { serial, public_key, pem: certificate.pem(), ends })
    }

    /// Where the revocation list is.
    pub fn list_file(&self) -> PathBuf {
        self.folder.join("crl.pem")
    }

    /// Writes the revocation list: serial numbers and when each was revoked.
    ///
    /// # Errors
    /// When it cannot be signed or written.
    pub fn write_list(&self, revoked: &[(String, At)], now: At) -> Result<()> {
        let mut entries = Vec::new();
        for (serial, at) in revoked {
            let number = from_hex(serial).with_context(|| format!("serial number {serial:?}"))?;
            entries.push(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&number),
                revocation_time: date(*at)?,
                reason_code: None,
                invalidity_date: None,
            });
        }
        let list = CertificateRevocationListParams {
            this_update: date(now.plus_millis(-BEFORE_MS))?,
            next_update: date(now.plus_millis(LIST_DAYS * DAY_MS))?,
            crl_number: SerialNumber::from(u64::try_from(now.millis()).unwrap_or_default()),
            issuing_distribution_point: None,
            revoked_certs: entries,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        replace(&self.list_file(), &list.signed_by(&self.issuer)?.pem()?)?;
        Ok(())
    }
}

/// Reads a request and proves that its sender holds the key; P-256 only, as gateways make them.
pub(super) fn parse_request(request: &str) -> Result<CertificateSigningRequestParams> {
    ensure!(request.len() <= REQUEST_BYTES_MAX, "a request has at most {REQUEST_BYTES_MAX} bytes");
    let parsed = CertificateSigningRequestParams::from_pem(request)?;
    ensure!(*parsed.public_key.algorithm() == rcgen::PKCS_ECDSA_P256_SHA256, "the key must be ECDSA P-256");
    Ok(parsed)
}

/// The public key of a request, hexadecimal.
pub(super) fn request_key(request: &str) -> Result<String> {
    Ok(crate::audit::hex(parse_request(request)?.public_key.der_bytes()))
}

pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let even = text.len().is_multiple_of(2) && text.is_ascii();
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    if even { (0..text.len()).step_by(2).map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const NOW: At = At(1_795_000_000_000_000);

    fn wanted(name: &str, role: Role) -> Wanted<'_> {
        Wanted { name, role, hosts: &[], from: NOW, days: 30 }
    }

    #[test]
    fn an_authority_is_made_once_and_opened_again() {
        let dir = tempfile::tempdir().expect("folder");
        let made = Ca::init(dir.path(), Authority::Gateways, "Test", NOW).expect("made");
        assert!(Ca::init(dir.path(), Authority::Gateways, "Test", NOW).is_err(), "never overwritten");
        let opened = Ca::open(dir.path(), Authority::Gateways).expect("opened");
        assert_eq!(opened.pem(), made.pem());
        assert_eq!(fingerprint(opened.pem()).expect("fingerprint").len(), 64);
        assert!(fs::read_to_string(opened.list_file()).expect("list").contains("BEGIN X509 CRL"));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().expect("folder");
        Ca::init(dir.path(), Authority::Gateways, "Test", NOW).expect("made");
        let key = dir.path().join("gateways/ca.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("chmod");
        let refused = Ca::open(dir.path(), Authority::Gateways).expect_err("refused");
        assert!(format!("{refused:#}").contains("0644"), "{refused:#}");
    }

    #[test]
    fn a_request_gets_our_name_and_not_its_own() {
        let dir = tempfile::tempdir().expect("folder");
        let ca = Ca::init(dir.path(), Authority::Gateways, "Test", NOW).expect("made");
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::new(vec!["evil.example".to_owned()]).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let request = params.serialize_request(&key).expect("request").pem().expect("pem");
        let issued = ca.sign_request(&request, &wanted("gw-1", Role::Gateway)).expect("signed");
        assert_eq!(issued.public_key, crate::audit::hex(key.public_key_raw()));
        let again = Issuer::from_ca_cert_pem(&issued.pem, KeyPair::generate().expect("key")).expect("parsed");
        assert!(!again.key_usages().contains(&KeyUsagePurpose::KeyCertSign), "no authority of its own");
        assert!(ca.sign_request("nonsense", &wanted("gw-1", Role::Gateway)).is_err());
        assert!(ca.sign_request(&"x".repeat(REQUEST_BYTES_MAX + 1), &wanted("gw-1", Role::Gateway)).is_err());
    }

    #[test]
    fn a_request_not_signed_by_its_key_is_refused() {
        use base64::Engine;
        let key = KeyPair::generate().expect("key");
        let made = CertificateParams::default().serialize_request(&key).expect("request");
        let mut bytes = made.der().to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let body = base64::engine::general_purpose::STANDARD.encode(bytes);
        let pem = format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n");
        assert!(parse_request(&pem).is_err());
    }

    #[test]
    fn hexadecimal_is_read_or_refused() {
        assert_eq!(from_hex("00ff"), Some(vec![0, 255]));
        assert_eq!((from_hex("0"), from_hex("zz"), from_hex("é1")), (None, None, None));
    }
}
