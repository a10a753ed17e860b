//! Fifty instruments and their honest errors: noise, resolution, the GNSS's own and common error, weather
//! on the barometer, a camera that is blind at night.

use super::physics::{INCLINOMETERS, PIEZOMETERS, STATIONS, State, WEIRS};
use super::{STEP_S, Sample};
use crate::rng::Rng;
use std::f64::consts::TAU;

/// Kind of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Instrument {
    PondLevel,
    Rain,
    Weir(usize),
    Turbidity(usize),
    Barometer,
    Beach,
    Piezometer(usize),
    StationAlong(usize),
    StationSettlement(usize),
    Inclinometer(usize),
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Point id, as in the dam file of `export`.
    pub id: String,
    /// What it measures.
    pub kind: Instrument,
    /// Unit.
    pub unit: &'static str,
}

/// The channels, in the order of [`Sample::channel`].
pub fn channels() -> Vec<Channel> {
    let mut list = Vec::new();
    let mut add = |id: String, kind, unit| list.push(Channel { id, kind, unit });
    for n in 1..=2 {
        add(format!("pond-{n}"), Instrument::PondLevel, "m");
    }
    add("rain-1".into(), Instrument::Rain, "mm");
    for n in 0..WEIRS {
        add(format!("weir-{}", n + 1), Instrument::Weir(n), "L/s");
        add(format!("turbidity-{}", n + 1), Instrument::Turbidity(n), "NTU");
    }
    add("baro-1".into(), Instrument::Barometer, "hPa");
    for n in 1..=2 {
        add(format!("beach-{n}"), Instrument::Beach, "m");
    }
    for n in 0..PIEZOMETERS {
        let section = ["a", "b", "c"][n / 5];
        add(format!("pz-{section}{}", n % 5 + 1), Instrument::Piezometer(n), "m");
    }
    for n in 0..STATIONS {
        add(format!("gnss-{}-along", n + 1), Instrument::StationAlong(n), "mm");
        add(format!("gnss-{}-down", n + 1), Instrument::StationSettlement(n), "mm");
    }
    for n in 0..INCLINOMETERS {
        add(format!("incl-{}", n + 1), Instrument::Inclinometer(n), "mm");
    }
    list
}

const GNSS_H_MM: f64 = 2.0;
const GNSS_V_MM: f64 = 4.0;
const GNSS_COMMON_MM: f64 = 1.5;
const GNSS_PHI: f64 = 0.9;
const INCLINOMETER_MM: f64 = 0.1;
const PIEZOMETER_M: f64 = 0.01;
const LEVEL_M: f64 = 0.004;

pub(super) struct Instruments {
    rng: Rng,
    channels: Vec<Channel>,
    common: [f64; 2],
    own: [[f64; 2]; STATIONS],
    synoptic_hpa: f64,
}

impl Instruments {
    pub(super) fn new(rng: Rng) -> Instruments {
        Instruments { rng, channels: channels(), common: [0.0; 2], own: [[0.0; 2]; STATIONS], synoptic_hpa: 0.0 }
    }

    /// Reads every channel.
    pub(super) fn read(&mut self, state: &State, hour: f64, out: &mut Vec<Sample>) {
        self.wander();
        let night = !(6.0..19.0).contains(&(hour % 24.0));
        for channel in 0..self.channels.len() {
            let kind = self.channels[channel].kind;
            let value = if kind == Instrument::Beach && night { None } else { Some(self.value(kind, state, hour)) };
            out.push(Sample { channel, at_h: hour, sent_h: hour, value });
        }
    }

    fn wander(&mut self) {
        let fresh = (1.0 - GNSS_PHI * GNSS_PHI).sqrt();
        for common in &mut self.common {
            *common = GNSS_PHI * *common + fresh * GNSS_COMMON_MM * self.rng.normal();
        }
        for [along, down] in &mut self.own {
            *along = GNSS_PHI * *along + fresh * GNSS_H_MM * self.rng.normal();
            *down = GNSS_PHI * *down + fresh * GNSS_V_MM * self.rng.normal();
        }
        let kept = (-STEP_S / (2.0 * 86_400.0)).exp();
        self.synoptic_hpa = kept * self.synoptic_hpa + (1.0 - kept * kept).sqrt() * 8.0 * self.rng.normal();
    }

    fn value(&mut self, kind: Instrument, state: &State, hour: f64) -> f64 {
        let noise = self.rng.normal();
        // Sun and antenna: a daily wave of half a millimetre to two.
        let daily = (TAU * hour / 24.0).sin();
        match kind {
            Instrument::PondLevel => state.level_m + LEVEL_M * noise,
            Instrument::Rain => (state.rain_mm / 0.2).floor() * 0.2,
            Instrument::Weir(n) => (state.seepage_l_s[n] * (1.0 + 0.01 * noise)).max(0.0),
            Instrument::Turbidity(n) => (state.turbidity_ntu[n] + 0.5 * noise).max(0.0),
            Instrument::Barometer => 930.0 + self.synoptic_hpa + (2.0 * TAU * hour / 24.0).sin() + 0.1 * noise,
            Instrument::Beach => (state.beach_m + 1.5 * noise).max(0.0),
            Instrument::Piezometer(n) => state.piezometers_m[n] + PIEZOMETER_M * noise,
            Instrument::StationAlong(n) => state.moved_mm[n] + self.own[n][0] + self.common[0] + 0.7 * daily,
            Instrument::StationSettlement(n) => state.settled_mm[n] + self.own[n][1] + 1.5 * self.common[1] + daily,
            Instrument::Inclinometer(n) => state.sheared_mm[n] + INCLINOMETER_MM * noise,
        }
    }
}
