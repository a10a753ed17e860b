//! Red flags over OCDS compiled releases (Open Contracting Data Standard 1.1), one release a line.
//!
//! Indicators, settings and output follow the public tool `cardinal` (Open Contracting
//! Partnership), so that its users can switch: R003, R018, R024, R025, R028, R030, R035, R036,
//! R038, R048, R058. Quartiles need the whole set, so flags are known only at [`RedFlags::finish`].
//!
//! Invariant: a field of an unexpected type counts as absent, never as a reason to drop the
//! record; a line that is not JSON costs that line only. Deliberately absent: reading files,
//! currency conversion (processes in another currency are left out of price comparisons), lots.

mod bids;
mod fence;
mod flags;
mod lenient;
mod record;
mod report;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use fence::{quantile, sorted};
pub use flags::{Folded, RedFlags};
pub use report::{Indicator, Report};
pub use settings::{Settings, SettingsProblem};
