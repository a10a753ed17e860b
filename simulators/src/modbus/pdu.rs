//! Modbus requests and answers without their envelope (function codes 1–6, 15, 16).
//!
//! Invariant: `parse_request(encode_request(r)) == Ok(r)` for every valid request.
//! Not here: transaction ids, unit ids and checksums (`frame`), what a register means (`plant`).

/// Most bits one read may ask for (Modbus application protocol 6.1).
pub const BITS_READ_MAX: u16 = 2_000;
/// Most registers one read may ask for (6.3).
pub const REGISTERS_READ_MAX: u16 = 125;
/// Most bits one write may carry (6.11).
pub const BITS_WRITE_MAX: u16 = 1_968;
/// Most registers one write may carry (6.12).
pub const REGISTERS_WRITE_MAX: u16 = 123;

/// Exception codes this slave answers on its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exception {
    /// 01: this device does not know the function code.
    IllegalFunction,
    /// 02: an address outside the device's map.
    IllegalAddress,
    /// 03: a count or value outside the protocol's limits.
    IllegalValue,
    /// 0B: no device with that unit id behind this gateway.
    TargetFailed,
    /// Any other code, given by a fault.
    Other(u8),
}

impl Exception {
    /// The code on the wire.
    pub fn code(self) -> u8 {
        match self {
            Exception::IllegalFunction => 1,
            Exception::IllegalAddress => 2,
            Exception::IllegalValue => 3,
            Exception::TargetFailed => 0x0B,
            Exception::Other(code) => code,
        }
    }
}

/// The four tables of a Modbus device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// FC01, FC05, FC15.
    Coils,
    /// FC02.
    DiscreteInputs,
    /// FC03, FC06, FC16.
    HoldingRegisters,
    /// FC04.
    InputRegisters,
}

/// A parsed request. Counts and addresses are already within the protocol's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// FC01–FC04.
    Read {
        /// Which table.
        table: Table,
        /// First address.
        address: u16,
        /// How many bits or registers.
        count: u16,
    },
    /// FC05.
    WriteCoil {
        /// Address.
        address: u16,
        /// New state.
        on: bool,
    },
    /// FC06.
    WriteRegister {
        /// Address.
        address: u16,
        /// New value.
        value: u16,
    },
    /// FC15.
    WriteCoils {
        /// First address.
        address: u16,
        /// New states.
        values: Vec<bool>,
    },
    /// FC16.
    WriteRegisters {
        /// First address.
        address: u16,
        /// New values.
        values: Vec<u16>,
    },
}

impl Request {
    /// The function code.
    pub fn function(&self) -> u8 {
        match self {
            Request::Read { table: Table::Coils, .. } => 1,
            Request::Read { table: Table::DiscreteInputs, .. } => 2,
            Request::Read { table: Table::HoldingRegisters, .. } => 3,
            Request::Read { table: Table::InputRegisters, .. } => 4,
            Request::WriteCoil { .. } => 5,
            Request::WriteRegister { .. } => 6,
            Request::WriteCoils { .. } => 15,
            Request::WriteRegisters { .. } => 16,
        }
    }
}

/// What a device answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Bits read.
    Bits(Vec<bool>),
    /// Registers read.
    Registers(Vec<u16>),
    /// A write was done.
    Written,
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Checks that `count` items from `address` lie within the protocol's limits.
fn span(address: u16, count: u16, max: u16) -> Result<(), Exception> {
    if count == 0 || count > max {
        return Err(Exception::IllegalValue);
    }
    if u32::from(address) + u32::from(count) > 0x1_0000 {
        return Err(Exception::IllegalAddress);
    }
    Ok(())
}

/// Reads a request PDU (function code first).
///
/// # Errors
/// The exception the slave answers with.
pub fn parse_request(pdu: &[u8]) -> Result<Request, Exception> {
    let function = *pdu.first().ok_or(Exception::IllegalFunction)?;
    if !matches!(function, 1..=6 | 15 | 16) {
        return Err(Exception::IllegalFunction);
    }
    let (Some(address), Some(second)) = (word(pdu, 1), word(pdu, 3)) else {
        return Err(Exception::IllegalValue);
    };
    if function < 15 && pdu.len() != 5 {
        return Err(Exception::IllegalValue);
    }
    let read = |table, max| span(address, second, max).map(|()| Request::Read { table, address, count: second });
    match function {
        1 => read(Table::Coils, BITS_READ_MAX),
        2 => read(Table::DiscreteInputs, BITS_READ_MAX),
        3 => read(Table::HoldingRegisters, REGISTERS_READ_MAX),
        4 => read(Table::InputRegisters, REGISTERS_READ_MAX),
        5 => match second {
            0xFF00 => Ok(Request::WriteCoil { address, on: true }),
            0x0000 => Ok(Request::WriteCoil { address, on: false }),
            _ => Err(Exception::IllegalValue),
        },
        6 => Ok(Request::WriteRegister { address, value: second }),
        15 => {
            span(address, second, BITS_WRITE_MAX)?;
            let data = write_data(pdu, usize::from(second).div_ceil(8))?;
            Ok(Request::WriteCoils { address, values: unpack_bits(data, usize::from(second)) })
        }
        _ => {
            span(address, second, REGISTERS_WRITE_MAX)?;
            let data = write_data(pdu, usize::from(second) * 2)?;
            let values = data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            Ok(Request::WriteRegisters { address, values })
        }
    }
}

fn write_data(pdu: &[u8], bytes: usize) -> Result<&[u8], Exception> {
    match pdu.get(5) {
        Some(&said) if usize::from(said) == bytes && pdu.len() == 6 + bytes => Ok(&pdu[6..]),
        _ => Err(Exception::IllegalValue),
    }
}

/// Writes a request PDU; the client's side, used by tests.
pub fn encode_request(request: &Request) -> Vec<u8> {
    let mut pdu = vec![request.function()];
    let mut words = |a: u16, b: u16| {
        pdu.extend_from_slice(&a.to_be_bytes());
        pdu.extend_from_slice(&b.to_be_bytes());
    };
    match request {
        Request::Read { address, count, .. } => words(*address, *count),
        Request::WriteCoil { address, on } => words(*address, if *on { 0xFF00 } else { 0 }),
        Request::WriteRegister { address, value } => words(*address, *value),
        Request::WriteCoils { address, values } => {
            words(*address, values.len() as u16);
            let bytes = pack_bits(values);
            pdu.push(bytes.len() as u8);
            pdu.extend_from_slice(&bytes);
        }
        Request::WriteRegisters { address, values } => {
            words(*address, values.len() as u16);
            pdu.push((values.len() * 2) as u8);
            pdu.extend(values.iter().flat_map(|value| value.to_be_bytes()));
        }
    }
    pdu
}

/// Writes the answer to a request.
pub fn encode_response(request: &Request, response: &Result<Response, Exception>) -> Vec<u8> {
    match response {
        Err(exception) => exception_pdu(request.function(), *exception),
        Ok(Response::Bits(bits)) => with_byte_count(request.function(), pack_bits(bits)),
        Ok(Response::Registers(values)) => {
            with_byte_count(request.function(), values.iter().flat_map(|value| value.to_be_bytes()).collect())
        }
        // Every write echoes its function code and the next four bytes.
        Ok(Response::Written) => encode_request(request).into_iter().take(5).collect(),
    }
}

/// An exception answer to function code `function`.
pub fn exception_pdu(function: u8, exception: Exception) -> Vec<u8> {
    vec![function | 0x80, exception.code()]
}

fn with_byte_count(function: u8, data: Vec<u8>) -> Vec<u8> {
    let mut pdu = vec![function, data.len() as u8];
    pdu.extend(data);
    pdu
}

fn pack_bits(bits: &[bool]) -> Vec<u8> {
    bits.chunks(8)
        .map(|byte| byte.iter().enumerate().fold(0, |packed, (i, &on)| packed | (u8::from(on) << i)))
        .collect()
}

fn unpack_bits(bytes: &[u8], count: usize) -> Vec<bool> {
    (0..count).map(|i| bytes[i / 8] >> (i % 8) & 1 == 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn requests() -> impl Strategy<Value = Request> {
        let table = prop_oneof![
            Just((Table::Coils, BITS_READ_MAX)),
            Just((Table::DiscreteInputs, BITS_READ_MAX)),
            Just((Table::HoldingRegisters, REGISTERS_READ_MAX)),
            Just((Table::InputRegisters, REGISTERS_READ_MAX)),
        ];
        prop_oneof![
            (table, 0u16..60_000, any::<u16>()).prop_map(|((table, max), address, count)| Request::Read {
                table,
                address,
                count: count % max + 1
            }),
            (any::<u16>(), any::<bool>()).prop_map(|(address, on)| Request::WriteCoil { address, on }),
            (any::<u16>(), any::<u16>()).prop_map(|(address, value)| Request::WriteRegister { address, value }),
            (0u16..60_000, prop::collection::vec(any::<bool>(), 1..=1_968))
                .prop_map(|(address, values)| Request::WriteCoils { address, values }),
            (0u16..60_000, prop::collection::vec(any::<u16>(), 1..=123))
                .prop_map(|(address, values)| Request::WriteRegisters { address, values }),
        ]
    }

    proptest! {
        #[test]
        fn every_valid_request_survives_the_wire(request in requests()) {
            prop_assert_eq!(parse_request(&encode_request(&request)), Ok(request));
        }

        #[test]
        fn any_bytes_are_either_a_request_or_an_exception(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(request) = parse_request(&bytes) {
                prop_assert_eq!(encode_request(&request).len(), bytes.len());
            }
        }
    }

    #[test]
    fn requests_outside_the_protocol_limits_are_refused_with_the_right_code() {
        for (pdu, want) in [
            (&[][..], Exception::IllegalFunction),
            (&[7, 0, 0, 0, 1], Exception::IllegalFunction),
            (&[3, 0, 0, 0, 126], Exception::IllegalValue),
            (&[3, 0, 0, 0, 0], Exception::IllegalValue),
            (&[4, 0xFF, 0xFF, 0, 2], Exception::IllegalAddress),
            (&[5, 0, 0, 1, 0], Exception::IllegalValue),
            (&[16, 0, 0, 0, 2, 3, 0, 0, 0], Exception::IllegalValue),
            (&[3, 0, 0], Exception::IllegalValue),
        ] {
            assert_eq!(parse_request(pdu), Err(want), "{pdu:02x?}");
        }
    }

    #[test]
    fn the_examples_of_the_modbus_specification_come_out_byte_for_byte() {
        let read = parse_request(&[3, 0, 0x6B, 0, 3]).expect("valid");
        let answer = encode_response(&read, &Ok(Response::Registers(vec![0x022B, 0, 0x64])));
        assert_eq!(answer, [3, 6, 0x02, 0x2B, 0, 0, 0, 0x64]);
        let coils = parse_request(&[1, 0, 0x13, 0, 0x13]).expect("valid");
        let bits = unpack_bits(&[0xCD, 0x6B, 0x05], 19);
        assert_eq!(encode_response(&coils, &Ok(Response::Bits(bits))), [1, 3, 0xCD, 0x6B, 0x05]);
        let write = parse_request(&[16, 0, 1, 0, 2, 4, 0, 10, 1, 2]).expect("valid");
        assert_eq!(encode_response(&write, &Ok(Response::Written)), [16, 0, 1, 0, 2]);
        assert_eq!(encode_response(&read, &Err(Exception::IllegalAddress)), [0x83, 2]);
    }
}
