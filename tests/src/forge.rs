//! Messages an honest gateway never sends, published with `mosquitto_pub` as an attacker would.

use crate::process::run;
use anyhow::Result;
use minewatch_domain::wire::{BatchV1, FrameV1, ReadingsV1, VERSION, encode};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A well-formed batch of one reading, to be bent by the caller.
pub fn batch(gateway: &str, epoch: u64, first_seq: u64, at_us: i64) -> BatchV1 {
    let readings = ReadingsV1 { at_us, point: vec![1], value: vec![1.0], offset_us: Vec::new(), quality: Vec::new() };
    let frame = FrameV1 {
        first_seq,
        config: 1,
        readings: Some(readings),
        alarm: None,
        gap: None,
        event: None,
        catalogue: None,
    };
    BatchV1 {
        version: VERSION,
        gateway: gateway.to_owned(),
        epoch,
        lane: 1,
        sent_at_us: at_us,
        batch: 1,
        points: vec![(1, "forged.value".to_owned())],
        frames: vec![frame],
    }
}

/// The bytes of a batch.
pub fn bytes(batch: &BatchV1) -> Vec<u8> {
    encode(batch)
}

/// Publishes `payload` with QoS 1 at the broker on `port`.
///
/// # Errors
/// When `mosquitto_pub` is missing or the broker refuses.
pub fn publish(folder: &Path, port: u16, topic: &str, payload: &[u8]) -> Result<()> {
    let file = folder.join("forged.bin");
    fs::write(&file, payload)?;
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-V", "5", "-q", "1", "-i", "forger", "-p", &port.to_string(), "-t", topic]);
    // A broker that hangs up makes mosquitto_pub try again for ever: it gets five seconds.
    let limited =
        run(Command::new("timeout").arg("5").arg(command.get_program()).args(command.get_args()).arg("-f").arg(&file));
    limited.map(|_| ())
}
