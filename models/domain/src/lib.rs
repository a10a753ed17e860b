//! The vocabulary every Minewatch program shares: identifiers, time, quality,
//! warning levels, ledger records, the frozen wire format and the topic tree.
//!
//! Invariant: nothing here touches a clock, a socket, a file or SQL; time is
//! always an argument. Deliberately absent: what a record *means* for a dam
//! (`models/dam`), and any storage layout (`gateway/src/spool`, `aggregator/src/store`).

mod ids;
mod level;
mod org;
mod outline;
mod quality;
mod ranges;
mod record;
mod time;
pub mod topics;
pub mod wire;

pub use ids::{DeviceId, GatewayId, IdError, PersonId, PointId};
pub use level::Level;
pub use org::{OrgError, OrgPath};
pub use outline::{
    BothNames, CameraOutline, DamOutline, ItemOutline, Location, PiezometerOutline, SectionOutline, SiteOutline,
};
pub use quality::{Quality, Reason};
pub use ranges::RangeSet;
pub use record::{
    AlarmKind, AlarmTransition, Catalogue, CataloguePoint, Event, EventKind, Gap, GapReason, Lane, LevelLimits,
    Reading, Record, SitePath,
};
pub use time::At;
