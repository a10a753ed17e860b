//! A scripted Modbus peer on a real socket: one closure decides what it sends for each request.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the peer does with a request.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes after a delay.
    Late(Duration, Vec<u8>),
    /// Sends nothing.
    Silent,
    /// Closes the connection.
    Close,
}

/// A peer, stopped when dropped.
pub(super) struct Peer {
    pub(super) address: String,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request as the peer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) connection: usize,
    pub(super) transaction: u16,
    pub(super) unit: u8,
    pub(super) function: u8,
    pub(super) address: u16,
    /// Count of a read, value of a write.
    pub(super) operand: u16,
}

/// Starts a Modbus TCP peer.
pub(super) async fn tcp_peer(act: impl FnMut(Seen) -> Act + Send + 'static) -> Peer {
    start(act, false).await
}

/// Starts a peer that speaks RTU frames over TCP.
pub(super) async fn rtu_peer(act: impl FnMut(Seen) -> Act + Send + 'static) -> Peer {
    start(act, true).await
}

async fn start(mut act: impl FnMut(Seen) -> Act + Send + 'static, rtu: bool) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let task = tokio::spawn(async move {
        let mut connection = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            serve(&mut stream, connection, rtu, &mut act).await;
            connection += 1;
        }
    });
    Peer { address, task }
}

async fn serve(stream: &mut TcpStream, connection: usize, rtu: bool, act: &mut impl FnMut(Seen) -> Act) {
    // Every request the gateway sends here is a read, a coil or a register write: fixed length.
    let mut frame = vec![0; if rtu { 8 } else { 12 }];
    while stream.read_exact(&mut frame).await.is_ok() {
        let pdu = if rtu { &frame[0..6] } else { &frame[6..12] };
        let seen = Seen {
            connection,
            transaction: if rtu { 0 } else { u16::from_be_bytes([frame[0], frame[1]]) },
            unit: pdu[0],
            function: pdu[1],
            address: u16::from_be_bytes([pdu[2], pdu[3]]),
            operand: u16::from_be_bytes([pdu[4], pdu[5]]),
        };
        let sent = match act(seen) {
            Act::Send(bytes) => stream.write_all(&bytes).await,
            Act::Late(delay, bytes) => {
                tokio::time::sleep(delay).await;
                stream.write_all(&bytes).await
            }
            Act::Silent => Ok(()),
            Act::Close => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// A correct TCP answer carrying `words` to a register read.
pub(super) fn tcp_words(seen: Seen, words: &[u16]) -> Vec<u8> {
    tcp_frame(seen.transaction, seen.unit, &words_pdu(seen.function, words))
}

/// A TCP frame around a PDU.
pub(super) fn tcp_frame(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).expect("short");
    let mut bytes = [transaction.to_be_bytes(), [0, 0], length.to_be_bytes()].concat();
    bytes.push(unit);
    bytes.extend_from_slice(pdu);
    bytes
}

/// A correct RTU answer carrying `words` to a register read.
pub(super) fn rtu_words(seen: Seen, words: &[u16]) -> Vec<u8> {
    rtu_frame(seen.unit, &words_pdu(seen.function, words))
}

/// An RTU frame around a PDU.
pub(super) fn rtu_frame(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut bytes = vec![unit];
    bytes.extend_from_slice(pdu);
    let crc = bytes.iter().fold(0xffff_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 })
    });
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn words_pdu(function: u8, words: &[u16]) -> Vec<u8> {
    let mut pdu = vec![function, u8::try_from(words.len() * 2).expect("short")];
    pdu.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    pdu
}
