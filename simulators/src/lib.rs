//! One seeded physical world — a tailings pond with its instruments — seen through Modbus
//! slaves, a TCP relay that plays the link, and a load generator that plays gateways.
//!
//! Invariant: the world and the Modbus answers are pure functions of seed, step and request
//! order; sockets, clocks and signals live in [`server`], [`relay`], [`control`] and [`run`].
//! Deliberately absent: anything linked from the gateway or the aggregator; the simulator
//! meets them only on the wire.

pub mod business;
pub mod cli;
pub mod control;
pub mod fault;
pub mod load;
pub mod modbus;
pub mod plant;
pub mod relay;
pub mod rng;
pub mod run;
pub mod scenario;
pub mod serial;
pub mod server;
pub mod world;
