//! Rain: wet and dry spells in normal times, a design storm on demand.

use super::hydro::storm_depth_mm;
use crate::rng::Rng;
use serde::{Deserialize, Serialize};

/// What the weather (and the decant) does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// Ordinary weather, decant open: no level is exceeded.
    Normal,
    /// A storm of 100 years with the decant blocked by debris: pond level, piezometers and
    /// displacement pass every warning level.
    Storm,
    /// Ordinary weather; the slope at the first station accelerates for 72 hours and fails.
    Failure,
}

impl Scenario {
    /// Simulated seconds per second when nothing else is asked: the storm or the failure takes about a minute.
    pub fn speed(self) -> f64 {
        match self {
            Scenario::Normal => 1.0,
            Scenario::Storm | Scenario::Failure => 5_000.0,
        }
    }
}

/// Dry lead before the storm, so that a gateway sees normal values first: about 8 s at storm speed.
const STORM_LEAD_S: f64 = 12.0 * 3_600.0;
const STORM_LENGTH_S: f64 = 36.0 * 3_600.0;
const STORM_DEPTH_MM: f64 = 450.0;
/// Mean length of dry and wet spells, and mean intensity of the wet ones.
const DRY_MEAN_S: f64 = 60.0 * 3_600.0;
const WET_MEAN_S: f64 = 4.0 * 3_600.0;
const WET_MEAN_MM_H: f64 = 1.2;
const SECONDS_PER_HOUR: f64 = 3_600.0;

#[derive(Debug, Clone)]
enum Weather {
    Dry { left_s: f64 },
    Wet { left_s: f64, mm_h: f64 },
    Storm { since_s: f64 },
}

/// The sky.
#[derive(Debug, Clone)]
pub(super) struct Rain {
    rng: Rng,
    weather: Weather,
    intensity_mm_h: f64,
    total_mm: f64,
}

impl Rain {
    pub(super) fn new(rng: Rng, scenario: Scenario) -> Rain {
        let mut rain = Rain { rng, weather: Weather::Dry { left_s: DRY_MEAN_S }, intensity_mm_h: 0.0, total_mm: 0.0 };
        rain.switch(scenario, 0.0);
        rain
    }

    pub(super) fn switch(&mut self, scenario: Scenario, now_s: f64) {
        self.weather = match scenario {
            Scenario::Normal | Scenario::Failure => Weather::Dry { left_s: DRY_MEAN_S },
            Scenario::Storm => Weather::Storm { since_s: now_s },
        };
    }

    pub(super) fn intensity_mm_h(&self) -> f64 {
        self.intensity_mm_h
    }

    pub(super) fn total_mm(&self) -> f64 {
        self.total_mm
    }

    /// Rain of the step `now_s .. now_s + dt_s`, mm.
    pub(super) fn fall(&mut self, now_s: f64, dt_s: f64) -> f64 {
        let fallen = match self.weather {
            Weather::Storm { since_s } => {
                let at = now_s - since_s - STORM_LEAD_S;
                storm_depth_mm(STORM_DEPTH_MM, STORM_LENGTH_S, at + dt_s)
                    - storm_depth_mm(STORM_DEPTH_MM, STORM_LENGTH_S, at)
            }
            Weather::Wet { mm_h, .. } => mm_h * dt_s / SECONDS_PER_HOUR,
            Weather::Dry { .. } => 0.0,
        };
        self.turn(dt_s);
        self.intensity_mm_h = fallen / dt_s * SECONDS_PER_HOUR;
        self.total_mm += fallen;
        fallen
    }

    /// Wet and dry spells follow each other with exponential lengths.
    fn turn(&mut self, dt_s: f64) {
        self.weather = match self.weather {
            Weather::Dry { left_s } if left_s <= dt_s => {
                let left_s = self.exponential(WET_MEAN_S);
                Weather::Wet { left_s, mm_h: self.rng.gamma2(WET_MEAN_MM_H) }
            }
            Weather::Wet { left_s, .. } if left_s <= dt_s => Weather::Dry { left_s: self.exponential(DRY_MEAN_S) },
            Weather::Dry { left_s } => Weather::Dry { left_s: left_s - dt_s },
            Weather::Wet { left_s, mm_h } => Weather::Wet { left_s: left_s - dt_s, mm_h },
            Weather::Storm { since_s } => Weather::Storm { since_s },
        };
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -(1.0 - self.rng.unit()).ln() * mean
    }
}
