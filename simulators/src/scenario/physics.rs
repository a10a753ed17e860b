//! What is true: rain, pond, phreatic line, seepage with piping, movement.

use super::{CREST_M, FAILURE_H, STEP_S, Scenario};
use crate::rng::Rng;
use crate::world::hydro::{self, Basin};

/// Piezometers: three sections of five.
pub(super) const PIEZOMETERS: usize = 15;
/// Surface stations.
pub(super) const STATIONS: usize = 8;
/// In-place inclinometers.
pub(super) const INCLINOMETERS: usize = 7;
/// Weirs: left, middle, right.
pub(super) const WEIRS: usize = 3;

const BASE_M: f64 = 95.0;
const START_LEVEL_M: f64 = 122.60;
const BEACH_SLOPE: f64 = 0.015;
const CATCHMENT_M2: f64 = 3.0e6;
const RUNOFF: f64 = 0.85;
const DECANT_SILL_M: f64 = 122.58;
const DECANT_WIDTH_M: f64 = 6.0;
const INFLOW_M3S: f64 = 0.15 * 0.25;
const EVAPORATION_MS: f64 = 4e-3 / 86_400.0;
const SLOPE_M: f64 = 100.0;
const TOE_M: f64 = 2.0;
const PERMEABILITY_MS: f64 = 2e-6;
const WIDTH_M: f64 = 400.0;
const KAPPA_PER_KPA: f64 = 0.1;
const BASIN: Basin = Basin { bottom_m: 110.60, factor: 10_416.7, exponent: 2.0 };
/// Downstream of the crest, time constant days, rise by rain m/mm, of the five piezometers of a section.
const SITES: [(f64, f64, f64); 5] =
    [(-40.0, 3.0, 0.004), (0.0, 5.0, 0.0035), (20.0, 8.0, 0.003), (45.0, 15.0, 0.002), (75.0, 30.0, 0.001)];
/// Share of the failing movement and its lag, hours, at each station and inclinometer.
const MOVES: [(f64, f64); STATIONS] =
    [(1.0, 0.0), (0.8, 0.5), (0.6, 1.0), (0.3, 2.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)];
const SHEARS: [(f64, f64); INCLINOMETERS] =
    [(1.0, 0.0), (0.9, 0.0), (0.7, 1.0), (0.4, 1.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)];

/// The true state after a step.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) rain_mm: f64,
    pub(super) level_m: f64,
    pub(super) crest_m: f64,
    pub(super) beach_m: f64,
    pub(super) piezometers_m: [f64; PIEZOMETERS],
    pub(super) seepage_l_s: [f64; WEIRS],
    pub(super) turbidity_ntu: [f64; WEIRS],
    /// Along the movement, and settlement, mm.
    pub(super) moved_mm: [f64; STATIONS],
    pub(super) settled_mm: [f64; STATIONS],
    pub(super) sheared_mm: [f64; INCLINOMETERS],
}

/// Draws of a case that do not change.
#[derive(Debug, Clone)]
struct Draws {
    alpha: f64,
    storm_mm: f64,
    doubling_h: f64,
    stops_h: f64,
    quake_mm: [f64; STATIONS],
    quake_m: f64,
    creep_mm_d: [f64; STATIONS],
}

pub(super) struct Physics {
    scenario: Scenario,
    rng: Rng,
    draws: Draws,
    state: State,
    volume_m3: f64,
    runoff_m3: f64,
    seeped_m: [f64; PIEZOMETERS],
    rained_m: [[f64; 2]; PIEZOMETERS],
    quaked_m: f64,
    rest_m: [f64; PIEZOMETERS],
    leak_l_s: f64,
    piping: f64,
    wet: Option<f64>,
    spell_h: f64,
}

impl Physics {
    pub(super) fn new(scenario: Scenario, mut rng: Rng) -> Physics {
        let mut between = |low: f64, high: f64| low + (high - low) * rng.unit();
        let draws = Draws {
            alpha: if scenario == Scenario::F2 { between(1.8, 2.2) } else { 2.0 },
            storm_mm: between(330.0, 400.0),
            doubling_h: between(6.0, 24.0),
            stops_h: between(24.0, 36.0),
            quake_mm: std::array::from_fn(|_| between(3.0, 10.0)),
            quake_m: between(0.2, 0.5),
            creep_mm_d: std::array::from_fn(|_| between(0.02, 0.1)),
        };
        let rest_m = equilibrium(START_LEVEL_M, CREST_M);
        let state = State {
            rain_mm: 0.0,
            level_m: START_LEVEL_M,
            crest_m: CREST_M,
            beach_m: hydro::beach_m(CREST_M, START_LEVEL_M, BEACH_SLOPE),
            piezometers_m: rest_m,
            seepage_l_s: [0.0; WEIRS],
            turbidity_ntu: [4.0; WEIRS],
            moved_mm: [0.0; STATIONS],
            settled_mm: [0.0; STATIONS],
            sheared_mm: [0.0; INCLINOMETERS],
        };
        Physics {
            scenario,
            rng,
            draws,
            state,
            volume_m3: BASIN.volume_m3(START_LEVEL_M),
            runoff_m3: 0.0,
            seeped_m: rest_m,
            rained_m: [[0.0; 2]; PIEZOMETERS],
            quaked_m: 0.0,
            rest_m,
            leak_l_s: 0.0,
            piping: 1.0,
            wet: None,
            spell_h: 60.0,
        }
    }

    /// Moves on to `hour`.
    pub(super) fn step(&mut self, hour: f64) -> &State {
        let rain_mm = self.rain(hour);
        self.state.rain_mm += rain_mm;
        if self.scenario == Scenario::N2 {
            // A metre of new dam in a year; the pond follows with the beach kept.
            self.state.crest_m = CREST_M + hour / Scenario::N2.hours();
        }
        self.pond(rain_mm);
        self.phreatic(hour, rain_mm);
        self.seepage(hour, rain_mm);
        self.movement(hour);
        &self.state
    }

    fn since_onset_h(&self, hour: f64) -> Option<f64> {
        self.scenario.onset_h().map(|onset| hour - onset).filter(|since| *since > 0.0)
    }

    /// Rain of the step, mm: a design storm of 24 h, or wet and dry spells.
    fn rain(&mut self, hour: f64) -> f64 {
        if let (Scenario::S1 | Scenario::S2 | Scenario::I3, Some(since)) = (self.scenario, self.since_onset_h(hour)) {
            let depth = |h: f64| hydro::storm_depth_mm(self.draws.storm_mm, 24.0, h);
            return depth(since) - depth(since - 1.0 / 6.0);
        }
        self.spell_h -= 1.0 / 6.0;
        if self.spell_h <= 0.0 {
            let mean_h = if self.wet.is_some() { 60.0 } else { 4.0 };
            self.spell_h = -(1.0 - self.rng.unit()).ln() * mean_h;
            self.wet = if self.wet.is_some() { None } else { Some(self.rng.gamma2(1.5)) };
        }
        self.wet.map_or(0.0, |mm_h| mm_h / 6.0)
    }

    fn pond(&mut self, rain_mm: f64) {
        let level = self.state.level_m;
        let water_m2 = BASIN.surface_m2(level);
        let rain_m = rain_mm / 1_000.0;
        let direct = rain_m * water_m2;
        self.runoff_m3 += hydro::rain_inflow_m3(rain_m, RUNOFF, CATCHMENT_M2, water_m2) - direct;
        let waiting = hydro::lag(self.runoff_m3, 0.0, 3_600.0, STEP_S);
        let runoff = self.runoff_m3 - waiting;
        self.runoff_m3 = waiting;
        let open = if self.scenario == Scenario::S2 { 0.3 } else { 1.0 };
        // The decant is raised with the dam.
        let sill = DECANT_SILL_M + self.state.crest_m - CREST_M;
        let weir = hydro::decant_m3s(DECANT_WIDTH_M, level - sill);
        // Submerged, the tower passes what its culvert takes: Q = 0.6 A sqrt(2 g H) with A = 2 m².
        let culvert = 0.6 * 2.0 * (2.0 * hydro::GRAVITY * (level - sill).max(0.0)).sqrt();
        let out =
            open * weir.min(culvert) + EVAPORATION_MS * water_m2 + self.state.seepage_l_s.iter().sum::<f64>() / 1e3;
        self.volume_m3 = (self.volume_m3 + direct + runoff + (INFLOW_M3S - out) * STEP_S).max(0.0);
        self.volume_m3 = self.volume_m3.min(BASIN.volume_m3(self.state.crest_m + 0.3));
        self.state.level_m = BASIN.level_m(self.volume_m3);
        self.state.beach_m = hydro::beach_m(self.state.crest_m, self.state.level_m, BEACH_SLOPE);
    }

    fn phreatic(&mut self, hour: f64, rain_mm: f64) {
        let targets = equilibrium(self.state.level_m, self.state.crest_m);
        let quake =
            self.scenario == Scenario::E1 && self.since_onset_h(hour).is_some_and(|since| since <= 1.0 / 6.0 + 1e-9);
        self.quaked_m =
            hydro::lag(self.quaked_m, 0.0, 2.0 * 86_400.0, STEP_S) + if quake { self.draws.quake_m } else { 0.0 };
        for index in 0..PIEZOMETERS {
            let (_, tau_d, rise) = SITES[index % 5];
            let tau_s = tau_d * 86_400.0;
            self.seeped_m[index] = hydro::lag(self.seeped_m[index], targets[index], tau_s, STEP_S);
            let [way, there] = &mut self.rained_m[index];
            *way += rise * rain_mm;
            let left = hydro::lag(*way, 0.0, 86_400.0, STEP_S);
            *there = hydro::lag(*there + *way - left, 0.0, tau_s, STEP_S);
            *way = left;
            // Piping drains the piezometers near it while the weir below rises: its signature.
            let drained = if (3..5).contains(&index) { 0.25 * (self.piping.log2()).min(4.0) } else { 0.0 };
            self.state.piezometers_m[index] = self.seeped_m[index] + *there + self.quaked_m - drained;
        }
    }

    fn seepage(&mut self, hour: f64, rain_mm: f64) {
        if let (Scenario::P1, Some(since)) = (self.scenario, self.since_onset_h(hour)) {
            self.piping = 2.0_f64.powf(since / self.draws.doubling_h).min(64.0);
        }
        self.leak_l_s = hydro::lag(self.leak_l_s, 0.0, 6.0 * 3_600.0, STEP_S) + 0.003 * rain_mm;
        let length = hydro::beach_m(self.state.crest_m, self.state.level_m, BEACH_SLOPE) + SLOPE_M;
        let per_m = hydro::dupuit_flow_m2s(PERMEABILITY_MS, self.state.level_m - BASE_M, TOE_M, length);
        let third = 1_000.0 * per_m * WIDTH_M / WEIRS as f64;
        let growth = if self.piping > 1.0 && self.piping < 64.0 { self.piping / self.draws.doubling_h } else { 0.0 };
        for weir in 0..WEIRS {
            let factor = if weir == 0 { self.piping } else { 1.0 };
            self.state.seepage_l_s[weir] = third * factor + self.leak_l_s;
            let eroded = if weir == 0 { 40.0 * growth } else { 0.0 };
            self.state.turbidity_ntu[weir] = 4.0 + 2.0 * self.leak_l_s + eroded;
        }
    }

    fn movement(&mut self, hour: f64) {
        let hours = STEP_S / 3_600.0;
        // Rates in the middle of the step: at its end they would put the failure five minutes off.
        let middle = hour - hours / 2.0;
        for (index, (share, lag_h)) in MOVES.into_iter().enumerate() {
            let over = self.state.piezometers_m[index % 5] - self.rest_m[index % 5];
            let creep =
                hydro::creep_mm_h(self.draws.creep_mm_d[index] / 24.0, KAPPA_PER_KPA, over * hydro::WATER_KPA_PER_M);
            let rate = creep + share * self.failing_mm_h(middle - lag_h);
            self.state.moved_mm[index] += rate * hours;
            self.state.settled_mm[index] += 0.4 * rate * hours;
        }
        for (index, (share, lag_h)) in SHEARS.into_iter().enumerate() {
            let creep = self.draws.creep_mm_d[index % STATIONS] / 48.0;
            self.state.sheared_mm[index] += (creep + share * self.failing_mm_h(middle - lag_h)) * hours;
        }
        let shaken =
            self.scenario == Scenario::E1 && self.since_onset_h(hour).is_some_and(|since| since <= 1.0 / 6.0 + 1e-9);
        if shaken {
            for (settled, step) in self.state.settled_mm.iter_mut().zip(self.draws.quake_mm) {
                *settled += step;
            }
        }
        if self.piping >= 32.0 {
            // The pipe falls in: the crest above the left abutment settles.
            self.state.settled_mm[0] += 2.0 * hours;
        }
    }

    /// Rate of the moving mass, mm/h.
    fn failing_mm_h(&self, hour: f64) -> f64 {
        let Some(since) = self.since_onset_h(hour) else { return 0.0 };
        let v0 = match self.scenario {
            Scenario::F1 | Scenario::F3 => 0.5,
            Scenario::F2 => 2.0 / 24.0,
            Scenario::N1 | Scenario::N2 | Scenario::S1 | Scenario::S2 | Scenario::P1 | Scenario::L1 => return 0.0,
            Scenario::I1 | Scenario::I2 | Scenario::I3 | Scenario::E1 => return 0.0,
        };
        let law = |since: f64| {
            // v = v0 (left/all)^(-1/(α-1)): Voight's law with its failure after FAILURE_H.
            let left = (FAILURE_H - since).max(STEP_S / 3_600.0);
            v0 * (left / FAILURE_H).powf(-1.0 / (self.draws.alpha - 1.0))
        };
        let stops = self.draws.stops_h;
        if self.scenario == Scenario::F3 && since > stops {
            return law(stops) * (-(since - stops) / 12.0).exp();
        }
        law(since)
    }
}

/// Phreatic line of a pond that has stood at `level` for ever, for the three sections.
fn equilibrium(level_m: f64, crest_m: f64) -> [f64; PIEZOMETERS] {
    let beach = hydro::beach_m(crest_m, level_m, BEACH_SLOPE);
    std::array::from_fn(|i| {
        let x = beach + SITES[i % 5].0;
        BASE_M + hydro::dupuit_m(level_m - BASE_M, TOE_M, x, beach + SLOPE_M)
    })
}
