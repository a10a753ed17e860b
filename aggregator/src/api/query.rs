//! Query parameters: read, bounded, refused with a sentence.

use super::Problem;
use crate::clock;
use crate::store::PageKey;
use minewatch_domain::{At, GatewayId, PointId};
use serde::Deserialize;

/// Rows in one answer.
pub(super) const LIMIT_MAX: i64 = 10_000;
/// Samples in one history.
pub(super) const POINTS_MAX: i64 = 5_000;
/// Widest history: two years.
const HISTORY_US_MAX: i64 = 731 * 86_400_000_000;

/// Every parameter any route takes, as text.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) gateway: Option<String>,
    pub(super) point: Option<String>,
    from: Option<String>,
    to: Option<String>,
    pub(super) after: Option<String>,
    pub(super) limit: Option<String>,
    max_points: Option<String>,
    pub(super) org: Option<String>,
    pub(super) state: Option<String>,
    pub(super) last: Option<String>,
}

pub(super) fn gateway(text: &str) -> Result<GatewayId, Problem> {
    GatewayId::parse(text).map_err(|e| Problem::bad(e.to_string()))
}

pub(super) fn point(text: &str) -> Result<PointId, Problem> {
    PointId::parse(text).map_err(|e| Problem::bad(e.to_string()))
}

fn number(name: &str, text: Option<&str>, default: i64, max: i64) -> Result<i64, Problem> {
    let Some(text) = text else { return Ok(default) };
    match text.parse::<i64>() {
        Ok(n) if (1..=max).contains(&n) => Ok(n),
        _ => Err(Problem::bad(format!("{name} must be 1 to {max}"))),
    }
}

impl Asked {
    pub(super) fn gateway(&self) -> Result<Option<GatewayId>, Problem> {
        self.gateway.as_deref().map(gateway).transpose()
    }

    pub(super) fn limit(&self, default: i64) -> Result<i64, Problem> {
        number("limit", self.limit.as_deref(), default, LIMIT_MAX)
    }

    pub(super) fn max_points(&self) -> Result<i64, Problem> {
        number("max_points", self.max_points.as_deref(), 1_000, POINTS_MAX)
    }

    /// `from..to`; by default the last day.
    pub(super) fn range(&self, now: At) -> Result<(At, At), Problem> {
        let time = |name: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => clock::parse(text)
                .map(Some)
                .ok_or_else(|| Problem::bad(format!("{name} must be RFC 3339 or milliseconds since 1970"))),
        };
        let to = time("to", &self.to)?.unwrap_or(At(now.micros() + 60_000_000));
        let from = time("from", &self.from)?.unwrap_or(At(to.micros().saturating_sub(86_400_000_000)));
        match to.micros().checked_sub(from.micros()) {
            Some(span) if span > 0 && span <= HISTORY_US_MAX => Ok((from, to)),
            _ => Err(Problem::bad("from must be before to, at most 731 days")),
        }
    }

    /// Position after which raw readings go on: `at-stream-seq`, as given in `next`.
    pub(super) fn after(&self) -> Result<Option<(i64, i64, i64)>, Problem> {
        let Some(text) = &self.after else { return Ok(None) };
        let parts: Vec<i64> = text.split('-').filter_map(|part| part.parse().ok()).collect();
        match parts[..] {
            [at, stream, seq] if text.len() < 64 => Ok(Some((at, stream, seq))),
            _ => Err(Problem::bad("after must be the next of an earlier answer")),
        }
    }
}

/// The key of a row, for `next` and `after` of lists.
pub(super) fn page_key_text(a: i64, b: i64, c: i64, x: &str, y: &str) -> String {
    format!("{a}~{b}~{c}~{x}~{y}")
}

/// Reads what [`page_key_text`] wrote.
pub(super) fn page_key(text: &str) -> Result<PageKey, Problem> {
    let bad = || Problem::bad("after must be the next of an earlier answer");
    let parts: Vec<&str> = text.split('~').collect();
    let [a, b, c, x, y] = parts[..] else { return Err(bad()) };
    let number = |text: &str| text.parse::<i64>().map_err(|_| bad());
    let word = |text: &str| match text.is_empty() || PointId::parse(text).is_ok() {
        true => Ok(text.to_owned()),
        false => Err(bad()),
    };
    Ok((number(a)?, number(b)?, number(c)?, word(x)?, word(y)?))
}

/// `<epoch>-<seq>`.
pub(super) fn event_id(text: &str) -> Option<(u64, u64)> {
    let (epoch, seq) = text.split_once('-')?;
    Some((epoch.parse().ok()?, seq.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_bounded_and_runs_forward() {
        let asked = |from: &str, to: &str| {
            let asked = Asked { from: Some(from.to_owned()), to: Some(to.to_owned()), ..Asked::default() };
            asked.range(At(0)).is_ok()
        };
        assert!(asked("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"));
        assert!(!asked("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"));
        assert!(!asked("2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z"));
        assert!(!asked("now", "2026-01-01T00:00:00Z"));
        assert!(!asked("-9223372036854775808", "9223372036854775807"));
    }

    #[test]
    fn numbers_are_bounded() {
        assert!(number("limit", Some("0"), 5, 10).is_err());
        assert!(number("limit", Some("11"), 5, 10).is_err());
        assert_eq!(number("limit", Some("10"), 5, 10).ok(), Some(10));
        assert_eq!(number("limit", None, 5, 10).ok(), Some(5));
    }
}
