//! When falls are alarmed: hours of the site's day. Camera health is judged at all times.

use serde::{Deserialize, Serialize};

const DAY_MINUTES: i64 = 24 * 60;

/// Spans of the local day in which falls are alarmed; without spans, always.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Schedule {
    /// Minutes east of UTC (China: 480).
    pub utc_offset_min: i32,
    /// `(from, to)` minutes of the local day; a span with `to` below `from` goes over midnight.
    pub spans: Vec<(u16, u16)>,
}

impl Schedule {
    /// Whether falls are alarmed at this time, microseconds since 1970 UTC.
    pub fn is_on(&self, at_us: i64) -> bool {
        if self.spans.is_empty() {
            return true;
        }
        let minute = (at_us.div_euclid(60_000_000) + i64::from(self.utc_offset_min)).rem_euclid(DAY_MINUTES);
        self.spans.iter().any(|(from, to)| {
            let (from, to) = (i64::from(*from), i64::from(*to));
            if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to }
        })
    }
}

/// Minutes of the day of a text such as `06:30`; `24:00` is the end of the day.
///
/// # Errors
/// Says what is wrong with the text.
pub fn minute_of_day(text: &str) -> Result<u16, String> {
    let wrong = || format!("{text:?} is not a time of day such as 06:30");
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let (hours, minutes): (u16, u16) = (hours.parse().map_err(|_| wrong())?, minutes.parse().map_err(|_| wrong())?);
    if minutes > 59 || hours * 60 + minutes > 24 * 60 || hours > 24 { Err(wrong()) } else { Ok(hours * 60 + minutes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_shift_goes_over_midnight_in_local_time() {
        let night = Schedule { utc_offset_min: 480, spans: vec![(22 * 60, 6 * 60)] };
        let at = |utc_hour: i64| utc_hour * 3_600_000_000;
        assert!(night.is_on(at(15)), "23:00 in China");
        assert!(night.is_on(at(21)), "05:00 in China");
        assert!(!night.is_on(at(4)), "12:00 in China");
        assert!(Schedule::default().is_on(at(4)), "no spans: always");
    }

    #[test]
    fn a_time_of_day_is_read_or_refused() {
        assert_eq!(minute_of_day("06:30"), Ok(390));
        assert_eq!(minute_of_day("24:00"), Ok(1_440));
        for bad in ["", "6", "25:00", "06:60", "24:01", "a:b"] {
            assert!(minute_of_day(bad).is_err(), "{bad}");
        }
    }
}
