//! Quiet hours of a channel. Pure. Red never waits for them.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use minewatch_domain::{At, Level};

/// Quiet from one time of day to another; over midnight when the end is the earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// Start.
    pub from: Time,
    /// End.
    pub to: Time,
}

/// Reads `HH:MM`.
pub(super) fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two = |text: &str| (text.len() == 2).then(|| text.parse::<i8>().ok()).flatten();
    Time::new(two(hour)?, two(minute)?, 0, 0).ok()
}

impl Quiet {
    /// Reads `22:00-07:00`.
    pub fn parse(text: &str) -> Option<Quiet> {
        let (from, to) = text.split_once('-')?;
        let quiet = Quiet { from: time_of_day(from)?, to: time_of_day(to)? };
        (quiet.from != quiet.to).then_some(quiet)
    }

    /// Until when a notice of `level` has to wait; `None`: it goes now.
    pub fn until(&self, level: Level, now: At, zone: &TimeZone) -> Option<At> {
        if level == Level::Red {
            return None;
        }
        let local = Timestamp::from_microsecond(now.micros()).ok()?.to_zoned(zone.clone());
        let time = local.time();
        let over_midnight = self.to < self.from;
        let quiet = match over_midnight {
            true => time >= self.from || time < self.to,
            false => time >= self.from && time < self.to,
        };
        if !quiet {
            return None;
        }
        let day = if over_midnight && time >= self.from { local.date().tomorrow().ok()? } else { local.date() };
        let end = day.to_datetime(self.to).to_zoned(zone.clone()).ok()?;
        Some(At(end.timestamp().as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(level: Level, text: &str) -> Option<String> {
        let zone = TimeZone::get("Asia/Shanghai").expect("known");
        let now = At(text.parse::<Timestamp>().expect("time").as_microsecond());
        let end = Quiet::parse("22:00-07:00").expect("quiet").until(level, now, &zone)?;
        Some(Timestamp::from_microsecond(end.micros()).expect("time").to_string())
    }

    #[test]
    fn at_night_all_but_red_waits_for_the_morning() {
        assert_eq!(until(Level::Orange, "2026-11-24T22:30:00+08:00").as_deref(), Some("2026-11-24T23:00:00Z"));
        assert_eq!(until(Level::Orange, "2026-11-25T06:59:00+08:00").as_deref(), Some("2026-11-24T23:00:00Z"));
        assert_eq!(until(Level::Orange, "2026-11-25T07:00:00+08:00"), None);
        for at in ["2026-11-24T22:30:00+08:00", "2026-11-25T03:00:00+08:00"] {
            assert_eq!(until(Level::Red, at), None, "red never waits");
        }
    }

    #[test]
    fn only_two_times_of_day_are_quiet_hours() {
        for bad in ["", "22:00", "22-07", "25:00-07:00", "22:00-22:00", "2:0-7:0"] {
            assert_eq!(Quiet::parse(bad), None, "{bad}");
        }
    }
}
