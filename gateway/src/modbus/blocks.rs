//! Notices blocks that a device refuses by their size or content, so that the next poll asks in smaller ones.
//!
//! Some devices answer fewer registers at once than their document says, or refuse a block over a register
//! they do not have. Invariant: pure; one odd refusal changes nothing, a device that was away starts again
//! with the blocks of its file. Deliberately absent: how a block is cut (`instrument/plan.rs`).

use super::bus::RequestFault;
use super::request::{Fault, Request};
use super::setup::BusPoll;
use crate::instrument::{Plan, ReadRequest, plan};

/// Illegal data address and illegal data value: what the wrong block is answered with.
const BLOCK_EXCEPTIONS: [u8; 2] = [2, 3];

/// Requests a poll may have beyond those of its file: enough to find two or three odd registers in a full
/// block by halving. A wholly wrong file must not turn each poll into hundreds of refusals.
const MORE_REQUESTS_MAX: usize = 16;

/// What one poll knows of refused blocks.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Refused in the last poll.
    refused: Option<ReadRequest>,
    /// Refused in the last two.
    stubborn: Option<ReadRequest>,
    /// The plan is no longer the one of the file.
    changed: bool,
}

impl Blocks {
    /// A poll is finished, with these faults.
    pub(super) fn polled(&mut self, faults: &[RequestFault]) {
        let refused = faults.iter().filter(|f| matches!(&f.fault, Fault::Exception(e) if BLOCK_EXCEPTIONS.contains(e)));
        let mut reads = refused.filter_map(|fault| match fault.request {
            Request::Read(read) if read.count > 1 => Some(read),
            Request::Read(_) | Request::WriteRegister { .. } | Request::WriteCoil { .. } => None,
        });
        let again = self.refused.and_then(|before| reads.clone().find(|read| *read == before));
        self.stubborn = again;
        self.refused = again.or_else(|| reads.next());
    }

    /// The plan for the next polls, if it changes.
    pub(super) fn reshaped(&mut self, poll: &BusPoll, came_back: bool) -> Option<Plan> {
        let stubborn = self.stubborn.take();
        let of_the_file = || plan(&poll.map, &poll.plan.quantities().collect::<Vec<_>>());
        if came_back && self.changed {
            *self = Blocks::default();
            return Some(of_the_file());
        }
        let smaller = poll.plan.smaller(&poll.map, stubborn?)?;
        if smaller.requests.len() > of_the_file().requests.len() + MORE_REQUESTS_MAX {
            return None;
        }
        self.refused = None;
        self.changed = true;
        Some(smaller)
    }
}
