//! When a feed is late. No feed is not no risk.

use super::settings::FeedConfig;
use jiff::civil::Weekday;
use jiff::{Timestamp, ToSpan};
use minewatch_domain::At;

/// Why a feed is late at `now`, if it is. `since`: since when it is awaited; `taken`: when something
/// of it was last taken.
///
/// With `cutoff` a document must have come on the day itself before that time; one that comes later
/// ends the warning.
pub(super) fn overdue(feed: &FeedConfig, since: At, taken: Option<At>, now: At) -> Option<String> {
    let last = taken.unwrap_or(since);
    if let Some(silence) = feed.silence_ms
        && now.millis_since(last) > silence
    {
        let hours = silence as f64 / 3_600_000.0;
        return Some(format!(
            "nothing taken since {}; at least every {hours:.2} h is agreed",
            crate::clock::text(last)
        ));
    }
    let (cutoff, day) = last_cutoff(feed, now)?;
    let missing = since.micros() <= cutoff && taken.is_none_or(|taken| taken.micros() < day);
    missing.then(|| {
        let said = crate::clock::text(At(cutoff));
        format!(
            "no document by the cut-off {said}; the last one was taken {}",
            taken.map_or("never".to_owned(), crate::clock::text)
        )
    })
}

/// The last cut-off before `now`, and the beginning of its day; microseconds.
fn last_cutoff(feed: &FeedConfig, now: At) -> Option<(i64, i64)> {
    let time = feed.cutoff?;
    let today = Timestamp::from_microsecond(now.micros()).ok()?.to_zoned(feed.zone.clone()).date();
    // A weekend lies at most between.
    for back in 0..8 {
        let day = today.checked_sub(back.days()).ok()?;
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        let at = |time| Some(day.to_datetime(time).to_zoned(feed.zone.clone()).ok()?.timestamp().as_microsecond());
        let cutoff = at(time)?;
        if cutoff <= now.micros() && !(feed.weekdays && weekend) {
            return Some((cutoff, at(jiff::civil::Time::midnight())?));
        }
    }
    None
}
