//! What a slot of a row holds: small, copied, compared in one instruction or two. Texts are numbers
//! of one table of symbols.

use crate::fact::Value;
use indexmap::IndexSet;
use rust_decimal::Decimal;
use rustc_hash::FxBuildHasher;
use std::sync::Arc;

/// Microseconds of a day.
pub(super) const DAY_US: i64 = 86_400_000_000;
/// Civil time of business is China's, UTC+8 without summer time since 1991.
pub(super) const ZONE_US: i64 = 8 * 3_600_000_000;

/// Number of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sym(pub u32);

/// A value, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cell {
    /// Not said, or not comparable: every question about it is answered by "unknown".
    None,
    /// A number, or yuan.
    Num(Decimal),
    /// A text.
    Text(Sym),
    /// Yes or no.
    Flag(bool),
    /// A moment, microseconds since 1970; a day is its first moment in China.
    Time(i64),
}

/// All texts seen.
#[derive(Debug, Clone, Default)]
pub struct Symbols(IndexSet<Arc<str>, FxBuildHasher>);

impl Symbols {
    /// The number of a text, new if need be.
    pub fn of(&mut self, text: &str) -> Sym {
        if let Some(found) = self.0.get_index_of(text) {
            return Sym(found as u32);
        }
        Sym(self.0.insert_full(text.into()).0 as u32)
    }

    /// The number of a text, if it was seen.
    pub fn known(&self, text: &str) -> Option<Sym> {
        self.0.get_index_of(text).map(|found| Sym(found as u32))
    }

    /// The text of a number.
    pub fn text(&self, sym: Sym) -> &str {
        self.0.get_index(sym.0 as usize).map_or("", |text| text)
    }

    /// A fact's value as a cell. Money in another currency than yuan is not comparable here.
    pub fn cell(&mut self, value: &Value) -> Cell {
        match value {
            Value::Text(text) => Cell::Text(self.of(text)),
            Value::Decimal(number) => Cell::Num(*number),
            Value::Money(money) if money.currency == "CNY" => Cell::Num(money.amount),
            Value::Money(_) => Cell::None,
            Value::Date(date) => Cell::Time(day_us(*date)),
            Value::Instant(at) => Cell::Time(at.as_microsecond()),
            Value::Flag(flag) => Cell::Flag(*flag),
            Value::List(_) => Cell::Text(self.of(&value.plain())),
        }
    }

    /// A cell for people.
    pub fn shown(&self, cell: Cell) -> String {
        match cell {
            Cell::None => "?".to_owned(),
            Cell::Num(number) => number.normalize().to_string(),
            Cell::Text(sym) => self.text(sym).to_owned(),
            Cell::Flag(flag) => flag.to_string(),
            Cell::Time(us) => {
                let local = us.saturating_add(ZONE_US);
                let Ok(at) = jiff::Timestamp::from_microsecond(local) else { return us.to_string() };
                let civil = jiff::tz::TimeZone::UTC.to_datetime(at);
                if local.rem_euclid(DAY_US) == 0 {
                    civil.date().to_string()
                } else {
                    civil.strftime("%F %T").to_string()
                }
            }
        }
    }
}

/// First moment of a day in China.
pub(super) fn day_us(date: jiff::civil::Date) -> i64 {
    let zoned = date.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC);
    zoned.map_or(0, |z| z.timestamp().as_microsecond()) - ZONE_US
}

/// The civil day of a moment.
pub(crate) fn civil(us: i64) -> jiff::civil::DateTime {
    let at = jiff::Timestamp::from_microsecond(us.saturating_add(ZONE_US)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    jiff::tz::TimeZone::UTC.to_datetime(at)
}
