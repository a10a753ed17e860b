//! The one owner of MQTT topic strings (design: "On the wire").

use crate::{GatewayId, Lane};

/// Root of every Minewatch topic.
pub const ROOT: &str = "minewatch/v1";

/// Content type of internal-plane payloads.
pub const CONTENT_TYPE: &str = "application/vnd.minewatch.v1+cbor";

/// What a gateway says; parsed from a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Up {
    /// A batch of ledger records.
    Batch(Lane),
    /// Session message: hello or heartbeat.
    Session,
    /// Retained online/offline status (also the will).
    Status,
    /// What the gateway says to a command.
    CommandResult,
}

/// Batches of one lane.
pub fn batch(gateway: &GatewayId, lane: Lane) -> String {
    format!("{ROOT}/gw/{gateway}/up/{}", lane.name())
}

/// Hello and heartbeat.
pub fn session(gateway: &GatewayId) -> String {
    format!("{ROOT}/gw/{gateway}/up/session")
}

/// Retained status, also the will.
pub fn status(gateway: &GatewayId) -> String {
    format!("{ROOT}/gw/{gateway}/status")
}

/// Store acknowledgements to one gateway.
pub fn ack(gateway: &GatewayId) -> String {
    format!("{ROOT}/gw/{gateway}/down/ack")
}

/// Commands to one gateway.
pub fn command(gateway: &GatewayId) -> String {
    format!("{ROOT}/gw/{gateway}/down/cmd")
}

/// What a gateway says to commands.
pub fn command_result(gateway: &GatewayId) -> String {
    format!("{ROOT}/gw/{gateway}/up/cmd-result")
}

/// Subscriptions by which an aggregator hears every gateway. `group` set: a shared subscription.
pub fn aggregator_filters(group: Option<&str>) -> Vec<String> {
    ["up/+", "status"]
        .iter()
        .map(|leaf| match group {
            Some(group) => format!("$share/{group}/{ROOT}/gw/+/{leaf}"),
            None => format!("{ROOT}/gw/+/{leaf}"),
        })
        .collect()
}

/// Reads a gateway's topic; `None` for anything that is not exactly one of ours.
pub fn parse_up(topic: &str) -> Option<(GatewayId, Up)> {
    let rest = topic.strip_prefix(ROOT)?.strip_prefix("/gw/")?;
    let (gateway, leaf) = rest.split_once('/')?;
    let gateway = GatewayId::parse(gateway).ok()?;
    let up = match leaf {
        "status" => Up::Status,
        "up/session" => Up::Session,
        "up/cmd-result" => Up::CommandResult,
        _ => Up::Batch(Lane::from_name(leaf.strip_prefix("up/")?)?),
    };
    Some((gateway, up))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_we_write_is_one_we_read() {
        let gw = GatewayId::parse("gw-01").expect("slug");
        assert_eq!(parse_up(&batch(&gw, Lane::Alarm)), Some((gw.clone(), Up::Batch(Lane::Alarm))));
        assert_eq!(parse_up(&batch(&gw, Lane::Routine)), Some((gw.clone(), Up::Batch(Lane::Routine))));
        assert_eq!(parse_up(&session(&gw)), Some((gw.clone(), Up::Session)));
        assert_eq!(parse_up(&command_result(&gw)), Some((gw.clone(), Up::CommandResult)));
        assert_eq!(parse_up(&status(&gw)), Some((gw, Up::Status)));
        for foreign in ["", "minewatch/v1/gw//status", "minewatch/v2/gw/a/status", "minewatch/v1/gw/a/up/x/y"] {
            assert_eq!(parse_up(foreign), None, "{foreign}");
        }
    }
}
