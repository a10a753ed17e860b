//! The `[sparkplug]` section.

use minewatch_domain::GatewayId;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Gateways with a Sparkplug face in one aggregator; each holds a connection to the broker.
pub const GATEWAYS_MAX: usize = 200;

/// What is configured.
#[derive(Debug, Clone, Default)]
pub struct SparkplugConfig {
    /// Gateways that are edge nodes.
    pub gateways: BTreeSet<GatewayId>,
    /// Host whose STATE is waited for; `None`: births at once.
    pub primary_host: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    gateways: Vec<String>,
    primary_host: Option<String>,
}

/// Reads the section; every problem goes to `problems`.
pub fn parse(table: Option<toml::Table>, problems: &mut Vec<String>) -> SparkplugConfig {
    let Some(table) = table else { return SparkplugConfig::default() };
    let raw: Raw = match table.try_into() {
        Ok(raw) => raw,
        Err(error) => {
            problems.push(format!("sparkplug: {}", error.to_string().trim()));
            return SparkplugConfig::default();
        }
    };
    if raw.gateways.len() > GATEWAYS_MAX {
        problems.push(format!("sparkplug.gateways: {} are more than {GATEWAYS_MAX}", raw.gateways.len()));
    }
    let mut gateways = BTreeSet::new();
    for text in raw.gateways.iter().take(GATEWAYS_MAX) {
        match GatewayId::parse(text) {
            Ok(gateway) => {
                gateways.insert(gateway);
            }
            Err(error) => problems.push(format!("sparkplug.gateways: {error}")),
        }
    }
    let bad = |host: &String| host.is_empty() || host.len() > 64 || host.contains(['/', '+', '#']);
    if raw.primary_host.as_ref().is_some_and(bad) {
        problems.push("sparkplug.primary_host: must be 1 to 64 characters without /, + and #".to_owned());
    }
    SparkplugConfig { gateways, primary_host: raw.primary_host }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_face_is_off_until_gateways_are_named() {
        let mut problems = Vec::new();
        assert!(parse(None, &mut problems).gateways.is_empty());
        let table = "gateways = ['gw-1', 'GW 2']\nprimary_host = 'a/b'".parse().expect("TOML");
        assert_eq!(parse(Some(table), &mut problems).gateways.len(), 1);
        assert_eq!(problems.len(), 2, "{problems:?}");
        parse(Some("gateway = 1".parse().expect("TOML")), &mut problems);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
