//! Which writes may leave the gateway.
//!
//! Invariant: every write to an instrument passes [`guarded_write`]; a register that the
//! instrument's file blocks (set zero, change address, reset rain) is refused before anything is
//! sent. Deliberately absent: an override; commissioning uses the maker's own tool.

use super::link::Link;
use super::request::{Fault, Request};
use crate::instrument::{Function, RegisterMap};
use std::time::Duration;

/// Why a write was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The instrument's file blocks the address.
    #[error("writing {function} {address} is blocked: {reason}", function = .function.name())]
    Blocked {
        /// Table.
        function: Function,
        /// Address, 0-based.
        address: u16,
        /// The file's reason.
        reason: String,
    },
    /// It was sent and failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Whether the map allows the request. Reads are always allowed.
///
/// # Errors
/// [`WriteError::Blocked`] names the file's reason.
pub fn permit(map: Option<&RegisterMap>, request: Request) -> Result<(), WriteError> {
    let (function, address) = match request {
        Request::Read(_) => return Ok(()),
        Request::WriteRegister { address, .. } => (Function::Holding, address),
        Request::WriteCoil { address, .. } => (Function::Coil, address),
    };
    match map.and_then(|map| map.write_blocked(function, address)) {
        Some(blocked) => Err(WriteError::Blocked { function, address, reason: blocked.reason.clone() }),
        None => Ok(()),
    }
}

/// Sends a write if the device's map allows it.
///
/// # Errors
/// [`WriteError`] tells a refusal from a failure.
pub async fn guarded_write(
    link: &mut Link,
    map: Option<&RegisterMap>,
    unit: u8,
    request: Request,
    timeout: Duration,
) -> Result<(), WriteError> {
    permit(map, request)?;
    link.transact(unit, request, timeout).await?;
    Ok(())
}
