//! Measures, ratios, and the indicators they give.

use crate::dictionary::Fault;
use serde::{Deserialize, Serialize};

const MEASURES: &str = include_str!("../../indicators/measures.csv");
const RATIOS: &str = include_str!("../../indicators/ratios.csv");
/// Version of the shipped catalogue.
const VERSION: u32 = 1;
/// A value is expected within so many days of the end of its month.
const FRESH_DAYS: u32 = 10;

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Direction {
    Up,
    Down,
}

/// What is summed or counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Name.
    pub id: String,
    /// `procurement`, `finance`, …
    pub area: String,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
    /// Unit.
    pub unit: String,
    /// Kind of fact.
    pub kind: String,
    /// Element that is summed; empty: facts are counted.
    pub element: String,
    /// `element=value` that a fact must say; empty: every fact.
    #[serde(rename = "where")]
    pub only: String,
    /// A balance: of several months the last counts, and is not added up.
    pub stock: bool,
    /// Which way is better.
    pub direction: Direction,
    /// Who answers for it.
    pub owner: String,
}

/// One measure by another; the numerator may be a difference `a-b`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratio {
    /// Name.
    pub id: String,
    /// Area.
    pub area: String,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
    /// Above the line.
    pub numerator: String,
    /// Below it.
    pub denominator: String,
    /// Which way is better.
    pub direction: Direction,
    /// Who answers for it.
    pub owner: String,
}

/// Over which time, compared with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Form {
    Month,
    Quarter,
    Year,
    YearToDate,
    Rolling3,
    Rolling12,
    MonthOnMonth,
    YearOnYear,
    YearToDateOnYear,
    QuarterOnQuarter,
    AgainstPlan,
    YearToDateAgainstPlan,
    Mean12,
    ShareOfGroup,
}

impl Form {
    /// Every form; ratios have all but the last two, which mean nothing for them.
    pub const ALL: [Form; 14] = [
        Form::Month,
        Form::Quarter,
        Form::Year,
        Form::YearToDate,
        Form::Rolling3,
        Form::Rolling12,
        Form::MonthOnMonth,
        Form::YearOnYear,
        Form::YearToDateOnYear,
        Form::QuarterOnQuarter,
        Form::AgainstPlan,
        Form::YearToDateAgainstPlan,
        Form::Mean12,
        Form::ShareOfGroup,
    ];

    /// Name in ids, and for people.
    pub fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Form::Month => ("month", "当月", "of the month"),
            Form::Quarter => ("quarter", "本季", "of the quarter"),
            Form::Year => ("year", "全年", "of the year"),
            Form::YearToDate => ("ytd", "本年累计", "of the year to date"),
            Form::Rolling3 => ("r3", "近三月", "of the last three months"),
            Form::Rolling12 => ("r12", "近十二月", "of the last twelve months"),
            Form::MonthOnMonth => ("mom", "环比", "against the month before"),
            Form::YearOnYear => ("yoy", "同比", "against the same month of last year"),
            Form::YearToDateOnYear => ("ytd_yoy", "累计同比", "of the year to date against last year"),
            Form::QuarterOnQuarter => ("qoq", "季度环比", "against the quarter before"),
            Form::AgainstPlan => ("plan", "当月较计划", "against the plan of the month"),
            Form::YearToDateAgainstPlan => ("ytd_plan", "累计较计划", "of the year to date against plan"),
            Form::Mean12 => ("mean12", "月均", "mean of twelve months"),
            Form::ShareOfGroup => ("share", "占集团比重", "share of the group's"),
        }
    }

    /// `simple`, `cumulative` or `derived`, as MetricFlow calls them.
    pub fn sort(self) -> &'static str {
        match self {
            Form::Month | Form::Quarter | Form::Year => "simple",
            Form::YearToDate | Form::Rolling3 | Form::Rolling12 => "cumulative",
            Form::MonthOnMonth | Form::YearOnYear | Form::YearToDateOnYear | Form::QuarterOnQuarter => "derived",
            Form::AgainstPlan | Form::YearToDateAgainstPlan | Form::Mean12 | Form::ShareOfGroup => "derived",
        }
    }
}

/// What an indicator is made of: places in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// A measure.
    Measure(usize),
    /// A ratio.
    Ratio(usize),
}

/// One indicator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Indicator {
    /// `area.name.form`.
    pub id: String,
    /// Area.
    pub area: String,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
    /// `simple`, `ratio`, `derived` or `cumulative`.
    pub sort: &'static str,
    /// How it is computed.
    pub formula: String,
    /// Unit.
    pub unit: String,
    /// Over which time.
    pub form: Form,
    /// Which way is better.
    pub direction: Direction,
    /// Deviation from plan at which a warning begins, and an alarm; parts of the plan.
    pub bands: (f64, f64),
    /// Days after the end of the month by which a value is expected.
    pub fresh_days: u32,
    /// Who answers for it.
    pub owner: String,
    /// Version.
    pub version: u32,
    /// First month it is valid for.
    pub valid_from: &'static str,
    /// What it is made of.
    pub of: Of,
}

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogue {
    /// Measures.
    pub measures: Vec<Measure>,
    /// Ratios.
    pub ratios: Vec<Ratio>,
    /// Indicators.
    pub indicators: Vec<Indicator>,
}

fn rows<T: for<'de> Deserialize<'de>>(file: &str, text: &str, faults: &mut Vec<Fault>) -> Vec<T> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for (line, row) in (2u64..).zip(reader.deserialize::<T>()) {
        match row {
            Ok(row) => rows.push(row),
            Err(error) => faults.push(Fault { file: file.to_owned(), line, why: error.to_string() }),
        }
    }
    rows
}

impl Catalogue {
    /// The shipped starter catalogue: 76 measures in 14 forms and 28 ratios in 12.
    pub fn shipped() -> Catalogue {
        let (catalogue, faults) = Catalogue::read(MEASURES, RATIOS);
        debug_assert!(faults.is_empty(), "{faults:?}");
        catalogue
    }

    /// Reads measures and ratios (CSV); what is wrong is named with its line, the rest is taken.
    pub fn read(measures: &str, ratios: &str) -> (Catalogue, Vec<Fault>) {
        let mut faults = Vec::new();
        let measures: Vec<Measure> = rows("measures.csv", measures, &mut faults);
        let mut ratios: Vec<Ratio> = rows("ratios.csv", ratios, &mut faults);
        ratios.retain(|ratio| {
            let parts = ratio.numerator.split('-').chain([ratio.denominator.as_str()]);
            let strange: Vec<&str> = parts.filter(|part| measures.iter().all(|m| m.id != *part)).collect();
            let why = format!("{}: no measure {}", ratio.id, strange.join(", "));
            faults.extend((!strange.is_empty()).then(|| Fault { file: "ratios.csv".to_owned(), line: 0, why }));
            strange.is_empty()
        });
        let mut indicators = Vec::new();
        for (n, measure) in measures.iter().enumerate() {
            indicators.extend(Form::ALL.iter().map(|form| of_measure(n, measure, *form)));
        }
        for (n, ratio) in ratios.iter().enumerate() {
            indicators.extend(Form::ALL[..12].iter().map(|form| of_ratio(n, ratio, *form)));
        }
        (Catalogue { measures, ratios, indicators }, faults)
    }

    /// An indicator by its id.
    pub fn find(&self, id: &str) -> Option<&Indicator> {
        self.indicators.iter().find(|indicator| indicator.id == id)
    }

    /// The measures an indicator is made of, by their places.
    pub fn parts(&self, indicator: &Indicator) -> Vec<usize> {
        let place = |id: &str| self.measures.iter().position(|measure| measure.id == id);
        match indicator.of {
            Of::Measure(measure) => vec![measure],
            Of::Ratio(ratio) => {
                let ratio = self.ratios.get(ratio);
                let names = ratio.into_iter().flat_map(|r| r.numerator.split('-').chain([r.denominator.as_str()]));
                names.filter_map(place).collect()
            }
        }
    }

    /// Indicators whose id or name holds the text.
    pub fn search<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a Indicator> {
        let holds = move |i: &&Indicator| i.id.contains(text) || i.name_zh.contains(text) || i.name_en.contains(text);
        self.indicators.iter().filter(holds)
    }
}

fn of_measure(n: usize, measure: &Measure, form: Form) -> Indicator {
    let (name, zh, en) = form.names();
    let what = if measure.element.is_empty() { "count" } else { "sum" };
    let element = if measure.element.is_empty() { String::new() } else { format!(".{}", measure.element) };
    let only = if measure.only.is_empty() { String::new() } else { format!(" where {}", measure.only) };
    let relative = form.sort() == "derived" && form != Form::Mean12;
    Indicator {
        id: format!("{}.{}.{name}", measure.area, measure.id),
        area: measure.area.clone(),
        name_zh: format!("{}（{zh}）", measure.name_zh),
        name_en: format!("{} {en}", measure.name_en),
        sort: form.sort(),
        formula: format!("{name}({what}({}{element}{only}))", measure.kind),
        unit: if relative { "ratio".to_owned() } else { measure.unit.clone() },
        form,
        direction: measure.direction,
        bands: (0.05, 0.15),
        fresh_days: FRESH_DAYS,
        owner: measure.owner.clone(),
        version: VERSION,
        valid_from: "2020-01",
        of: Of::Measure(n),
    }
}

fn of_ratio(n: usize, ratio: &Ratio, form: Form) -> Indicator {
    let (name, zh, en) = form.names();
    Indicator {
        id: format!("{}.{}.{name}", ratio.area, ratio.id),
        area: ratio.area.clone(),
        name_zh: format!("{}（{zh}）", ratio.name_zh),
        name_en: format!("{} {en}", ratio.name_en),
        sort: "ratio",
        formula: format!("{name}(({}) / {})", ratio.numerator, ratio.denominator),
        unit: "ratio".to_owned(),
        form,
        direction: ratio.direction,
        bands: (0.05, 0.15),
        fresh_days: FRESH_DAYS,
        owner: ratio.owner.clone(),
        version: VERSION,
        valid_from: "2020-01",
        of: Of::Ratio(n),
    }
}
