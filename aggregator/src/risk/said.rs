//! A warning of a rule as an alarm of its unit.

use minewatch_domain::{AlarmKind, At, GatewayId, Level, OrgPath, PointId};
use minewatch_risk::rule::{Rule, Verdict, Warning};
use sha2::{Digest, Sha256};

/// Longest reason, characters; the proof has the rest.
const WHY_CHARS_MAX: usize = 480;

/// What a rule says of a subject: the alarm's new level and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The unit's source of alarms.
    pub gateway: GatewayId,
    /// The unit.
    pub org: OrgPath,
    /// The alarm: rule and what identifies the warning.
    pub alarm: PointId,
    /// Its kind, by the domain of the rule.
    pub kind: AlarmKind,
    /// The level; normal when it stands no longer.
    pub level: Level,
    /// When it was judged.
    pub at: At,
    /// Rule and version.
    pub rule: String,
    /// The sentences, Chinese and English.
    pub why: String,
    /// The trace, JSON.
    pub proof: String,
}

fn short(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The source of a unit's warnings.
pub(super) fn source(org: &OrgPath) -> Option<GatewayId> {
    GatewayId::parse(&format!("risk-{}", short(org.as_str()))).ok()
}

/// The alarm of a warning.
pub(super) fn alarm(rule: &str, org: &str, dedupe: &str) -> Option<PointId> {
    PointId::parse(&format!("{}.{}", rule.to_lowercase(), short(&format!("{org}\n{dedupe}")))).ok()
}

/// The kind of a rule's alarms.
pub(super) fn kind(domain: &str) -> AlarmKind {
    match domain {
        "credit" => AlarmKind::CreditRisk,
        "treasury" => AlarmKind::TreasuryRisk,
        "legal" => AlarmKind::LegalRisk,
        _ => AlarmKind::ProcurementRisk,
    }
}

impl Said {
    /// The alarm of a warning; a verdict that is not a hit has level normal. Whoever calls does not clear
    /// what only cannot be judged.
    pub fn of(rule: &Rule, warning: &Warning, verdict: Verdict, at: At) -> Option<Said> {
        let org = OrgPath::parse(&warning.org).unwrap_or_else(|_| OrgPath::unassigned());
        let level = if let Verdict::Hit(level, _) = verdict { level } else { Level::Normal };
        let said = format!("{} | {}", warning.zh, warning.en);
        Some(Said {
            gateway: source(&org)?,
            alarm: alarm(&rule.file.id, &warning.org, &warning.dedupe)?,
            org,
            kind: kind(&rule.file.domain),
            level,
            at,
            rule: warning.rule.clone(),
            why: said.chars().take(WHY_CHARS_MAX).collect(),
            proof: if level == Level::Normal { String::new() } else { warning.proof() },
        })
    }
}
