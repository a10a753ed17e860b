//! Rain out of a counter: sums over a window, the antecedent index, the running event.
//!
//! Invariant: a counter that goes back (restart, overflow) adds nothing; memory is bounded.

use crate::derived::rain;
use std::collections::VecDeque;

/// Sums kept of a window.
const SLOTS: usize = 96;

/// Shortest event whose intensity is spoken of, hours; Caine's thresholds begin at ten minutes.
const EVENT_H_MIN: f64 = 1.0 / 6.0;

/// Days without a sample that an index is brought forward through; after a year it is nothing.
const DAYS_MAX: i64 = 366;

/// What a rain counter said so far.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RainState {
    window_ms: u64,
    daily_factor: f64,
    counter: Option<f64>,
    /// Rain since the first sample, mm.
    sum_mm: f64,
    /// `(mono ms, sum)`, at most one per slot.
    kept: VecDeque<(u64, f64)>,
    day: Option<i64>,
    index_mm: f64,
    day_mm: f64,
    /// Start of the running event and the sum then.
    event: Option<(u64, f64)>,
    last_rain_ms: Option<u64>,
}

impl RainState {
    /// No rain yet; a window and a factor that are not needed may be 0.
    pub(super) fn new(window_ms: u64, daily_factor: f64) -> RainState {
        RainState {
            window_ms,
            daily_factor,
            counter: None,
            sum_mm: 0.0,
            kept: VecDeque::new(),
            day: None,
            index_mm: 0.0,
            day_mm: 0.0,
            event: None,
            last_rain_ms: None,
        }
    }

    /// Takes the counter at a time and local day. Rain between two samples is the later one's day's.
    pub(super) fn take(&mut self, total_mm: f64, now_ms: u64, day: i64) {
        let fell = self.counter.map_or(0.0, |before| (total_mm - before).max(0.0));
        self.counter = Some(total_mm);
        self.day_over(day);
        self.day_mm += fell;
        if fell > 0.0 {
            self.last_rain_ms = Some(now_ms);
            self.event.get_or_insert((now_ms, self.sum_mm));
        }
        self.sum_mm += fell;
        let slot_ms = self.window_ms / SLOTS as u64;
        if self.kept.back().is_none_or(|(at, _)| now_ms >= at.saturating_add(slot_ms)) {
            self.kept.push_back((now_ms, self.sum_mm));
        }
        let oldest = now_ms.saturating_sub(self.window_ms);
        while self.kept.len() > 2 && self.kept.get(1).is_some_and(|(at, _)| *at <= oldest) {
            self.kept.pop_front();
        }
    }

    fn day_over(&mut self, day: i64) {
        let known = *self.day.get_or_insert(day);
        let over = (day - known).clamp(0, DAYS_MAX);
        for _ in 0..over {
            self.index_mm = rain::antecedent_mm(self.index_mm, self.daily_factor, self.day_mm);
            self.day_mm = 0.0;
        }
        self.day = Some(known.max(day));
    }

    /// Antecedent index with today's rain so far: `k · API + P`.
    pub(super) fn index_mm(&self) -> f64 {
        rain::antecedent_mm(self.index_mm, self.daily_factor, self.day_mm)
    }

    /// Rain of the window, and whether the window is covered from its start.
    pub(super) fn window_mm(&self, now_ms: u64) -> (f64, bool) {
        let Some((at, sum)) = self.kept.front() else { return (0.0, false) };
        let start = now_ms.saturating_sub(self.window_ms);
        let next = self.kept.get(1).filter(|(next, _)| *next > *at && *at < start && *next >= start);
        let from = next.map_or(*sum, |(next_at, next_sum)| {
            let share = (start - at) as f64 / (next_at - at) as f64;
            sum + (next_sum - sum) * share
        });
        (self.sum_mm - from, now_ms.saturating_sub(*at) >= self.window_ms)
    }

    /// Rain and length (h) of the running event; `None` after `dry_h` without rain.
    pub(super) fn event(&mut self, now_ms: u64, dry_h: f64) -> Option<(f64, f64)> {
        let hours = |from: u64| now_ms.saturating_sub(from) as f64 / 3_600_000.0;
        if self.last_rain_ms.is_none_or(|last| hours(last) > dry_h) {
            self.event = None;
        }
        self.event.map(|(start, before_mm)| (self.sum_mm - before_mm, hours(start).max(EVENT_H_MIN)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn row_15_a_counter_read_hourly_gives_the_index_of_its_days() {
        let mut state = RainState::new(0, 0.85);
        state.index_mm = 10.0;
        let mut total = 0.0;
        let mut seen = Vec::new();
        for (day, mm) in [0.0, 20.0, 35.0, 0.0, 5.0].into_iter().enumerate() {
            for hour in 0..24 {
                total += mm / 24.0;
                let at = day as u64 * 24 + hour;
                state.counter.get_or_insert(0.0);
                state.take(total, at * HOUR, day as i64);
            }
            seen.push(state.index_mm());
        }
        for (got, printed) in seen.iter().zip([8.5, 27.225, 58.141_25, 49.420_062_5, 47.007_053_125]) {
            assert!((got - printed).abs() < 1e-9, "{seen:?}");
        }
    }

    #[test]
    fn a_window_is_a_lower_bound_until_it_is_full_and_forgets_after_its_length() {
        let mut state = RainState::new(24 * HOUR, 0.0);
        for hour in 0..60 {
            state.take(if hour < 10 { hour as f64 * 5.0 } else { 45.0 }, hour * HOUR, 0);
            let (mm, whole) = state.window_mm(hour * HOUR);
            assert_eq!(whole, hour >= 24, "hour {hour}");
            match hour {
                9..=24 => assert!((mm - 45.0).abs() < 1e-9, "hour {hour}: {mm}"),
                34.. => assert!(mm.abs() < 1e-9, "hour {hour}: {mm}"),
                _ => {}
            }
        }
        assert!(state.kept.len() <= SLOTS + 2);
    }

    #[test]
    fn a_counter_that_starts_again_adds_nothing() {
        let mut state = RainState::new(HOUR, 0.0);
        for (minute, total) in [(0, 100.0), (1, 104.0), (2, 0.0), (3, 1.0)] {
            state.take(total, minute * 60_000, 0);
        }
        assert!((state.sum_mm - 5.0).abs() < 1e-9);
        assert_eq!(state.event(3 * 60_000, 6.0).map(|(mm, _)| mm), Some(5.0));
        assert_eq!(state.event(9 * HOUR, 6.0), None, "the event is over");
    }
}
