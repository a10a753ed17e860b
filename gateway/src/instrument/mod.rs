//! Instruments as data: what registers a device has, how to read them in few requests, and
//! what their words mean.
//!
//! Flow: [`RegisterMap::parse`] (TOML to a valid map, every problem at once) -> [`plan`]
//! (quantities to few [`ReadRequest`]s) -> the bus task reads -> [`decode`] (words to
//! [`RawReading`]s with quality).
//!
//! Invariant: pure; no I/O and no clock. A multi-register value or a read-together group is
//! never split over two requests, and a sentinel, a bad status, NaN or infinity never becomes a
//! value. Deliberately absent: talking Modbus (`modbus`), plausibility over time (`qualify`).

mod codec;
mod decode;
mod map;
mod plan;
mod raw;
mod raw_check;
mod raw_quantity;

pub use codec::{ByteOrder, OrderView, ValueType, all_orders, bits_to_words, words_to_bits};
pub use decode::{Answer, RawReading, decode};
pub use map::{
    AddressBase, Age, BlockedWrite, Busy, ClockSet, Names, Quantity, REGISTER_BLOCK_MAX, RegisterMap, SerialDefaults,
    Severity, Status, TIMEOUT_MS_MAX, Trigger, Verified,
};
pub use plan::{Function, Plan, ReadRequest, plan};

#[cfg(test)]
mod tests;
