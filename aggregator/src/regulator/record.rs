//! What can be exported, as named fields. Pure.

use minewatch_domain::{At, Level};

/// The three tables of a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A step of an alarm: raised, changed, cleared.
    Alarm,
    /// A step of handling a case.
    Disposal,
    /// The end of a case.
    Closing,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 3] = [Kind::Alarm, Kind::Disposal, Kind::Closing];

    /// Name in mapping files.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Alarm => "alarm",
            Kind::Disposal => "disposal",
            Kind::Closing => "closing",
        }
    }

    /// Fields a mapping may use.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Kind::Alarm => &[
                "id",
                "event",
                "gateway",
                "alarm",
                "revision",
                "kind",
                "point",
                "level",
                "from_level",
                "at",
                "value",
                "limit",
                "rule",
                "why",
                "group",
                "company",
                "mine",
                "facility",
                "site_zh",
                "site_en",
            ],
            Kind::Disposal => &[
                "id",
                "case",
                "number",
                "revision",
                "event",
                "from_state",
                "to_state",
                "at",
                "level",
                "domain",
                "title_zh",
                "title_en",
                "group",
                "company",
                "mine",
                "facility",
            ],
            Kind::Closing => &[
                "id",
                "case",
                "number",
                "revision",
                "event",
                "to_state",
                "at",
                "raised_at",
                "level",
                "domain",
                "title_zh",
                "title_en",
                "cause",
                "measure",
                "group",
                "company",
                "mine",
                "facility",
            ],
        }
    }
}

/// A value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// An instant.
    Time(At),
    /// There is none.
    Nothing,
}

/// Something to export.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Which table.
    pub kind: Kind,
    /// Our fields.
    pub fields: Vec<(&'static str, Field)>,
}

impl Record {
    /// A field's value; `None`: a kind has no such field.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }
}

/// What a transition between two levels is to a platform.
pub fn event(from: Level, to: Level) -> &'static str {
    match (from, to) {
        (_, Level::Normal) => "cleared",
        (Level::Normal, Level::Blue | Level::Yellow | Level::Orange | Level::Red) => "raised",
        (
            Level::Blue | Level::Yellow | Level::Orange | Level::Red,
            Level::Blue | Level::Yellow | Level::Orange | Level::Red,
        ) => "changed",
    }
}
