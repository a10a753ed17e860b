//! The site program: reads instruments, decides and sounds alarms on site, keeps every record
//! in a durable ledger and forwards it to headquarters.
//!
//! The pipeline is `modbus` → `site` (qualify, level rules, siren) → `spool` → `uplink`; `run`
//! is its wiring diagram. Invariant: a record is deleted only after the aggregator's store has
//! committed it. Deliberately absent: SQL, headquarters' rules, and any way to run code from
//! configuration.

pub mod clock;
pub mod config;
pub mod decode;
pub mod enrol;
pub mod evaluate;
pub mod http;
pub mod init;
pub mod instrument;
pub mod modbus;
pub mod people;
pub mod probe;
pub mod qualify;
pub mod replay;
pub mod run;
pub mod siren;
pub mod site;
pub mod spool;
pub mod uplink;
pub mod vision;
