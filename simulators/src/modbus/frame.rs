//! The two envelopes of Modbus: MBAP on TCP, unit + CRC on serial lines.
//!
//! Invariant: decoding never reads past the bytes given and always either consumes, asks for
//! more, or gives up on the stream. Not here: sockets and silence timers (`server`).

/// Unit, PDU and (on TCP) the transaction id they answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adu {
    /// MBAP transaction id; 0 on serial lines.
    pub transaction: u16,
    /// Unit id.
    pub unit: u8,
    /// Function code and data.
    pub pdu: Vec<u8>,
}

/// Which envelope a line uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// MBAP header, no checksum.
    Tcp,
    /// Unit, PDU, CRC-16.
    Rtu,
}

/// What a decoder made of the bytes so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// A whole frame and how many bytes it took.
    Frame(Adu, usize),
    /// Not enough bytes yet.
    More,
    /// So many leading bytes cannot start a frame: drop them and try again.
    Skip(usize),
    /// The stream cannot be followed any more: close it.
    Lost,
}

/// Deliberate damage to an answer's envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Send it as it is.
    None,
    /// Leave out the last two bytes (on TCP the header's length still promises them).
    Truncated,
    /// Flip a bit of the checksum; on TCP, where there is none, of the protocol id.
    Checksum,
}

/// PDU limit of the protocol, bytes.
pub const PDU_MAX: usize = 253;

/// CRC-16/MODBUS.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 })
    })
}

/// Decodes one request frame from the front of `bytes`.
pub fn decode(framing: Framing, bytes: &[u8]) -> Decoded {
    match framing {
        Framing::Tcp => decode_tcp(bytes),
        Framing::Rtu => decode_rtu(bytes),
    }
}

fn decode_tcp(bytes: &[u8]) -> Decoded {
    if bytes.len() < 6 {
        return Decoded::More;
    }
    let length = usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
    if (bytes[2], bytes[3]) != (0, 0) || !(2..=PDU_MAX + 1).contains(&length) {
        return Decoded::Lost;
    }
    if bytes.len() < 6 + length {
        return Decoded::More;
    }
    let transaction = u16::from_be_bytes([bytes[0], bytes[1]]);
    let adu = Adu { transaction, unit: bytes[6], pdu: bytes[7..6 + length].to_vec() };
    Decoded::Frame(adu, 6 + length)
}

/// A serial line has no length field: the function code tells how long a request is.
fn decode_rtu(bytes: &[u8]) -> Decoded {
    let Some(&function) = bytes.get(1) else { return Decoded::More };
    let length = match function {
        1..=6 => 8,
        15 | 16 => match bytes.get(6) {
            Some(&data) => 9 + usize::from(data),
            None => return Decoded::More,
        },
        _ => return Decoded::Skip(1),
    };
    if bytes.len() < length {
        return Decoded::More;
    }
    let (body, crc) = bytes[..length].split_at(length - 2);
    if crc16(body).to_le_bytes() != [crc[0], crc[1]] {
        return Decoded::Skip(1);
    }
    Decoded::Frame(Adu { transaction: 0, unit: body[0], pdu: body[1..].to_vec() }, length)
}

/// Puts an answer (or, in tests, a request) into its envelope.
pub fn encode(framing: Framing, adu: &Adu, damage: Damage) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(adu.pdu.len() + 9);
    match framing {
        Framing::Tcp => {
            bytes.extend_from_slice(&adu.transaction.to_be_bytes());
            bytes.extend_from_slice(&[0, 0]);
            bytes.extend_from_slice(&((adu.pdu.len() + 1) as u16).to_be_bytes());
            bytes.push(adu.unit);
            bytes.extend_from_slice(&adu.pdu);
            if damage == Damage::Checksum {
                bytes[2] ^= 1;
            }
        }
        Framing::Rtu => {
            bytes.push(adu.unit);
            bytes.extend_from_slice(&adu.pdu);
            bytes.extend_from_slice(&crc16(&bytes).to_le_bytes());
            if damage == Damage::Checksum {
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
            }
        }
    }
    if damage == Damage::Truncated {
        bytes.truncate(bytes.len() - 2);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_crc_of_known_frames_is_the_known_one() {
        for (bytes, crc) in [
            (&b"123456789"[..], 0x4B37),
            (&[0x02, 0x07], 0x1241),
            (&[0x01, 0x03, 0x00, 0x00, 0x00, 0x0A], 0xCDC5),
            (&[0x11, 0x03, 0x00, 0x6B, 0x00, 0x03], 0x8776),
        ] {
            assert_eq!(crc16(bytes), crc, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_stream_that_is_not_modbus_tcp_is_given_up() {
        assert_eq!(decode(Framing::Tcp, b"GET / HTTP/1.1\r\n"), Decoded::Lost);
        assert_eq!(decode(Framing::Tcp, &[0, 1, 0, 0, 0, 1, 1]), Decoded::Lost);
        assert_eq!(decode(Framing::Tcp, &[0, 1, 0, 0, 0, 6, 1]), Decoded::More);
    }

    #[test]
    fn a_serial_line_finds_the_next_frame_after_noise() {
        let request = Adu { transaction: 0, unit: 17, pdu: vec![3, 0, 0x6B, 0, 3] };
        let mut line = vec![0xFF, 0x03, 0x00];
        line.extend(encode(Framing::Rtu, &request, Damage::None));
        let mut dropped = 0;
        loop {
            match decode(Framing::Rtu, &line[dropped..]) {
                Decoded::Skip(n) => dropped += n,
                Decoded::Frame(adu, 8) => break assert_eq!(adu, request),
                other @ (Decoded::Frame(..) | Decoded::More | Decoded::Lost) => {
                    panic!("{other:?} after {dropped} bytes")
                }
            }
        }
        assert_eq!(dropped, 3);
    }

    #[test]
    fn damage_is_visible_to_a_careful_reader_and_only_as_asked() {
        let adu = Adu { transaction: 9, unit: 1, pdu: vec![4, 2, 0, 7] };
        assert_eq!(encode(Framing::Tcp, &adu, Damage::None), [0, 9, 0, 0, 0, 5, 1, 4, 2, 0, 7]);
        assert_eq!(encode(Framing::Tcp, &adu, Damage::Truncated), [0, 9, 0, 0, 0, 5, 1, 4, 2]);
        assert_eq!(encode(Framing::Tcp, &adu, Damage::Checksum)[2], 1);
        let rtu = encode(Framing::Rtu, &adu, Damage::Checksum);
        let (body, crc) = rtu.split_at(rtu.len() - 2);
        assert_ne!(crc16(body).to_le_bytes(), [crc[0], crc[1]]);
    }

    fn requests() -> impl Strategy<Value = Vec<u8>> {
        (prop_oneof![1u8..=6, 15u8..=16], any::<[u8; 4]>(), prop::collection::vec(any::<u8>(), 0..200)).prop_map(
            |(function, head, data)| {
                let mut pdu = vec![function];
                pdu.extend(head);
                if function >= 15 {
                    pdu.push(data.len() as u8);
                    pdu.extend(data);
                }
                pdu
            },
        )
    }

    proptest! {
        #[test]
        fn frames_come_out_whole_however_the_bytes_are_cut(
            transaction in any::<u16>(), unit in any::<u8>(), pdu in requests(), rtu in any::<bool>(),
        ) {
            let framing = if rtu { Framing::Rtu } else { Framing::Tcp };
            let adu = Adu { transaction: if rtu { 0 } else { transaction }, unit, pdu };
            let bytes = encode(framing, &adu, Damage::None);
            for cut in 0..bytes.len() {
                prop_assert_eq!(decode(framing, &bytes[..cut]), Decoded::More);
            }
            prop_assert_eq!(decode(framing, &bytes), Decoded::Frame(adu, bytes.len()));
        }

        #[test]
        fn any_bytes_are_decoded_without_reading_past_them(
            bytes in prop::collection::vec(any::<u8>(), 0..400), rtu in any::<bool>(),
        ) {
            match decode(if rtu { Framing::Rtu } else { Framing::Tcp }, &bytes) {
                Decoded::Frame(_, used) | Decoded::Skip(used) => prop_assert!(used > 0 && used <= bytes.len()),
                Decoded::More | Decoded::Lost => {}
            }
        }
    }
}
