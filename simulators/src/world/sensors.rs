//! What the instruments make of the truth: noise, resolution, common-mode error of the GNSS.
//! Values change once per step, however often they are read, so the series does not depend on
//! who reads it. Not here: deliberate faults (`fault`).

use super::{Movement, PIEZOMETERS, STATIONS, Truth};
use crate::rng::Rng;
use serde::Serialize;

const LEVEL_NOISE_M: f64 = 0.003;
const BEACH_NOISE_M: f64 = 0.4;
const PIEZOMETER_NOISE_M: f64 = 0.004;
const TEMPERATURE_NOISE_C: f64 = 0.05;
const WEIR_NOISE_SHARE: f64 = 0.01;
const BUCKET_MM: f64 = 0.2;
const GNSS_NOISE_MM: f64 = 0.8;
const GNSS_COMMON_MM: f64 = 0.6;
const RATE_NOISE_MM_H: f64 = 0.01;
/// AR(1) coefficient of GNSS errors at ten minutes.
const GNSS_PHI_10_MIN: f64 = 0.9;

/// The instruments' readings.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Sensed {
    /// Pond level, m.
    pub level_m: f64,
    /// Freeboard from the same instrument, m.
    pub freeboard_m: f64,
    /// Beach length, m.
    pub beach_m: f64,
    /// Rain intensity, mm/h.
    pub rain_mm_h: f64,
    /// Rain counted by the bucket since the start, mm.
    pub rain_total_mm: f64,
    /// Seepage, L/s.
    pub seepage_l_s: f64,
    /// Piezometric levels, m.
    pub piezometers_m: [f64; PIEZOMETERS],
    /// Water temperature at the piezometers, °C.
    pub temperatures_c: [f64; PIEZOMETERS],
    /// Displacement stations.
    pub stations: [Movement; STATIONS],
}

#[derive(Debug, Clone)]
pub(super) struct Sensors {
    rng: Rng,
    common_mm: f64,
    own_mm: [f64; STATIONS],
    sensed: Sensed,
}

impl Sensors {
    pub(super) fn new(rng: Rng) -> Sensors {
        Sensors { rng, common_mm: 0.0, own_mm: [0.0; STATIONS], sensed: Sensed::default() }
    }

    pub(super) fn sensed(&self) -> &Sensed {
        &self.sensed
    }

    pub(super) fn sense(&mut self, truth: &Truth, dt_s: f64) {
        let level_error = LEVEL_NOISE_M * self.rng.normal();
        let beach_m = (truth.beach_m + BEACH_NOISE_M * self.rng.normal()).max(0.0);
        let seepage_l_s = truth.seepage_l_s * (1.0 + WEIR_NOISE_SHARE * self.rng.normal());
        let piezometers_m = truth.piezometers_m.map(|level| level + PIEZOMETER_NOISE_M * self.rng.normal());
        let temperatures_c = std::array::from_fn(|i| {
            let season = (truth.time_s / (365.25 * 86_400.0) * std::f64::consts::TAU).sin();
            12.0 + i as f64 * 0.3 + 2.0 * season + TEMPERATURE_NOISE_C * self.rng.normal()
        });
        let stations = self.gnss(truth, dt_s);
        self.sensed = Sensed {
            level_m: truth.level_m + level_error,
            freeboard_m: truth.freeboard_m - level_error,
            beach_m,
            rain_mm_h: truth.rain_mm_h,
            rain_total_mm: (truth.rain_total_mm / BUCKET_MM).floor() * BUCKET_MM,
            seepage_l_s,
            piezometers_m,
            temperatures_c,
            stations,
        };
    }

    fn gnss(&mut self, truth: &Truth, dt_s: f64) -> [Movement; STATIONS] {
        let phi = GNSS_PHI_10_MIN.powf(dt_s / 600.0);
        let fresh = (1.0 - phi * phi).sqrt();
        self.common_mm = phi * self.common_mm + fresh * GNSS_COMMON_MM * self.rng.normal();
        std::array::from_fn(|i| {
            self.own_mm[i] = phi * self.own_mm[i] + fresh * GNSS_NOISE_MM * self.rng.normal();
            let error = self.own_mm[i] + self.common_mm;
            Movement {
                horizontal_mm: truth.stations[i].horizontal_mm + error,
                settlement_mm: truth.stations[i].settlement_mm + 1.5 * error,
                rate_mm_h: truth.stations[i].rate_mm_h + RATE_NOISE_MM_H * self.rng.normal(),
            }
        })
    }
}
