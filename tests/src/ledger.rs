//! The oracle: what the slaves handed out against what the store holds.
//!
//! Every counter value was handed out exactly once, at a known time. In the store it must stand
//! exactly once; a value that is missing must be explained by a gap note or by a bad reading of
//! that point at that time. Pure: rows and times in, verdict out.

use crate::api::Row;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// How far an explanation may be from the time a value was handed out: one poll period of 1 s,
/// and what a loaded machine adds between the slave's clock reading and the gateway's.
pub const SLACK_US: i64 = 2_500_000;

/// What one device's slave says.
#[derive(Debug, Clone)]
pub struct Given {
    /// Device id in the gateway's configuration.
    pub device: String,
    /// Point and, per value from 1, when it was handed out (microseconds since 1970).
    pub points: Vec<(String, Vec<i64>)>,
}

/// A stretch of time for which the ledger says why nothing is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// A device id or `gateway`.
    pub subject: String,
    /// Start, microseconds since 1970.
    pub from: i64,
    /// End.
    pub to: i64,
    /// Reason.
    pub reason: String,
}

/// What the comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Values handed out.
    pub given: usize,
    /// Values found exactly as given.
    pub stored: usize,
    /// Values not in the store, whether explained or not.
    pub lost: usize,
    /// Lost values that nothing explains.
    pub unexplained: usize,
    /// Values that stand in the store more than once.
    pub duplicated: usize,
    /// Good values in the store that no slave ever gave.
    pub invented: usize,
    /// The first few findings, for people.
    pub examples: Vec<String>,
}

/// Findings shown to people.
const EXAMPLES_MAX: usize = 8;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { given, stored, lost, unexplained, duplicated, invented, .. } = self;
        write!(f, "{given} read, {stored} stored, {lost} lost ({unexplained} unexplained), ")?;
        write!(f, "{duplicated} duplicated, {invented} invented")?;
        self.examples.iter().try_for_each(|example| write!(f, "\n  {example}"))
    }
}

impl Verdict {
    fn example(&mut self, text: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text);
        }
    }

    /// Nothing lost, doubled or invented.
    pub fn perfect(&self) -> bool {
        self.given > 0 && self.lost == 0 && self.duplicated == 0 && self.invented == 0
    }

    /// Nothing doubled or invented, and every loss explained.
    pub fn honest(&self) -> bool {
        self.given > 0 && self.unexplained == 0 && self.duplicated == 0 && self.invented == 0
    }
}

/// Compares.
pub fn judge(given: &[Given], rows: &[Row], explanations: &[Explanation]) -> Verdict {
    let mut stored: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        stored.entry(&row.point).or_default().push(row);
    }
    let mut verdict = Verdict::default();
    for device in given {
        for (point, times) in &device.points {
            let rows = stored.get(point.as_str()).map_or(&[][..], Vec::as_slice);
            judge_point(&device.device, point, times, rows, explanations, &mut verdict);
        }
    }
    verdict
}

fn judge_point(
    device: &str,
    point: &str,
    times: &[i64],
    rows: &[&Row],
    explanations: &[Explanation],
    verdict: &mut Verdict,
) {
    let mut seen = vec![0u32; times.len()];
    let mut bad = Vec::new();
    for row in rows {
        match counter(row) {
            Some(value) if (1..=times.len()).contains(&value) => seen[value - 1] += 1,
            Some(value) => {
                verdict.invented += 1;
                verdict.example(format!("{point}: {value} was never given (row {}/{})", row.epoch, row.seq));
            }
            None => bad.extend(micros(&row.at)),
        }
    }
    for (index, (&at, &count)) in times.iter().zip(&seen).enumerate() {
        verdict.given += 1;
        verdict.stored += usize::from(count > 0);
        if count > 1 {
            verdict.duplicated += 1;
            verdict.example(format!("{point}: {} stands {count} times", index + 1));
        }
        if count == 0 {
            verdict.lost += 1;
            let near = |from: i64, to: i64| (from - SLACK_US..=to + SLACK_US).contains(&at);
            let noted =
                explanations.iter().any(|e| (e.subject == device || e.subject == "gateway") && near(e.from, e.to));
            if !noted && !bad.iter().any(|when| near(*when, *when)) {
                verdict.unexplained += 1;
                verdict.example(format!("{point}: {} of {} is missing, given at {at} µs", index + 1, times.len()));
            }
        }
    }
}

/// The counter a row holds; `None` for a row that says it has no value.
fn counter(row: &Row) -> Option<usize> {
    match row.quality.as_str() {
        "bad" => None,
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a u16 register
        _ => row.value.map(|value| value as usize),
    }
}

/// The time notes of a ledger statement: each gap explains its subject's silence.
pub fn explanations(ledger: &Value) -> Vec<Explanation> {
    let gaps = ledger["gaps"].as_array().map_or(&[][..], Vec::as_slice);
    gaps.iter()
        .filter_map(|gap| {
            Some(Explanation {
                subject: gap["subject"].as_str()?.to_owned(),
                from: micros(gap["from"].as_str()?)?,
                to: micros(gap["to"].as_str()?)?,
                reason: gap["reason"].as_str()?.to_owned(),
            })
        })
        .collect()
}

/// Microseconds since 1970 of `2026-11-23T01:02:03.456Z`.
pub fn micros(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut parts = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = clock.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let fraction: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    // Days since 1970 of a Gregorian date (Howard Hinnant's days_from_civil).
    let y = if month <= 2 { year - 1 } else { year };
    let (era, m) = (y.div_euclid(400), (month + 9) % 12);
    let day_of_era =
        y.rem_euclid(400) * 365 + y.rem_euclid(400) / 4 - y.rem_euclid(400) / 100 + (153 * m + 2) / 5 + day - 1;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(point: &str, value: Option<f64>, at: &str) -> Row {
        let quality = if value.is_some() { "good" } else { "bad" };
        Row { epoch: 1.into(), seq: 1, point: point.into(), at: at.into(), value, quality: quality.into() }
    }

    fn given(times: &[i64]) -> Vec<Given> {
        vec![Given { device: "d".into(), points: vec![("p".into(), times.to_vec())] }]
    }

    const T: &str = "2026-11-23T01:02:03.500Z";

    #[test]
    fn a_time_is_read_to_the_microsecond() {
        assert_eq!(micros("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(micros("2026-11-23T01:02:03.456Z"), Some(1_795_395_723_456_000));
        assert_eq!(micros("2000-02-29T00:00:00Z"), Some(951_782_400_000_000));
        assert_eq!(micros("yesterday"), None);
    }

    #[test]
    fn everything_stored_once_is_perfect() {
        let verdict = judge(&given(&[1, 2]), &[row("p", Some(1.0), T), row("p", Some(2.0), T)], &[]);
        assert!(verdict.perfect() && verdict.honest(), "{verdict}");
    }

    #[test]
    fn a_missing_a_doubled_and_an_invented_value_are_each_seen() {
        let rows = [row("p", Some(1.0), T), row("p", Some(1.0), T), row("p", Some(9.0), T)];
        let verdict = judge(&given(&[1, 2]), &rows, &[]);
        assert_eq!(
            (verdict.lost, verdict.unexplained, verdict.duplicated, verdict.invented),
            (1, 1, 1, 1),
            "{verdict}"
        );
    }

    #[test]
    fn a_gap_note_or_a_bad_reading_explains_a_loss_but_only_at_its_time_and_device() {
        let at = micros(T).expect("time");
        let note =
            |subject: &str, from| Explanation { subject: subject.into(), from, to: from + 1, reason: "x".into() };
        let unexplained = |rows: &[Row], notes: &[Explanation]| judge(&given(&[at]), rows, notes).unexplained;
        assert_eq!(unexplained(&[], &[note("gateway", at)]), 0);
        assert_eq!(unexplained(&[], &[note("d", at)]), 0);
        assert_eq!(unexplained(&[], &[note("other", at)]), 1);
        assert_eq!(unexplained(&[], &[note("d", at - 10_000_000)]), 1);
        assert_eq!(unexplained(&[row("p", None, T)], &[]), 0);
    }

    #[test]
    fn an_oracle_that_looked_at_nothing_is_not_content() {
        assert!(!judge(&[], &[], &[]).perfect());
    }
}
