//! Thirteen ways in which an instrument or its line misbehaves. A fault changes samples, never the truth.

use super::{Case, FaultTruth, Instrument, Sample, Scenario, channels};
use crate::rng::Rng;
use serde::{Deserialize, Serialize};

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum InstrumentFault {
    /// Gilbert–Elliott dropouts: good to bad 0.002, back 0.1 per step.
    Dropouts,
    /// Keeps its last value.
    Stuck,
    /// Lone outliers.
    Spikes,
    /// Drifts steadily.
    Drift,
    /// Scale error of 20 %.
    Scale,
    /// Two channels swapped.
    Swapped,
    /// Reports in another unit (m to cm).
    Unit,
    /// Time zone error of 8 hours.
    Clock,
    /// Duplicates, disorder, and a batch 12 hours late.
    Late,
    /// Restarts every few hours after a brown-out: zeros, then silence.
    Restart,
    /// Lightning: one node falls silent for good.
    Lightning,
    /// Sends data of yesterday again as new.
    Replayed,
    /// Battery decays: noise grows, then silence.
    Battery,
}

impl InstrumentFault {
    /// All of them.
    pub const ALL: [InstrumentFault; 13] = [
        InstrumentFault::Dropouts,
        InstrumentFault::Stuck,
        InstrumentFault::Spikes,
        InstrumentFault::Drift,
        InstrumentFault::Scale,
        InstrumentFault::Swapped,
        InstrumentFault::Unit,
        InstrumentFault::Clock,
        InstrumentFault::Late,
        InstrumentFault::Restart,
        InstrumentFault::Lightning,
        InstrumentFault::Replayed,
        InstrumentFault::Battery,
    ];

    /// Name in files.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// Hours after the start at which an injected fault begins.
pub const FAULT_FROM_H: f64 = 5.0 * 24.0;

/// Faults of a case at work.
pub(super) struct Faults {
    scenario: Scenario,
    fault: Option<InstrumentFault>,
    rng: Rng,
    target: usize,
    partner: usize,
    silent: bool,
    held: Option<f64>,
    history: Vec<Option<f64>>,
    waiting: Vec<Sample>,
    stations: Vec<usize>,
}

/// Piezometer of the middle section, the one at the crest: it moves enough for its faults to matter.
const TARGET: &str = "pz-b3";
const PARTNER: &str = "pz-b5";
/// Length of the late batch and of the lost communication, hours.
const BATCH_H: f64 = 12.0;
const SILENCE_H: f64 = 36.0;
/// Jump of the GNSS reference, mm.
const JUMP_MM: f64 = 25.0;
/// Drift of a piezometer, m per day.
const DRIFT_M_D: f64 = 0.15;

impl Faults {
    pub(super) fn new(case: &Case, rng: Rng) -> Faults {
        let list = channels();
        let place = |id: &str| list.iter().position(|channel| channel.id == id).unwrap_or(0);
        let station = |kind: Instrument| matches!(kind, Instrument::StationAlong(_) | Instrument::StationSettlement(_));
        Faults {
            scenario: case.scenario,
            fault: case.fault,
            rng,
            target: place(TARGET),
            partner: place(PARTNER),
            silent: false,
            held: None,
            history: Vec::new(),
            waiting: Vec::new(),
            stations: (0..list.len()).filter(|index| station(list[*index].kind)).collect(),
        }
    }

    pub(super) fn apply(&mut self, hour: f64, samples: &mut Vec<Sample>) {
        let onset = self.scenario.onset_h().unwrap_or(f64::INFINITY);
        if self.scenario == Scenario::I1 && hour > onset {
            shift(samples, &[self.target], DRIFT_M_D * (hour - onset) / 24.0);
        }
        if self.scenario == Scenario::I2 && hour > onset {
            shift(samples, &self.stations, JUMP_MM);
        }
        if self.scenario == Scenario::I3 {
            self.lost_line(hour, onset, samples);
        }
        let now = samples.iter().find(|sample| sample.channel == self.target).and_then(|sample| sample.value);
        self.history.push(now);
        if let Some(fault) = self.fault.filter(|_| hour > FAULT_FROM_H) {
            self.inject(fault, hour, samples);
        }
    }

    /// Nothing arrives for 36 hours; then all of it does, after the newest.
    fn lost_line(&mut self, hour: f64, onset: f64, samples: &mut Vec<Sample>) {
        let since = hour - onset;
        if since > 0.0 && since <= SILENCE_H {
            self.waiting.append(samples);
        } else if since > SILENCE_H && !self.waiting.is_empty() {
            let late = self.waiting.drain(..).map(|sample| Sample { sent_h: hour, ..sample });
            samples.extend(late);
        }
    }

    fn inject(&mut self, fault: InstrumentFault, hour: f64, samples: &mut Vec<Sample>) {
        let since_h = hour - FAULT_FROM_H;
        let other = samples.iter().find(|sample| sample.channel == self.partner).and_then(|sample| sample.value);
        let Some(place) = samples.iter().position(|sample| sample.channel == self.target) else { return };
        let sample = &mut samples[place];
        match fault {
            InstrumentFault::Dropouts => {
                let turn = self.rng.unit();
                self.silent = if self.silent { turn >= 0.1 } else { turn < 0.002 || since_h < 0.2 };
                if self.silent {
                    sample.value = None;
                }
            }
            InstrumentFault::Stuck => {
                self.held = self.held.or(sample.value);
                sample.value = self.held;
            }
            InstrumentFault::Spikes => {
                if self.rng.unit() < 0.02 || since_h < 0.2 {
                    sample.value = sample.value.map(|value| value + 15.0);
                }
            }
            InstrumentFault::Drift => sample.value = sample.value.map(|value| value + DRIFT_M_D * since_h / 24.0),
            InstrumentFault::Scale => sample.value = sample.value.map(|value| value * 1.2),
            InstrumentFault::Swapped => {
                let own = sample.value;
                sample.value = other;
                if let Some(partner) = samples.iter_mut().find(|sample| sample.channel == self.partner) {
                    partner.value = own;
                }
            }
            InstrumentFault::Unit => sample.value = sample.value.map(|value| value * 100.0),
            InstrumentFault::Clock => sample.at_h -= 8.0,
            InstrumentFault::Late => self.disorder(since_h, hour, place, samples),
            InstrumentFault::Restart => {
                let phase = since_h % 3.0;
                sample.value = if phase < 0.4 {
                    Some(0.0)
                } else if phase < 1.0 {
                    None
                } else {
                    sample.value
                };
            }
            InstrumentFault::Lightning => sample.value = None,
            InstrumentFault::Replayed => {
                let yesterday = self.history.len().checked_sub(145);
                sample.value = yesterday.and_then(|index| self.history.get(index).copied().flatten());
                sample.at_h -= 24.0;
            }
            InstrumentFault::Battery => {
                let noise = 0.02 * since_h * self.rng.normal();
                sample.value = if since_h > 18.0 { None } else { sample.value.map(|value| value + noise) };
            }
        }
    }

    fn disorder(&mut self, since_h: f64, hour: f64, place: usize, samples: &mut Vec<Sample>) {
        let sample = samples[place];
        if since_h <= BATCH_H {
            self.waiting.push(sample);
            samples.remove(place);
        } else if !self.waiting.is_empty() {
            let mut batch: Vec<Sample> = self.waiting.drain(..).map(|s| Sample { sent_h: hour, ..s }).collect();
            batch.reverse();
            let twice = batch.clone();
            samples.extend(batch);
            samples.extend(twice);
        }
    }

    /// What was still under way at the end.
    pub(super) fn rest(&mut self, out: &mut Vec<Sample>) {
        out.append(&mut self.waiting);
    }

    pub(super) fn truth(&self) -> Option<FaultTruth> {
        let list = channels();
        let named = |indices: &[usize]| indices.iter().filter_map(|i| list.get(*i)).map(|c| c.id.clone()).collect();
        let onset = self.scenario.onset_h().unwrap_or(0.0);
        if let Some(fault) = self.fault {
            let channels = if fault == InstrumentFault::Swapped {
                named(&[self.target, self.partner])
            } else {
                named(&[self.target])
            };
            return Some(FaultTruth { kind: fault.name(), channels, from_h: FAULT_FROM_H });
        }
        match self.scenario {
            Scenario::I1 => Some(FaultTruth { kind: "drift".into(), channels: named(&[self.target]), from_h: onset }),
            Scenario::I2 => {
                Some(FaultTruth { kind: "reference_jump".into(), channels: named(&self.stations), from_h: onset })
            }
            Scenario::I3 => {
                let all: Vec<usize> = (0..list.len()).collect();
                Some(FaultTruth { kind: "silence".into(), channels: named(&all), from_h: onset })
            }
            Scenario::N1 | Scenario::N2 | Scenario::S1 | Scenario::S2 | Scenario::P1 | Scenario::F1 => None,
            Scenario::F2 | Scenario::F3 | Scenario::L1 | Scenario::E1 => None,
        }
    }
}

fn shift(samples: &mut [Sample], which: &[usize], by: f64) {
    for sample in samples.iter_mut().filter(|sample| which.contains(&sample.channel)) {
        sample.value = sample.value.map(|value| value + by);
    }
}
