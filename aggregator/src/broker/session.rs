//! One connection, made anew after every error: rumqttc's own reconnect can lose or repeat what
//! it holds, and nothing we send needs it (the gateway's resend and the outbox are the truth).

use super::BrokerAddress;
use rumqttc::v5::mqttbytes::v5::LastWill;
use rumqttc::v5::{AsyncClient, EventLoop};
use std::time::Duration;

/// Requests waiting for the event loop.
const REQUESTS_MAX: usize = 1_024;

/// A fresh client and its event loop.
#[expect(missing_debug_implementations, reason = "the event loop has none")]
pub struct Session {
    /// Puts requests in.
    pub client: AsyncClient,
    /// Must be polled by the same task.
    pub events: EventLoop,
}

impl Session {
    /// A new, clean session under `client_id`.
    ///
    /// # Errors
    /// When the address's certificates cannot be used.
    pub fn new(address: &BrokerAddress, client_id: &str, will: Option<LastWill>) -> Result<Session, String> {
        let mut options = address.options(client_id)?;
        if let Some(will) = will {
            options.set_last_will(will);
        }
        let (client, events) = AsyncClient::new(options, REQUESTS_MAX);
        Ok(Session { client, events })
    }
}

/// How long to wait before attempt `failures + 1`: quick at first, 5 s at most.
pub fn backoff(failures: u32) -> Duration {
    Duration::from_millis(100u64.saturating_mul(1 << failures.min(6)).min(5_000))
}
