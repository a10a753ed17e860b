//! `gateway decode`: prints a message from the wire as JSON, for engineers with a capture.
//! Pure but for reading the input.

use anyhow::{Context, bail};
use minewatch_domain::wire::{AckV1, BatchV1, SessionV1, decode};
use serde_json::{Value, json};
use std::io::Read;

/// Decodes a batch, an ack or a session message.
#[derive(Debug, clap::Args)]
pub struct DecodeArgs {
    /// File with the payload of one message; `-` reads standard input.
    pub file: std::path::PathBuf,
}

/// Prints the message.
///
/// # Errors
/// When the input cannot be read or is not a message of this wire version.
pub fn print(args: &DecodeArgs) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    let limit = minewatch_domain::wire::PAYLOAD_BYTES_MAX as u64 + 1;
    if args.file.as_os_str() == "-" {
        std::io::stdin().take(limit).read_to_end(&mut bytes)?;
    } else {
        let file = std::fs::File::open(&args.file).with_context(|| format!("cannot open {}", args.file.display()))?;
        file.take(limit).read_to_end(&mut bytes)?;
    }
    println!("{}", serde_json::to_string_pretty(&describe(&bytes)?)?);
    Ok(())
}

fn describe(bytes: &[u8]) -> anyhow::Result<Value> {
    let not_a_batch = match decode::<BatchV1>(bytes) {
        Ok(batch) => return describe_batch(&batch),
        Err(error) => error,
    };
    if let Ok(ack) = decode::<AckV1>(bytes) {
        return Ok(json!({ "ack": format!("{ack:?}") }));
    }
    if let Ok(session) = decode::<SessionV1>(bytes) {
        return Ok(json!({ "session": format!("{session:?}") }));
    }
    bail!("neither batch, ack nor session message; as a batch: {not_a_batch}")
}

fn describe_batch(batch: &BatchV1) -> anyhow::Result<Value> {
    let points = batch.dictionary()?;
    let mut records = Vec::new();
    for frame in &batch.frames {
        let config = format!("{:016x}", frame.config);
        let unpacked = frame.unpack(&points)?;
        let good = unpacked.records.into_iter();
        records.extend(good.map(|r| json!({ "seq": r.seq, "config": config, "record": r.record })));
        let impossible = unpacked.impossible.into_iter();
        records.extend(impossible.map(|(seq, why)| json!({ "seq": seq, "config": config, "impossible": why })));
    }
    Ok(json!({
        "gateway": batch.gateway, "epoch": batch.epoch, "lane": batch.lane()?.name(), "batch": batch.batch,
        "sent_at_us": batch.sent_at_us, "records": records,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_message_are_refused_with_the_reason() {
        let error = describe(&[0xff, 0x00]).expect_err("not CBOR");
        assert!(error.to_string().contains("neither batch"), "{error}");
    }

    #[test]
    fn the_golden_batch_is_shown_with_every_record_by_its_names() {
        let golden = include_bytes!("../../models/domain/golden/batch.v1.cbor");
        let shown = describe(golden).expect("a batch");
        let records = shown["records"].as_array().expect("records");
        assert_eq!(records.len(), 5);
        assert_eq!(records[0]["record"]["reading"]["point"], "pool.level");
        assert_eq!(records[1]["record"]["reading"]["reason"], "timeout");
        assert_eq!(records[2]["record"]["alarm"]["to"], "red");
        assert_eq!(records[3]["record"]["gap"]["seqs"][2], 100);
    }
}
