//! Why the other end is believed to be headquarters.
//!
//! Invariant: a certificate is only believed under an authority that was named beforehand, in full or
//! by its SHA-256, and host name and dates are checked as always.

use anyhow::{Context, Result, ensure};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What is known of headquarters.
#[derive(Debug, Clone)]
pub(super) enum Trust {
    /// Its authority, PEM.
    Authority(Vec<u8>),
    /// SHA-256 of its authority, which the server must send along.
    Fingerprint([u8; 32]),
}

/// Reads 64 hexadecimal digits; colons and blanks between them do not matter.
pub(super) fn fingerprint(text: &str) -> Result<[u8; 32]> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
    ensure!(
        digits.len() == 64 && digits.is_ascii(),
        "a SHA-256 fingerprint has 64 hexadecimal digits, not {}",
        digits.len()
    );
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let pair = &digits[2 * at..2 * at + 2];
        *byte = u8::from_str_radix(pair, 16).with_context(|| format!("{pair:?} is not hexadecimal"))?;
    }
    Ok(bytes)
}

impl Trust {
    /// TLS that believes only this.
    pub(super) fn config(&self) -> Result<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        Ok(match self {
            Trust::Authority(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    roots.add(certificate.context("authority")?)?;
                }
                ensure!(!roots.is_empty(), "no certificate in the authority's file");
                builder.with_root_certificates(roots).with_no_client_auth()
            }
            Trust::Fingerprint(wanted) => {
                let pinned = Pinned { wanted: *wanted, provider };
                builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned)).with_no_client_auth()
            }
        })
    }
}

/// Believes the authority of one fingerprint, if the server sends it, and then checks as always.
#[derive(Debug)]
struct Pinned {
    wanted: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let named = intermediates.iter().find(|sent| <[u8; 32]>::from(Sha256::digest(sent)) == self.wanted);
        let named = named.ok_or_else(|| Error::General("no authority of this fingerprint was shown".to_owned()))?;
        let mut roots = RootCertStore::empty();
        roots.add(named.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_openssl_and_we_write_it() {
        let plain = "00ff".repeat(16);
        let colons = (0..32).map(|at| if at % 2 == 0 { "00" } else { "FF" }).collect::<Vec<_>>().join(":");
        assert_eq!(fingerprint(&plain).expect("plain"), fingerprint(&colons).expect("colons"));
        assert!(fingerprint("00ff").is_err() && fingerprint(&"zz".repeat(32)).is_err());
        assert!(fingerprint(&"é".repeat(32)).is_err());
    }
}
