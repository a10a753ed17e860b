//! Where facts and labels are written down.

use crate::rng::Rng;
use jiff::civil::Date;
use jiff::{ToSpan, civil};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Units of the group that trade.
pub(super) const UNITS: u32 = 12;

/// Facts and labels of one run.
#[derive(Debug)]
pub(crate) struct Book {
    pub(super) rng: Rng,
    start: Date,
    days: i32,
    facts: Vec<(String, String)>,
    labels: BTreeSet<(String, String)>,
    next: u64,
    turns: BTreeMap<String, u32>,
}

impl Book {
    pub(super) fn new(seed: u64, months: u32) -> Book {
        let start = civil::date(2025, 7, 1);
        let end = start.saturating_add(i32::try_from(months).unwrap_or(12).months());
        let days = start.until(end).map_or(365, |span| span.get_days());
        let (facts, labels, turns) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        Book { rng: Rng::new(seed, 0xB51), start, days, facts, labels, next: 0, turns }
    }

    pub(super) fn days(&self) -> i32 {
        self.days
    }

    pub(super) fn day(&self, n: i32) -> Date {
        self.start.saturating_add(n.days())
    }

    /// A day as facts write it.
    pub(super) fn date(&self, n: i32) -> String {
        self.day(n).to_string()
    }

    /// A moment of a day.
    pub(super) fn time(&self, n: i32, hour: u32, minute: u32) -> String {
        format!("{}T{hour:02}:{minute:02}:00", self.day(n))
    }

    /// Monday to Friday.
    pub(super) fn works(&self, n: i32) -> bool {
        self.day(n).weekday().to_monday_one_offset() <= 5
    }

    /// The next working day from `n` on.
    pub(super) fn working(&self, n: i32) -> i32 {
        (n..n + 7).find(|day| self.works(*day)).unwrap_or(n)
    }

    /// A whole number in `from..to`.
    pub(super) fn pick(&mut self, from: i32, to: i32) -> i32 {
        from + (self.rng.unit() * f64::from(to - from)) as i32
    }

    /// Uniform.
    pub(super) fn between(&mut self, from: f64, to: f64) -> f64 {
        from + self.rng.unit() * (to - from)
    }

    /// A key nobody else has.
    pub(super) fn key(&mut self, what: &str) -> String {
        self.next += 1;
        format!("{what}{:06}", self.next)
    }

    /// A unified social credit code whose check holds.
    pub(super) fn company(&mut self) -> String {
        const SYMBOLS: &[u8] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
        const WEIGHTS: [usize; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
        self.next += 1;
        let body = format!("91{:06}MA{:07}", 110_000 + self.next % 600_000, self.next);
        let value = |c: u8| SYMBOLS.iter().position(|s| *s == c).unwrap_or(0);
        let sum: usize = body.bytes().zip(WEIGHTS).map(|(c, weight)| value(c) * weight).sum();
        let check = SYMBOLS.get((31 - sum % 31) % 31).copied().unwrap_or(b'0');
        let code = format!("{body}{}", char::from(check));
        let day = self.pick(-4_000, -800);
        let name = format!("五矿伙伴{}有限公司", self.next);
        let (registered, first) = (self.date(day), self.date(0));
        self.fact(
            "party",
            &code,
            "minmetals/hq",
            &first,
            &[("uscc", &code), ("name", &name), ("type", "company"), ("registered_on", &registered)],
        );
        code
    }

    /// A unit.
    pub(super) fn unit(&mut self) -> String {
        let n = self.pick(1, UNITS as i32 + 1);
        format!("minmetals/c{n:02}")
    }

    /// How many times this was asked of a unit before.
    pub(super) fn turn(&mut self, org: &str) -> u32 {
        let turn = self.turns.entry(org.to_owned()).or_default();
        *turn += 1;
        *turn
    }

    /// A fact, known when it happens.
    pub(super) fn fact(&mut self, kind: &str, key: &str, org: &str, at: &str, fields: &[(&str, &str)]) {
        self.known(kind, key, org, (at, at), fields);
    }

    /// A fact known at another time than it happened.
    pub(super) fn known(
        &mut self,
        kind: &str,
        key: &str,
        org: &str,
        (at, known): (&str, &str),
        fields: &[(&str, &str)],
    ) {
        let fields: Map<String, Value> = fields.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
        let lineage = json!({ "source": "simulator", "document": kind, "locator": key, "sha256": "" });
        let line = json!({ "kind": kind, "key": key, "org": org, "event_at": at, "known_at": known, "fields": fields, "lineage": lineage });
        self.facts.push((known.to_owned(), line.to_string()));
    }

    /// A planted risk: the rule, and what identifies its warning.
    pub(super) fn label(&mut self, rule: &str, dedupe: &str) {
        self.labels.insert((rule.to_owned(), dedupe.to_owned()));
    }

    /// The lines of both files, in order of knowledge.
    pub(super) fn lines(mut self) -> (Vec<String>, Vec<String>) {
        self.facts.sort_by(|a, b| a.0.cmp(&b.0));
        let label = |(rule, dedupe): &(String, String)| json!({ "rule": rule, "dedupe": dedupe }).to_string();
        (self.facts.into_iter().map(|(_, line)| line).collect(), self.labels.iter().map(label).collect())
    }
}
