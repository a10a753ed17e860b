//! The harness of the end-to-end tests: it starts the real programs and real peers, cuts links,
//! kills processes, and compares what instruments handed out with what headquarters holds.
//!
//! Invariant: nothing here links the gateway or the aggregator; they are met on the wire, in
//! their files and as processes, as an operator meets them. Every child dies with its test, and
//! every wait has a deadline and says what it saw last. Deliberately absent: judgements about
//! speed (the `bench` binary) and physics (`simulators`).

pub mod aggregator;
pub mod api;
pub mod broker;
pub mod cameras;
pub mod certs;
pub mod forge;
pub mod gateway;
pub mod identity;
pub mod idp;
pub mod ledger;
pub mod peers;
pub mod people;
pub mod postgres;
pub mod process;
pub mod relay;
pub mod scene;
pub mod site;
pub mod slave;
pub mod strangers;
pub mod wait;
