//! The devices of the site and how they answer: pure, with the time as an argument.
//!
//! Register map of the dam (one unit id per instrument, FC04 input registers, 32-bit floats,
//! big-endian, high word first = ABCD):
//!
//! | unit | instrument | registers |
//! | --- | --- | --- |
//! | 1 | pond level | 0 level m, 2 freeboard m, 4 beach length m |
//! | 2 | rain gauge | 0 mm/h, 2 mm since the start |
//! | 3 | seepage weir | 0 L/s |
//! | 11–16 | piezometers | 0 piezometric level m, 2 water temperature °C |
//! | 21–24 | displacement stations | 0 horizontal mm, 2 settlement mm, 4 horizontal rate mm/h |
//! | 90 | siren | coil 0 siren (FC01/05/15), discrete input 0 its read-back (FC02) |
//! | 95 | scratch | holding registers 0–99 (FC03/06/16) and coils 0–99 (FC01/05/15), kept as written |
//!
//! A counter device (own port, any unit id) has holding registers 0–99 (FC03): 0–1 millisecond of
//! the UTC day at the read (u32, ABCD), 2 a step counter (one step every 1,370 ms of the day),
//! 3–99 each the number of its own reads (u16, wraps).
//!
//! Invariant: a register counts as read only when the answer that leaves is well-formed and not
//! stuck; so a gap in what arrives elsewhere is a loss there. Not here: sockets (`server`).

mod device;

pub use device::Traffic;

use crate::fault::{Armed, FaultError, Occasion};
use crate::modbus::frame::{Adu, Damage, Framing};
use crate::modbus::pdu::Exception;
use crate::rng::Rng;
use crate::world::{PIEZOMETERS, STATIONS, Scenario, Sensed, Truth, World};
use device::{Device, Instrument, Model, exception_to, reply};
use serde::Serialize;
use std::collections::BTreeMap;

/// Registers of a counter device.
pub const COUNTER_REGISTERS: usize = 100;
/// Registers and coils of the scratch device.
pub const SCRATCH_SIZE: usize = 100;
/// Milliseconds of one step of a counter device's register 2.
pub const STEP_MS: u32 = 1_370;
/// Highest time compression: a step of the running world stays below five hours.
pub const SPEED_MAX: f64 = 50_000.0;

/// Which devices a line leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The dam's instruments, siren and scratch device, by unit id.
    Dam,
    /// One counter device, whatever the unit id.
    Counter(usize),
}

/// What to do with a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Wait so long first, milliseconds.
    pub delay_ms: u64,
    /// Then do this.
    pub outcome: Outcome,
}

/// What leaves the device.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// An answer, perhaps damaged.
    Send(Adu, Damage),
    /// Nothing.
    Silence,
    /// The end of the connection.
    Close,
}

/// A device as shown by the control API.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceState {
    /// Its id.
    pub id: String,
    /// Unit id on the dam's lines; absent for counters.
    pub unit: Option<u8>,
    /// Faults waiting.
    pub faults: Vec<Armed>,
    /// Requests seen.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// The siren as shown by the control API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SirenState {
    /// The coil as last written.
    pub coil: bool,
    /// What the discrete input says.
    pub read_back: bool,
}

/// Everything the control API shows of the plant.
#[derive(Debug, Clone, Serialize)]
pub struct PlantState {
    /// Simulated seconds per second.
    pub speed: f64,
    /// The world's truth.
    pub truth: Truth,
    /// What the instruments say.
    pub sensed: Sensed,
    /// The siren.
    pub siren: SirenState,
    /// Requests to units that do not exist.
    pub unknown_unit_requests: u64,
    /// Every device.
    pub devices: Vec<DeviceState>,
}

/// Read counts of one counter device.
#[derive(Debug, Clone, Serialize)]
pub struct CounterState {
    /// Its id.
    pub id: String,
    /// How often each register left in a well-formed answer.
    pub reads: Vec<u64>,
    /// Millisecond of the day of the last such answer.
    pub last_day_ms: u32,
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlantError {
    /// No such device.
    #[error("no device {0:?}; GET /state lists them")]
    UnknownDevice(String),
    /// The fault cannot be armed.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// Speed out of range.
    #[error("speed must be above 0 and at most {SPEED_MAX}")]
    Speed,
}

/// The world and the devices that show it.
#[derive(Debug)]
pub struct Plant {
    world: World,
    speed: f64,
    devices: Vec<Device>,
    units: BTreeMap<u8, usize>,
    counters: Vec<usize>,
    unknown_unit_requests: u64,
    rng: Rng,
}

impl Plant {
    /// A plant with the dam's devices and so many counter devices (`counter-0` …).
    pub fn new(seed: u64, scenario: Scenario, speed: f64, counters: usize) -> Plant {
        let mut plant = Plant {
            world: World::new(seed, scenario),
            speed,
            devices: Vec::new(),
            units: BTreeMap::new(),
            counters: Vec::new(),
            unknown_unit_requests: 0,
            rng: Rng::new(seed, 3),
        };
        // One short step, so that the instruments have a first value.
        plant.world.step(1.0);
        plant.unit(1, "pond", Instrument::Pond);
        plant.unit(2, "rain", Instrument::Rain);
        plant.unit(3, "weir", Instrument::Weir);
        for i in 0..PIEZOMETERS {
            plant.unit(11 + i as u8, &format!("pz{}", 11 + i), Instrument::Piezometer(i));
        }
        for i in 0..STATIONS {
            plant.unit(21 + i as u8, &format!("gnss{}", 21 + i), Instrument::Station(i));
        }
        plant.add(Some(90), "siren".into(), Model::siren());
        plant.add(Some(95), "scratch".into(), Model::scratch());
        for i in 0..counters {
            let index = plant.add(None, format!("counter-{i}"), Model::counter());
            plant.counters.push(index);
        }
        plant
    }

    fn unit(&mut self, unit: u8, id: &str, kind: Instrument) {
        self.add(Some(unit), id.into(), Model::Instrument { kind, frozen: None });
    }

    fn add(&mut self, unit: Option<u8>, id: String, model: Model) -> usize {
        let index = self.devices.len();
        self.devices.push(Device::new(id, model));
        if let Some(unit) = unit {
            self.units.insert(unit, index);
        }
        index
    }

    /// Lets so many seconds of wall time pass.
    pub fn advance(&mut self, wall_s: f64) {
        self.world.step(wall_s * self.speed);
    }

    /// Changes the scenario; `reset` (a seed) starts a new world, otherwise the present one goes on.
    ///
    /// # Errors
    /// [`PlantError::Speed`] when the speed is out of range.
    pub fn scenario(&mut self, scenario: Scenario, speed: f64, reset: Option<u64>) -> Result<(), PlantError> {
        self.speed = valid_speed(speed)?;
        match reset {
            Some(seed) => {
                self.world = World::new(seed, scenario);
                self.world.step(1.0);
            }
            None => self.world.switch(scenario),
        }
        Ok(())
    }

    /// Arms a fault at one device, or at all (`*`).
    ///
    /// # Errors
    /// [`PlantError`] when there is no such device or the fault is refused.
    pub fn arm(&mut self, device: &str, armed: Armed) -> Result<(), PlantError> {
        for device in self.named(Some(device))? {
            device.faults.arm(armed)?;
        }
        Ok(())
    }

    /// Removes every fault of one device, or of all.
    ///
    /// # Errors
    /// [`PlantError::UnknownDevice`].
    pub fn clear(&mut self, device: Option<&str>) -> Result<(), PlantError> {
        for device in self.named(device)? {
            device.faults.clear();
            match &mut device.model {
                Model::Instrument { frozen, .. } => *frozen = None,
                Model::Siren { coil, read_back } => *read_back = *coil,
                Model::Scratch { .. } | Model::Counter { .. } => {}
            }
        }
        Ok(())
    }

    fn named(&mut self, id: Option<&str>) -> Result<Vec<&mut Device>, PlantError> {
        let id = id.filter(|id| *id != "*");
        let found: Vec<&mut Device> =
            self.devices.iter_mut().filter(|device| id.is_none_or(|id| device.id == id)).collect();
        if found.is_empty() {
            return Err(PlantError::UnknownDevice(id.unwrap_or("*").chars().take(80).collect()));
        }
        Ok(found)
    }

    /// Should a new connection on this route be reset? On the dam's lines any device may say so.
    pub fn refuses(&mut self, route: Route) -> bool {
        let candidates: Vec<usize> = match route {
            Route::Dam => self.units.values().copied().collect(),
            Route::Counter(n) => self.counters.get(n).copied().into_iter().collect(),
        };
        let rng = &mut self.rng;
        candidates.into_iter().any(|i| self.devices[i].faults.draw(Occasion::Connection, rng).is_some())
    }

    /// Answers one request. `day_ms` is the millisecond of the UTC day.
    pub fn answer(&mut self, route: Route, framing: Framing, adu: &Adu, day_ms: u32) -> Answer {
        let index = match route {
            Route::Dam => self.units.get(&adu.unit).copied(),
            Route::Counter(n) => self.counters.get(n).copied(),
        };
        let Some(index) = index else {
            self.unknown_unit_requests += 1;
            return match framing {
                // A serial line simply has nobody there; a TCP gateway says so.
                Framing::Rtu => Answer { delay_ms: 0, outcome: Outcome::Silence },
                Framing::Tcp => Answer {
                    delay_ms: 0,
                    outcome: reply(adu, exception_to(adu, Exception::TargetFailed), Damage::None),
                },
            };
        };
        self.devices[index].respond(self.world.sensed(), adu, day_ms, &mut self.rng)
    }

    /// The state for the control API.
    pub fn state(&self) -> PlantState {
        let unit_of = |index: usize| self.units.iter().find(|(_, i)| **i == index).map(|(unit, _)| *unit);
        PlantState {
            speed: self.speed,
            truth: self.world.truth(),
            sensed: self.world.sensed().clone(),
            siren: self.siren(),
            unknown_unit_requests: self.unknown_unit_requests,
            devices: self
                .devices
                .iter()
                .enumerate()
                .map(|(index, device)| DeviceState {
                    id: device.id.clone(),
                    unit: unit_of(index),
                    faults: device.faults.armed().to_vec(),
                    traffic: device.traffic,
                })
                .collect(),
        }
    }

    /// Read counts of the counter devices.
    pub fn counters(&self) -> Vec<CounterState> {
        self.devices
            .iter()
            .filter_map(|device| match &device.model {
                Model::Counter { reads, last_day_ms } => {
                    Some(CounterState { id: device.id.clone(), reads: reads.clone(), last_day_ms: *last_day_ms })
                }
                Model::Instrument { .. } | Model::Siren { .. } | Model::Scratch { .. } => None,
            })
            .collect()
    }

    fn siren(&self) -> SirenState {
        let mut states = self.devices.iter().filter_map(|device| match device.model {
            Model::Siren { coil, read_back } => Some(SirenState { coil, read_back }),
            Model::Instrument { .. } | Model::Scratch { .. } | Model::Counter { .. } => None,
        });
        states.next().unwrap_or(SirenState { coil: false, read_back: false })
    }
}

/// Checks a time compression.
///
/// # Errors
/// [`PlantError::Speed`] outside `0 < speed <= SPEED_MAX`.
pub fn valid_speed(speed: f64) -> Result<f64, PlantError> {
    if speed > 0.0 && speed <= SPEED_MAX { Ok(speed) } else { Err(PlantError::Speed) }
}

#[cfg(test)]
mod tests;
