//! The `[alarms]` and `[cases]` part of the settings.

use crate::rules::Rules;
use minewatch_alarm::{Field, Policy};
use minewatch_domain::Level;
use serde::Deserialize;

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawAlarms {
    latch_red: Option<bool>,
    rearm_hours: Option<i64>,
    shelve_hours_max: Option<i64>,
    out_of_service_days_max: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCases {
    level_min: Option<String>,
    reopen_days: Option<i64>,
    font_file: Option<std::path::PathBuf>,
    deadlines: Vec<RawDeadlines>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawDeadlines {
    domain: Option<String>,
    level: String,
    ladder_minutes: Option<Vec<f64>>,
    assign_minutes: Option<f64>,
    start_minutes: Option<f64>,
    submit_minutes: Option<f64>,
    verify_minutes: Option<f64>,
    close_minutes: Option<f64>,
    suppress_hours_max: Option<i64>,
}

fn level(text: &str) -> Option<Level> {
    Level::WARNINGS.into_iter().find(|level| level.name() == text)
}

fn bounded(key: &str, value: Option<i64>, max: i64, problems: &mut Vec<String>) -> Option<i64> {
    let value = value?;
    if (1..=max).contains(&value) {
        return Some(value);
    }
    problems.push(format!("{key} is {value} but must be 1 to {max}"));
    None
}

fn minutes(key: &str, value: Option<f64>, problems: &mut Vec<String>) -> Option<i64> {
    let value = value?;
    if value.is_finite() && (0.0..=525_600.0).contains(&value) {
        return Some((value * MINUTE_MS as f64) as i64);
    }
    problems.push(format!("{key} is {value} but must be 0 to 525600 minutes"));
    None
}

/// Rules from the settings; every problem is named.
pub(super) fn rules(alarms: &RawAlarms, cases: &RawCases, problems: &mut Vec<String>) -> Rules {
    let mut rules = Rules::default();
    rules.alarm.latch_red = alarms.latch_red.unwrap_or(rules.alarm.latch_red);
    match alarms.rearm_hours {
        Some(0) => rules.alarm.rearm_ms = None,
        hours => {
            if let Some(hours) = bounded("alarms.rearm_hours", hours, 8_760, problems) {
                rules.alarm.rearm_ms = Some(hours * HOUR_MS);
            }
        }
    }
    if let Some(hours) = bounded("alarms.shelve_hours_max", alarms.shelve_hours_max, 168, problems) {
        rules.alarm.shelve_ms_max = hours * HOUR_MS;
    }
    if let Some(days) = bounded("alarms.out_of_service_days_max", alarms.out_of_service_days_max, 366, problems) {
        rules.alarm.service_ms_max = days * 24 * HOUR_MS;
    }
    rules.font_file.clone_from(&cases.font_file);
    if let Some(days) = bounded("cases.reopen_days", cases.reopen_days, 3_660, problems) {
        rules.reopen_ms = days * 24 * HOUR_MS;
    }
    if let Some(text) = &cases.level_min {
        match level(text) {
            Some(level) => rules.case_level_min = level,
            None => problems.push(format!("cases.level_min is {text:?} but must be blue, yellow, orange or red")),
        }
    }
    for raw in &cases.deadlines {
        deadlines(raw, &mut rules, problems);
    }
    rules
}

fn deadlines(raw: &RawDeadlines, rules: &mut Rules, problems: &mut Vec<String>) {
    let key = "cases.deadlines";
    let Some(level) = level(&raw.level) else {
        problems.push(format!("{key}: level is {:?} but must be blue, yellow, orange or red", raw.level));
        return;
    };
    let fields: Vec<Field> = match raw.domain.as_deref() {
        None | Some("*") => Field::ALL.to_vec(),
        Some(name) => match Field::from_name(name) {
            Some(field) => vec![field],
            None => {
                problems.push(format!("{key}: domain {name:?} is not known"));
                return;
            }
        },
    };
    let mut policy = Policy::of_level(level);
    if let Some(ladder) = &raw.ladder_minutes {
        let rungs: Option<Vec<i64>> =
            ladder.iter().map(|m| minutes(&format!("{key}.ladder_minutes"), Some(*m), problems)).collect();
        match rungs {
            Some(rungs) if !rungs.is_empty() && rungs.is_sorted() => policy.ladder_ms = rungs,
            Some(_) => problems.push(format!("{key}.ladder_minutes must name at least one rung and rise")),
            None => {}
        }
    }
    for (name, value, place) in [
        ("assign_minutes", raw.assign_minutes, &mut policy.assign_ms),
        ("start_minutes", raw.start_minutes, &mut policy.start_ms),
        ("submit_minutes", raw.submit_minutes, &mut policy.submit_ms),
        ("verify_minutes", raw.verify_minutes, &mut policy.verify_ms),
        ("close_minutes", raw.close_minutes, &mut policy.close_ms),
    ] {
        if let Some(ms) = minutes(&format!("{key}.{name}"), value, problems) {
            *place = ms;
        }
    }
    if let Some(hours) = bounded(&format!("{key}.suppress_hours_max"), raw.suppress_hours_max, 8_760, problems) {
        policy.suppress_ms_max = hours * HOUR_MS;
    }
    for field in fields {
        rules.policies.insert((field, level), policy.clone());
    }
}
