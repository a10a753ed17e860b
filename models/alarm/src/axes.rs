//! The independent axes of an alarm and the flat state derived from them for display.
//!
//! Axes and names: ANSI/ISA-18.2-2016 §5.4, IEC 62682:2022 §5.6; OPC UA Part 9 §4.8. Quality is an
//! axis of its own, so that an acknowledged "sensor lost" never acknowledges the alarm behind it.

use minewatch_domain::Level;
use serde::{Deserialize, Serialize};

/// Where the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Process {
    /// No condition, nothing left to see.
    Normal,
    /// The condition holds at this level.
    Active(Level),
    /// The condition has gone; the alarm stays at its worst level until it is reset after an inspection.
    Latched(Level),
    /// The condition has gone before anybody acknowledged it; this was its worst level.
    Returned(Level),
}

/// Whether a person has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Nobody has acknowledged the last rise.
    Unacked,
    /// Acknowledged, or nothing to acknowledge.
    Acked,
}

/// Whether it is kept from annunciation. Evaluation and journal go on in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suppression {
    /// Not kept back.
    None,
    /// By an operator, for a time.
    Shelved,
    /// By a rule, for example because the link its value comes over is down.
    ByDesign,
    /// For maintenance, under a work order.
    OutOfService,
}

/// The flat state of ISA-18.2 and IEC 62682.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Isa {
    /// Normal.
    Norm,
    /// Active (or latched), unacknowledged.
    Unack,
    /// Active (or latched), acknowledged.
    Acked,
    /// Returned to normal, unacknowledged.
    Rtnun,
    /// Shelved.
    Shlvd,
    /// Suppressed by design.
    Dsupr,
    /// Out of service.
    Oosrv,
}

impl Isa {
    /// Every state.
    pub const ALL: [Isa; 7] = [Isa::Norm, Isa::Unack, Isa::Acked, Isa::Rtnun, Isa::Shlvd, Isa::Dsupr, Isa::Oosrv];

    /// Name as the standards write it.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Norm => "NORM",
            Isa::Unack => "UNACK",
            Isa::Acked => "ACKED",
            Isa::Rtnun => "RTNUN",
            Isa::Shlvd => "SHLVD",
            Isa::Dsupr => "DSUPR",
            Isa::Oosrv => "OOSRV",
        }
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<Isa> {
        Isa::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// The flat state of three axes. A suppressed alarm is shown as suppressed whatever its process.
pub fn isa(process: Process, operator: Operator, suppression: Suppression) -> Isa {
    match (suppression, process, operator) {
        (Suppression::OutOfService, _, _) => Isa::Oosrv,
        (Suppression::ByDesign, _, _) => Isa::Dsupr,
        (Suppression::Shelved, _, _) => Isa::Shlvd,
        (Suppression::None, Process::Normal, Operator::Unacked | Operator::Acked) => Isa::Norm,
        (Suppression::None, Process::Active(_) | Process::Latched(_), Operator::Unacked) => Isa::Unack,
        (Suppression::None, Process::Active(_) | Process::Latched(_), Operator::Acked) => Isa::Acked,
        (Suppression::None, Process::Returned(_), Operator::Unacked) => Isa::Rtnun,
        (Suppression::None, Process::Returned(_), Operator::Acked) => Isa::Norm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flat_state_follows_the_table_of_the_standard() {
        let red = Level::Red;
        let rows = [
            (Process::Normal, Operator::Acked, Suppression::None, "NORM"),
            (Process::Active(red), Operator::Unacked, Suppression::None, "UNACK"),
            (Process::Active(red), Operator::Acked, Suppression::None, "ACKED"),
            (Process::Latched(red), Operator::Unacked, Suppression::None, "UNACK"),
            (Process::Latched(red), Operator::Acked, Suppression::None, "ACKED"),
            (Process::Returned(red), Operator::Unacked, Suppression::None, "RTNUN"),
            (Process::Returned(red), Operator::Acked, Suppression::None, "NORM"),
            (Process::Active(red), Operator::Unacked, Suppression::Shelved, "SHLVD"),
            (Process::Active(red), Operator::Unacked, Suppression::ByDesign, "DSUPR"),
            (Process::Normal, Operator::Acked, Suppression::OutOfService, "OOSRV"),
        ];
        for (process, operator, suppression, name) in rows {
            let state = isa(process, operator, suppression);
            assert_eq!(state.name(), name, "{process:?} {operator:?} {suppression:?}");
            assert_eq!(Isa::from_name(name), Some(state));
        }
    }
}
