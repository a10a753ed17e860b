//! A drawn mine yard with articulated people, in whom a pose model finds people.
//!
//! Invariant: a picture follows from scenario, seed and time alone. Deliberately absent: video.

mod canvas;
mod figure;
mod motion;
mod yard;

pub(crate) use motion::Scenario;
pub(crate) use yard::{Disturbance, Scene};
