//! One device: its registers and how it answers with and without a fault.

use super::{Answer, COUNTER_REGISTERS, Outcome, SCRATCH_SIZE, STEP_MS};
use crate::fault::{Fault, FaultQueue, Occasion};
use crate::modbus::frame::{Adu, Damage};
use crate::modbus::pdu::{self, Exception, Request, Response, Table};
use crate::rng::Rng;
use crate::world::Sensed;
use serde::Serialize;

/// An instrument of the dam.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instrument {
    Pond,
    Rain,
    Weir,
    Piezometer(usize),
    Station(usize),
}

impl Instrument {
    fn values(self, sensed: &Sensed) -> Vec<f64> {
        match self {
            Instrument::Pond => vec![sensed.level_m, sensed.freeboard_m, sensed.beach_m],
            Instrument::Rain => vec![sensed.rain_mm_h, sensed.rain_total_mm],
            Instrument::Weir => vec![sensed.seepage_l_s],
            Instrument::Piezometer(i) => vec![sensed.piezometers_m[i], sensed.temperatures_c[i]],
            Instrument::Station(i) => {
                let station = sensed.stations[i];
                vec![station.horizontal_mm, station.settlement_mm, station.rate_mm_h]
            }
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Model {
    Instrument { kind: Instrument, frozen: Option<Vec<f32>> },
    Siren { coil: bool, read_back: bool },
    Scratch { registers: Vec<u16>, coils: Vec<bool> },
    Counter { reads: Vec<u64>, last_day_ms: u32 },
}

impl Model {
    pub(super) fn siren() -> Model {
        Model::Siren { coil: false, read_back: false }
    }

    pub(super) fn scratch() -> Model {
        Model::Scratch { registers: vec![0; SCRATCH_SIZE], coils: vec![false; SCRATCH_SIZE] }
    }

    pub(super) fn counter() -> Model {
        Model::Counter { reads: vec![0; COUNTER_REGISTERS], last_day_ms: 0 }
    }
}

/// Requests seen by one device.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Traffic {
    /// Requests received.
    pub requests: u64,
    /// Well-formed answers sent, late ones included.
    pub answered: u64,
    /// Exception answers of the device's own accord.
    pub exceptions: u64,
    /// Requests at which a fault fired.
    pub faults: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) id: String,
    pub(super) model: Model,
    pub(super) faults: FaultQueue,
    pub(super) traffic: Traffic,
}

pub(super) fn exception_to(adu: &Adu, exception: Exception) -> Vec<u8> {
    pdu::exception_pdu(adu.pdu.first().copied().unwrap_or(0), exception)
}

pub(super) fn reply(adu: &Adu, pdu: Vec<u8>, damage: Damage) -> Outcome {
    Outcome::Send(Adu { transaction: adu.transaction, unit: adu.unit, pdu }, damage)
}

/// Whether reading moves a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counting {
    Yes,
    No,
}

impl Device {
    pub(super) fn new(id: String, model: Model) -> Device {
        Device { id, model, faults: FaultQueue::default(), traffic: Traffic::default() }
    }

    /// Carries out the request as the fault allows.
    pub(super) fn respond(&mut self, sensed: &Sensed, adu: &Adu, day_ms: u32, rng: &mut Rng) -> Answer {
        self.traffic.requests += 1;
        let fault = self.faults.draw(Occasion::Request, rng);
        if fault.is_some() {
            self.traffic.faults += 1;
        }
        let at_once = |outcome| Answer { delay_ms: 0, outcome };
        match fault {
            Some(Fault::Silence) => at_once(Outcome::Silence),
            Some(Fault::Drop) => at_once(Outcome::Close),
            Some(Fault::Exception { code }) => {
                at_once(reply(adu, exception_to(adu, Exception::Other(code)), Damage::None))
            }
            Some(Fault::Truncated) => {
                at_once(reply(adu, self.serve(sensed, fault, adu, day_ms, rng, Counting::No), Damage::Truncated))
            }
            Some(Fault::BadChecksum) => {
                at_once(reply(adu, self.serve(sensed, fault, adu, day_ms, rng, Counting::No), Damage::Checksum))
            }
            Some(Fault::WrongByteCount) => {
                let mut pdu = self.serve(sensed, fault, adu, day_ms, rng, Counting::No);
                if let Some(count) = pdu.get_mut(1) {
                    *count = count.wrapping_add(2);
                }
                at_once(reply(adu, pdu, Damage::None))
            }
            Some(Fault::WrongTransaction) => {
                let pdu = self.serve(sensed, fault, adu, day_ms, rng, Counting::No);
                let other = Adu { transaction: adu.transaction.wrapping_add(1), unit: adu.unit, pdu };
                at_once(Outcome::Send(other, Damage::None))
            }
            Some(Fault::WrongUnit) => {
                let pdu = self.serve(sensed, fault, adu, day_ms, rng, Counting::No);
                let other = Adu { transaction: adu.transaction, unit: adu.unit.wrapping_add(1), pdu };
                at_once(Outcome::Send(other, Damage::None))
            }
            Some(Fault::Stuck) => {
                at_once(reply(adu, self.serve(sensed, fault, adu, day_ms, rng, Counting::No), Damage::None))
            }
            Some(Fault::Slow { delay_ms }) => {
                let pdu = self.serve(sensed, fault, adu, day_ms, rng, Counting::Yes);
                self.traffic.answered += 1;
                Answer { delay_ms, outcome: reply(adu, pdu, Damage::None) }
            }
            // Refuse and ReadbackStuck never fire on a request.
            None | Some(Fault::Spike { .. } | Fault::Refuse | Fault::ReadbackStuck) => {
                let pdu = self.serve(sensed, fault, adu, day_ms, rng, Counting::Yes);
                self.traffic.answered += 1;
                at_once(reply(adu, pdu, Damage::None))
            }
        }
    }

    /// The answer's PDU.
    fn serve(
        &mut self,
        sensed: &Sensed,
        fault: Option<Fault>,
        adu: &Adu,
        day_ms: u32,
        rng: &mut Rng,
        counting: Counting,
    ) -> Vec<u8> {
        let request = match pdu::parse_request(&adu.pdu) {
            Ok(request) => request,
            Err(exception) => {
                self.traffic.exceptions += 1;
                return exception_to(adu, exception);
            }
        };
        let response = match &mut self.model {
            Model::Instrument { kind, frozen } => {
                let registers = instrument_registers(*kind, frozen, sensed, fault, &self.faults);
                read_instrument(&request, &registers)
            }
            Model::Siren { coil, read_back } => {
                let stuck = |faults: &mut FaultQueue| faults.draw(Occasion::CoilWrite, rng).is_some();
                serve_siren(&request, coil, read_back, &mut self.faults, stuck)
            }
            Model::Scratch { registers, coils } => serve_scratch(&request, registers, coils),
            Model::Counter { reads, last_day_ms } => serve_counter(&request, reads, last_day_ms, day_ms, counting),
        };
        if response.is_err() {
            self.traffic.exceptions += 1;
        }
        pdu::encode_response(&request, &response)
    }
}

/// An instrument's registers now, frozen or with a spike if a fault says so.
fn instrument_registers(
    kind: Instrument,
    frozen: &mut Option<Vec<f32>>,
    sensed: &Sensed,
    fault: Option<Fault>,
    faults: &FaultQueue,
) -> Vec<u16> {
    let live = || kind.values(sensed).into_iter().map(|value| value as f32).collect::<Vec<f32>>();
    let mut values = match fault {
        Some(Fault::Stuck) => frozen.get_or_insert_with(live).clone(),
        Some(_) | None => {
            if !faults.holds(|fault| *fault == Fault::Stuck) {
                *frozen = None;
            }
            live()
        }
    };
    if let Some(Fault::Spike { add, register }) = fault
        && let Some(value) = values.get_mut(usize::from(register / 2))
    {
        *value += add;
    }
    values
        .into_iter()
        .flat_map(|value| {
            let bits = value.to_bits();
            [(bits >> 16) as u16, bits as u16]
        })
        .collect()
}

/// The items `address .. address + count`, if the device has them all.
fn slice<T: Clone>(items: &[T], address: u16, count: usize) -> Result<Vec<T>, Exception> {
    let from = usize::from(address);
    items.get(from..from + count).map(<[T]>::to_vec).ok_or(Exception::IllegalAddress)
}

fn read_instrument(request: &Request, registers: &[u16]) -> Result<Response, Exception> {
    match request {
        Request::Read { table: Table::InputRegisters, address, count } => {
            slice(registers, *address, usize::from(*count)).map(Response::Registers)
        }
        Request::Read { table: Table::Coils | Table::DiscreteInputs | Table::HoldingRegisters, .. }
        | Request::WriteCoil { .. }
        | Request::WriteRegister { .. }
        | Request::WriteCoils { .. }
        | Request::WriteRegisters { .. } => Err(Exception::IllegalFunction),
    }
}

fn serve_siren(
    request: &Request,
    coil: &mut bool,
    read_back: &mut bool,
    faults: &mut FaultQueue,
    stuck: impl FnOnce(&mut FaultQueue) -> bool,
) -> Result<Response, Exception> {
    let on = match request {
        Request::Read { table: Table::Coils, address, count } => {
            return slice(&[*coil], *address, usize::from(*count)).map(Response::Bits);
        }
        Request::Read { table: Table::DiscreteInputs, address, count } => {
            return slice(&[*read_back], *address, usize::from(*count)).map(Response::Bits);
        }
        Request::WriteCoil { address: 0, on } => *on,
        Request::WriteCoils { address: 0, values } if values.len() == 1 => values[0],
        Request::WriteCoil { .. } | Request::WriteCoils { .. } => return Err(Exception::IllegalAddress),
        Request::Read { table: Table::HoldingRegisters | Table::InputRegisters, .. }
        | Request::WriteRegister { .. }
        | Request::WriteRegisters { .. } => return Err(Exception::IllegalFunction),
    };
    *coil = on;
    if !stuck(faults) {
        *read_back = on;
    }
    Ok(Response::Written)
}

fn serve_scratch(request: &Request, registers: &mut [u16], coils: &mut [bool]) -> Result<Response, Exception> {
    fn put<T: Copy>(items: &mut [T], address: u16, values: &[T]) -> Result<Response, Exception> {
        let from = usize::from(address);
        let place = items.get_mut(from..from + values.len()).ok_or(Exception::IllegalAddress)?;
        place.copy_from_slice(values);
        Ok(Response::Written)
    }
    match request {
        Request::Read { table: Table::Coils | Table::DiscreteInputs, address, count } => {
            slice(coils, *address, usize::from(*count)).map(Response::Bits)
        }
        Request::Read { table: Table::HoldingRegisters | Table::InputRegisters, address, count } => {
            slice(registers, *address, usize::from(*count)).map(Response::Registers)
        }
        Request::WriteCoil { address, on } => put(coils, *address, &[*on]),
        Request::WriteRegister { address, value } => put(registers, *address, &[*value]),
        Request::WriteCoils { address, values } => put(coils, *address, values),
        Request::WriteRegisters { address, values } => put(registers, *address, values),
    }
}

fn serve_counter(
    request: &Request,
    reads: &mut [u64],
    last_day_ms: &mut u32,
    day_ms: u32,
    counting: Counting,
) -> Result<Response, Exception> {
    let Request::Read { table: Table::HoldingRegisters, address, count } = request else {
        return Err(Exception::IllegalFunction);
    };
    let range = usize::from(*address)..usize::from(*address) + usize::from(*count);
    let asked = reads.get_mut(range.clone()).ok_or(Exception::IllegalAddress)?;
    if counting == Counting::Yes {
        asked.iter_mut().for_each(|count| *count += 1);
        *last_day_ms = day_ms;
    }
    let value = |register: usize, count: u64| match register {
        0 => (day_ms >> 16) as u16,
        1 => day_ms as u16,
        2 => (day_ms / STEP_MS) as u16,
        _ => count as u16,
    };
    Ok(Response::Registers(range.zip(asked.iter()).map(|(register, count)| value(register, *count)).collect()))
}
