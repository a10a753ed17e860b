//! The settings of the red flags: an ini file with the peer's keys. A section switches its
//! indicator on; unknown sections and keys are refused, every problem at once.
//!
//! Deliberately absent: the peer's `prepare` step. Its sections may stand in the file and are
//! accepted without effect, so that one file serves both tools.

use indexmap::IndexMap;
use ini::Ini;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// Sections of the peer's other commands.
const OTHERS: [&str; 7] = [
    "defaults",
    "redactions",
    "corrections",
    "modifications",
    "codelists.bid_status",
    "codelists.award_status",
    "codelists",
];

/// What is wrong in a settings file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[{section}] {what}")]
pub struct SettingsProblem {
    /// The section; empty for the part above the first one.
    pub section: String,
    /// What is wrong with it.
    pub what: String,
}

/// Which indicators run, and how. `None`: the indicator is off.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Settings {
    pub(super) currency: Option<String>,
    pub(super) no_price_comparison: BTreeSet<String>,
    pub(super) price_comparison: BTreeSet<String>,
    pub(super) excluded_details: BTreeSet<String>,
    pub(super) r003: Option<R003>,
    pub(super) r018: Option<BTreeSet<String>>,
    pub(super) r024: Option<Fence>,
    pub(super) r025: Option<R025>,
    pub(super) r028: Option<()>,
    pub(super) r030: Option<()>,
    pub(super) r035: Option<u64>,
    pub(super) r036: Option<()>,
    pub(super) r038: Option<R038>,
    pub(super) r048: Option<R048>,
    pub(super) r058: Option<Fence>,
}

/// A fixed fence in place of the computed one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fence(pub(super) Option<f64>);

#[derive(Debug, Clone, PartialEq)]
pub(super) struct R003 {
    /// Whole days.
    pub(super) threshold: i64,
    /// Empty: every method.
    pub(super) methods: BTreeSet<String>,
    /// Whole days by procurement method details.
    pub(super) by_details: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct R025 {
    pub(super) percentile: f64,
    pub(super) fence: Fence,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct R038 {
    pub(super) fence: Fence,
    pub(super) submitted_min: u64,
    pub(super) processes_min: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct R048 {
    pub(super) digits: usize,
    pub(super) fence: Fence,
    pub(super) processes_min: u64,
}

impl Settings {
    /// Reads an ini text.
    ///
    /// # Errors
    /// Every unknown section and key and every value that cannot be read.
    pub fn parse(text: &str) -> Result<Settings, Vec<SettingsProblem>> {
        let ini = Ini::load_from_str_noescape(text)
            .map_err(|error| vec![SettingsProblem { section: String::new(), what: error.to_string() }])?;
        let mut sections = Sections { of: IndexMap::new(), problems: Vec::new() };
        for (name, properties) in &ini {
            let values = sections.of.entry(name.unwrap_or_default().to_owned()).or_default();
            for (key, value) in properties.iter() {
                values.insert(key.to_owned(), without_remark(value).to_owned());
            }
        }
        let settings = sections.settings();
        sections.nothing_left();
        if sections.problems.is_empty() { Ok(settings) } else { Err(sections.problems) }
    }

    /// Whether prices of processes with these method details may be compared.
    pub(super) fn prices_compare(&self, details: Option<&str>) -> bool {
        if self.price_comparison.is_empty() {
            details.is_none_or(|details| !self.no_price_comparison.contains(details))
        } else {
            details.is_some_and(|details| self.price_comparison.contains(details))
        }
    }
}

/// A value up to a remark that follows it after a blank.
fn without_remark(value: &str) -> &str {
    let end = [" ;", " #", "\t;", "\t#"].iter().filter_map(|mark| value.find(mark)).min();
    end.and_then(|end| value.get(..end)).unwrap_or(value).trim()
}

fn set(text: &str) -> BTreeSet<String> {
    text.split('|').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Sections not yet read; what is read is taken out, what stays is unknown.
struct Sections {
    of: IndexMap<String, IndexMap<String, String>>,
    problems: Vec<SettingsProblem>,
}

impl Sections {
    fn settings(&mut self) -> Settings {
        Settings {
            currency: self.text("", "currency"),
            no_price_comparison: self.set("", "no_price_comparison_procurement_methods"),
            price_comparison: self.set("", "price_comparison_procurement_methods"),
            excluded_details: self.set("exclusions", "procurement_method_details"),
            r003: self.r003(),
            r018: self.on("R018").then(|| match self.text("R018", "procurement_methods") {
                Some(methods) => set(&methods),
                None => set("open|selective"),
            }),
            r024: self.on("R024").then(|| self.fence("R024")),
            r025: self.on("R025").then(|| R025 {
                percentile: self.number("R025", "percentile", |p: &f64| (0.0..=100.0).contains(p)).unwrap_or(75.0),
                fence: self.fence("R025"),
            }),
            r028: self.on("R028").then_some(()),
            r030: self.on("R030").then_some(()),
            r035: self.on("R035").then(|| self.number("R035", "threshold", |_: &u64| true).unwrap_or(1).max(1)),
            r036: self.on("R036").then_some(()),
            r038: self.on("R038").then(|| R038 {
                fence: self.fence("R038"),
                submitted_min: self.count("R038", "minimum_submitted_bids", 2),
                processes_min: self.count("R038", "minimum_contracting_processes", 2),
            }),
            r048: self.on("R048").then(|| R048 {
                digits: self.number("R048", "digits", |digits: &usize| (1..=32).contains(digits)).unwrap_or(2),
                fence: self.fence("R048"),
                processes_min: self.count("R048", "minimum_contracting_processes", 20),
            }),
            r058: self.on("R058").then(|| self.fence("R058")),
        }
    }

    fn r003(&mut self) -> Option<R003> {
        const DETAILS: &str = "R003.procurement_method_details";
        let details: Vec<String> = self.of.get(DETAILS).into_iter().flat_map(|s| s.keys().cloned()).collect();
        if !self.on("R003") && !self.on(DETAILS) {
            return None;
        }
        let threshold = self.number("R003", "threshold", |_: &i64| true).unwrap_or(15);
        let methods = self.set("R003", "procurement_methods");
        let mut by_details = BTreeMap::new();
        for name in details {
            if let Some(days) = self.number(DETAILS, &name, |_: &i64| true) {
                by_details.insert(name, days);
            }
        }
        Some(R003 { threshold, methods, by_details })
    }

    fn on(&self, section: &str) -> bool {
        self.of.contains_key(section)
    }

    fn text(&mut self, section: &str, key: &str) -> Option<String> {
        self.of.get_mut(section)?.shift_remove(key).filter(|value| !value.is_empty())
    }

    fn set(&mut self, section: &str, key: &str) -> BTreeSet<String> {
        self.text(section, key).map(|text| set(&text)).unwrap_or_default()
    }

    fn number<T: FromStr>(&mut self, section: &str, key: &str, in_range: impl Fn(&T) -> bool) -> Option<T> {
        let text = self.text(section, key)?;
        let number = text.parse().ok().filter(in_range);
        if number.is_none() {
            let what = format!("{key} is {text:?}, which is not a number it can be");
            self.problems.push(SettingsProblem { section: section.to_owned(), what });
        }
        number
    }

    fn count(&mut self, section: &str, key: &str, default: u64) -> u64 {
        self.number(section, key, |_: &u64| true).unwrap_or(default)
    }

    fn fence(&mut self, section: &str) -> Fence {
        Fence(self.number(section, "threshold", |threshold: &f64| threshold.is_finite()))
    }

    fn nothing_left(&mut self) {
        const KNOWN: [&str; 14] = [
            "",
            "exclusions",
            "R003",
            "R003.procurement_method_details",
            "R018",
            "R024",
            "R025",
            "R028",
            "R030",
            "R035",
            "R036",
            "R038",
            "R048",
            "R058",
        ];
        for (section, keys) in &self.of {
            if OTHERS.contains(&section.as_str()) {
                continue;
            }
            let known = KNOWN.contains(&section.as_str());
            if !known {
                let what = "there is no such section".to_owned();
                self.problems.push(SettingsProblem { section: section.clone(), what });
            }
            for key in keys.keys().filter(|_| known) {
                let what = format!("there is no key {key:?}, or it stands twice");
                self.problems.push(SettingsProblem { section: section.clone(), what });
            }
        }
    }
}
