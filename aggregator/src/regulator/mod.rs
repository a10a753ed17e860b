//! Export of alarms, their disposal and closing to a regulator's platform.
//!
//! The platforms' fields are not public, so none is built in: a mapping file says which of our
//! fields become which of theirs, with code tables and formats (`firmware-configs/regulator`). Two
//! ways out: files that appear at once and whole in a folder, or HTTP.
//!
//! Invariant: every step of an alarm or case after the platform was configured is in exactly one
//! package; a package's number and content never change, so a delivery repeated after a crash is the
//! same file or the same idempotency key again. Deliberately absent: personal data (who acted).

mod driver;
pub mod mapping;
pub mod record;
pub mod settings;

pub use driver::Exporter;
pub use settings::{Delivery, Platform, RegulatorConfig};
