//! Is the data on time? Silence, late or repeated data, and clocks that are wrong.
//!
//! Judged against the newest time stamp of any point, so that it works on history as well as live.
//! Deliberately absent: what late data do to levels (`model::Late`).

use minewatch_domain::{At, PointId};
use std::collections::BTreeMap;

/// What is wrong with a point's arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArrivalFault {
    /// A value did not come, or could not be used; not yet for long.
    Missing,
    /// No usable value for longer than the limit.
    Silent,
    /// Stamped much older than what the others send: late, replayed, or a wrong clock.
    Behind,
    /// Stamped much later than what the others sent: a wrong clock.
    Ahead,
    /// The same instant twice.
    Repeated,
}

impl ArrivalFault {
    /// Name used in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            ArrivalFault::Missing => "missing",
            ArrivalFault::Silent => "silent",
            ArrivalFault::Behind => "behind",
            ArrivalFault::Ahead => "ahead",
            ArrivalFault::Repeated => "repeated",
        }
    }
}

/// Arrivals of all points.
#[derive(Debug, Clone)]
pub struct Arrivals {
    silent_ms: i64,
    apart_ms: i64,
    newest: Option<At>,
    usable: BTreeMap<PointId, At>,
    last: BTreeMap<PointId, At>,
}

impl Arrivals {
    /// `silent_ms` without a usable value is silence; a stamp `apart_ms` from the others' is wrong.
    pub fn new(silent_ms: i64, apart_ms: i64) -> Arrivals {
        Arrivals { silent_ms, apart_ms, newest: None, usable: BTreeMap::new(), last: BTreeMap::new() }
    }

    /// Takes one arrival.
    pub fn step(&mut self, point: &PointId, at: At, usable: bool) -> Option<ArrivalFault> {
        let newest = *self.newest.get_or_insert(at);
        let ahead_ms = at.millis_since(newest);
        let last = self.last.insert(point.clone(), at);
        if ahead_ms < -self.apart_ms {
            return Some(ArrivalFault::Behind);
        }
        if last == Some(at) {
            return Some(ArrivalFault::Repeated);
        }
        // A whole system that was off is not a wrong clock: then all points are ahead together, and the
        // next one to come agrees.
        let fault = (ahead_ms > self.apart_ms).then_some(ArrivalFault::Ahead);
        self.newest = Some(newest.max(at));
        if usable {
            self.usable.insert(point.clone(), at);
            return fault;
        }
        let since = *self.usable.entry(point.clone()).or_insert(at);
        if at.millis_since(since) > self.silent_ms {
            Some(ArrivalFault::Silent)
        } else {
            fault.or(Some(ArrivalFault::Missing))
        }
    }

    /// Points without a usable value for longer than the limit, as seen from `now` or the newest stamp,
    /// whichever is later: when everything is silent only the watcher's own clock goes on.
    pub fn silent(&self, now: At) -> impl Iterator<Item = &PointId> {
        let newest = self.newest.unwrap_or_default().max(now);
        self.usable.iter().filter(move |(_, at)| newest.millis_since(**at) > self.silent_ms).map(|(point, _)| point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_wrong_clocks_and_repetition_are_told_apart() {
        let (a, b) = (PointId::parse("a").expect("slug"), PointId::parse("b").expect("slug"));
        let minute = |m: i64| At::from_millis(m * 60_000);
        let mut arrivals = Arrivals::new(3_600_000, 3_600_000);
        assert_eq!(arrivals.step(&a, minute(0), true), None);
        assert_eq!(arrivals.step(&b, minute(0), true), None);
        assert_eq!(arrivals.step(&b, minute(0), true), Some(ArrivalFault::Repeated));
        for m in (10..=70).step_by(10) {
            assert_eq!(arrivals.step(&a, minute(m), true), None);
        }
        assert_eq!(arrivals.step(&b, minute(70), false), Some(ArrivalFault::Silent));
        assert_eq!(arrivals.silent(minute(0)).collect::<Vec<_>>(), [&b]);
        assert_eq!(arrivals.silent(minute(200)).collect::<Vec<_>>(), [&a, &b], "everything is silent");
        assert_eq!(arrivals.step(&a, minute(80), false), Some(ArrivalFault::Missing));
        assert_eq!(arrivals.step(&b, minute(-420), true), Some(ArrivalFault::Behind));
        assert_eq!(arrivals.step(&a, minute(600), true), Some(ArrivalFault::Ahead));
    }
}
