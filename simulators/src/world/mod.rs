//! One tailings pond: rain, reservoir, phreatic line, seepage and movement, and what its
//! instruments say about them.
//!
//! Invariant: the series is a function of the seed, the scenario switches and the steps taken;
//! the same calls give bit-identical values. Time enters only as the step's length.
//! Deliberately absent: piping, liquefaction and ice; Modbus (`plant`), faults (`fault`).

pub mod hydro;
mod rain;
mod sensors;

pub use rain::Scenario;
pub use sensors::Sensed;

use crate::rng::Rng;
use hydro::Basin;
use rain::Rain;
use sensors::Sensors;
use serde::Serialize;

/// Crest of the dam, m above the site datum.
pub const CREST_M: f64 = 125.0;
/// Impervious base under the dam, m.
pub const BASE_M: f64 = 95.0;
/// Pond level at the start, m: 160 m of beach, 2.40 m of freeboard.
pub const START_LEVEL_M: f64 = 122.60;
/// Slope of the dry beach.
pub const BEACH_SLOPE: f64 = 0.015;
/// How many piezometers the dam has.
pub const PIEZOMETERS: usize = 6;
/// How many displacement stations the dam has.
pub const STATIONS: usize = 4;
/// Longest step the equations are good for, seconds.
pub const STEP_MAX_S: f64 = 600.0;

const CATCHMENT_M2: f64 = 1.2e6;
const RUNOFF: f64 = 0.85;
const SLURRY_M3S: f64 = 0.15;
const RETURN_SHARE: f64 = 0.75;
const EVAPORATION_MS: f64 = 4e-3 / 86_400.0;
const DECANT_SILL_M: f64 = 122.58;
const DECANT_WIDTH_M: f64 = 4.0;
/// Share of the decant left open in a storm: debris blocks the rest.
const DECANT_OPEN_STORM: f64 = 0.05;
const SLOPE_LENGTH_M: f64 = 100.0;
const TOE_HEAD_M: f64 = 2.0;
const PERMEABILITY_MS: f64 = 2e-6;
const DAM_WIDTH_M: f64 = 400.0;
const KAPPA_PER_KPA: f64 = 0.14;
/// Fastest movement shown, mm/h; beyond it the slope has failed.
const RATE_MAX_MM_H: f64 = 60.0;
/// Quiet hours before the failing slope begins to move.
const FAILURE_LEAD_H: f64 = 12.0;
/// Hours from the beginning of the movement to failure, and its first rate.
const FAILURE_H: f64 = 72.0;
const FAILURE_START_MM_H: f64 = 0.5;
/// Share of the failing movement at each station.
const FAILURE_SHARES: [f64; STATIONS] = [1.0, 0.6, 0.2, 0.0];
/// Surface about 0.25 km² at the start level.
const BASIN: Basin = Basin { bottom_m: 110.60, factor: 10_416.7, exponent: 2.0 };

/// Where a piezometer stands and how fast it answers.
struct PiezometerSite {
    /// Metres downstream of the crest (negative: in the beach).
    downstream_m: f64,
    /// Time constant, days.
    tau_d: f64,
    /// Rise by infiltration, m per mm of rain.
    rain_m_per_mm: f64,
    /// Mean delay of the infiltration, hours.
    delay_h: f64,
}

const PIEZOMETER_SITES: [PiezometerSite; PIEZOMETERS] = [
    PiezometerSite { downstream_m: -40.0, tau_d: 3.0, rain_m_per_mm: 0.009, delay_h: 8.0 },
    PiezometerSite { downstream_m: 0.0, tau_d: 5.0, rain_m_per_mm: 0.008, delay_h: 10.0 },
    PiezometerSite { downstream_m: 20.0, tau_d: 8.0, rain_m_per_mm: 0.007, delay_h: 12.0 },
    PiezometerSite { downstream_m: 45.0, tau_d: 15.0, rain_m_per_mm: 0.005, delay_h: 16.0 },
    PiezometerSite { downstream_m: 70.0, tau_d: 25.0, rain_m_per_mm: 0.003, delay_h: 24.0 },
    PiezometerSite { downstream_m: 90.0, tau_d: 40.0, rain_m_per_mm: 0.001, delay_h: 30.0 },
];

/// Creep at rest of each displacement station, mm/h, and the piezometer it stands over.
const STATION_SITES: [(f64, usize); STATIONS] = [(0.3 / 24.0, 1), (0.25 / 24.0, 2), (0.15 / 24.0, 3), (0.10 / 24.0, 4)];

/// State of one piezometer: pressure from the pond, infiltration on its way, infiltration there.
#[derive(Debug, Clone, Copy, Serialize)]
struct Piezometer {
    seepage_m: f64,
    on_the_way: [f64; 2],
    infiltrated_m: f64,
}

/// True movement of one station.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Movement {
    /// Horizontal displacement since the start, mm.
    pub horizontal_mm: f64,
    /// Settlement since the start, mm.
    pub settlement_mm: f64,
    /// Horizontal rate, mm/h.
    pub rate_mm_h: f64,
}

/// What is true at one instant, for tests and for `GET /state`.
#[derive(Debug, Clone, Serialize)]
pub struct Truth {
    /// Seconds of simulated time since the start.
    pub time_s: f64,
    /// The scenario in force.
    pub scenario: Scenario,
    /// Rain, mm/h.
    pub rain_mm_h: f64,
    /// Rain since the start, mm.
    pub rain_total_mm: f64,
    /// Pond level, m.
    pub level_m: f64,
    /// Crest minus pond level, m.
    pub freeboard_m: f64,
    /// Dry beach, m.
    pub beach_m: f64,
    /// Seepage at the weir, L/s.
    pub seepage_l_s: f64,
    /// Phreatic level at the piezometers, m.
    pub piezometers_m: [f64; PIEZOMETERS],
    /// Ground over the piezometers minus phreatic level, m.
    pub burial_m: [f64; PIEZOMETERS],
    /// Movement of the stations.
    pub stations: [Movement; STATIONS],
}

/// The pond and its instruments.
#[derive(Debug, Clone)]
pub struct World {
    time_s: f64,
    scenario: Scenario,
    scenario_since_s: f64,
    rain: Rain,
    volume_m3: f64,
    runoff_on_the_way_m3: f64,
    seepage_l_s: f64,
    leak_l_s: f64,
    piezometers: [Piezometer; PIEZOMETERS],
    rest_m: [f64; PIEZOMETERS],
    stations: [Movement; STATIONS],
    sensors: Sensors,
}

impl World {
    /// A pond in equilibrium under `scenario`.
    pub fn new(seed: u64, scenario: Scenario) -> World {
        let rest_m = equilibrium(START_LEVEL_M);
        World {
            time_s: 0.0,
            scenario,
            scenario_since_s: 0.0,
            rain: Rain::new(Rng::new(seed, 1), scenario),
            volume_m3: BASIN.volume_m3(START_LEVEL_M),
            runoff_on_the_way_m3: 0.0,
            seepage_l_s: seepage_l_s(START_LEVEL_M),
            leak_l_s: 0.0,
            piezometers: rest_m.map(|seepage_m| Piezometer { seepage_m, on_the_way: [0.0; 2], infiltrated_m: 0.0 }),
            rest_m,
            stations: [Movement::default(); STATIONS],
            sensors: Sensors::new(Rng::new(seed, 2)),
        }
    }

    /// Goes over to another scenario from the present state, without a jump.
    pub fn switch(&mut self, scenario: Scenario) {
        self.scenario = scenario;
        self.scenario_since_s = self.time_s;
        self.rain.switch(scenario, self.time_s);
    }

    /// Moves the world by `dt_s`, in sub-steps of at most [`STEP_MAX_S`].
    pub fn step(&mut self, dt_s: f64) {
        let parts = (dt_s / STEP_MAX_S).ceil().max(1.0);
        for _ in 0..parts as u64 {
            self.part(dt_s / parts);
        }
        let truth = self.truth();
        self.sensors.sense(&truth, dt_s);
    }

    fn part(&mut self, dt_s: f64) {
        let rain_mm = self.rain.fall(self.time_s, dt_s);
        self.time_s += dt_s;
        let level = self.pond(rain_mm, dt_s);
        self.seepage(level, rain_mm, dt_s);
        self.phreatic(level, rain_mm, dt_s);
        self.movement(dt_s);
    }

    /// Water balance of the reservoir; runoff takes about an hour to arrive.
    fn pond(&mut self, rain_mm: f64, dt_s: f64) -> f64 {
        let level = BASIN.level_m(self.volume_m3);
        let water_m2 = BASIN.surface_m2(level);
        let rain_m = rain_mm / 1_000.0;
        let direct = rain_m * water_m2;
        self.runoff_on_the_way_m3 += hydro::rain_inflow_m3(rain_m, RUNOFF, CATCHMENT_M2, water_m2) - direct;
        let waiting = hydro::lag(self.runoff_on_the_way_m3, 0.0, 3_600.0, dt_s);
        let runoff = self.runoff_on_the_way_m3 - waiting;
        self.runoff_on_the_way_m3 = waiting;
        let open = match self.scenario {
            Scenario::Normal | Scenario::Failure => 1.0,
            Scenario::Storm => DECANT_OPEN_STORM,
        };
        let outflow = open * hydro::decant_m3s(DECANT_WIDTH_M, level - DECANT_SILL_M)
            + EVAPORATION_MS * water_m2
            + self.seepage_l_s / 1_000.0;
        let inflow = SLURRY_M3S * (1.0 - RETURN_SHARE);
        self.volume_m3 = (self.volume_m3 + direct + runoff + (inflow - outflow) * dt_s).max(0.0);
        // Water over the crest runs off: an overtopped pond does not rise for ever.
        self.volume_m3 = self.volume_m3.min(BASIN.volume_m3(CREST_M + 0.3));
        BASIN.level_m(self.volume_m3)
    }

    fn seepage(&mut self, level: f64, rain_mm: f64, dt_s: f64) {
        const LEAK_TAU_S: f64 = 6.0 * 3_600.0;
        const LEAK_L_S_PER_MM: f64 = 0.006;
        self.leak_l_s = hydro::lag(self.leak_l_s, 0.0, LEAK_TAU_S, dt_s) + LEAK_L_S_PER_MM * rain_mm;
        self.seepage_l_s = seepage_l_s(level) + self.leak_l_s;
    }

    fn phreatic(&mut self, level: f64, rain_mm: f64, dt_s: f64) {
        let targets = equilibrium(level);
        for ((state, site), target) in self.piezometers.iter_mut().zip(&PIEZOMETER_SITES).zip(targets) {
            let tau_s = site.tau_d * 86_400.0;
            state.seepage_m = hydro::lag(state.seepage_m, target, tau_s, dt_s);
            // Two equal reservoirs in a row are the gamma kernel of shape 2.
            let stage_s = site.delay_h * 3_600.0 / 2.0;
            state.on_the_way[0] += site.rain_m_per_mm * rain_mm;
            for stage in 0..2 {
                let left = hydro::lag(state.on_the_way[stage], 0.0, stage_s, dt_s);
                let passed = state.on_the_way[stage] - left;
                state.on_the_way[stage] = left;
                match stage {
                    0 => state.on_the_way[1] += passed,
                    _ => state.infiltrated_m += passed,
                }
            }
            state.infiltrated_m = hydro::lag(state.infiltrated_m, 0.0, tau_s, dt_s);
        }
    }

    fn movement(&mut self, dt_s: f64) {
        let failing = self.failing_mm_h();
        for (index, (rest_mm_h, over)) in STATION_SITES.into_iter().enumerate() {
            let rise_kpa = (self.piezometer_m(over) - self.rest_m[over]) * hydro::WATER_KPA_PER_M;
            let creep = hydro::creep_mm_h(rest_mm_h, KAPPA_PER_KPA, rise_kpa);
            let rate = (creep + FAILURE_SHARES[index] * failing).min(RATE_MAX_MM_H);
            let station = &mut self.stations[index];
            station.rate_mm_h = rate;
            station.horizontal_mm += rate * dt_s / 3_600.0;
            station.settlement_mm += 0.4 * rate * dt_s / 3_600.0;
        }
    }

    /// Rate added by a slope that fails; 0 before it begins and after it has failed.
    fn failing_mm_h(&self) -> f64 {
        let left_h = FAILURE_LEAD_H + FAILURE_H - (self.time_s - self.scenario_since_s) / 3_600.0;
        match self.scenario {
            Scenario::Failure if left_h > 0.0 && left_h <= FAILURE_H => {
                hydro::failing_mm_h(FAILURE_START_MM_H, FAILURE_H, left_h)
            }
            Scenario::Failure | Scenario::Normal | Scenario::Storm => 0.0,
        }
    }

    /// Phreatic level, never above the ground.
    fn piezometer_m(&self, index: usize) -> f64 {
        let state = &self.piezometers[index];
        (state.seepage_m + state.infiltrated_m).min(ground_m(index))
    }

    /// What is true now.
    pub fn truth(&self) -> Truth {
        let level_m = BASIN.level_m(self.volume_m3);
        let piezometers_m = std::array::from_fn(|i| self.piezometer_m(i));
        Truth {
            time_s: self.time_s,
            scenario: self.scenario,
            rain_mm_h: self.rain.intensity_mm_h(),
            rain_total_mm: self.rain.total_mm(),
            level_m,
            freeboard_m: CREST_M - level_m,
            beach_m: hydro::beach_m(CREST_M, level_m, BEACH_SLOPE),
            seepage_l_s: self.seepage_l_s,
            piezometers_m,
            burial_m: std::array::from_fn(|i| ground_m(i) - piezometers_m[i]),
            stations: self.stations,
        }
    }

    /// What the instruments say now.
    pub fn sensed(&self) -> &Sensed {
        self.sensors.sensed()
    }
}

/// Ground over a piezometer, m: beach upstream of the crest, a slope of 1:4 downstream.
fn ground_m(index: usize) -> f64 {
    let x = PIEZOMETER_SITES[index].downstream_m;
    if x <= 0.0 { CREST_M + x * BEACH_SLOPE } else { CREST_M - x / 4.0 }
}

/// Phreatic line of a pond that has stood at `level` for ever.
fn equilibrium(level: f64) -> [f64; PIEZOMETERS] {
    let beach = hydro::beach_m(CREST_M, level, BEACH_SLOPE);
    std::array::from_fn(|i| {
        let x = beach + PIEZOMETER_SITES[i].downstream_m;
        BASE_M + hydro::dupuit_m(level - BASE_M, TOE_HEAD_M, x, beach + SLOPE_LENGTH_M)
    })
}

fn seepage_l_s(level: f64) -> f64 {
    let length = hydro::beach_m(CREST_M, level, BEACH_SLOPE) + SLOPE_LENGTH_M;
    1_000.0 * DAM_WIDTH_M * hydro::dupuit_flow_m2s(PERMEABILITY_MS, level - BASE_M, TOE_HEAD_M, length)
}

#[cfg(test)]
mod tests;
