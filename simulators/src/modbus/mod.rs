//! Modbus as bytes: application units (`pdu`) and their two envelopes (`frame`).
//! Hand-written, because a test slave must be able to answer wrongly on purpose.

pub mod frame;
pub mod pdu;
