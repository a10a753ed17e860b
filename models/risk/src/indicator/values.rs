//! Values of indicators, kept up to date with every fact.

use super::catalogue::{Catalogue, Direction, Form, Indicator, Of};
use crate::fact::{Fact, Value};
use minewatch_domain::OrgPath;
use rust_decimal::Decimal;
use rustc_hash::FxBuildHasher;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

type Map<K, V> = indexmap::IndexMap<K, V, FxBuildHasher>;

/// Months since year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Month(pub i32);

impl Month {
    /// The month of a moment, in China.
    pub fn of(us: i64) -> Month {
        let civil = crate::rule::civil_of(us);
        Month(i32::from(civil.year()) * 12 + i32::from(civil.month()) - 1)
    }

    fn back(self, months: i32) -> Month {
        Month(self.0 - months)
    }

    fn year_start(self) -> Month {
        Month(self.0 - self.0.rem_euclid(12))
    }

    fn quarter_start(self) -> Month {
        Month(self.0 - self.0.rem_euclid(3))
    }

    /// `2026-03`.
    pub fn text(self) -> String {
        format!("{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

/// A cell a fact changed: measure, unit, month.
pub type Touched = BTreeSet<(usize, OrgPath, Month)>;

/// What a value means against its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing was said: not good, not bad.
    NoData,
    /// There is no plan to compare with, or the plan is zero.
    NoPlan,
    /// Within the band.
    Good,
    /// Beyond the first band.
    Warning,
    /// Beyond the second.
    Alarm,
}

/// What a fact put where.
#[derive(Debug, Clone)]
struct Part {
    measure: usize,
    month: Month,
    value: Decimal,
}

#[derive(Debug, Clone)]
struct Held {
    fact: Fact,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Default)]
struct Sum {
    total: Decimal,
    facts: u32,
}

/// Cells of every measure, unit and month.
#[derive(Debug, Clone)]
pub struct Values {
    catalogue: Catalogue,
    by_kind: BTreeMap<String, Vec<usize>>,
    cells: Map<(usize, OrgPath), BTreeMap<Month, Sum>>,
    held: Map<(String, String), Held>,
    plans: BTreeMap<(String, OrgPath, String), Decimal>,
}

fn above(org: &OrgPath) -> Vec<OrgPath> {
    let mut all = vec![org.clone()];
    let mut at = org.clone();
    while let Some(parent) = at.parent() {
        all.push(parent.clone());
        at = parent;
    }
    all
}

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Decimal(number) => Some(*number),
        Value::Money(money) if money.currency == "CNY" => Some(money.amount),
        Value::Money(_) | Value::Text(_) | Value::Date(_) | Value::Instant(_) | Value::Flag(_) | Value::List(_) => None,
    }
}

impl Values {
    /// No facts yet.
    pub fn new(catalogue: Catalogue) -> Values {
        let mut by_kind: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (n, measure) in catalogue.measures.iter().enumerate() {
            by_kind.entry(measure.kind.clone()).or_default().push(n);
        }
        Values { catalogue, by_kind, cells: Map::default(), held: Map::default(), plans: BTreeMap::new() }
    }

    /// The catalogue.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Takes a fact: what it said before is taken out, what it says now put in. An older statement
    /// changes nothing.
    pub fn take(&mut self, fact: &Fact) -> Touched {
        let mut touched = Touched::new();
        if fact.kind.as_str() == "plan" {
            self.plan(fact);
            return touched;
        }
        let Some(measures) = self.by_kind.get(fact.kind.as_str()).cloned() else { return touched };
        let name = (fact.kind.to_string(), fact.key.clone());
        if self.held.get(&name).is_some_and(|held| fact.precedence(&held.fact).is_le()) {
            return touched;
        }
        if let Some(before) = self.held.get(&name).cloned() {
            self.apply(&before.fact.org, &before.parts, false, &mut touched);
        }
        let parts: Vec<Part> = measures.into_iter().filter_map(|n| self.part(n, fact)).collect();
        self.apply(&fact.org, &parts, true, &mut touched);
        self.held.insert(name, Held { fact: fact.clone(), parts });
        touched
    }

    fn plan(&mut self, fact: &Fact) {
        let text = |name| if let Some(Value::Text(text)) = fact.field(name) { Some(text.clone()) } else { None };
        let value = fact.field("value").and_then(number);
        if let (Some(indicator), Some(period), Some(value)) = (text("indicator"), text("period"), value) {
            self.plans.insert((indicator, fact.org.clone(), period), value);
        }
    }

    fn part(&self, n: usize, fact: &Fact) -> Option<Part> {
        let measure = self.catalogue.measures.get(n)?;
        if let Some((element, wanted)) = measure.only.split_once('=')
            && fact.field(element).map(Value::plain).as_deref() != Some(wanted)
        {
            return None;
        }
        let value = match measure.element.as_str() {
            "" => Decimal::ONE,
            element => number(fact.field(element)?)?,
        };
        Some(Part { measure: n, month: Month::of(fact.event_at_us), value })
    }

    fn apply(&mut self, org: &OrgPath, parts: &[Part], add: bool, touched: &mut Touched) {
        for org in above(org) {
            for part in parts {
                let months = self.cells.entry((part.measure, org.clone())).or_default();
                let sum = months.entry(part.month).or_default();
                if add {
                    sum.total += part.value;
                    sum.facts += 1;
                } else {
                    sum.total -= part.value;
                    sum.facts = sum.facts.saturating_sub(1);
                }
                if sum.facts == 0 {
                    months.remove(&part.month);
                }
                touched.insert((part.measure, org.clone(), part.month));
            }
        }
    }

    /// A measure over months; none where nothing was said.
    fn over(&self, measure: usize, org: &OrgPath, from: Month, to: Month) -> Option<Decimal> {
        let months = self.cells.get(&(measure, org.clone()))?;
        let mut inside = months.range(from..=to);
        if self.catalogue.measures.get(measure)?.stock {
            return inside.next_back().map(|(_, sum)| sum.total);
        }
        let first = inside.next()?.1.total;
        Some(inside.fold(first, |total, (_, sum)| total + sum.total))
    }

    fn of(&self, of: Of, org: &OrgPath, from: Month, to: Month) -> Option<Decimal> {
        let place = |id: &str| self.catalogue.measures.iter().position(|measure| measure.id == id);
        match of {
            Of::Measure(measure) => self.over(measure, org, from, to),
            Of::Ratio(ratio) => {
                let ratio = self.catalogue.ratios.get(ratio)?;
                let mut parts = ratio.numerator.split('-');
                let first = self.over(place(parts.next()?)?, org, from, to)?;
                let mut rest = parts.map(|part| self.over(place(part)?, org, from, to));
                let above = rest.try_fold(first, |total, part| Some(total - part?))?;
                above.checked_div(self.over(place(&ratio.denominator)?, org, from, to)?)
            }
        }
    }

    /// The value of an indicator for a unit and a month. Growth of a measure is relative, that of a
    /// ratio a difference; a missing side, or a zero below the line, gives none.
    pub fn value(&self, indicator: &Indicator, org: &OrgPath, month: Month) -> Option<Decimal> {
        let of = |from, to| self.of(indicator.of, org, from, to);
        let growth = |now: Option<Decimal>, before: Option<Decimal>| match indicator.of {
            Of::Measure(_) => (now? - before?).checked_div(before?.abs()),
            Of::Ratio(_) => Some(now? - before?),
        };
        let last_year = month.back(12);
        match indicator.form {
            Form::Month => of(month, month),
            Form::Quarter => of(month.quarter_start(), month),
            Form::Year => of(month.year_start(), Month(month.year_start().0 + 11)),
            Form::YearToDate => of(month.year_start(), month),
            Form::Rolling3 => of(month.back(2), month),
            Form::Rolling12 => of(month.back(11), month),
            Form::MonthOnMonth => growth(of(month, month), of(month.back(1), month.back(1))),
            Form::YearOnYear => growth(of(month, month), of(last_year, last_year)),
            Form::YearToDateOnYear => growth(of(month.year_start(), month), of(last_year.year_start(), last_year)),
            Form::QuarterOnQuarter => {
                let start = month.quarter_start();
                growth(of(start, month), of(start.back(3), start.back(1)))
            }
            Form::AgainstPlan => self.deviation(indicator, org, &month.text(), of(month, month)),
            Form::YearToDateAgainstPlan => {
                let year = month.0.div_euclid(12).to_string();
                self.deviation(indicator, org, &year, of(month.year_start(), month))
            }
            Form::Mean12 => Some(of(month.back(11), month)? / Decimal::from(12)),
            Form::ShareOfGroup => {
                of(month, month)?.checked_div(self.of(indicator.of, &OrgPath::root(), month, month)?)
            }
        }
    }

    /// (actual − plan) / |plan|.
    fn deviation(
        &self,
        indicator: &Indicator,
        org: &OrgPath,
        period: &str,
        actual: Option<Decimal>,
    ) -> Option<Decimal> {
        let base = indicator.id.rsplit_once('.').map_or(indicator.id.as_str(), |(base, _)| base);
        let plan = self.plans.get(&(base.to_owned(), org.clone(), period.to_owned()))?;
        (actual? - plan).checked_div(plan.abs())
    }

    /// What the value means.
    pub fn status(&self, indicator: &Indicator, org: &OrgPath, month: Month) -> Status {
        let (from, to) = (month, month);
        if self.of(indicator.of, org, from, to).is_none() {
            return Status::NoData;
        }
        let Some(actual) = self.deviation(indicator, org, &month.text(), self.of(indicator.of, org, from, to)) else {
            return Status::NoPlan;
        };
        let bad = match indicator.direction {
            Direction::Up => -actual,
            Direction::Down => actual,
        };
        let band = |part: f64| Decimal::from_f64_retain(part).unwrap_or(Decimal::ONE);
        match (bad > band(indicator.bands.1), bad > band(indicator.bands.0)) {
            (true, _) => Status::Alarm,
            (false, true) => Status::Warning,
            (false, false) => Status::Good,
        }
    }

    /// Through the value to its records (穿透): those of the unit and below it, of the months given.
    pub fn records(
        &self,
        measure: usize,
        org: &OrgPath,
        from: Month,
        to: Month,
    ) -> impl Iterator<Item = (&Fact, Decimal)> {
        let within = move |part: &&Part| part.measure == measure && (from..=to).contains(&part.month);
        let here = org.clone();
        self.held
            .values()
            .filter(move |held| here.contains(&held.fact.org))
            .flat_map(move |held| held.parts.iter().filter(within).map(|part| (&held.fact, part.value)))
    }
}
