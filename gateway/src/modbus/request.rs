//! One Modbus request, its answer and its failure, apart from any transport.
//!
//! Invariant: an answer is accepted only if it has the shape its request asked for. Deliberately
//! absent: sockets, retries, and which write is allowed (`guard`).

use crate::instrument::{Function, ReadRequest};
use minewatch_domain::Reason;
use std::borrow::Cow;
use tokio_modbus::{ExceptionCode, Request as Frame, Response};

/// A request to one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Read registers or bits.
    Read(ReadRequest),
    /// Write one holding register (FC06).
    WriteRegister {
        /// Address, 0-based.
        address: u16,
        /// Value.
        value: u16,
    },
    /// Write one coil (FC05).
    WriteCoil {
        /// Address, 0-based.
        address: u16,
        /// Wanted state.
        on: bool,
    },
}

impl Request {
    pub(super) fn frame(self) -> Frame<'static> {
        match self {
            Request::Read(ReadRequest { function, address, count }) => match function {
                Function::Coil => Frame::ReadCoils(address, count),
                Function::Discrete => Frame::ReadDiscreteInputs(address, count),
                Function::Holding => Frame::ReadHoldingRegisters(address, count),
                Function::Input => Frame::ReadInputRegisters(address, count),
            },
            Request::WriteRegister { address, value } => Frame::WriteSingleRegister(address, value),
            Request::WriteCoil { address, on } => Frame::WriteSingleCoil(address, on),
        }
    }

    /// The words of an answer, one per register or bit (none for a write); `None` when the answer
    /// does not fit the request. A bit answer is padded to whole bytes on the wire.
    pub(super) fn accept(self, response: Response) -> Option<Vec<u16>> {
        match (self, response) {
            (Request::Read(r), Response::ReadCoils(bits)) if r.function == Function::Coil => accept_bits(r, bits),
            (Request::Read(r), Response::ReadDiscreteInputs(bits)) if r.function == Function::Discrete => {
                accept_bits(r, bits)
            }
            (Request::Read(r), Response::ReadHoldingRegisters(words))
                if r.function == Function::Holding && words.len() == usize::from(r.count) =>
            {
                Some(words)
            }
            (Request::Read(r), Response::ReadInputRegisters(words))
                if r.function == Function::Input && words.len() == usize::from(r.count) =>
            {
                Some(words)
            }
            (Request::WriteRegister { address, value }, Response::WriteSingleRegister(at, got)) => {
                (at == address && got == value).then(Vec::new)
            }
            (Request::WriteCoil { address, on }, Response::WriteSingleCoil(at, got)) => {
                (at == address && got == on).then(Vec::new)
            }
            (Request::Read(_) | Request::WriteRegister { .. } | Request::WriteCoil { .. }, _) => None,
        }
    }
}

fn accept_bits(request: ReadRequest, bits: Vec<bool>) -> Option<Vec<u16>> {
    let count = usize::from(request.count);
    (bits.len().div_ceil(8) == count.div_ceil(8) && bits.len() >= count)
        .then(|| bits.into_iter().take(count).map(u16::from).collect())
}

/// Why a request has no answer to show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing came before the deadline.
    #[error("no answer in time")]
    Timeout,
    /// The port or connection could not be opened, or broke.
    #[error("link down: {0}")]
    LinkDown(Cow<'static, str>),
    /// The answer contradicted the request, or was damaged.
    #[error("answer does not match its request: {0}")]
    Desync(Cow<'static, str>),
    /// The device (or a gateway before it) answered with an exception.
    #[error("modbus exception {0}")]
    Exception(u8),
    /// An earlier request of the same poll failed; this one was not sent.
    #[error("not asked")]
    NotAsked,
}

impl Fault {
    /// The reason readings of this request carry.
    pub fn reason(&self) -> Reason {
        match self {
            Fault::Timeout | Fault::NotAsked => Reason::Timeout,
            Fault::LinkDown(_) => Reason::LinkDown,
            Fault::Desync(_) => Reason::Desync,
            Fault::Exception(code) if is_gateway_timeout(*code) => Reason::Timeout,
            Fault::Exception(_) => Reason::ModbusException,
        }
    }
}

/// A TCP-to-serial gateway says that the unit behind it is unreachable or silent: the unit is
/// down although an answer came.
pub(super) fn is_gateway_timeout(exception: u8) -> bool {
    exception == u8::from(ExceptionCode::GatewayPathUnavailable)
        || exception == u8::from(ExceptionCode::GatewayTargetDevice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(function: Function, count: u16) -> Request {
        Request::Read(ReadRequest { function, address: 0, count })
    }

    #[test]
    fn an_answer_is_taken_only_in_the_shape_that_was_asked_for() {
        let words = |n: usize| Response::ReadHoldingRegisters(vec![7; n]);
        assert_eq!(read(Function::Holding, 2).accept(words(2)), Some(vec![7, 7]));
        assert_eq!(read(Function::Holding, 2).accept(words(1)), None, "too few registers");
        assert_eq!(read(Function::Holding, 2).accept(words(3)), None, "too many registers");
        assert_eq!(read(Function::Input, 2).accept(words(2)), None, "another table");
        let coils = |n: usize| Response::ReadCoils(vec![true; n]);
        assert_eq!(read(Function::Coil, 3).accept(coils(8)), Some(vec![1, 1, 1]), "bits come in whole bytes");
        assert_eq!(read(Function::Coil, 3).accept(coils(16)), None, "a byte too many");
        assert_eq!(read(Function::Coil, 9).accept(coils(8)), None, "a bit too few");
        let write = Request::WriteCoil { address: 5, on: true };
        assert_eq!(write.accept(Response::WriteSingleCoil(5, true)), Some(vec![]));
        assert_eq!(write.accept(Response::WriteSingleCoil(5, false)), None, "the echo says off");
        assert_eq!(write.accept(Response::WriteSingleCoil(6, true)), None, "the echo of another coil");
    }

    #[test]
    fn a_serial_gateway_reporting_a_silent_unit_is_a_timeout() {
        assert_eq!(Fault::Exception(11).reason(), Reason::Timeout);
        assert_eq!(Fault::Exception(2).reason(), Reason::ModbusException);
    }
}
