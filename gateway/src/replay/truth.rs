//! What really happened, and how the levels stand to it.

use anyhow::Context;
use minewatch_domain::{At, Level};
use serde::Deserialize;
use std::path::Path;

/// A truth file: what `simulator world export` writes; other keys are allowed and not read.
#[derive(Debug, Deserialize)]
pub(super) struct Truth {
    /// Time that hours count from.
    start: String,
    /// When the dam fails, hours.
    failure_h: Option<f64>,
    /// When the water reaches the crest, hours.
    overtopping_h: Option<f64>,
    /// What the pond's level should be.
    expected: Vec<Expected>,
    #[serde(skip)]
    start_at: At,
}

#[derive(Debug, Deserialize)]
struct Expected {
    from_h: f64,
    until_h: f64,
    at_least: String,
    at_most: String,
}

/// Figures of one version.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scored {
    /// Stretches whose level was not reached.
    pub(super) missed: usize,
    /// Rises above what was allowed.
    pub(super) wrong: usize,
    /// Hours from the first orange after the quiet time to the failure or overtopping.
    pub(super) lead_h: Option<f64>,
}

impl Truth {
    pub(super) fn read(path: &Path) -> anyhow::Result<Truth> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        let mut truth: Truth = serde_json::from_str(&text).with_context(|| name.clone())?;
        let start: jiff::Timestamp = truth.start.parse().with_context(|| format!("{name}: start"))?;
        truth.start_at = At(start.as_microsecond());
        for expected in &truth.expected {
            for word in [&expected.at_least, &expected.at_most] {
                level(word).with_context(|| format!("{name}: {word:?} is not a level"))?;
            }
        }
        Ok(truth)
    }

    fn hour(&self, at: At) -> f64 {
        at.millis_since(self.start_at) as f64 / 3_600_000.0
    }

    /// Holds the pond's levels against the truth.
    pub(super) fn score(&self, pond: &[(At, Level)]) -> Scored {
        let levels: Vec<(f64, Level)> = pond.iter().map(|(at, level)| (self.hour(*at), *level)).collect();
        let (mut missed, mut wrong) = (0, 0);
        for expected in &self.expected {
            let before =
                levels.iter().rev().find(|(hour, _)| *hour < expected.from_h).map_or(Level::Normal, |(_, l)| *l);
            let inside = levels.iter().filter(|(hour, _)| (expected.from_h..expected.until_h).contains(hour));
            let mut highest = before;
            let mut last = before;
            for (_, now) in inside {
                highest = highest.max(*now);
                wrong += usize::from(*now > last && level(&expected.at_most).is_some_and(|most| *now > most));
                last = *now;
            }
            missed += usize::from(level(&expected.at_least).is_some_and(|least| highest < least));
        }
        let event = self.failure_h.or(self.overtopping_h);
        let onset = self.expected.first().map_or(0.0, |quiet| quiet.until_h);
        let orange = levels.iter().find(|(hour, level)| *hour >= onset && *level >= Level::Orange);
        let lead_h = event.zip(orange).map(|(event, (hour, _))| event - hour);
        Scored { missed, wrong, lead_h }
    }
}

fn level(word: &str) -> Option<Level> {
    std::iter::once(Level::Normal).chain(Level::WARNINGS).find(|level| level.name() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_level_a_false_one_and_the_lead_time_are_counted() {
        let expected = |from_h, until_h, least: &str, most: &str| Expected {
            from_h,
            until_h,
            at_least: least.into(),
            at_most: most.into(),
        };
        let truth = Truth {
            start: String::new(),
            failure_h: Some(100.0),
            overtopping_h: None,
            expected: vec![expected(0.0, 28.0, "normal", "blue"), expected(28.0, 76.0, "red", "red")],
            start_at: At(0),
        };
        let hour = |h: i64| At::from_millis(h * 3_600_000);
        let pond =
            [(hour(5), Level::Yellow), (hour(6), Level::Normal), (hour(40), Level::Orange), (hour(80), Level::Red)];
        let scored = truth.score(&pond);
        assert_eq!(scored, Scored { missed: 1, wrong: 1, lead_h: Some(60.0) });
    }
}
