//! What one bus counted. Invariant: counters only rise. Deliberately absent: names and labels of
//! the exported metrics.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// Running counters of one bus, written by its task and read by the metrics page.
        #[derive(Debug, Default)]
        pub struct BusCounters { $($(#[$doc])* pub $name: AtomicU64,)+ }

        /// The counters at one moment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct BusCounts { $($(#[$doc])* pub $name: u64,)+ }

        impl BusCounters {
            /// Reads all counters.
            pub fn counts(&self) -> BusCounts {
                BusCounts { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }
        }

        impl BusCounts {
            /// Name and value of every counter, for export.
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}

counters! {
    /// Requests sent.
    requests,
    /// Requests answered with data or a write confirmation.
    answers,
    /// Requests without an answer in time.
    timeouts,
    /// Exception answers other than busy.
    exceptions,
    /// Busy answers.
    busy,
    /// Answers that contradicted their request, and damaged frames.
    desyncs,
    /// Frames of other addresses seen on a serial line.
    foreign_frames,
    /// Requests that failed because the line broke or could not be opened.
    link_faults,
    /// Connections or ports opened, the first one included.
    connects,
    /// Attempts to open that failed.
    connect_failures,
    /// Late bytes thrown away after a timeout on a serial line.
    late_bytes,
    /// Reads sent on a serial line only to be sure that no older answer is outstanding.
    fences,
    /// Polls whose time passed unused because the bus or the site task was busy.
    skipped_polls,
    /// Times a finished poll had to wait because the site task's queue was full.
    overloads,
    /// Times the read blocks of a device were made smaller because it refused one, or as configured again.
    blocks_changed,
    /// Commands (siren) carried out.
    commands,
}

pub(super) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

pub(super) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_what_was_counted() {
        let counters = BusCounters::default();
        count(&counters.requests);
        add(&counters.requests, 2);
        assert_eq!(counters.counts().requests, 3);
        assert!(counters.counts().named().contains(&("requests", 3)));
    }
}
