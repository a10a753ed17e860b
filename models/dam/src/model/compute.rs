//! Computed points: formulas with their state, the trust of their inputs, and the calibration record used.
//!
//! Invariant: a missing, old or bad input gives bad data with a reason, never a value from half the
//! inputs; an uncertain input makes the result uncertain.

use crate::calibration::CalibrationBook;
use crate::dam_file::{CalibrationValues, DamFile, DisplacementOutput, Formula};
use crate::derived::phreatic::{Profile, Spot};
use crate::derived::trend::Trend;
use crate::derived::vibrating_wire::{self, VibratingWire};
use crate::derived::{barometric, beach, displacement, rain, stability, weir};
use crate::threshold::Trust;
use minewatch_domain::{At, Quality, Reason};

use super::rain_state::RainState;
use super::signs::{self, Judged, PipingState, RegressionState};

/// A value at an instant, with its trust.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Known {
    pub(super) value: Option<f64>,
    pub(super) quality: Quality,
    pub(super) reason: Reason,
    pub(super) at: At,
    pub(super) mono_ms: u64,
}

impl Known {
    /// The value, where it is usable.
    pub(super) fn usable(&self) -> Option<f64> {
        match self.quality {
            Quality::Good | Quality::Uncertain => self.value.filter(|value| value.is_finite()),
            Quality::Bad => None,
        }
    }

    fn trust(&self) -> Trust {
        match self.quality {
            Quality::Good => Trust::Good,
            Quality::Uncertain | Quality::Bad => Trust::Uncertain,
        }
    }
}

/// What an evaluation sees.
pub(super) struct Scene<'a> {
    pub(super) inputs: &'a [Option<Known>],
    pub(super) book: &'a CalibrationBook,
    /// Calibrations recorded later are not known yet.
    pub(super) known: At,
    pub(super) now: At,
    pub(super) now_ms: u64,
    pub(super) input_age_max_ms: u64,
    pub(super) utc_offset_ms: i64,
}

/// What an evaluation gives.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Computed {
    pub(super) value: Option<f64>,
    pub(super) quality: Quality,
    pub(super) reason: Reason,
    pub(super) calibration: Option<String>,
}

impl Computed {
    fn bad(reason: Reason) -> Computed {
        Computed { value: None, quality: Quality::Bad, reason, calibration: None }
    }

    fn of(value: Option<f64>, trust: Trust, reason: Reason) -> Computed {
        match (value, trust) {
            (None, _) => Computed::bad(Reason::OutOfDomain),
            (value, Trust::Good) => Computed { value, quality: Quality::Good, reason: Reason::None, calibration: None },
            (value, Trust::Uncertain) => Computed { value, quality: Quality::Uncertain, reason, calibration: None },
        }
    }
}

/// A formula ready to run.
#[derive(Debug, Clone)]
pub(super) struct Computing {
    formula: Formula,
    crest_m: f64,
    flood_level_m: Option<f64>,
    flood_rise_m: Option<f64>,
    slopes: Vec<beach::Slope>,
    section: Option<(Profile, Vec<f64>)>,
}

/// What a formula remembers between samples.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Memory {
    /// Nothing.
    None,
    /// A window of values.
    Trend(Trend),
    /// Rain.
    Rain(RainState),
    /// A regression with its loads.
    Regression(RegressionState),
    /// Windows of the signs of piping.
    Piping(Box<PipingState>),
}

impl Computing {
    /// `None` when a section it names does not exist.
    pub(super) fn new(formula: &Formula, file: &DamFile) -> Option<Computing> {
        let mut section = None;
        if let Formula::BurialDepth(burial) = formula {
            let found = file.sections.iter().find(|section| section.id == burial.section)?;
            let ground = found.surface.iter().map(|spot| Spot { x_m: spot[0], z_m: spot[1] }).collect();
            let xs = found.piezometers.iter().filter(|p| burial.at.as_ref().is_none_or(|at| *at == p.point));
            section = Some((Profile { base_m: found.base_m, ground }, xs.map(|p| p.x_m).collect()));
        }
        let slope = |segment: &crate::dam_file::BeachSegment| beach::Slope {
            gradient: segment.slope_percent / 100.0,
            down_to_m: segment.down_to_m,
        };
        Some(Computing {
            formula: formula.clone(),
            crest_m: file.geometry.crest_m,
            flood_level_m: file.geometry.design_flood_level_m,
            flood_rise_m: file.geometry.flood_rise_m,
            slopes: file.geometry.beach.iter().map(slope).collect(),
            section,
        })
    }

    /// Whether a new sample of any input asks for a new value; else only of the first.
    pub(super) fn any_input_triggers(&self) -> bool {
        matches!(self.formula, Formula::BurialDepth(_) | Formula::Displacement(_))
    }

    /// The memory it starts with.
    pub(super) fn memory(&self) -> Memory {
        let ms = |hours: f64| (hours * 3_600_000.0) as u64;
        match &self.formula {
            Formula::Rate(f) | Formula::Acceleration(f) => Memory::Trend(Trend::new(ms(f.window_h))),
            Formula::TangentAngle(f) => Memory::Trend(Trend::new(ms(f.window_h))),
            Formula::RainWindow(f) => Memory::Rain(RainState::new(ms(f.hours), 0.0)),
            Formula::AntecedentRain(f) => Memory::Rain(RainState::new(0, f.daily_factor)),
            Formula::IntensityDuration(_) => Memory::Rain(RainState::new(0, 0.0)),
            Formula::Regression(_) => Memory::Regression(RegressionState::default()),
            Formula::PipingSigns(f) => Memory::Piping(Box::new(PipingState::new(ms(f.window_h)))),
            Formula::Thermistor(_)
            | Formula::VwPressure(_)
            | Formula::PiezometricLevel(_)
            | Formula::OpenWell(_)
            | Formula::VNotch(_)
            | Formula::DryBeach(_)
            | Formula::FreeboardNow(_)
            | Formula::FreeboardFlood(_)
            | Formula::BurialDepth(_)
            | Formula::Displacement(_)
            | Formula::Relative(_)
            | Formula::StabilityTable(_)
            | Formula::InfiniteSlope(_) => Memory::None,
        }
    }

    /// The value now. `None`: there is nothing to say yet (a window that is still filling).
    pub(super) fn run(&self, scene: &Scene<'_>, memory: &mut Memory) -> Option<Computed> {
        if let Some((profile, xs)) = &self.section {
            return Some(burial(profile, xs, scene));
        }
        let (values, trust, reason) = match gather(scene) {
            Ok(found) => found,
            Err(reason) => return Some(Computed::bad(reason)),
        };
        let of = |value: Option<f64>| Some(Computed::of(value, trust, reason));
        match &self.formula {
            Formula::Thermistor(_) | Formula::VwPressure(_) | Formula::PiezometricLevel(_) | Formula::VNotch(_) => {
                Some(self.calibrated(scene, &values, trust, reason))
            }
            Formula::OpenWell(f) => {
                of(values[1].and_then(|b| barometric::corrected_m(values[0]?, f.efficiency, b, f.reference_hpa)))
            }
            Formula::DryBeach(_) => of(beach::length_m(self.crest_m, values[0]?, &self.slopes)),
            Formula::FreeboardNow(_) => of(Some(self.crest_m - values[0]?)),
            Formula::FreeboardFlood(_) => {
                let level = beach::flood_level_m(self.flood_level_m?, self.flood_rise_m, values[0]?);
                of(Some(beach::freeboard_m(self.crest_m, level)))
            }
            Formula::BurialDepth(_) => None,
            Formula::Displacement(f) => of(vector(&values, f.output)),
            Formula::Relative(_) => of(values[1].and_then(|reference| Some(values[0]? - reference))),
            Formula::Rate(_) | Formula::Acceleration(_) | Formula::TangentAngle(_) => {
                self.trend(scene, memory, (values[0]?, trust, reason))
            }
            Formula::AntecedentRain(_) | Formula::RainWindow(_) | Formula::IntensityDuration(_) => {
                self.rain(scene, memory, (values[0]?, trust, reason))
            }
            Formula::StabilityTable(f) => {
                of(values[1]
                    .and_then(|level| stability::table(&f.phreatic_m, &f.level_m, &f.factor, values[0]?, level)))
            }
            Formula::InfiniteSlope(f) => {
                let slope = stability::InfiniteSlope {
                    cohesion_kpa: f.cohesion_kpa,
                    weight_kn_m3: f.weight_kn_m3,
                    depth_m: f.depth_m,
                    friction_deg: f.friction_deg,
                    slope_deg: f.slope.atan().to_degrees(),
                };
                of(slope.factor(values[0]?.max(0.0)))
            }
            Formula::Regression(f) => regression(f, scene, memory, &values, (trust, reason)),
            Formula::PipingSigns(f) => {
                let Memory::Piping(state) = memory else { return None };
                of(Some(state.step(f, &values, scene.now_ms, trust)?))
            }
        }
    }

    fn calibrated(&self, scene: &Scene<'_>, values: &[Option<f64>], trust: Trust, reason: Reason) -> Computed {
        let instrument = match &self.formula {
            Formula::Thermistor(f) => Some(&f.calibration),
            Formula::VwPressure(f) => Some(&f.calibration),
            Formula::PiezometricLevel(f) => Some(&f.calibration),
            Formula::VNotch(f) => f.calibration.as_ref(),
            Formula::OpenWell(_)
            | Formula::DryBeach(_)
            | Formula::FreeboardNow(_)
            | Formula::FreeboardFlood(_)
            | Formula::BurialDepth(_)
            | Formula::Displacement(_)
            | Formula::Relative(_)
            | Formula::Rate(_)
            | Formula::Acceleration(_)
            | Formula::TangentAngle(_)
            | Formula::AntecedentRain(_)
            | Formula::RainWindow(_)
            | Formula::IntensityDuration(_)
            | Formula::StabilityTable(_)
            | Formula::InfiniteSlope(_)
            | Formula::Regression(_)
            | Formula::PipingSigns(_) => None,
        };
        let record = instrument.and_then(|name| scene.book.as_of(name, scene.now, scene.known));
        let Some(first) = values[0] else { return Computed::bad(Reason::InputMissing) };
        let value = match (&self.formula, record.map(|record| record.values)) {
            (Formula::Thermistor(_), Some(CalibrationValues::Thermistor { a, b, c })) => {
                vibrating_wire::thermistor_c(first, (a, b, c))
            }
            (
                Formula::VwPressure(f),
                Some(CalibrationValues::Vw { g_kpa_per_digit, r0_digits, k_kpa_per_c, t0_c, s0_kpa, vented }),
            ) => {
                let wire = VibratingWire { g_kpa_per_digit, r0_digits, k_kpa_per_c, t0_c, s0_kpa, vented };
                let digits = if f.hertz { vibrating_wire::digits(first) } else { first };
                let temperature = f.temperature.as_ref().and_then(|_| values.get(1).copied().flatten());
                let place = 1 + usize::from(f.temperature.is_some());
                let barometer = f.barometer.as_ref().and_then(|_| values.get(place).copied().flatten());
                wire.pressure_kpa(digits, temperature, barometer.map(|hpa| hpa / 10.0))
            }
            (Formula::PiezometricLevel(_), Some(CalibrationValues::Tip { tip_m })) => {
                Some(vibrating_wire::piezometric_level_m(first, tip_m))
            }
            (Formula::VNotch(_), Some(CalibrationValues::Weir { zero_m })) => weir::v_notch_l_s(first - zero_m),
            (Formula::VNotch(f), None) if f.calibration.is_none() => weir::v_notch_l_s(first),
            _ => return Computed::bad(Reason::InputMissing),
        };
        Computed { calibration: record.map(|record| record.label()), ..Computed::of(value, trust, reason) }
    }

    fn trend(&self, scene: &Scene<'_>, memory: &mut Memory, seen: (f64, Trust, Reason)) -> Option<Computed> {
        let (value, trust, reason) = seen;
        let Memory::Trend(window) = memory else { return None };
        if !window.push(scene.now_ms, value, trust) {
            return None;
        }
        let (rate, trust) = if matches!(self.formula, Formula::Acceleration(_)) {
            window.acceleration_per_d2()?
        } else {
            window.rate_per_d()?
        };
        let number = if let Formula::TangentAngle(f) = &self.formula {
            displacement::tangent_angle_deg(rate, 1.0, f.v0_mm_per_d)
        } else {
            Some(rate)
        };
        Some(Computed::of(number, trust, if reason == Reason::None { Reason::InputMissing } else { reason }))
    }

    fn rain(&self, scene: &Scene<'_>, memory: &mut Memory, seen: (f64, Trust, Reason)) -> Option<Computed> {
        let (total, trust, reason) = seen;
        let Memory::Rain(state) = memory else { return None };
        let day = scene.now.millis().saturating_add(scene.utc_offset_ms).div_euclid(86_400_000);
        state.take(total, scene.now_ms, day);
        if let Formula::IntensityDuration(f) = &self.formula {
            let ratio = match state.event(scene.now_ms, f.dry_h) {
                None => Some(0.0),
                Some((mm, hours)) => rain::threshold_mm_h(f.factor, f.exponent, hours).map(|limit| mm / hours / limit),
            };
            return Some(Computed::of(ratio, trust, reason));
        }
        if matches!(self.formula, Formula::AntecedentRain(_)) {
            return Some(Computed::of(Some(state.index_mm()), trust, reason));
        }
        let (mm, whole) = state.window_mm(scene.now_ms);
        // Until the window is full the sum is a lower bound: it may raise, it clears nothing.
        let (trust, reason) = if whole { (trust, reason) } else { (Trust::Uncertain, Reason::InputMissing) };
        Some(Computed::of(Some(mm), trust, reason))
    }
}

/// A value against its regression.
fn regression(
    f: &crate::dam_file::Regression,
    scene: &Scene<'_>,
    memory: &mut Memory,
    values: &[Option<f64>],
    (trust, reason): (Trust, Reason),
) -> Option<Computed> {
    let Memory::Regression(state) = memory else { return None };
    let [Some(value), Some(level_m), Some(rain_mm)] = *values else { return None };
    let Some(record) = scene.book.as_of(&f.calibration, scene.now, scene.known) else {
        return Some(Computed::bad(Reason::InputMissing));
    };
    let fitted = signs::fitted(record.values)?;
    let (number, within) = match state.step(f, &fitted, (value, level_m, rain_mm), (scene.now, scene.now_ms)) {
        Judged::NotDue => return None,
        Judged::Filling => return Some(Computed::bad(Reason::InputMissing)),
        Judged::Number(number, within) => (number, within),
    };
    // Beyond the levels of the record the line is a guess: it may raise, it clears nothing.
    let (trust, reason) = if within { (trust, reason) } else { (Trust::Uncertain, Reason::OutOfDomain) };
    Some(Computed { calibration: Some(record.label()), ..Computed::of(Some(number), trust, reason) })
}

type Gathered = (Vec<Option<f64>>, Trust, Reason);

/// Values of all inputs with the worst trust; the reason when one is missing, old or bad.
fn gather(scene: &Scene<'_>) -> Result<Gathered, Reason> {
    let mut values = Vec::with_capacity(scene.inputs.len());
    let (mut trust, mut reason) = (Trust::Good, Reason::None);
    for (place, input) in scene.inputs.iter().enumerate() {
        let fresh =
            input.filter(|known| place == 0 || scene.now_ms.saturating_sub(known.mono_ms) <= scene.input_age_max_ms);
        let usable = fresh.and_then(|known| Some((known.usable()?, known)));
        match usable {
            Some((value, known)) => {
                values.push(Some(value));
                if known.trust() == Trust::Uncertain {
                    (trust, reason) = (Trust::Uncertain, known.reason);
                }
            }
            None => return Err(Reason::InputMissing),
        }
    }
    Ok((values, trust, reason))
}

fn vector(values: &[Option<f64>], output: DisplacementOutput) -> Option<f64> {
    let [Some(north_mm), Some(east_mm), Some(up_mm)] = *values else { return None };
    let moved = displacement::Vector { north_mm, east_mm, up_mm };
    match output {
        DisplacementOutput::Horizontal => Some(moved.horizontal_mm()),
        DisplacementOutput::Total => Some(moved.total_mm()),
        DisplacementOutput::Azimuth => moved.azimuth_deg(),
        DisplacementOutput::Plunge => moved.plunge_deg(),
        DisplacementOutput::Along { azimuth_deg } => Some(moved.along_mm(azimuth_deg)),
    }
}

/// The least burial depth over the piezometers that answer. Fewer than all make it uncertain: the line
/// is drawn between those left, and nothing is said beyond them.
fn burial(profile: &Profile, xs: &[f64], scene: &Scene<'_>) -> Computed {
    let mut spots = Vec::with_capacity(xs.len());
    let (mut trust, mut reason) = (Trust::Good, Reason::None);
    for (x_m, input) in xs.iter().zip(scene.inputs) {
        let fresh = input.filter(|known| scene.now_ms.saturating_sub(known.mono_ms) <= scene.input_age_max_ms);
        match fresh.and_then(|known| Some((known.usable()?, known))) {
            Some((z_m, known)) => {
                spots.push(Spot { x_m: *x_m, z_m });
                if known.trust() == Trust::Uncertain {
                    (trust, reason) = (Trust::Uncertain, known.reason);
                }
            }
            None => (trust, reason) = (Trust::Uncertain, Reason::InputMissing),
        }
    }
    let least = match xs.len() {
        1 => spots.first().and_then(|spot| profile.burial_at(&spots, spot.x_m)),
        _ if spots.len() < 2 => return Computed::bad(Reason::InputMissing),
        _ => profile.shallowest(&spots),
    };
    match least {
        None if spots.is_empty() => Computed::bad(Reason::InputMissing),
        least => Computed::of(least.map(|burial| burial.depth_m), trust, reason),
    }
}
