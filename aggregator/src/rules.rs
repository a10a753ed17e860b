//! How alarms and cases behave here: limits of suppression, deadlines, from which level a case is opened.

use minewatch_alarm::{Field, Policy, Settings};
use minewatch_domain::Level;
use std::collections::BTreeMap;

/// Rules in force; from the settings file, with defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Alarms.
    pub alarm: Settings,
    /// Mildest level that opens a case.
    pub case_level_min: Level,
    /// Deadlines that differ from the defaults.
    pub policies: BTreeMap<(Field, Level), Policy>,
    /// A closed case whose alarm comes back within this time is opened again, milliseconds.
    pub reopen_ms: i64,
    /// Font of PDF packs; by default the first known one of the system.
    pub font_file: Option<std::path::PathBuf>,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            alarm: Settings::default(),
            case_level_min: Level::Blue,
            policies: BTreeMap::new(),
            reopen_ms: 7 * 86_400_000,
            font_file: None,
        }
    }
}

impl Rules {
    /// Deadlines of a field and level.
    pub fn policy(&self, field: Field, level: Level) -> Policy {
        let policy = self.policies.get(&(field, level)).cloned().unwrap_or_else(|| Policy::of_level(level));
        Policy { reopen_ms: self.reopen_ms, ..policy }
    }
}
