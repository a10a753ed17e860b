//! A connection that publishes in bursts: many PUBLISH packets in one write, a sliding window of
//! acknowledgements. rumqttc writes to the socket once a message and keeps a window of its own.
//!
//! Invariant: a message counts as taken only by its PUBACK; nothing outlives the connection, which
//! is thrown away at its first error (whoever publishes starts again from the truth). QoS 1 only.
//! Deliberately absent: subscriptions, reconnecting, sessions.

use super::BrokerAddress;
use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Connect, ConnectProperties, ConnectReturnCode, LastWill, Login, Packet, PingReq, PubAckReason, Publish,
    PublishProperties,
};
use rumqttc::v5::mqttbytes::{Error as PacketError, QoS};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// Messages written and not yet acknowledged: a second of a full site in one go, and some 600 kB.
/// A broker that allows fewer says so (mosquitto: 20).
const WINDOW_MAX: usize = 1_000;
/// Bytes waiting for the socket, above which no more is taken: one alarm is never far behind.
const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// Largest packet accepted; brokers answer publishers with a few bytes.
const PACKET_BYTES_MAX: u32 = 64 << 10;
/// MQTT keep-alive, how often a ping is sent, and the silence that ends the connection.
const KEEP_ALIVE_S: u16 = 10;
const PING: Duration = Duration::from_secs(4);
const SILENCE_MAX: Duration = Duration::from_secs(12);
/// Longest wait for TCP, TLS and CONNACK together.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// What carries the bytes: TCP, or TLS over it.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// The broker's word on one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled<T> {
    /// What the message was published with.
    pub tag: T,
    /// It took it. False: it refused it and said so (no rights, over quota).
    pub taken: bool,
}

/// An open connection. `T` tells the caller which message was acknowledged.
pub struct Burst<T> {
    reader: ReadHalf<Box<dyn Wire>>,
    writer: WriteHalf<Box<dyn Wire>>,
    input: BytesMut,
    output: BytesMut,
    flushed: bool,
    flying: VecDeque<(u16, T)>,
    next: u16,
    window: usize,
    packet_max: Option<u32>,
    heard: Instant,
    beat: Interval,
}

impl<T> Burst<T> {
    /// Connects with a clean session.
    ///
    /// # Errors
    /// A sentence: no way to the broker, its certificate, or its refusal.
    pub async fn open(address: &BrokerAddress, client_id: &str, will: LastWill) -> Result<Burst<T>, String> {
        let connecting = async {
            let wire = dial(address).await?;
            let (reader, writer) = tokio::io::split(wire);
            let mut beat = tokio::time::interval(PING);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut burst = Burst {
                reader,
                writer,
                input: BytesMut::with_capacity(16 << 10),
                output: BytesMut::with_capacity(64 << 10),
                flushed: true,
                flying: VecDeque::new(),
                next: 0,
                window: WINDOW_MAX,
                packet_max: None,
                heard: Instant::now(),
                beat,
            };
            burst.greet(address, client_id, will).await?;
            Ok(burst)
        };
        tokio::time::timeout(CONNECT_MAX, connecting)
            .await
            .unwrap_or_else(|_| Err(format!("no connection within {} s", CONNECT_MAX.as_secs())))
    }

    async fn greet(&mut self, address: &BrokerAddress, client_id: &str, will: LastWill) -> Result<(), String> {
        let properties = ConnectProperties {
            session_expiry_interval: Some(0),
            max_packet_size: Some(PACKET_BYTES_MAX),
            ..ConnectProperties::new()
        };
        let connect = Connect {
            keep_alive: KEEP_ALIVE_S,
            client_id: client_id.to_owned(),
            clean_start: true,
            properties: Some(properties),
        };
        let login = address.credentials.login.as_ref().map(|(user, password)| Login::new(user, password));
        Packet::Connect(connect, Some(will), login).write(&mut self.output, None).map_err(|e| e.to_string())?;
        self.writer.write_all_buf(&mut self.output).await.map_err(|e| e.to_string())?;
        self.writer.flush().await.map_err(|e| e.to_string())?;
        loop {
            match Packet::read(&mut self.input, Some(PACKET_BYTES_MAX)) {
                Ok(Packet::ConnAck(ack)) => return self.welcome(ack),
                Ok(other) => return Err(format!("broker answered CONNECT with {other:?}")),
                Err(PacketError::InsufficientBytes(_)) => self.read().await?,
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn welcome(&mut self, ack: ConnAck) -> Result<(), String> {
        if ack.code != ConnectReturnCode::Success {
            return Err(format!("broker refuses the connection: {:?}", ack.code));
        }
        if let Some(properties) = ack.properties {
            let allowed = properties.receive_max.map_or(WINDOW_MAX, usize::from);
            self.window = allowed.clamp(1, WINDOW_MAX);
            self.packet_max = properties.max_packet_size;
        }
        Ok(())
    }

    /// Whether another message may be published now.
    pub fn has_room(&self) -> bool {
        self.flying.len() < self.window && self.output.len() < OUTPUT_BYTES_MAX
    }

    /// Puts a message into the next write. Call only when [`Burst::has_room`]; written by [`Burst::turn`].
    ///
    /// # Errors
    /// When the message is larger than the broker allows.
    pub fn publish(
        &mut self,
        topic: Bytes,
        payload: Vec<u8>,
        retain: bool,
        properties: Option<PublishProperties>,
        tag: T,
    ) -> Result<(), String> {
        self.next = self.next % u16::MAX + 1;
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain,
            topic,
            pkid: self.next,
            payload: payload.into(),
            properties,
        };
        Packet::Publish(publish).write(&mut self.output, self.packet_max).map_err(|e| e.to_string())?;
        self.flying.push_back((self.next, tag));
        Ok(())
    }

    /// Writes, reads or pings, whatever can be done next; adds to `settled` what the broker answered.
    /// May be cancelled at any time.
    ///
    /// # Errors
    /// A sentence; the connection is of no use any more.
    pub async fn turn(&mut self, settled: &mut Vec<Settled<T>>) -> Result<(), String> {
        tokio::select! {
            read = self.reader.read_buf(&mut self.input) => {
                took(read, &mut self.heard)?;
                self.answers(settled)
            }
            pushed = push(&mut self.writer, &mut self.output, &mut self.flushed),
                if !(self.output.is_empty() && self.flushed) => pushed.map_err(|e| e.to_string()),
            _ = self.beat.tick() => self.ping(),
        }
    }

    fn ping(&mut self) -> Result<(), String> {
        if self.heard.elapsed() > SILENCE_MAX {
            return Err(format!("broker silent for {} s", SILENCE_MAX.as_secs()));
        }
        Packet::PingReq(PingReq).write(&mut self.output, None).map(|_| ()).map_err(|e| e.to_string())
    }

    async fn read(&mut self) -> Result<(), String> {
        let read = self.reader.read_buf(&mut self.input).await;
        took(read, &mut self.heard)
    }

    fn answers(&mut self, settled: &mut Vec<Settled<T>>) -> Result<(), String> {
        loop {
            match Packet::read(&mut self.input, Some(PACKET_BYTES_MAX)) {
                Ok(Packet::PubAck(ack)) => {
                    // Brokers answer in order; one that does not is understood too.
                    let Some(index) = self.flying.iter().position(|(id, _)| *id == ack.pkid) else { continue };
                    let taken = matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
                    settled.extend(self.flying.remove(index).map(|(_, tag)| Settled { tag, taken }));
                }
                Ok(Packet::Disconnect(bye)) => {
                    return Err(format!("broker ends the connection: {:?}", bye.reason_code));
                }
                Ok(_) => {}
                Err(PacketError::InsufficientBytes(_)) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

/// One write, or the flush after the last one. May be cancelled: what was written has left `output`.
async fn push(writer: &mut WriteHalf<Box<dyn Wire>>, output: &mut BytesMut, flushed: &mut bool) -> std::io::Result<()> {
    if output.is_empty() {
        writer.flush().await?;
        *flushed = true;
        return Ok(());
    }
    let written = writer.write_buf(output).await?;
    *flushed = false;
    if written == 0 { Err(std::io::ErrorKind::WriteZero.into()) } else { Ok(()) }
}

fn took(read: std::io::Result<usize>, heard: &mut Instant) -> Result<(), String> {
    match read {
        Ok(0) => Err("broker closed the connection".to_owned()),
        Ok(_) => {
            *heard = Instant::now();
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

async fn dial(address: &BrokerAddress) -> Result<Box<dyn Wire>, String> {
    let host = address.host.trim_matches(['[', ']']);
    let tcp = TcpStream::connect((host, address.port)).await.map_err(|e| e.to_string())?;
    tcp.set_nodelay(true).map_err(|e| e.to_string())?;
    match address.tls_config()? {
        None => Ok(Box::new(tcp)),
        Some(config) => {
            let name = rustls::pki_types::ServerName::try_from(host.to_owned()).map_err(|e| e.to_string())?;
            let tls = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await;
            Ok(Box::new(tls.map_err(|e| format!("TLS: {e}"))?))
        }
    }
}

#[cfg(test)]
mod tests;
