//! Days and moments as sources write them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// What a source said about a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A day.
    Day(Date),
    /// A day and a time without a zone.
    Civil(DateTime),
    /// A moment.
    Instant(Timestamp),
}

impl When {
    /// Reads an ISO 8601 day, day and time, or moment. A day may carry a zone (`2015-01-02Z`), which
    /// ISO 20022 allows and which says nothing about the day.
    pub fn parse(text: &str) -> Option<When> {
        let text = text.trim();
        let bytes = text.as_bytes();
        if text.len() == 10 {
            return day(bytes).map(When::Day);
        }
        if !text.is_ascii() || text.len() < 10 || text.len() > 40 {
            return None;
        }
        if bytes.get(10).is_some_and(|byte| matches!(byte, b'T' | b't' | b' ')) {
            return match text.parse::<Timestamp>() {
                Ok(at) => Some(When::Instant(at)),
                Err(_) => text.parse::<DateTime>().ok().map(When::Civil),
            };
        }
        let zone = text.get(10..)?;
        let sound = zone == "Z" || (zone.len() == 6 && zone.starts_with(['+', '-']));
        sound.then(|| day(bytes.get(..10)?).map(When::Day)).flatten()
    }

    /// The day, in the source's zone.
    pub fn day(&self, zone: &TimeZone) -> Date {
        match self {
            When::Day(day) => *day,
            When::Civil(at) => at.date(),
            When::Instant(at) => at.to_zoned(zone.clone()).date(),
        }
    }

    /// The moment; of a day its beginning. A civil time is one of the source's zone.
    pub fn instant(&self, zone: &TimeZone) -> Timestamp {
        let civil = match self {
            When::Instant(at) => return *at,
            When::Day(day) => day.at(0, 0, 0, 0),
            When::Civil(at) => *at,
        };
        zone.to_ambiguous_timestamp(civil).compatible().unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// `YYYY-MM-DD`.
fn day(bytes: &[u8]) -> Option<Date> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = bytes else { return None };
    Date::new(
        i16::try_from(number(&[y1, y2, y3, y4])?).ok()?,
        i8::try_from(number(&[m1, m2])?).ok()?,
        i8::try_from(number(&[d1, d2])?).ok()?,
    )
    .ok()
}

/// The value of a few digits.
pub(crate) fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |sum, digit| {
        digit.is_ascii_digit().then(|| sum.checked_mul(10)?.checked_add(u32::from(digit - b'0'))).flatten()
    })
}

/// A day out of a year, a month and a day that may not exist: 30 February is its month's last day,
/// and `false` says that it was not one. `None` where no month or day could be meant.
pub fn nearest_day(year: i16, month: u32, day: u32) -> Option<(Date, bool)> {
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    if let Ok(date) = Date::new(year, month, day) {
        return Some((date, true));
    }
    if !(1..=31).contains(&day) {
        return None;
    }
    Date::new(year, month, 1).ok().map(|first| (first.last_of_month(), false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_are_read_as_written() {
        let zone = TimeZone::get("Asia/Shanghai").expect("zone");
        let day = |text: &str| When::parse(text).map(|w| w.day(&zone).to_string());
        for text in
            ["2014-12-31", "2014-12-31Z", "2014-12-31+01:00", "2014-12-31T23:00:00.000000000", "2014-12-30T16:00:00Z"]
        {
            assert_eq!(day(text).as_deref(), Some("2014-12-31"), "{text}");
        }
        assert_eq!(
            When::parse("2026-01-01").map(|w| w.instant(&zone).to_string()).as_deref(),
            Some("2025-12-31T16:00:00Z")
        );
        for bad in ["", "2014-02-30", "2014-1-1", "31.12.2014", "2014-12-31x", "2014-12-31T25:00:00", "２０１４"] {
            assert_eq!(When::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_day_that_does_not_exist_is_the_last_of_its_month_and_said_to_be() {
        let near = |y, m, d| nearest_day(y, m, d).map(|(date, exact)| (date.to_string(), exact));
        assert_eq!(near(2016, 2, 30), Some(("2016-02-29".to_owned(), false)));
        assert_eq!(near(2016, 2, 29), Some(("2016-02-29".to_owned(), true)));
        assert_eq!(near(2016, 13, 1), None);
        assert_eq!(near(2016, 1, 32), None);
        assert_eq!(near(2016, 1, 0), None);
    }
}
