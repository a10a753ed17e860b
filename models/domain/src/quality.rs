//! How far a value can be trusted, and why not.

use serde::{Deserialize, Serialize};

/// Trust in a value. Bad data neither raises nor clears a warning (design promise 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// Usable.
    Good,
    /// Usable with care; shown with its reason.
    Uncertain,
    /// Not a measurement of the process.
    Bad,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)+) => {
        /// Why a value is not simply good.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Reason { $($(#[$doc])* $name,)+ }

        impl Reason {
            /// Every reason, in code order.
            pub const ALL: &'static [Reason] = &[$(Reason::$name),+];

            /// Wire and store code, 0..=63. Codes are frozen: never reuse one.
            pub fn code(self) -> u8 { match self { $(Reason::$name => $code,)+ } }

            /// The reason of a wire code.
            pub fn from_code(code: u8) -> Option<Reason> { match code { $($code => Some(Reason::$name),)+ _ => None } }

            /// Name used in JSON and logs.
            pub fn name(self) -> &'static str { match self { $(Reason::$name => $text,)+ } }
        }
    };
}

reasons! {
    /// Nothing to say.
    None = 0, "none";
    /// Outside the instrument's valid range.
    OutOfRange = 1, "out_of_range";
    /// Changed faster than the process can.
    RateOfChange = 2, "rate_of_change";
    /// A lone outlier (Hampel identifier).
    Spike = 3, "spike";
    /// Has not moved for longer than a live instrument can stay still.
    Stuck = 4, "stuck";
    /// The instrument's own data-age register says the value is old, or no value came in time.
    Stale = 5, "stale";
    /// The instrument's "no value" code.
    Sentinel = 6, "sentinel";
    /// The instrument's status bit says invalid.
    StatusBit = 7, "status_bit";
    /// No answer before the deadline.
    Timeout = 8, "timeout";
    /// A Modbus exception answer.
    ModbusException = 9, "modbus_exception";
    /// The transport is down (refused, reset, unplugged).
    LinkDown = 10, "link_down";
    /// The answer does not decode under the register map.
    DecodeFault = 11, "decode_fault";
    /// The gateway's clock was stepped or is not trusted.
    ClockStep = 12, "clock_step";
    /// NaN or infinity where a number belongs.
    NotFinite = 13, "not_finite";
    /// The answer contradicted the request (transaction id, unit, function, length).
    Desync = 14, "desync";
    /// Wanders away from its neighbours or from the barometer.
    Drift = 15, "drift";
    /// Moves together with every station of its group: a reference or atmospheric effect, not the dam.
    CommonMode = 16, "common_mode";
    /// Disagrees with the manual reading of the same place.
    ManualMismatch = 17, "manual_mismatch";
    /// Contradicts another quantity of the same instrument or place.
    Inconsistent = 18, "inconsistent";
    /// An input of a computed quantity is missing, too old or bad.
    InputMissing = 19, "input_missing";
    /// The formula has no answer for these inputs (outside its range of validity).
    OutOfDomain = 20, "out_of_domain";
}

impl Quality {
    /// Packs quality (2 bits) and reason (6 bits) into the wire byte; 0 means good.
    pub fn pack(self, reason: Reason) -> u8 {
        let q = match self {
            Quality::Good => 0,
            Quality::Uncertain => 1,
            Quality::Bad => 2,
        };
        q << 6 | reason.code()
    }

    /// Reads a wire byte; `None` for codes this version does not know.
    pub fn unpack(byte: u8) -> Option<(Quality, Reason)> {
        let quality = match byte >> 6 {
            0 => Quality::Good,
            1 => Quality::Uncertain,
            2 => Quality::Bad,
            _ => return None,
        };
        Some((quality, Reason::from_code(byte & 0x3f)?))
    }

    /// Name used in JSON and logs.
    pub fn name(self) -> &'static str {
        match self {
            Quality::Good => "good",
            Quality::Uncertain => "uncertain",
            Quality::Bad => "bad",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quality_and_reason_survives_the_wire_byte() {
        for quality in [Quality::Good, Quality::Uncertain, Quality::Bad] {
            for reason in Reason::ALL {
                assert_eq!(Quality::unpack(quality.pack(*reason)), Some((quality, *reason)));
            }
        }
        assert_eq!(Quality::Good.pack(Reason::None), 0, "good without a reason is the zero byte");
        assert_eq!(Quality::unpack(0xff), None, "an unknown code is refused, not guessed");
    }
}
