//! Key figures of alarm management per EEMUA 191 (edition 3) and ANSI/ISA-18.2-2016 clause 16, from the
//! journal of one part of the organisation over one window.
//!
//! Invariants: no clock (the window is an argument); steady state and upset are reported apart, as
//! EEMUA 191 ed. 3 asks; what is not known (nobody acknowledged, no deadline) is counted, never left
//! out of a mean in silence. Deliberately absent: SQL, and targets of a site's own.
//!
//! An *annunciation* is a rise of an alarm's level: from normal, or to a worse level, because that is
//! what sounds. An *activation* is the time from leaving normal to returning.

use minewatch_domain::{At, Level};
use serde::Serialize;
use std::collections::BTreeMap;

/// Ten minutes, the unit of EEMUA 191.
const TEN_MINUTES_US: i64 = 600_000_000;
/// A flood begins with so many annunciations in ten minutes (ISA-18.2, 16.5.3).
const FLOOD_BEGINS: usize = 10;
/// It ends when fewer than these remain.
const FLOOD_ENDS_BELOW: usize = 5;
/// Three in a minute chatter.
const CHATTER: usize = 3;
const MINUTE_US: i64 = 60_000_000;
/// Active longer than a day is stale.
const STALE_US: i64 = 86_400_000_000;
/// Names in the list of the most frequent.
const TOP: usize = 10;
/// Floods listed one by one; all are in the share.
const FLOODS_MAX: usize = 100;

/// A window of time, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Start.
    pub from: At,
    /// End, not included.
    pub to: At,
}

/// One change of an alarm's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// When, in site time.
    pub at: At,
    /// The level left.
    pub from: Level,
    /// The level entered.
    pub to: Level,
}

/// What the journal says about one alarm.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// Name, for the lists.
    pub alarm: String,
    /// Active when the window began, since then.
    pub active_since: Option<At>,
    /// Changes within the window, in order of time.
    pub changes: Vec<Change>,
    /// Acknowledgements within the window, in order of time.
    pub acks: Vec<At>,
    /// Shelved at the end of the window.
    pub shelved: bool,
    /// Suppressed by design at the end of the window.
    pub suppressed: bool,
    /// Out of service at the end of the window.
    pub out_of_service: bool,
}

/// What matters of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaseTimes {
    /// When it was raised.
    pub raised: At,
    /// When somebody answered.
    pub acknowledged: Option<At>,
    /// When it was closed.
    pub closed: Option<At>,
    /// A deadline of one of its steps was missed.
    pub late: bool,
}

/// Durations in words of statistics, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[allow(missing_docs)]
pub struct Durations {
    pub count: usize,
    pub mean_s: Option<f64>,
    pub median_s: Option<f64>,
    pub p90_s: Option<f64>,
    pub max_s: Option<f64>,
}

/// One flood.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Flood {
    pub from: At,
    pub to: At,
    pub annunciated: usize,
}

/// An alarm and how often it came.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Frequent {
    pub alarm: String,
    pub annunciated: usize,
    pub share: f64,
}

/// Rate over a part of the window.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[allow(missing_docs)]
pub struct Rate {
    pub annunciated: usize,
    pub hours: f64,
    /// `None`: that part of the window has no length.
    pub per_10_min: Option<f64>,
}

/// Annunciations by level and their shares.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[allow(missing_docs)]
pub struct Split {
    pub blue: usize,
    pub yellow: usize,
    pub orange: usize,
    pub red: usize,
    pub red_share: Option<f64>,
}

/// The figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Kpi {
    pub from: At,
    pub to: At,
    pub annunciated: usize,
    pub all: Rate,
    /// Outside floods.
    pub steady: Rate,
    /// Within floods.
    pub upset: Rate,
    /// Most annunciations in any ten minutes, however cut.
    pub peak_10_min: usize,
    pub floods: Vec<Flood>,
    pub flood_count: usize,
    /// Part of the window in flood.
    pub flood_share: f64,
    pub top: Vec<Frequent>,
    pub top_share: Option<f64>,
    /// Alarms that came three times within a minute.
    pub chattering: Vec<String>,
    /// Activations that were over within a minute, of alarms that do not chatter.
    pub fleeting: usize,
    /// Active at the end for more than a day.
    pub stale: Vec<String>,
    /// Active at the end.
    pub standing: usize,
    pub shelved: usize,
    pub suppressed: usize,
    pub out_of_service: usize,
    pub split: Split,
    pub to_acknowledge: Durations,
    /// Activations of the window that nobody acknowledged in it.
    pub unacknowledged: usize,
    /// Of cases: until somebody answered.
    pub to_answer: Durations,
    pub to_close: Durations,
    /// Closed in the window, or open with a missed deadline.
    pub cases_judged: usize,
    pub cases_on_time: usize,
    pub on_time_share: Option<f64>,
    /// What is held against the targets of EEMUA 191 and ISA-18.2.
    pub targets: Vec<Target>,
}

/// A figure and its target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Target {
    pub name: &'static str,
    pub value: f64,
    /// At most.
    pub limit: f64,
    pub met: bool,
}

fn rises(records: &[Record]) -> Vec<(At, usize, Level)> {
    let each = records
        .iter()
        .enumerate()
        .flat_map(|(index, record)| record.changes.iter().filter(|c| c.to > c.from).map(move |c| (c.at, index, c.to)));
    let mut all: Vec<_> = each.collect();
    all.sort_unstable_by_key(|(at, index, _)| (*at, *index));
    all
}

/// Most instants in any span of ten minutes.
fn peak(times: &[At]) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, at) in times.iter().enumerate() {
        while at.0 - times[first].0 >= TEN_MINUTES_US {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

/// Floods: from the annunciation that makes ten in ten minutes until fewer than five remain in the
/// last ten minutes.
fn floods(times: &[At], window: Window) -> Vec<Flood> {
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(begin) = (next..times.len()).find(|last| {
        let first = (last + 1).saturating_sub(FLOOD_BEGINS);
        last + 1 >= FLOOD_BEGINS && first >= next && times[*last].0 - times[first].0 < TEN_MINUTES_US
    }) {
        // Fewer than five remain when the fifth youngest leaves the last ten minutes.
        let mut last = begin;
        let end = loop {
            let leaves = times[(last + 1).saturating_sub(FLOOD_ENDS_BELOW)].0 + TEN_MINUTES_US;
            match times.get(last + 1) {
                Some(at) if at.0 <= leaves => last += 1,
                Some(_) | None => break leaves,
            }
        };
        found.push(Flood {
            from: times[begin],
            to: At(end.min(window.to.0)),
            annunciated: last + 1 - (begin + 1 - FLOOD_BEGINS),
        });
        next = last + 1;
    }
    found
}

fn durations(mut micros: Vec<i64>) -> Durations {
    micros.sort_unstable();
    let seconds = |us: i64| us as f64 / 1e6;
    let at = |share: usize| micros.get((micros.len() * share).div_ceil(100).saturating_sub(1)).map(|us| seconds(*us));
    let sum: f64 = micros.iter().map(|us| seconds(*us)).sum();
    Durations {
        count: micros.len(),
        mean_s: (!micros.is_empty()).then(|| sum / micros.len() as f64),
        median_s: at(50),
        p90_s: at(90),
        max_s: micros.last().map(|us| seconds(*us)),
    }
}

/// Activations of one alarm: begin, end if it is over, and whether it began in the window.
fn activations(record: &Record) -> Vec<(At, Option<At>, bool)> {
    let mut out = Vec::new();
    let mut open = record.active_since.map(|since| (since, false));
    for change in &record.changes {
        match (open, change.to == Level::Normal) {
            (None, false) => open = Some((change.at, true)),
            (Some((since, begun)), true) => {
                out.push((since, Some(change.at), begun));
                open = None;
            }
            (Some(_), false) | (None, true) => {}
        }
    }
    out.extend(open.map(|(since, begun)| (since, None, begun)));
    out
}

fn chatters(record: &Record) -> bool {
    let times: Vec<At> = record.changes.iter().filter(|c| c.to > c.from).map(|c| c.at).collect();
    times.windows(CHATTER).any(|three| three[CHATTER - 1].0 - three[0].0 < MINUTE_US)
}

fn rate(annunciated: usize, span_us: i64) -> Rate {
    let tens = span_us as f64 / TEN_MINUTES_US as f64;
    Rate { annunciated, hours: span_us as f64 / 3.6e9, per_10_min: (span_us > 0).then(|| annunciated as f64 / tens) }
}

fn split(rises: &[(At, usize, Level)]) -> Split {
    let count = |level| rises.iter().filter(|(_, _, to)| *to == level).count();
    Split {
        blue: count(Level::Blue),
        yellow: count(Level::Yellow),
        orange: count(Level::Orange),
        red: count(Level::Red),
        red_share: share(count(Level::Red), rises.len()),
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn top(rises: &[(At, usize, Level)], records: &[Record]) -> Vec<Frequent> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for (_, index, _) in rises {
        *counts.entry(*index).or_default() += 1;
    }
    let mut all: Vec<(usize, usize)> = counts.into_iter().collect();
    all.sort_by_key(|(index, count)| (std::cmp::Reverse(*count), *index));
    let named = all.into_iter().take(TOP).map(|(index, annunciated)| Frequent {
        alarm: records[index].alarm.clone(),
        annunciated,
        share: annunciated as f64 / rises.len() as f64,
    });
    named.collect()
}

/// Times from activation to the first acknowledgement after it, and how many have none.
fn acknowledged(records: &[Record]) -> (Vec<i64>, usize) {
    let (mut took, mut without) = (Vec::new(), 0);
    for record in records {
        let activations = activations(record);
        for (index, (begin, _, begun)) in activations.iter().enumerate().filter(|(_, a)| a.2) {
            debug_assert!(*begun);
            let next = activations.get(index + 1).map(|a| a.0);
            let ack = record.acks.iter().find(|at| **at >= *begin && next.is_none_or(|next| **at < next));
            match ack {
                Some(at) => took.push(at.0 - begin.0),
                None => without += 1,
            }
        }
    }
    (took, without)
}

#[derive(Default)]
struct Cases {
    to_answer: Vec<i64>,
    to_close: Vec<i64>,
    judged: usize,
    on_time: usize,
}

/// A case is judged when it is closed in the window, or stands open with a missed deadline.
fn cases(all: &[CaseTimes], window: Window) -> Cases {
    let within = |at: At| window.from <= at && at < window.to;
    let mut out = Cases::default();
    for case in all.iter().filter(|case| case.raised < window.to) {
        if let Some(answered) = case.acknowledged.filter(|at| within(*at)) {
            out.to_answer.push(answered.0 - case.raised.0);
        }
        match case.closed {
            Some(closed) if within(closed) => {
                out.to_close.push(closed.0 - case.raised.0);
                out.judged += 1;
                out.on_time += usize::from(!case.late);
            }
            Some(_) => {}
            None => out.judged += usize::from(case.late),
        }
    }
    out
}

fn targets(kpi: &Kpi) -> Vec<Target> {
    let at_most =
        |name, value: Option<f64>, limit| value.map(|value| Target { name, value, limit, met: value <= limit });
    [
        at_most("per_10_min", kpi.all.per_10_min, 1.0),
        at_most("peak_10_min", Some(kpi.peak_10_min as f64), 10.0),
        at_most("flood_share", Some(kpi.flood_share), 0.01),
        at_most("top_share", kpi.top_share, 0.05),
        at_most("chattering", Some(kpi.chattering.len() as f64), 0.0),
        at_most("stale", Some(kpi.stale.len() as f64), 5.0),
        at_most("red_share", kpi.split.red_share, 0.05),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The figures of one part of the organisation over one window.
pub fn compute(window: Window, records: &[Record], case_times: &[CaseTimes]) -> Kpi {
    let rises = rises(records);
    let times: Vec<At> = rises.iter().map(|(at, _, _)| *at).collect();
    let floods = floods(&times, window);
    let span = (window.to.0 - window.from.0).max(0);
    let flooded: i64 = floods.iter().map(|flood| (flood.to.0 - flood.from.0).max(0)).sum();
    let in_flood = times.iter().filter(|at| floods.iter().any(|flood| flood.from <= **at && **at < flood.to)).count();
    let chattering: Vec<&Record> = records.iter().filter(|record| chatters(record)).collect();
    let is_fleeting =
        |(begin, end, begun): &(At, Option<At>, bool)| *begun && end.is_some_and(|e| e.0 - begin.0 < MINUTE_US);
    let calm = records.iter().filter(|record| !chatters(record));
    let fleeting = calm.map(|record| activations(record).iter().filter(|a| is_fleeting(a)).count()).sum();
    let standing: Vec<(&Record, At)> = records
        .iter()
        .filter_map(|record| activations(record).last().filter(|a| a.1.is_none()).map(|a| (record, a.0)))
        .collect();
    let top = top(&rises, records);
    let (acked, unacknowledged) = acknowledged(records);
    let cases = cases(case_times, window);
    let mut kpi = Kpi {
        from: window.from,
        to: window.to,
        annunciated: rises.len(),
        all: rate(rises.len(), span),
        steady: rate(rises.len() - in_flood, span - flooded),
        upset: rate(in_flood, flooded),
        peak_10_min: peak(&times),
        flood_count: floods.len(),
        flood_share: if span > 0 { flooded as f64 / span as f64 } else { 0.0 },
        floods: floods.into_iter().take(FLOODS_MAX).collect(),
        top_share: share(top.iter().map(|t| t.annunciated).sum(), rises.len()),
        top,
        chattering: chattering.iter().map(|record| record.alarm.clone()).collect(),
        fleeting,
        stale: standing
            .iter()
            .filter(|(_, since)| window.to.0 - since.0 > STALE_US)
            .map(|(record, _)| record.alarm.clone())
            .collect(),
        standing: standing.len(),
        shelved: records.iter().filter(|record| record.shelved).count(),
        suppressed: records.iter().filter(|record| record.suppressed).count(),
        out_of_service: records.iter().filter(|record| record.out_of_service).count(),
        split: split(&rises),
        to_acknowledge: durations(acked),
        unacknowledged,
        to_answer: durations(cases.to_answer),
        to_close: durations(cases.to_close),
        cases_judged: cases.judged,
        cases_on_time: cases.on_time,
        on_time_share: share(cases.on_time, cases.judged),
        targets: Vec::new(),
    };
    kpi.targets = targets(&kpi);
    kpi
}

#[cfg(test)]
#[path = "kpi_tests.rs"]
mod tests;
