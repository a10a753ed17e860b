//! Tests of the bus: the schedule under simulated time, the link and the task against devices
//! that misbehave.

mod bus;
mod link;
mod peer;
mod schedule;
mod serial;
