//! Which alarms belong to one case, and which are only the consequence of another.

use minewatch_domain::{AlarmKind, GatewayId, PointId};

/// Domain of a case, as rights and escalation know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The tailings dam.
    Dam,
    /// People who fell.
    Fall,
    /// Links, devices, cameras, sirens: the monitoring itself.
    Link,
    /// Credit.
    Credit,
    /// Procurement.
    Procurement,
    /// Treasury.
    Treasury,
    /// Legal.
    Legal,
}

impl Field {
    /// Every field.
    pub const ALL: [Field; 7] =
        [Field::Dam, Field::Fall, Field::Link, Field::Credit, Field::Procurement, Field::Treasury, Field::Legal];

    /// Name in the store and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Field::Dam => "dam",
            Field::Fall => "fall",
            Field::Link => "link",
            Field::Credit => "credit",
            Field::Procurement => "procurement",
            Field::Treasury => "treasury",
            Field::Legal => "legal",
        }
    }

    /// The field of a name.
    pub fn from_name(name: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Name for people, Chinese and English.
    pub fn title(self) -> (&'static str, &'static str) {
        match self {
            Field::Dam => ("尾矿库预警", "tailings dam warning"),
            Field::Fall => ("人员跌倒报警", "fall of a person"),
            Field::Link => ("监测系统故障", "fault of the monitoring"),
            Field::Credit => ("信用风险", "credit risk"),
            Field::Procurement => ("采购风险", "procurement risk"),
            Field::Treasury => ("资金风险", "treasury risk"),
            Field::Legal => ("法律风险", "legal risk"),
        }
    }
}

/// The field of an alarm; agrees with `Domain::of_alarm_kind` of the aggregator, which rights are asked by.
pub fn field(kind: AlarmKind) -> Field {
    match kind {
        AlarmKind::Threshold | AlarmKind::Rate | AlarmKind::Item | AlarmKind::Pond => Field::Dam,
        AlarmKind::DeviceDown | AlarmKind::SirenReadback | AlarmKind::Instrument => Field::Dam,
        AlarmKind::LinkDown | AlarmKind::Spool | AlarmKind::Clock => Field::Link,
        AlarmKind::Fall | AlarmKind::CameraHealth => Field::Fall,
        AlarmKind::CreditRisk => Field::Credit,
        AlarmKind::ProcurementRisk => Field::Procurement,
        AlarmKind::TreasuryRisk => Field::Treasury,
        AlarmKind::LegalRisk => Field::Legal,
    }
}

/// Alarms with one key share a case: a pond is handled as a whole; its instruments, its link and its
/// cameras apart from it, because other people mend them. Every warning of a business rule is its own.
pub fn dedupe_key(gateway: &GatewayId, alarm: &PointId, kind: AlarmKind) -> String {
    let group = match kind {
        AlarmKind::Threshold | AlarmKind::Rate | AlarmKind::Item | AlarmKind::Pond => "dam",
        AlarmKind::DeviceDown | AlarmKind::SirenReadback | AlarmKind::Instrument => "instruments",
        AlarmKind::LinkDown | AlarmKind::Spool | AlarmKind::Clock => "link",
        AlarmKind::Fall => "fall",
        AlarmKind::CameraHealth => "cameras",
        AlarmKind::CreditRisk | AlarmKind::ProcurementRisk | AlarmKind::TreasuryRisk | AlarmKind::LegalRisk => {
            alarm.as_str()
        }
    };
    format!("{gateway}/{group}")
}

/// Whether an alarm of this kind is only the consequence of a dead link and is kept back (visibly)
/// while its link is down. What the process says is never kept back by a link.
pub fn inhibited_by_link(kind: AlarmKind) -> bool {
    match kind {
        AlarmKind::DeviceDown | AlarmKind::Clock | AlarmKind::CameraHealth | AlarmKind::Instrument => true,
        AlarmKind::Threshold | AlarmKind::Rate | AlarmKind::Item | AlarmKind::Pond | AlarmKind::Fall => false,
        AlarmKind::SirenReadback | AlarmKind::LinkDown | AlarmKind::Spool => false,
        AlarmKind::CreditRisk | AlarmKind::ProcurementRisk | AlarmKind::TreasuryRisk | AlarmKind::LegalRisk => false,
    }
}
