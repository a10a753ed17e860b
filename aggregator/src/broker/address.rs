//! Where a broker is and how to prove who we are.

use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::v5::ConnectProperties;
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What is shown to the broker; never printed.
#[derive(Clone, Default)]
pub struct Credentials {
    /// CA certificates, PEM. Empty: the system's.
    pub ca: Option<Vec<u8>>,
    /// Client certificate chain and key, PEM.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// User name and password.
    pub login: Option<(String, String)>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// A broker's address.
#[derive(Debug, Clone)]
pub struct BrokerAddress {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS.
    pub tls: bool,
    /// Secrets.
    pub credentials: Credentials,
}

impl BrokerAddress {
    /// Reads `mqtt://host[:port]` or `mqtts://host[:port]`.
    ///
    /// # Errors
    /// A sentence saying what is wrong.
    pub fn parse(url: &str) -> Result<BrokerAddress, String> {
        let (tls, rest) = match url.split_once("://") {
            Some(("mqtt", rest)) => (false, rest),
            Some(("mqtts", rest)) => (true, rest),
            _ => return Err("must be mqtt://host:port or mqtts://host:port".to_owned()),
        };
        if rest.contains(['@', '/', '?', '#']) {
            return Err("must be host and port only; user and password have their own settings".to_owned());
        }
        let standard = if tls { 8_883 } else { 1_883 };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse::<u16>().map_err(|_| format!("port {port:?} is not a port"))?)
            }
            _ => (rest, standard),
        };
        match host.is_empty() || port == 0 {
            true => Err("host and port must not be empty".to_owned()),
            false => Ok(BrokerAddress { host: host.to_owned(), port, tls, credentials: Credentials::default() }),
        }
    }

    /// The address for people.
    pub fn url(&self) -> String {
        format!("{}://{}:{}", if self.tls { "mqtts" } else { "mqtt" }, self.host, self.port)
    }

    /// Client options for one connection.
    ///
    /// # Errors
    /// As [`BrokerAddress::tls_config`].
    pub fn options(&self, client_id: &str) -> Result<MqttOptions, String> {
        let mut options = MqttOptions::new(client_id, self.host.trim_matches(['[', ']']), self.port);
        options.set_clean_start(true).set_keep_alive(Duration::from_secs(10)).set_connection_timeout(5);
        let properties = ConnectProperties {
            max_packet_size: Some((minewatch_domain::wire::PAYLOAD_BYTES_MAX + (128 << 10)) as u32),
            session_expiry_interval: Some(0),
            ..ConnectProperties::new()
        };
        options.set_connect_properties(properties);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        if let Some((user, password)) = &self.credentials.login {
            options.set_credentials(user, password);
        }
        if let Some(tls) = self.tls_config()? {
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
        }
        Ok(options)
    }

    /// How to prove the broker's identity and ours; `None` without TLS.
    ///
    /// # Errors
    /// A sentence: no CA certificate, or an unusable client certificate or key.
    pub fn tls_config(&self) -> Result<Option<Arc<ClientConfig>>, String> {
        if !self.tls {
            return Ok(None);
        }
        let mut roots = RootCertStore::empty();
        match &self.credentials.ca {
            Some(ca) => roots.add_parsable_certificates(certificates(ca)?),
            None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
        };
        if roots.is_empty() {
            return Err("no CA certificate to check the broker with".to_owned());
        }
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let config = match &self.credentials.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| format!("client key: {e}"))?;
                let usable = builder.with_client_auth_cert(certificates(chain)?, key);
                usable.map_err(|e| format!("client certificate: {e}"))?
            }
        };
        Ok(Some(Arc::new(config)))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|e| format!("certificate: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_standard_port() {
        let shown = |url| BrokerAddress::parse(url).map(|a| a.url());
        assert_eq!(shown("mqtt://b").as_deref(), Ok("mqtt://b:1883"));
        assert_eq!(shown("mqtts://b.example:9").as_deref(), Ok("mqtts://b.example:9"));
        assert_eq!(shown("mqtt://[::1]:7").as_deref(), Ok("mqtt://[::1]:7"));
        for bad in ["", "b:1", "http://b", "mqtt://", "mqtt://u:p@b", "mqtt://b:x", "mqtt://b:0", "mqtt://b/x"] {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }
}
