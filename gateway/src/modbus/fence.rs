//! Tells when an answer on a serial line could belong to an earlier request, and which request
//! to send first to find out.
//!
//! RTU answers carry no transaction id and no address: after a timeout, the late answer of the
//! same unit, function and length looks right. Waiting makes that unlikely, not impossible. So
//! before the unit is asked for an answer of a shape that is still outstanding, it is asked for one
//! of another length: a *fence*. A unit answers in order, so once the fence is answered everything
//! before it has passed.
//!
//! Invariant: a read is let through only if no unanswered request of its unit has the same shape.
//! Deliberately absent: sending, waiting, Modbus TCP (it has transaction ids).

use super::request::Request;
use crate::instrument::{Function, ReadRequest};
use std::collections::BTreeMap;

/// Outstanding shapes kept per unit; older ones have had this many timeouts to arrive.
pub(super) const SHAPES_MAX: usize = 8;

/// What an answer looks like on the line: function and bytes of data.
type Shape = (Function, u16);

fn shape(request: Request) -> Option<Shape> {
    match request {
        Request::Read(r) => {
            let bytes = if r.function.is_bits() { r.count.div_ceil(8) } else { r.count.saturating_mul(2) };
            Some((r.function, bytes))
        }
        // The echo of a write names its address and value: a late one says nothing wrong.
        Request::WriteRegister { .. } | Request::WriteCoil { .. } => None,
    }
}

/// Requests of which the answer may still come, per unit.
#[derive(Debug, Default)]
pub(super) struct Outstanding(BTreeMap<u8, Vec<Shape>>);

impl Outstanding {
    /// The request got no answer that was surely its own.
    pub(super) fn add(&mut self, unit: u8, request: Request) {
        let Some(shape) = shape(request) else { return };
        let shapes = self.0.entry(unit).or_default();
        shapes.retain(|old| *old != shape);
        shapes.push(shape);
        if shapes.len() > SHAPES_MAX {
            shapes.remove(0);
        }
    }

    /// The unit answered something that nothing outstanding could have been.
    pub(super) fn clear(&mut self, unit: u8) {
        self.0.remove(&unit);
    }

    /// Whether an answer of the unit may still come.
    pub(super) fn any(&self, unit: u8) -> bool {
        self.0.contains_key(&unit)
    }

    /// The read to send before `request`, if its answer could be confused.
    pub(super) fn fence(&self, unit: u8, request: Request) -> Option<Request> {
        let shapes = self.0.get(&unit)?;
        if !shapes.contains(&shape(request)?) {
            return None;
        }
        let Request::Read(ReadRequest { function, address, .. }) = request else { return None };
        let step = if function.is_bits() { 8 } else { 1 };
        (1..)
            .map(|n: u16| Request::Read(ReadRequest { function, address, count: n * step }))
            .take(SHAPES_MAX + 1)
            .find(|fence| shape(*fence).is_some_and(|shape| !shapes.contains(&shape)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(function: Function, address: u16, count: u16) -> Request {
        Request::Read(ReadRequest { function, address, count })
    }

    #[test]
    fn only_a_request_that_could_be_confused_is_fenced() {
        let mut outstanding = Outstanding::default();
        outstanding.add(1, read(Function::Holding, 500, 2));
        assert_eq!(
            outstanding.fence(1, read(Function::Holding, 10, 2)),
            Some(read(Function::Holding, 10, 1)),
            "same unit, table and length"
        );
        assert_eq!(outstanding.fence(1, read(Function::Holding, 10, 3)), None, "another length");
        assert_eq!(outstanding.fence(1, read(Function::Input, 10, 2)), None, "another table");
        assert_eq!(outstanding.fence(2, read(Function::Holding, 10, 2)), None, "another unit");
        outstanding.clear(1);
        assert_eq!(outstanding.fence(1, read(Function::Holding, 10, 2)), None);
    }

    #[test]
    fn bits_are_confused_by_the_byte() {
        let mut outstanding = Outstanding::default();
        outstanding.add(1, read(Function::Coil, 0, 3));
        assert_eq!(outstanding.fence(1, read(Function::Coil, 8, 8)), Some(read(Function::Coil, 8, 16)));
        assert_eq!(outstanding.fence(1, read(Function::Coil, 8, 9)), None);
    }

    proptest! {
        #[test]
        fn a_fence_is_always_found_and_never_confusable(counts in proptest::collection::vec(1u16..12, 1..40)) {
            let mut outstanding = Outstanding::default();
            for count in counts {
                let request = read(Function::Holding, 7, count);
                outstanding.add(1, request);
                let fence = outstanding.fence(1, request);
                prop_assert!(fence.is_some());
                let fence = fence.unwrap_or(request);
                prop_assert_eq!(outstanding.fence(1, fence), None);
            }
        }
    }
}
