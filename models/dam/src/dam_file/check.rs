//! What must hold between the parts of a dam file.

use super::{CalibrationValues, DamFile, DamProblem, Derived, Formula, NamedText, Regression};
use crate::levels;
use crate::standard;
use minewatch_domain::{Level, PointId};
use std::collections::{BTreeMap, BTreeSet};

struct Checker<'a> {
    name: &'a str,
    file: &'a DamFile,
    problems: &'a mut Vec<DamProblem>,
}

/// Adds every problem of a file.
pub(super) fn check(name: &str, file: &DamFile, problems: &mut Vec<DamProblem>) {
    let mut checker = Checker { name, file, problems };
    checker.dam();
    checker.geometry();
    checker.sections();
    checker.calibrations();
    checker.derived();
    checker.items();
    checker.hazards();
    checker.validation();
    checker.actions();
}

impl Checker<'_> {
    fn add(&mut self, place: &str, what: impl Into<String>) {
        let place = if place.is_empty() { self.name.to_owned() } else { format!("{}: {place}", self.name) };
        self.problems.push(DamProblem { place, what: what.into() });
    }

    fn positive(&mut self, place: &str, name: &str, value: f64) {
        if !(value.is_finite() && value > 0.0) {
            self.add(place, format!("{name} is {value} but must be above 0"));
        }
    }

    fn named(&mut self, place: &str, name: &NamedText) {
        if name.zh.trim().is_empty() || name.en.trim().is_empty() {
            self.add(place, "a name in both languages is needed; zh or en is empty");
        }
    }

    fn unique<'b>(&mut self, list: &str, ids: impl Iterator<Item = &'b PointId>) {
        let mut seen = BTreeSet::new();
        for id in ids {
            if !seen.insert(id) {
                self.add(list, format!("{id} is there twice"));
            }
        }
    }

    fn dam(&mut self) {
        let dam = &self.file.dam;
        self.named("dam", &dam.name);
        self.positive("dam", "height_m", dam.height_m);
        if !(1..=5).contains(&dam.class) {
            self.add("dam", format!("class is {} but must be 1 (一等) to 5 (五等)", dam.class));
        }
        if let Some(storage) = dam.storage_1e4_m3 {
            self.positive("dam", "storage_1e4_m3", storage);
            let by_size = standard::class(storage, dam.height_m);
            if by_size < dam.class {
                let what = format!(
                    "class is {} but {storage}·10⁴ m³ and {} m make class {by_size} (GB 50863); a milder class has looser limits",
                    dam.class, dam.height_m
                );
                self.add("dam", what);
            }
        }
        if !(-12.0..=14.0).contains(&dam.utc_offset_h) {
            self.add("dam", format!("utc_offset_h is {} but must be -12 to 14", dam.utc_offset_h));
        }
        for (key, text) in [("owner", &dam.owner), ("version", &self.file.version), ("document", &self.file.document)] {
            if text.trim().is_empty() {
                self.add("dam", format!("{key} is empty; every number needs somebody who signs it"));
            }
        }
    }

    fn geometry(&mut self) {
        let geometry = &self.file.geometry;
        if !geometry.crest_m.is_finite() || geometry.crest_m.abs() > 9_000.0 {
            self.add("geometry", format!("crest_m is {} but must be a height in metres", geometry.crest_m));
        }
        if let Some(flood) = geometry.design_flood_level_m
            && flood >= geometry.crest_m
        {
            let what = format!("design_flood_level_m is {flood} but must be below crest_m ({})", geometry.crest_m);
            self.add("geometry", what);
        }
        if let Some(rise) = geometry.flood_rise_m
            && !(0.0..=100.0).contains(&rise)
        {
            self.add("geometry", format!("flood_rise_m is {rise} but must be 0 to 100"));
        }
        let mut top = geometry.crest_m;
        let last = geometry.beach.len().saturating_sub(1);
        for (index, segment) in geometry.beach.iter().enumerate() {
            let place = format!("geometry: beach[{index}]");
            if !(0.05..=100.0).contains(&segment.slope_percent) {
                self.add(&place, format!("slope_percent is {} but must be 0.05 to 100", segment.slope_percent));
            }
            match segment.down_to_m {
                Some(down) if index < last && down < top => top = down,
                Some(down) if index < last => {
                    self.add(&place, format!("down_to_m is {down} but must be below {top}; segments go down"));
                }
                Some(_) => self.add(&place, "the last segment has no end; remove down_to_m"),
                None if index < last => self.add(&place, "down_to_m is missing; only the last segment has no end"),
                None => {}
            }
        }
    }

    fn sections(&mut self) {
        self.unique("section", self.file.sections.iter().map(|section| &section.id));
        for section in &self.file.sections {
            let place = format!("section {:?}", section.id.as_str());
            self.named(&place, &section.name);
            let rising = |xs: &[f64]| xs.windows(2).all(|pair| pair[0] < pair[1]);
            let ground: Vec<f64> = section.surface.iter().map(|spot| spot[0]).collect();
            if ground.len() < 2 || !rising(&ground) {
                self.add(&place, "surface needs at least two spots with x increasing");
                continue;
            }
            if let Some(low) = section.surface.iter().find(|spot| spot[1] <= section.base_m) {
                self.add(
                    &place,
                    format!("surface is at {} at x = {}, not above base_m ({})", low[1], low[0], section.base_m),
                );
            }
            let spots: Vec<f64> = section.piezometers.iter().map(|piezometer| piezometer.x_m).collect();
            if spots.len() < 2 || !rising(&spots) {
                self.add(&place, "at least two piezometers are needed, x_m increasing; one gives no line");
            }
            let (first, last) = (ground[0], ground[ground.len() - 1]);
            if let Some(out) = section.piezometers.iter().find(|p| !(first..=last).contains(&p.x_m)) {
                self.add(
                    &place,
                    format!("{} at x_m = {} is outside the surface ({first} to {last})", out.point, out.x_m),
                );
            }
        }
    }

    fn calibrations(&mut self) {
        let mut seen: BTreeMap<(&str, u32), ()> = BTreeMap::new();
        let mut kinds: BTreeMap<&str, &'static str> = BTreeMap::new();
        for record in &self.file.calibrations {
            let place = format!("calibration {:?} version {}", record.instrument, record.version);
            if seen.insert((&record.instrument, record.version), ()).is_some() {
                self.add(&place, "is there twice; records are added, never replaced");
            }
            let kind = record.values.kind();
            if *kinds.entry(&record.instrument).or_insert(kind) != kind {
                self.add(&place, "is of another kind than the instrument's other records");
            }
            if record.by.trim().is_empty() || record.source.trim().is_empty() {
                self.add(&place, "by and source must say who calibrated and where it is written");
            }
            let sane = match record.values {
                CalibrationValues::Thermistor { a, b, c } => [a, b, c].iter().all(|n| n.is_finite()) && a > 0.0,
                CalibrationValues::Vw { g_kpa_per_digit, r0_digits, k_kpa_per_c, t0_c, s0_kpa, .. } => {
                    [g_kpa_per_digit, r0_digits, k_kpa_per_c, t0_c, s0_kpa].iter().all(|n| n.is_finite())
                        && g_kpa_per_digit != 0.0
                        && (50.0..=110.0).contains(&s0_kpa)
                }
                CalibrationValues::Tip { tip_m } => (-500.0..=9_000.0).contains(&tip_m),
                CalibrationValues::Weir { zero_m } => (-5.0..=5.0).contains(&zero_m),
                CalibrationValues::Regression { level_lag_d, rain_lag_d, coefficients, band, levels_m, .. } => {
                    let lags = [level_lag_d, rain_lag_d].iter().all(|lag| (0.01..=1_000.0).contains(lag));
                    lags && band > 0.0 && levels_m[0] < levels_m[1] && coefficients.iter().all(|c| c.is_finite())
                }
            };
            if !sane {
                self.add(
                    &place,
                    format!("{kind} values are out of any instrument's range; s0_kpa is in kPa, tip_m and zero_m in m, lags in days"),
                );
            }
        }
    }

    fn derived(&mut self) {
        self.unique("derived", self.file.derived.iter().map(|derived| &derived.point));
        for derived in &self.file.derived {
            let place = format!("derived {:?}", derived.point.as_str());
            self.named(&place, &derived.name);
            for problem in derived.problems(self.file) {
                self.add(&place, problem);
            }
        }
        if let Some(cycle) = cycle(&self.file.derived, self.file) {
            self.add("derived", format!("{cycle} depends on itself"));
        }
    }

    fn items(&mut self) {
        self.unique("item", self.file.items.iter().map(|item| &item.id).chain(self.file.hazards.iter().map(|h| &h.id)));
        self.unique("item: rule", self.file.items.iter().flat_map(|item| item.rules.iter().map(|rule| &rule.point)));
        let rules: usize = self.file.items.iter().map(|item| item.rules.len()).sum();
        if rules > DamFile::RULES_MAX {
            self.add("item", format!("{rules} rules in all; at most {} are allowed", DamFile::RULES_MAX));
        }
        for item in &self.file.items {
            let place = format!("item {:?}", item.id.as_str());
            self.named(&place, &item.name);
            if item.rules.is_empty() {
                self.add(&place, "has no rules; it could never warn");
            }
            for rule in &item.rules {
                let place = format!("{place}: rule {:?}", rule.point.as_str());
                match levels::runnable(rule, &self.file.dam) {
                    Ok(run) if run.levels.is_none() && run.rates.is_none() => self.add(&place, "no limit is set"),
                    Ok(_) => {}
                    Err(problems) => problems.into_iter().for_each(|problem| self.add(&place, problem)),
                }
                if rule.source.as_ref().is_none_or(|source| source.trim().is_empty()) && rule.standard.is_none() {
                    self.add(&place, "source is missing; say where these limits are written");
                }
            }
        }
        let counts = self.file.escalation;
        for (name, needed) in [
            ("blue_to_yellow", counts.blue_to_yellow),
            ("yellow_to_orange", counts.yellow_to_orange),
            ("orange_to_red", counts.orange_to_red),
        ] {
            if !(2..=1_000).contains(&needed) {
                self.add("escalation", format!("{name} is {needed} but must be 2 to 1000"));
            }
        }
    }

    fn hazards(&mut self) {
        for hazard in &self.file.hazards {
            let place = format!("hazard {:?}", hazard.id.as_str());
            if hazard.all.is_empty() {
                self.add(&place, "has no condition");
            }
            for condition in &hazard.all {
                let limits = [condition.at_least, condition.at_most];
                if limits.iter().flatten().count() != 1 || limits.iter().flatten().any(|limit| !limit.is_finite()) {
                    self.add(&place, format!("{}: give one of at_least and at_most", condition.point));
                }
                if !(condition.hysteresis.is_finite() && condition.hysteresis >= 0.0) {
                    self.add(&place, format!("{}: hysteresis must be 0 or more", condition.point));
                }
            }
        }
    }

    fn validation(&mut self) {
        self.unique("check", self.file.checks.iter().map(|check| &check.point));
        for check in &self.file.checks {
            let place = format!("check {:?}", check.point.as_str());
            for problem in check.problems() {
                self.add(&place, problem);
            }
        }
        self.unique("common_mode", self.file.common_mode.iter().map(|group| &group.id));
        for group in &self.file.common_mode {
            let place = format!("common_mode {:?}", group.id.as_str());
            if group.points.len() < 3 {
                self.add(&place, "needs at least three stations; two cannot tell which of them moved");
            }
            self.positive(&place, "step", group.step);
            if !(0.5..=1.0).contains(&group.share) || !(1..=44_640).contains(&group.window_min) {
                self.add(&place, "share must be 0.5 to 1 and window_min 1 to 44640 (31 days)");
            }
        }
    }

    fn actions(&mut self) {
        let mut seen = BTreeSet::new();
        for tarp in &self.file.tarps {
            let place = format!("tarp {:?}", tarp.level.name());
            if tarp.level == Level::Normal {
                self.add(&place, "normal needs no action plan");
            }
            if !seen.insert((tarp.level, &tarp.item)) {
                self.add(&place, "is there twice");
            }
            if let Some(item) = &tarp.item
                && !self.file.items.iter().any(|known| known.id == *item)
            {
                self.add(&place, format!("item {item} does not exist"));
            }
            if tarp.checklist.is_empty() || tarp.acknowledge_min == 0 || tarp.check_min == 0 {
                self.add(&place, "needs a checklist, acknowledge_min and check_min");
            }
        }
        self.unique("forecast", self.file.forecasts.iter().map(|forecast| &forecast.point));
        for forecast in &self.file.forecasts {
            let place = format!("forecast {:?}", forecast.point.as_str());
            if !(0.1..=3_660.0).contains(&forecast.window_d) || !(1..=44_640).contains(&forecast.every_min) {
                self.add(&place, "window_d must be 0.1 to 3660 and every_min 1 to 44640 (31 days)");
            }
            if forecast.reference.as_ref() == Some(&forecast.point) {
                self.add(&place, "a point cannot be its own reference");
            }
        }
        let sampling = self.file.sampling;
        if sampling.abnormal_from == Level::Normal || !(1..=86_400).contains(&sampling.abnormal_period_s) {
            self.add("sampling", "abnormal_from must be a warning level and abnormal_period_s 1 to 86400");
        }
    }
}

/// A computed point that depends on itself.
fn cycle<'a>(derived: &'a [Derived], file: &DamFile) -> Option<&'a PointId> {
    let mut settled: BTreeSet<PointId> = BTreeSet::new();
    let made: BTreeSet<&PointId> = derived.iter().map(|d| &d.point).collect();
    let mut left: Vec<&Derived> = derived.iter().collect();
    loop {
        let before = left.len();
        left.retain(|derived| {
            let ready =
                derived.formula.inputs(file).iter().all(|input| !made.contains(input) || settled.contains(input));
            if ready {
                settled.insert(derived.point.clone());
            }
            !ready
        });
        if left.is_empty() {
            return None;
        }
        if left.len() == before {
            return left.first().map(|derived| &derived.point);
        }
    }
}

impl Derived {
    fn problems(&self, file: &DamFile) -> Vec<String> {
        let mut problems = self.formula.problems(file);
        if self.unit.trim().is_empty() {
            problems.push("unit is empty".into());
        } else if let Some(unit) = self.formula.unit()
            && unit != self.unit
        {
            problems.push(format!("unit is {:?} but the formula gives {unit:?}", self.unit));
        }
        if self.input_age_max_s == 0 || self.keep_alive_s == 0 {
            problems.push("input_age_max_s and keep_alive_s must be above 0".into());
        }
        if let Some(slot_s) = self.formula.slot_s().filter(|slot_s| self.keep_alive_s < *slot_s) {
            problems
                .push(format!("keep_alive_s is {} but the window gives a value every {slot_s} s", self.keep_alive_s));
        }
        if !(self.deadband.is_finite() && self.deadband >= 0.0) {
            problems.push("deadband must be 0 or more".into());
        }
        problems
    }
}

impl Formula {
    /// Whether an instrument has records of a kind.
    fn calibrated(file: &DamFile, instrument: &str, kind: &str, problems: &mut Vec<String>) {
        let of = file.calibrations.iter().find(|record| record.instrument == instrument);
        match of {
            None => problems.push(format!("calibration {instrument:?} has no record")),
            Some(record) if record.values.kind() != kind => {
                problems.push(format!("calibration {instrument:?} is for {}, not {kind}", record.values.kind()));
            }
            Some(_) => {}
        }
    }

    fn regression(file: &DamFile, f: &Regression, problems: &mut Vec<String>) {
        problems.extend(f.problem().map(str::to_owned));
        Self::calibrated(file, &f.calibration, "regression", problems);
    }

    fn problems(&self, file: &DamFile) -> Vec<String> {
        let mut problems = Vec::new();
        let mut need = |good: bool, what: &str| {
            if !good {
                problems.push(what.to_owned());
            }
        };
        match self {
            Formula::Thermistor(f) => Self::calibrated(file, &f.calibration, "thermistor", &mut problems),
            Formula::VwPressure(f) => {
                for record in file.calibrations.iter().filter(|record| record.instrument == f.calibration) {
                    if let CalibrationValues::Vw { k_kpa_per_c, vented, .. } = record.values {
                        need(f.temperature.is_some() || k_kpa_per_c == 0.0, "temperature is missing; K is not 0");
                        need(f.barometer.is_some() || vented, "barometer is missing; the instrument is sealed");
                    }
                }
                Self::calibrated(file, &f.calibration, "vw", &mut problems);
            }
            Formula::PiezometricLevel(f) => Self::calibrated(file, &f.calibration, "tip", &mut problems),
            Formula::OpenWell(f) => {
                need((0.0..=1.0).contains(&f.efficiency), "efficiency must be 0 to 1");
                need((500.0..=1_100.0).contains(&f.reference_hpa), "reference_hpa must be 500 to 1100");
            }
            Formula::VNotch(f) => {
                if let Some(instrument) = &f.calibration {
                    Self::calibrated(file, instrument, "weir", &mut problems);
                }
            }
            Formula::DryBeach(_) => need(!file.geometry.beach.is_empty(), "geometry has no beach"),
            Formula::FreeboardFlood(_) => {
                need(file.geometry.design_flood_level_m.is_some(), "geometry has no design_flood_level_m");
            }
            Formula::BurialDepth(f) => match file.sections.iter().find(|section| section.id == f.section) {
                None => problems.push(format!("section {} does not exist", f.section)),
                Some(section) => {
                    let known = |at: &PointId| section.piezometers.iter().any(|p| p.point == *at);
                    need(f.at.as_ref().is_none_or(known), "at is not a piezometer of the section");
                }
            },
            Formula::FreeboardNow(_) | Formula::Displacement(_) => {}
            Formula::Relative(f) => need(f.input != f.reference, "input and reference are the same point"),
            Formula::Rate(f) | Formula::Acceleration(f) => {
                need((0.01..=8_784.0).contains(&f.window_h), "window_h must be 0.01 to 8784 (a year)");
            }
            Formula::TangentAngle(f) => {
                need(f.v0_mm_per_d > 0.0, "v0_mm_per_d must be above 0");
                need((0.01..=8_784.0).contains(&f.window_h), "window_h must be 0.01 to 8784 (a year)");
            }
            Formula::AntecedentRain(f) => need((0.0..1.0).contains(&f.daily_factor), "daily_factor must be 0 to 1"),
            Formula::RainWindow(f) => need((0.1..=744.0).contains(&f.hours), "hours must be 0.1 to 744"),
            Formula::IntensityDuration(f) => {
                need(f.factor > 0.0 && f.exponent > 0.0 && f.dry_h > 0.0, "factor, exponent and dry_h must be above 0");
            }
            Formula::StabilityTable(f) => {
                let rising = |axis: &[f64]| axis.len() >= 2 && axis.windows(2).all(|pair| pair[0] < pair[1]);
                need(rising(&f.phreatic_m) && rising(&f.level_m), "phreatic_m and level_m must increase, two at least");
                let full =
                    f.factor.len() == f.phreatic_m.len() && f.factor.iter().all(|row| row.len() == f.level_m.len());
                need(full, "factor must have a row per phreatic_m and a number per level_m");
            }
            Formula::InfiniteSlope(f) => {
                let positive = [f.weight_kn_m3, f.depth_m, f.friction_deg, f.slope].iter().all(|n| *n > 0.0);
                need(positive && f.cohesion_kpa >= 0.0, "weight, depth, friction and slope must be above 0");
            }
            Formula::Regression(f) => Self::regression(file, f, &mut problems),
            Formula::PipingSigns(f) => problems.extend(f.problem().map(str::to_owned)),
        }
        problems
    }
}
