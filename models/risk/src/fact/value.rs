//! Values: exact, with currency and zone where they matter.

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Longest text, bytes; a longer one is refused, not cut.
const TEXT_BYTES_MAX: usize = 4_096;
/// Most members of a list.
const LIST_MAX: usize = 256;
/// Where dates without a zone are meant: the sources are Chinese systems.
const ZONE: &str = "Asia/Shanghai";

/// An amount in a currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Amount in units of the currency, exact.
    pub amount: Decimal,
    /// ISO 4217 code, for example `CNY`.
    pub currency: String,
}

/// What a field says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A text or a code.
    Text(String),
    /// A number without currency.
    Decimal(Decimal),
    /// An amount of money.
    Money(Money),
    /// A day.
    Date(Date),
    /// A moment.
    Instant(Timestamp),
    /// Yes or no.
    Flag(bool),
    /// Several values.
    List(Vec<Value>),
}

/// The type an element's values have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ValueType {
    Text,
    Decimal,
    Money,
    Date,
    Instant,
    Flag,
    List,
}

impl ValueType {
    /// Every type.
    pub const ALL: [ValueType; 7] = [
        ValueType::Text,
        ValueType::Decimal,
        ValueType::Money,
        ValueType::Date,
        ValueType::Instant,
        ValueType::Flag,
        ValueType::List,
    ];

    /// Name in data files.
    pub fn name(self) -> &'static str {
        match self {
            ValueType::Text => "text",
            ValueType::Decimal => "decimal",
            ValueType::Money => "money",
            ValueType::Date => "date",
            ValueType::Instant => "instant",
            ValueType::Flag => "flag",
            ValueType::List => "list",
        }
    }

    /// The type of a name.
    pub fn from_name(name: &str) -> Option<ValueType> {
        ValueType::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Why a text is not a value of a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {wanted}: {why}")]
pub struct ValueError {
    text: String,
    wanted: &'static str,
    why: &'static str,
}

impl Value {
    /// The type of this value.
    pub fn value_type(&self) -> ValueType {
        match self {
            Value::Text(_) => ValueType::Text,
            Value::Decimal(_) => ValueType::Decimal,
            Value::Money(_) => ValueType::Money,
            Value::Date(_) => ValueType::Date,
            Value::Instant(_) => ValueType::Instant,
            Value::Flag(_) => ValueType::Flag,
            Value::List(_) => ValueType::List,
        }
    }

    /// Reads a text as a value of a type. Numbers take a decimal point and no grouping; money may end
    /// with its currency (`12.50 USD`), without one it is CNY; dates are `YYYY-MM-DD`; an instant is
    /// RFC 3339, or civil time in Asia/Shanghai; lists are parted by `|`.
    ///
    /// # Errors
    /// [`ValueError`] says what was wanted.
    pub fn parse(wanted: ValueType, text: &str) -> Result<Value, ValueError> {
        let text = text.trim();
        let error = |why| ValueError { text: text.chars().take(80).collect(), wanted: wanted.name(), why };
        let decimal = |t: &str| Decimal::from_str_exact(t).map_err(|_| error("a plain decimal number is needed"));
        Ok(match wanted {
            ValueType::Text if text.len() <= TEXT_BYTES_MAX => Value::Text(text.to_owned()),
            ValueType::Text => return Err(error("longer than 4096 bytes")),
            ValueType::Decimal => Value::Decimal(decimal(text)?),
            ValueType::Money => {
                let (amount, currency) = text.split_once(' ').unwrap_or((text, "CNY"));
                if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
                    return Err(error("a currency is three capital letters"));
                }
                Value::Money(Money { amount: decimal(amount)?, currency: currency.to_owned() })
            }
            ValueType::Date => {
                Value::Date(Date::from_str(text.get(..10).unwrap_or(text)).map_err(|_| error("no such day"))?)
            }
            ValueType::Instant => Value::Instant(instant(text).ok_or_else(|| error("no such moment"))?),
            ValueType::Flag => match text {
                "true" | "1" | "yes" | "Y" | "是" => Value::Flag(true),
                "false" | "0" | "no" | "N" | "否" => Value::Flag(false),
                _ => return Err(error("true or false is needed")),
            },
            ValueType::List => {
                let members: Vec<&str> = text.split('|').map(str::trim).filter(|t| !t.is_empty()).collect();
                if members.len() > LIST_MAX {
                    return Err(error("more than 256 members"));
                }
                Value::List(members.into_iter().map(|t| Value::Text(t.to_owned())).collect())
            }
        })
    }

    /// The text [`Value::parse`] reads back to the same value.
    pub fn plain(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            Value::Decimal(number) => number.to_string(),
            Value::Money(money) => format!("{} {}", money.amount, money.currency),
            Value::Date(date) => date.to_string(),
            Value::Instant(at) => at.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::List(members) => members.iter().map(Value::plain).collect::<Vec<_>>().join("|"),
        }
    }
}

/// RFC 3339, or a civil time or day in China.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(at) = Timestamp::from_str(text) {
        return Some(at);
    }
    let civil =
        jiff::civil::DateTime::from_str(text).or_else(|_| Date::from_str(text).map(|d| d.at(0, 0, 0, 0))).ok()?;
    let zone = TimeZone::get(ZONE).ok()?;
    Some(civil.to_zoned(zone).ok()?.timestamp())
}
