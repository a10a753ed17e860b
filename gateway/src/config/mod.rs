//! Configuration: one site file and the instrument files it names, parsed into a
//! [`SiteConfig`] that can be run.
//!
//! Invariant: either a configuration is valid as a whole, or every [`Problem`] is reported, each
//! with where, what and why; unknown keys are refused. [`build`] is pure, [`load`] is the thin
//! shell that reads files. Deliberately absent: secrets (only names of files), and reloading.

mod build;
mod build_bus;
mod build_camera;
mod build_device;
mod build_point;
mod check;
mod check_dam;
mod csv;
mod load;
mod outline;
mod problem;
mod site;
mod table;

pub use build::{Texts, build};
pub use load::load;
pub use problem::Problem;
pub(crate) use problem::Problems;
pub use site::{
    Bus, BusKind, Cameras, ClientIdentity, ConfigHash, Deadband, Device, EvidenceSend, Hampel, LevelSettings, Login,
    Parity, Point, Poll, QualifySettings, RateDirection, Readback, SerialLine, Siren, SiteConfig, SpoolConfig,
    UplinkConfig, catalogue,
};
pub(crate) use table::{Table, is_slug};

#[cfg(test)]
mod tests;
